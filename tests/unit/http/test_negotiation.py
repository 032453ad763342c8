"""What a client likes best: weights, codings, media types and languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.negotiation import best_encoding, best_language, best_media_type, qualities

ENCODING = st.sampled_from(["gzip", "br", "zstd", "identity", "*", "x-gzip"])
WEIGHT = st.integers(0, 1000).map(lambda thousandths: f"{thousandths / 1000:.3f}")
ACCEPTED = st.lists(st.tuples(ENCODING, WEIGHT), unique_by=lambda one: one[0].removeprefix("x-"))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", []),
        ("a", [("a", 1.0)]),
        ("a;q=0", [("a", 0.0)]),
        ("A ; Q=0.25 , b;q=1.000", [("a", 0.25), ("b", 1.0)]),
        ("a;q=.2", [("a", 0.2)]),
        ("a;q=0.12345", [("a", 0.12345)]),
        ("a;q = 0", [("a", 0.0)]),
        ("a;q=0;q=1", [("a", 0.0)]),
        ("a;q=1.1, a;q=-1, a;q=nan, a;q=, a;q=1e0, a;q=\u0661, b", [("b", 1.0)]),
        ("text/html;level=1;q=0.5;ext=1", [("text/html", 0.5)]),
        ('text/html;x="a;q=0,b"', [("text/html", 1.0)]),
    ],
)
def test_weights_are_read(value: str, found: list[tuple[str, float]]) -> None:
    assert qualities(value) == found


def test_members_beyond_a_hundred_are_not_read() -> None:
    assert len(qualities("a," * 5000)) == 100


@pytest.mark.parametrize(
    ("accept_encoding", "offers", "best"),
    [
        (None, ["br", "gzip"], "identity"),
        ("", ["br", "gzip"], "identity"),
        ("gzip", ["br", "gzip"], "gzip"),
        ("gzip, br", ["br", "gzip"], "br"),
        ("gzip;q=1.0, br;q=0.9", ["br", "gzip"], "gzip"),
        ("GZIP", ["gzip"], "gzip"),
        ("x-gzip", ["gzip"], "gzip"),
        ("gzip", ["x-gzip"], "x-gzip"),
        ("deflate", ["br", "gzip"], "identity"),
        ("*", ["br", "gzip"], "br"),
        ("*;q=0.5, gzip", ["br", "gzip"], "gzip"),
        ("br;q=0, *", ["br", "gzip"], "gzip"),
        ("gzip;q=0.001", ["gzip"], "gzip"),
        ("gzip;q=0.5, identity", ["gzip"], "identity"),
        ("gzip, identity", ["gzip"], "gzip"),
        ("gzip, identity", ["identity", "gzip"], "identity"),
        ("gzip", ["identity", "gzip"], "gzip"),
        ("identity;q=0", ["gzip"], None),
        ("identity;q=0, gzip", ["gzip"], "gzip"),
        ("*;q=0", ["gzip"], None),
        ("*;q=0, identity", ["gzip"], "identity"),
        ("*;q=0, identity;q=0", [], None),
        ("gzip, gzip;q=0", ["gzip"], "identity"),
        ("gzip;q=0, gzip", ["gzip"], "identity"),
        ("gzip;q=0, x-gzip", ["gzip"], "identity"),
        ("gzip;q=2", ["gzip"], "identity"),
        ("gzipped", ["gzip"], "identity"),
        ("not-gzip, br;q=0", ["br", "gzip"], "identity"),
    ],
)
def test_the_best_encoding(accept_encoding: str | None, offers: list[str], best: str | None) -> None:
    assert best_encoding(accept_encoding, offers) == best


@pytest.mark.parametrize("value", ["gzip;q=0", "gzip; q=0.0", "gzip;q=0.000", "br, gzip;q=0", "gzip ;q=0, *"])
def test_gzip_that_is_refused_by_a_zero_is_not_sent(value: str) -> None:
    # Elsewhere a search for "gzip" in the field has found it here.
    assert best_encoding(value, ["gzip"]) == "identity"


@given(ACCEPTED, st.lists(st.sampled_from(["gzip", "br", "zstd"]), unique=True))
def test_no_encoding_is_chosen_that_the_client_excludes(accepted: list[tuple[str, str]], offers: list[str]) -> None:
    listed = {name.removeprefix("x-"): float(weight) for name, weight in accepted}
    best = best_encoding(", ".join(f"{name};q={weight}" for name, weight in accepted), offers)
    if best is None:
        assert listed.get("identity", listed.get("*")) == 0
        assert all(listed.get(offer, listed.get("*", 0)) == 0 for offer in offers)
    else:
        assert listed.get(best, listed.get("*", 1 if best == "identity" else 0)) > 0
        worth = {one: listed.get(one, listed.get("*", 0)) for one in (*offers, "identity")}
        assert worth[best] == max(worth.values())


@pytest.mark.parametrize(
    ("accept", "offers", "best"),
    [
        (None, ["text/html", "application/json"], "text/html"),
        ("", ["text/html"], "text/html"),
        ("rubbish", ["text/html"], "text/html"),
        ("*/*", ["text/html", "application/json"], "text/html"),
        ("*; q=.2, */*; q=.2", ["application/json"], "application/json"),
        ("application/json, text/html", ["text/html", "application/json"], "text/html"),
        ("application/json, text/html;q=0.9", ["text/html", "application/json"], "application/json"),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", ["application/json", "text/html"], "text/html"),
        ("text/*;q=0, text/html", ["text/plain", "text/html"], "text/html"),
        ("*/*, text/html;q=0", ["text/html"], None),
        ("text/html;level=1, text/html;q=0.4", ["text/html", "text/html;level=1"], "text/html;level=1"),
        ("application/json;charset=utf-8", ["application/json"], "application/json"),
        ("text/html;charset=utf-8", ["text/html;charset=latin1"], None),
        ("image/png", ["text/html"], None),
        ("image/png", [], None),
        ("text/html;q=0, text/html", ["text/html"], None),
    ],
)
def test_the_best_media_type(accept: str | None, offers: list[str], best: str | None) -> None:
    assert best_media_type(accept, offers) == best


def test_the_example_of_the_rfc() -> None:
    # RFC 9110 §12.5.1
    accept = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"
    order = ["text/plain;format=flowed", "text/plain", "image/jpeg", "text/plain;format=fixed", "text/html"]
    found = []
    while order:
        best = best_media_type(accept, order)
        assert best is not None
        found.append(best)
        order.remove(best)
    assert found == ["text/plain;format=flowed", "text/plain", "image/jpeg", "text/plain;format=fixed", "text/html"]


def test_an_offer_that_is_no_media_type_is_an_error() -> None:
    for offer in ("html", "text/*", ""):
        with pytest.raises(ValueError, match="want a media type"):
            best_media_type("*/*", [offer])


@pytest.mark.parametrize(
    ("accept_language", "offers", "best"),
    [
        (None, ["en", "de"], "en"),
        (None, [], None),
        ("", ["en"], None),
        ("de", ["en", "de"], "de"),
        ("DE-ch", ["en", "de-CH", "de"], "de-CH"),
        ("de-CH-1996", ["de", "de-CH"], "de-CH"),
        ("zh-Hant-CN-x-private1-private2", ["zh", "zh-Hant"], "zh-Hant"),
        ("zh-Hant-x-a", ["zh-Hant-x", "zh-Hant"], "zh-Hant"),
        ("en;q=0.5, de;q=0.9", ["en", "de"], "de"),
        ("de, en", ["en", "de"], "de"),
        ("en", ["en-GB", "de"], "en-GB"),
        ("e", ["en"], None),
        ("*", ["en", "de"], "en"),
        ("fr, *;q=0.1", ["en", "de"], "en"),
        ("*, en;q=0", ["en", "en-GB", "de"], "de"),
        ("en;q=0, en-GB", ["en", "en-GB"], "en-GB"),
        ("en-GB, en;q=0", ["en"], None),
        ("*;q=0", ["en"], None),
        ("fr", ["en"], None),
        ("de_CH, en", ["de-CH", "en"], "en"),
    ],
)
def test_the_best_language(accept_language: str | None, offers: list[str], best: str | None) -> None:
    assert best_language(accept_language, offers) == best


@given(st.text(), st.lists(st.sampled_from(["en", "de-CH", "zh-Hant"])))
def test_what_is_chosen_is_an_offer(text: str, offers: list[str]) -> None:
    assert best_language(text, offers) in (None, *offers)
    assert best_encoding(text, offers) in (None, "identity", *offers)
    types = [f"text/{offer}" for offer in offers]
    assert best_media_type(text, types) in (None, *types)
