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
from dragoman.middleware.unmodified import not_modified

__all__ = ["ETagSource", "Entry", "Making", "Signature", "Variant", "opened", "signature"]

ETagSource: TypeAlias = Literal["mtime", "content"]

SUFFIXES = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""What a compressed file's name has behind that of its original."""

YEAR_S = 31_536_000
# Builds that can be repeated give all files one time: 0, 1, or 1980, where ZIP begins. It tells nothing of the content.
FIRST_TRUE_S = 315_705_600
READING = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Signature(NamedTuple):
    """By what a file is known to be what it was."""

    device: int
    inode: int
    size: int
    mtime_ns: int


class Variant:
    """One coding of a file. The lists are copied for each answer."""

    __slots__ = ("coding", "etag", "headers", "not_modified", "path", "signature", "size_bytes")

    def __init__(self, path: str, coding: str, found: Signature, etag: ETag, headers: Headers) -> None:
        self.path = path
        self.coding = coding
        self.signature = found
        self.size_bytes = found.size
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
    """By what an entry is made of a file."""

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
        original = examined(path)
        if original is None:
            return None
        last_modified = modified(original)
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
            its = examined(other)
            # One that is older was made of an older file; one that is larger is of no use.
            if its is not None and its.size < original.size and its.mtime_ns // 10**9 >= original.mtime_ns // 10**9:
                found[coding] = (other, its)
        if len(found) > 1:
            common.append(("Vary", "Accept-Encoding"))
        self.add_headers(common, path, url)
        variants = [self.variant(coding, *file, common) for coding, file in found.items()]
        return Entry([one for one in variants if one is not None], last_modified)

    def variant(self, coding: str, path: str, found: Signature, common: Headers) -> Variant:
        etag = self.etag(coding, path, found)
        headers = [
            *common,
            ("ETag", str(etag)),
            ("Accept-Ranges", "bytes"),
            ("Content-Length", str(found.size)),
        ]
        if coding != "identity":
            headers.append(("Content-Encoding", coding))
        return Variant(path, coding, found, etag, headers)

    def etag(self, coding: str, path: str, found: Signature) -> ETag:
        """Of the bytes that are sent: each coding has its own."""
        suffix = "" if coding == "identity" else f"-{coding}"
        if self.etags == "content" or found.mtime_ns < FIRST_TRUE_S * 10**9:
            return ETag(digest(path) + suffix)
        return ETag(f"{found.mtime_ns:x}-{found.size:x}{suffix}")

    def cache_control(self, url: str) -> str | None:
        if self.is_immutable(url):
            return f"max-age={YEAR_S}, public, immutable"
        return None if self.max_age_s is None else f"max-age={self.max_age_s}, public"


def signature(status: os.stat_result) -> Signature:
    """The signature of a file whose status this is."""
    return Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def examined(path: str) -> Signature | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return signature(status) if stat.S_ISREG(status.st_mode) else None


def modified(found: Signature) -> float | None:
    """When it was changed, in seconds since 1970; None when the time tells nothing, or is still to come."""
    seconds = found.mtime_ns / 10**9
    # RFC 9110, section 8.8.2.1: never later than the answer.
    return seconds if FIRST_TRUE_S <= seconds <= time.time() else None


def digest(path: str) -> str:
    """Half of the SHA-256 of what is in the file."""
    made = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 18):
            made.update(block)
    return made.hexdigest()[:32]


def opened(variant: Variant) -> io.FileIO | None:
    """The file, if it is still what it was."""
    try:
        # What has come into its place may be a pipe, and wait for a writer.
        descriptor = os.open(variant.path, READING)
    except OSError:
        return None
    # Exactly this type: it is what a server takes for a file that it can send by itself.
    file = io.FileIO(descriptor)
    if signature(os.fstat(descriptor)) == variant.signature:
        return file
    file.close()
    return None
