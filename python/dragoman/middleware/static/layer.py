"""`Static`: answers for the files of a directory, and hands all other requests on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from io import FileIO
from typing import TypeAlias
from urllib.parse import quote

from dragoman.http.fields import put
from dragoman.http.negotiation import qualities
from dragoman.middleware.development import is_development
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers
from dragoman.middleware.paths import PathTable
from dragoman.middleware.static.entry import SUFFIXES, Entry, ETagSource, Making, Variant, opened
from dragoman.middleware.static.naming import immutability, media_types
from dragoman.middleware.static.respond import NOT_ALLOWED, respond
from dragoman.middleware.static.tree import Symlinks, Tree
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Static"]

log = logging.getLogger("dragoman.middleware")

Directory: TypeAlias = "str | os.PathLike[str]"
AddHeaders: TypeAlias = Callable[[Headers, str, str], object]

READING = ("GET", "HEAD")


class Static(Layer):
    """Serves the files of `directory` at URLs below `prefix`, whole or in ranges, compressed where they are there so.

    directory       what is served; ``Static("static/")`` for `stack`, ``Static(app, "static/")`` around an application
    prefix          the path of the directory in URLs, below where the application is mounted; "/" is all of it
    live            looks at the directory for each request, instead of once at the start. By default under --dev.
    index           name of the file that a directory is answered with, such as ``"index.html"``
    fallback        a file, below the directory, for the navigation of a browser to a page that there is no file for:
                    the ``"index.html"`` of a single-page application
    fallback_except paths, below where the application is mounted, that the fallback is not for: ``["/api"]``
    max_age_s       how long caches may keep a file, in seconds; None says nothing of it
    immutable       which files never change, so that caches keep them for a year: True is for names with a hash in
                    them as Django and webpack write it, False for none; a pattern that is searched for in the URL's
                    path, or a function of it
    charset         of texts; None says nothing of it
    types           media types by suffix or name, before those that are known: ``{".foo": "text/x-foo"}``
    any_origin      lets pages of all origins read the files: ``Access-Control-Allow-Origin: *``
    headers         further fields, or a function that is given (fields, path of the file, URL's path) and changes them
    etags           "mtime": the ETag is made of time and size; "content": of what is in the file, the same on all hosts
    symlinks        "inside": links are followed that stay in the directory; "all"; "none"
    hidden          whether files count whose names begin with a dot; those in ``.well-known`` always do

    Raises ValueError for settings that make no sense, such as a directory that is none.
    Source: RFC 9110, sections 8.8, 12.5.3, 13, 14.

        app = stack(app, Static("static/"))
    """

    def __init__(
        self,
        app: WSGIApplication | Directory | None = None,
        directory: Directory | None = None,
        *,
        prefix: str = "/static/",
        live: bool | None = None,
        index: str | None = None,
        fallback: str | None = None,
        fallback_except: Iterable[str] = (),
        max_age_s: int | None = 60,
        immutable: bool | str | Callable[[str], bool] = True,
        charset: str | None = "utf-8",
        types: Mapping[str, str] | None = None,
        any_origin: bool = False,
        headers: Mapping[str, str] | AddHeaders | None = None,
        etags: ETagSource = "mtime",
        symlinks: Symlinks = "inside",
        hidden: bool = False,
    ) -> None:
        if directory is None and isinstance(app, (str, os.PathLike)):
            app, directory = None, app
        super().__init__(app)  # type: ignore[arg-type]
        if not isinstance(directory, (str, os.PathLike)):
            raise ValueError(f'Static: want the path of a directory, as in Static("static/"), got {directory!r}')
        if not isinstance(prefix, str) or not prefix.startswith("/"):
            raise ValueError(f'prefix: want a path that begins with "/", got {prefix!r}')
        one_of("etags", etags, ("mtime", "content"))
        one_of("symlinks", symlinks, ("inside", "all", "none"))
        if max_age_s is not None and (type(max_age_s) is not int or max_age_s < 0):
            raise ValueError(f"max_age_s: want a number of seconds, 0 or more, or None, got {max_age_s!r}")
        if index is not None and ("/" in index or not index):
            raise ValueError(f"index: want the name of a file, such as index.html, got {index!r}")
        self.prefix = latin(prefix.rstrip("/") + "/")
        self.live = is_development() if live is None else live
        self.index = None if index is None else latin(index)
        self.max_age_s = max_age_s
        self.tree = Tree(os.fspath(directory), symlinks, hidden)
        if not os.path.isdir(self.tree.root):
            if not self.live:
                raise ValueError(f"Static: there is no directory {os.fspath(directory)!r} ({self.tree.root})")
            log.warning("Static: there is no directory %s yet", self.tree.root)
        self.making = Making(
            self.tree.open,
            media_types(types or {}),
            charset,
            max_age_s,
            immutability(immutable),
            any_origin,
            adding(headers),
            etags,
        )
        self.fallback = None if fallback is None else latin(fallback.lstrip("/"))
        self.fallback_except = PathTable.of(fallback_except, "fallback_except")
        # What the fallback is answered with, where the directory is not looked at for each request.
        self.page = None if self.live else self.fallback_entry()
        if self.fallback is not None and not self.live and self.page is None:
            raise ValueError(f"fallback: there is no file {fallback!r} in {self.tree.root}")
        self.entries: dict[str, Entry] = {}
        self.directories: set[str] = set()
        if not self.live:
            self.look_at_all()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer for a file; hand the request on where there is none."""
        path = environ.get("PATH_INFO", "")
        entry = self.entries.get(path)
        if entry is None:
            if self.live or self.index is not None or self.fallback is not None:
                return self.answer_without_entry(path, environ, start_response)
            return self.app(environ, start_response)
        return self.answer(path, entry, environ, start_response)

    def answer(self, path: str, entry: Entry, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with a file, if it is still there."""
        if environ["REQUEST_METHOD"] not in READING:
            return NOT_ALLOWED(environ, start_response)
        accepted = environ.get("HTTP_ACCEPT_ENCODING")
        variant = entry.choose(accepted)
        file = opened(variant)
        if file is None:
            found = self.look_again(path, accepted)
            if found is None:
                return self.app(environ, start_response)
            entry, variant, file = found
        return respond(entry, variant, file, environ, start_response)

    def answer_without_entry(self, path: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer where there is no file by that path at once."""
        if not path.startswith(self.prefix) and path + "/" != self.prefix:
            return self.app(environ, start_response)
        if self.live and (entry := self.entry_at(path)) is not None:
            return self.answer(path, entry, environ, start_response)
        if environ["REQUEST_METHOD"] in READING:
            if self.index is not None and (place := self.moved_to(path)) is not None:
                return self.redirect(place, environ, start_response)
            if self.fallback is not None and self.is_page(path, environ):
                found = self.fallback_of(environ.get("HTTP_ACCEPT_ENCODING"))
                if found is not None:
                    return respond(*found, environ, start_response)
        return self.app(environ, start_response)

    # Finding.

    def look_at_all(self) -> None:
        """Make the entries of all files that there are."""
        files = dict(self.tree.all())
        for inner, target in files.items():
            url = self.prefix + inner
            if self.index is not None and (inner == self.index or inner.endswith(f"/{self.index}")):
                url = url[: -len(self.index)]
                self.directories.add(url)
            compressed = {coding: files[inner + end] for coding, end in SUFFIXES.items() if inner + end in files}
            entry = self.making.entry(target, url, compressed)
            if entry is not None:
                self.entries[url] = entry

    def entry_at(self, path: str, cache_control: str | None = None) -> Entry | None:
        """The entry for `path` as the directory is now; None without a file."""
        if not path.startswith(self.prefix):
            return None
        inner = path[len(self.prefix) :]
        if self.index is not None and (not inner or inner.endswith("/")):
            inner += self.index
        elif (
            self.index is not None
            and cache_control is None
            and (inner == self.index or inner.endswith(f"/{self.index}"))
        ):
            # Has another URL: that of the directory.
            return None
        target = self.tree.find(inner)
        if target is None:
            return None
        found = {coding: self.tree.find(inner + suffix) for coding, suffix in SUFFIXES.items()}
        compressed = {coding: other for coding, other in found.items() if other is not None}
        return self.making.entry(target, path, compressed, cache_control)

    def look_again(self, path: str, accepted: str | None) -> tuple[Entry, Variant, FileIO] | None:
        """A file that has changed since it was looked at; None when it has gone, or changes all the time."""
        entry = self.entry_at(path)
        if entry is None:
            return None
        variant = entry.choose(accepted)
        file = opened(variant)
        if file is None:
            return None
        if not self.live:
            # Whoever sees the old one meanwhile comes here as well.
            self.entries[path] = entry
        return entry, variant, file

    def fallback_entry(self) -> Entry | None:
        """The entry of the fallback as the directory is now."""
        return None if self.fallback is None else self.entry_at(self.prefix + self.fallback, "no-cache")

    def fallback_of(self, accepted: str | None) -> tuple[Entry, Variant, FileIO] | None:
        """The fallback's file; None when it has gone."""
        entry = self.page
        if entry is not None and (file := opened(variant := entry.choose(accepted))) is not None:
            return entry, variant, file
        entry = self.fallback_entry()
        if entry is None or (file := opened(variant := entry.choose(accepted))) is None:
            return None
        if not self.live:
            self.page = entry
        return entry, variant, file

    # Pages and directories.

    def moved_to(self, path: str) -> str | None:
        """Where else what is asked for is, relative to `path`: a directory's index has its URL, with a slash."""
        assert self.index is not None
        if path.endswith(f"/{self.index}"):
            return "./" if self.has_index(path[: -len(self.index)]) else None
        name = path.rpartition("/")[2]
        # Quoted, with a dot before it: "a:b/" would be a scheme, "//a/" a host.
        return f"./{quote(name.encode('latin-1'), safe='')}/" if name and self.has_index(path + "/") else None

    def has_index(self, path: str) -> bool:
        return self.entry_at(path) is not None if self.live else path in self.entries

    def redirect(self, place: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        headers = [("Location", f"{place}?{query}" if query else place), ("Content-Length", "0")]
        if self.max_age_s is not None:
            headers.append(("Cache-Control", f"max-age={self.max_age_s}, public"))
        start_response("301 Moved Permanently", headers)
        return []

    def is_page(self, path: str, environ: Environ) -> bool:
        """Whether a browser navigates to `path`: it accepts pages, and names no file that is missing."""
        if "." in path.rpartition("/")[2] or self.fallback_except.find(path, False):
            return False
        accepted = environ.get("HTTP_ACCEPT", "")
        return "html" in accepted and any(
            name in ("text/html", "application/xhtml+xml") and quality > 0 for name, quality in qualities(accepted)
        )


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name}: want one of {', '.join(allowed)}, got {value!r}")


def latin(text: str) -> str:
    """A path as it comes in an environ: its bytes as latin-1."""
    return os.fsencode(text).decode("latin-1")


def adding(headers: Mapping[str, str] | AddHeaders | None) -> AddHeaders:
    """The function that adds the further fields. Raises ValueError for what is no field."""
    if callable(headers):
        return headers
    given: Headers = []
    for name, value in (headers or {}).items():
        put(given, name, value)

    def add(fields: Headers, path: str, url: str) -> None:
        for name, value in given:
            put(fields, name, value)

    return add
