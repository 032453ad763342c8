"""A file as it is answered: its codings, and the head of each, made once."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from dragoman.http.conditionals import ETag
from dragoman.http.dates import http_date
from dragoman.http.negotiation import best_encoding
from dragoman.middleware.passing import Headers
from dragoman.middleware.static.naming import content_type
from dragoman.middleware.static.tree import READING
from dragoman.middleware.unmodified import not_modified

__all__ = ["ETagSource", "Entry", "Making", "Signature", "Variant", "opened", "signature"]

ETagSource: TypeAlias = Literal["mtime", "content"]

SUFFIXES = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""What a compressed file's name has behind that of its original."""

YEAR_S = 31_536_000
# Builds that can be repeated give all files one time: 0, 1, or 1980, where ZIP begins. It tells nothing of the content.
FIRST_TRUE_S = 315_705_600


class Signature(NamedTuple):
    """By what a file is known to be what it was."""

    device: int
    inode: int
    size: int
    mtime_ns: int


class Found(NamedTuple):
    """A file that was looked at: its signature, and the text that its ETag is made of."""

    signature: Signature
    tag: str


class Variant:
    """One coding of a file. The lists are copied for each answer."""

    __slots__ = ("coding", "etag", "headers", "not_modified", "path", "signature", "size_bytes")

    def __init__(self, path: str, coding: str, found: Found, etag: ETag, headers: Headers) -> None:
        self.path = path
        self.coding = coding
        self.signature = found.signature
        self.size_bytes = found.signature.size
        self.etag = etag
        self.headers = headers
        self.not_modified = not_modified(headers)


class Entry:
    """A file under its URL, in all codings that there are: the smallest first."""

    __slots__ = ("identity", "last_modified", "offers", "variants")

    def __init__(self, variants: Sequence[Variant], last_modified: float | None) -> None:
        self.variants = {variant.coding: variant for variant in sorted(variants, key=lambda one: one.size_bytes)}
        self.offers = tuple(self.variants)
        self.identity = self.variants["identity"]
        self.last_modified = last_modified

    def choose(self, accept_encoding: str | None) -> Variant:
        """The variant for an Accept-Encoding. Where nothing is acceptable the file as it is: section 12.5.3."""
        if accept_encoding is None or len(self.offers) == 1:
            return self.identity
        return self.variants[chosen(accept_encoding, self.offers) or "identity"]


@lru_cache(maxsize=256)
def chosen(accept_encoding: str, offers: tuple[str, ...]) -> str | None:
    return best_encoding(accept_encoding, offers)


class Making(NamedTuple):
    """By what an entry is made of a file. `open` gives a descriptor of the file at a path, or raises OSError."""

    open: Callable[[str], int]
    types: Mapping[str, str]
    charset: str | None
    max_age_s: int | None
    is_immutable: Callable[[str], bool]
    any_origin: bool
    add_headers: Callable[[Headers, str, str], object]
    etags: ETagSource

    def entry(
        self, path: str, url: str, compressed: Mapping[str, str], cache_control: str | None = None
    ) -> Entry | None:
        """The entry for the file at `path`; None when it has gone meanwhile.

        compressed      coding → path of the file's compressed form
        cache_control   instead of what the settings say
        """
        original = self.looked_at(path)
        if original is None:
            return None
        last_modified = modified(original.signature)
        common: Headers = [("Content-Type", content_type(os.path.basename(path), self.types, self.charset))]
        cache_control = self.cache_control(url) if cache_control is None else cache_control
        if cache_control is not None:
            common.append(("Cache-Control", cache_control))
        if self.any_origin:
            common.append(("Access-Control-Allow-Origin", "*"))
        if last_modified is not None:
            common.append(("Last-Modified", http_date(last_modified)))
        found = {"identity": (path, original)}
        for coding, other in compressed.items():
            its = self.looked_at(other)
            if its is not None and may_stand_for(its.signature, original.signature):
                found[coding] = (other, its)
        if len(found) > 1:
            common.append(("Vary", "Accept-Encoding"))
        self.add_headers(common, path, url)
        return Entry([self.variant(coding, *file, common) for coding, file in found.items()], last_modified)

    def looked_at(self, path: str) -> Found | None:
        """What is at `path`; None where there is no file any more, or one that cannot be read."""
        try:
            descriptor = self.open(path)
        except (OSError, ValueError):
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None
            found = signature(status)
            is_read = self.etags == "content" or found.mtime_ns < FIRST_TRUE_S * 10**9
            return Found(found, digest(descriptor) if is_read else f"{found.mtime_ns:x}-{found.size:x}")
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def variant(self, coding: str, path: str, found: Found, common: Headers) -> Variant:
        # Of the bytes that are sent: each coding has its own.
        etag = ETag(found.tag if coding == "identity" else f"{found.tag}-{coding}")
        headers = [
            *common,
            ("ETag", str(etag)),
            ("Accept-Ranges", "bytes"),
            ("Content-Length", str(found.signature.size)),
        ]
        if coding != "identity":
            headers.append(("Content-Encoding", coding))
        return Variant(path, coding, found, etag, headers)

    def cache_control(self, url: str) -> str | None:
        if self.is_immutable(url):
            return f"max-age={YEAR_S}, public, immutable"
        return None if self.max_age_s is None else f"max-age={self.max_age_s}, public"


def signature(status: os.stat_result) -> Signature:
    """The signature of a file whose status this is."""
    return Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def may_stand_for(compressed: Signature, original: Signature) -> bool:
    """Whether one file may be the other one, compressed: an older one is of an older file, a larger one of no use."""
    return compressed.size < original.size and compressed.mtime_ns // 10**9 >= original.mtime_ns // 10**9


def modified(found: Signature) -> float | None:
    """When it was changed, in seconds since 1970; None when the time tells nothing, or is still to come."""
    seconds = found.mtime_ns / 10**9
    # RFC 9110, section 8.8.2.1: never later than the answer.
    return seconds if FIRST_TRUE_S <= seconds <= time.time() else None


def digest(descriptor: int) -> str:
    """Half of the SHA-256 of what is in the file."""
    made = hashlib.sha256()
    while block := os.read(descriptor, 1 << 18):
        made.update(block)
    return made.hexdigest()[:32]


def opened(variant: Variant) -> io.FileIO | None:
    """The file, if it is still what it was."""
    try:
        descriptor = os.open(variant.path, READING)
    except OSError:
        return None
    if signature(os.fstat(descriptor)) != variant.signature:
        os.close(descriptor)
        return None
    # Exactly this type: it is what a server takes for a file that it can send by itself.
    return io.FileIO(descriptor)
