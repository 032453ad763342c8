"""Which of several offers a client likes best: codings, media types and languages (RFC 9110 §12, RFC 4647 §3.4)."""

import re
from collections.abc import Iterable, Mapping, Sequence

from dragoman.http.fields import split_list, split_quoted
from dragoman.http.media_types import MediaType, parse_media_type

__all__ = ["best_encoding", "best_language", "best_media_type", "media_type_quality", "qualities"]

MOST_MEMBERS = 100

# RFC 9110 §12.4.2: weight = OWS ";" OWS "q=" qvalue. Read are also ".2", as Java sends it, and more than three digits.
WEIGHT = re.compile(r"0?\.[0-9]+|0\.?|1(?:\.0*)?")
# RFC 9110 §8.4.1: "a recipient SHOULD consider "x-gzip" to be equivalent to "gzip"", and of x-compress the same.
CODING_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}
# RFC 4647 §2.1: language-range = (1*8ALPHA *("-" 1*8alphanum)) / "*"; tags have six subtags and a few private ones.
LANGUAGE_RANGE = re.compile(r"[a-z]{1,8}(?:-[a-z0-9]{1,8}){0,20}|\*")


def qualities(value: str) -> list[tuple[str, float]]:
    """The members of Accept, Accept-Encoding or Accept-Language with their weights, in their order.

    Returns (member, quality) pairs: the member in lower case without its parameters, 0.0 <= quality <= 1.0. 1.0 is
    for a member without a weight; 0.0 says "not this one". A member whose weight cannot be read is left out, and so is
    what comes after the first 100.
    Never raises.
    Source: RFC 9110 §12.4.2.

    >>> qualities("br, GZIP;q=0.5, *;q=0")
    [('br', 1.0), ('gzip', 0.5), ('*', 0.0)]
    """
    return [(member.partition(";")[0].rstrip(" \t").lower(), quality) for member, quality in weighted(value)]


def best_encoding(accept_encoding: str | None, offers: Sequence[str]) -> str | None:
    """The content coding to send: one of `offers`, ``"identity"``, or None when the client accepts neither.

    accept_encoding   field value; None when the field is missing: then it is ``"identity"``
    offers            codings that can be made, the favourite first; ``"identity"`` is one of them in any case, the
                      last unless it is named
    The highest weight wins, and among equals the first offer. ``x-gzip`` is ``gzip``. A coding that is named twice
    has the lower of its weights. Send no Content-Encoding for ``"identity"``, and Vary: Accept-Encoding always.
    Never raises.
    Source: RFC 9110 §12.5.3. What is not listed is not acceptable, except identity, which needs a zero of its own or
    that of ``*``.

    >>> best_encoding("gzip, br", ["br", "gzip"]), best_encoding("gzip;q=0", ["gzip"])
    ('br', 'identity')
    >>> best_encoding("*;q=0", ["gzip"]) is None
    True
    """
    # "any content coding is considered acceptable": those who do not ask are often those who cannot decode.
    if accept_encoding is None:
        return "identity"
    listed: dict[str, float] = {}
    for name, quality in qualities(accept_encoding):
        coding = CODING_ALIASES.get(name, name)
        listed[coding] = min(quality, listed.get(coding, 1.0))
    candidates = offers if "identity" in offers else [*offers, "identity"]
    best = best_of((listed.get(canonical_coding(offer), listed.get("*", 0.0)), offer) for offer in candidates)
    # Identity that is not spoken of is acceptable, but asked for by nobody: anything that is comes before it.
    is_spoken_of = "identity" in listed or "*" in listed
    return best if best is not None or is_spoken_of else "identity"


def best_media_type(accept: str | None, offers: Sequence[str]) -> str | None:
    """The one of `offers` that suits Accept best; None when none does.

    accept   field value; None when the field is missing: everything suits, as it does when nothing in it can be read
    offers   media types, with parameters if they matter: ``"text/html"``, ``"text/plain;format=flowed"``
    Of the ranges that an offer is in, the most specific gives its weight. The highest weight wins, and among equals the
    first offer. ``*`` is read as ``*/*``, since Java sends it, and a charset in a range concerns only those offers that
    name one.
    Raises ValueError for an offer that is no media type.
    Source: RFC 9110 §12.5.1.

    >>> best_media_type("text/*;q=0.5, application/json", ["text/html", "application/json"])
    'application/json'
    >>> best_media_type("text/html", ["image/png"]) is None
    True
    """
    types = [offered_type(offer) for offer in offers]
    ranges = media_ranges(accept or "")
    if not ranges:
        return offers[0] if offers else None
    return best_of((quality_of_type(one, ranges), offer) for one, offer in zip(types, offers, strict=True))


def media_type_quality(accept: str | None, offer: str) -> float:
    """How much a client likes a media type, from 0.0, which is not at all, to 1.0.

    accept   field value; None when the field is missing: everything suits, as it does when nothing in it can be read
    offer    media type, with parameters if they matter
    Raises ValueError for an offer that is no media type.
    Source: RFC 9110 §12.5.1.

    >>> media_type_quality("text/*;q=0.5", "text/html"), media_type_quality("text/*;q=0.5", "image/png")
    (0.5, 0.0)
    """
    ranges = media_ranges(accept or "")
    return quality_of_type(offered_type(offer), ranges) if ranges else 1.0


def best_language(accept_language: str | None, offers: Sequence[str]) -> str | None:
    """The one of `offers` that suits Accept-Language best; None when none does: then take your default.

    accept_language   field value; None when the field is missing: everything suits
    offers            language tags, the favourite first: ``["en", "de-CH"]``
    Ranges are tried by falling weight, each shortened from its end until an offer is equal to it: ``de-CH-1996``
    finds ``de-CH`` and then ``de``. A range that finds nothing so takes the first offer that begins with it: ``en``
    finds ``en-GB``. ``*`` comes last, and takes the first offer that no range with q=0 excludes.
    Never raises. Letters are compared without regard to case.
    Source: RFC 4647 §3.4 (lookup), then §3.3.1 (filtering); RFC 9110 §12.5.4.

    >>> best_language("de-CH, en;q=0.5", ["en", "de"]), best_language("fr, *;q=0.1", ["en", "de"])
    ('de', 'en')
    >>> best_language("fr", ["en", "de"]) is None
    True
    """
    if accept_language is None:
        return offers[0] if offers else None
    listed: dict[str, float] = {}
    for name, quality in qualities(accept_language):
        if LANGUAGE_RANGE.fullmatch(name):
            listed[name] = min(quality, listed.get(name, 1.0))
    allowed = [offer for offer in offers if not is_excluded(offer.lower(), listed)]
    wanted = sorted((name for name in listed if name != "*" and listed[name] > 0), key=lambda name: -listed[name])
    for name in wanted:
        found = looked_up(name, allowed)
        if found is not None:
            return found
    return allowed[0] if allowed and listed.get("*", 0.0) > 0 else None


def weighted(value: str) -> list[tuple[str, float]]:
    """Each member up to its weight, and its weight. RFC 9110 §12.5.1: what stands behind a weight means nothing now."""
    found = []
    for member in split_list(value)[:MOST_MEMBERS]:
        if ";" not in member:
            found.append((member, 1.0))
            continue
        before = []
        weight = "1"
        for part in split_quoted(member, ";"):
            name, sign, text = part.partition("=")
            if sign and name.rstrip(" \t") in ("q", "Q"):
                weight = text.lstrip(" \t")
                break
            before.append(part)
        if WEIGHT.fullmatch(weight):
            found.append((";".join(before), float(weight[:12])))
    return found


def best_of(weighed: Iterable[tuple[float, str]]) -> str | None:
    """The offer with the highest weight above zero, the first among equals."""
    best, best_quality = None, 0.0
    for quality, offer in weighed:
        if quality > best_quality:
            best, best_quality = offer, quality
    return best


def canonical_coding(offer: str) -> str:
    coding = offer.lower()
    return CODING_ALIASES.get(coding, coding)


def offered_type(offer: str) -> MediaType:
    parsed = parse_media_type(offer)
    if parsed is None or "*" in (parsed.type, parsed.subtype):
        raise ValueError(f"{offer!r}: want a media type such as text/html")
    return parsed


def media_ranges(accept: str) -> list[tuple[MediaType, float]]:
    found = []
    for member, quality in weighted(accept):
        essence, sign, rest = member.partition(";")
        parsed = parse_media_type(f"*/*{sign}{rest}" if essence == "*" else member)
        if parsed is not None:
            found.append((parsed, quality))
    return found


def quality_of_type(offered: MediaType, ranges: Sequence[tuple[MediaType, float]]) -> float:
    """The weight of the most specific range that the type is in; of two that are as specific the lower one."""
    best = (-1, -1, 0.0)
    for media_range, quality in ranges:
        if offered.matches(without_idle_charset(media_range, offered)):
            stars = (media_range.type, media_range.subtype).count("*")
            best = max(best, (2 - stars, len(media_range.parameters), -quality))
    return abs(best[2])


def without_idle_charset(media_range: MediaType, offered: MediaType) -> MediaType:
    if "charset" not in media_range.parameters or "charset" in offered.parameters:
        return media_range
    kept = {name: value for name, value in media_range.parameters.items() if name != "charset"}
    return MediaType(media_range.type, media_range.subtype, kept)


def is_excluded(tag: str, listed: Mapping[str, float]) -> bool:
    """Whether the longest range that `tag` begins with has the weight 0."""
    containing = [name for name in listed if name != "*" and begins_with(tag, name)]
    return bool(containing) and listed[max(containing, key=len)] == 0.0


def looked_up(language_range: str, offers: Sequence[str]) -> str | None:
    # RFC 4647 §3.4: "the single letter or digit subtags are removed at the same time as the subtag that follows"
    subtags = language_range.split("-")
    while subtags:
        shortened = "-".join(subtags)
        found = next((offer for offer in offers if offer.lower() == shortened), None)
        if found is not None:
            return found
        subtags.pop()
        if len(subtags) > 1 and len(subtags[-1]) == 1:
            subtags.pop()
    return next((offer for offer in offers if begins_with(offer.lower(), language_range)), None)


def begins_with(tag: str, language_range: str) -> bool:
    # RFC 4647 §3.3.1: equal, or a prefix up to a hyphen.
    return tag == language_range or tag.startswith(f"{language_range}-")
