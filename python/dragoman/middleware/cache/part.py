"""`Cache`: keeps the application's own answers, as HTTP allows a cache that all clients share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from urllib.parse import urljoin, urlsplit

from dragoman.http.cache_control import CacheControl, parse_cache_control
from dragoman.http.fields import get, is_token
from dragoman.middleware.answer import plain
from dragoman.middleware.cache.answering import give
from dragoman.middleware.cache.entry import Entry, Freshness
from dragoman.middleware.cache.fetch import Fetch, Rules
from dragoman.middleware.cache.flights import Flight, Flights
from dragoman.middleware.cache.key import Target, ignored_query, key_of, key_of_url, target_of, variant_of
from dragoman.middleware.cache.leases import Leases
from dragoman.middleware.cache.refreshing import Refreshing, anonymous
from dragoman.middleware.cache.shelf import Found, Shelf
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers, close_of, editing
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.stores.base import Store, StoreDown
from dragoman.middleware.stores.memory import MemoryStore
from dragoman.middleware.stores.urls import store_of
from dragoman.middleware.stores.watched import Watched
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["CACHE", "Cache"]

CACHE = "dragoman.cache"
"""The environ's key for the `Cache`: an application purges with it."""

MEANS = "requests go to the application, and what they change is not purged"
# RFC 9110 section 9.2.1. Any other method may change something.
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
RAW_TARGETS = ("REQUEST_URI", "RAW_URI")
NOTHING = Found(None, None, None)


class Cache(Layer):
    """Keeps answers to GET that may be kept, and gives them to others who ask for the same.

    store            where: a store of `dragoman.middleware.stores`, or its URL; by default 32 MiB in this process
    default          Cache-Control that is meant for answers that have none, such as ``"max-age=60"``; clients do not
                     see it
    by_path          the same by path, the longest prefix that fits wins; None: what lies below goes by the cache
    bypass           a function of the environ: whether a request goes by the cache
    vary_by          a function of the environ that gives text: answers are kept apart by it
    ignore_query     names of parameters of the query that count for nothing, such as ``["utm_*", "fbclid"]``; the
                     application does not get them either
    max_bytes        larger answers are not kept
    wait_s           how long a request waits for one that makes the same answer just now, before it makes its own
    max_waiting      how many wait so at once
    max_refreshing   how many answers are made anew in the background at once
    heuristics       whether answers that only say when they were changed last are fresh for a tenth of that time
    client_reloads   whether a client's ``Cache-Control: no-cache`` or ``max-age=0`` makes us ask the application
    tag_field        the field of answers that has their tags, to purge by; clients do not see it
    status_name      what Cache-Status calls this cache; None: there is no such field
    prefix           stands before each key in the store

    ``environ["dragoman.cache"]`` is this object: see `purge` and `purge_tags`.
    Raises ValueError for what cannot be one of these.
    Source: RFC 9111, RFC 5861, RFC 9211.

        app = Cache(app, by_path={"/blog": "max-age=60, stale-while-revalidate=600"})
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        store: Store | str | None = None,
        default: str | None = None,
        by_path: Mapping[str, str | None] | None = None,
        bypass: Callable[[Environ], bool] | None = None,
        vary_by: Callable[[Environ], str] | None = None,
        ignore_query: Collection[str] = (),
        max_bytes: int = 1 << 20,
        wait_s: float = 2.0,
        max_waiting: int = 16,
        max_refreshing: int = 2,
        heuristics: bool = False,
        client_reloads: bool = False,
        tag_field: str = "Cache-Tag",
        status_name: str | None = "dragoman",
        prefix: str = "cache:",
    ) -> None:
        super().__init__(app)
        if isinstance(ignore_query, str) or not all(isinstance(one, str) and one for one in ignore_query):
            raise ValueError(f'ignore_query: want a list of names, such as ["utm_*"], got {ignore_query!r}')
        for name, number in (("max_bytes", max_bytes), ("max_waiting", max_waiting)):
            if type(number) is not int or number < 0:
                raise ValueError(f"{name}: want a whole number from 0 on, got {number!r}")
        if type(max_refreshing) is not int or max_refreshing < 0:
            raise ValueError(f"max_refreshing: want a whole number from 0 on, got {max_refreshing!r}")
        if not 0 <= wait_s < float("inf"):
            raise ValueError(f"wait_s: want seconds from 0 on, got {wait_s!r}")
        if not is_token(tag_field):
            raise ValueError(f"tag_field: want the name of a field, such as Cache-Tag, got {tag_field!r}")
        # RFC 9651 section 3.3.4: a token of a structured field begins with a letter or "*".
        if status_name is not None and not re.fullmatch(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*", status_name):
            raise ValueError(f"status_name: want a token that begins with a letter, got {status_name!r}")
        self.default = None if default is None else assumed_from(default, "default")
        self.by_path: PathTable[CacheControl | None] = PathTable(
            {
                path: None if text is None else assumed_from(text, f"by_path: {path}")
                for path, text in (by_path or {}).items()
            },
            "by_path",
        )
        self.bypass = bypass
        self.vary_by = vary_by
        self.ignore_query = tuple(ignore_query)
        self.wait_s = wait_s
        self.client_reloads = client_reloads
        self.status_name = status_name
        if isinstance(store, str):
            store = store_of(store)
        self.watched = Watched(MemoryStore() if store is None else store, "cache", MEANS)
        self.shelf = Shelf(self.watched, prefix, max_bytes)
        self.rules = Rules(self.shelf, max_bytes, heuristics, tag_field, self.tell)
        self.flights = Flights(max_waiting)
        self.leases = Leases(self.watched, prefix)
        self.refreshing = Refreshing(max_refreshing)

    def purge(self, *urls: str) -> None:
        """Take away all answers of these URLs, such as ``"https://shop.example/list?page=2"``.

        An answer that is just being made is not kept either. Raises ValueError for what is no absolute URL, StoreDown
        when the store cannot be reached.
        """
        for key in [key_of_url(url, self.ignore_query) for url in urls]:
            self.shelf.purge(key)

    def purge_tags(self, *tags: str) -> None:
        """Take away all answers that had one of these tags in their Cache-Tag field. Raises StoreDown."""
        for tag in tags:
            self.shelf.purge_tag(tag)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, from the store where that may be."""
        assumed = self.default
        if self.by_path:
            found = self.by_path.find(path_of(environ), assumed if assumed is not None else SILENT)
            if found is None:
                return self.app(environ, start_response)
            assumed = None if found is SILENT else found
        environ[CACHE] = self
        method = environ.get("REQUEST_METHOD")
        if method not in SAFE:
            return self.changing(environ, start_response)
        if method not in ("GET", "HEAD"):
            return self.passing(environ, start_response, "fwd=method")
        # What a body says is in no key.
        has_body = environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ
        if has_body or (self.bypass is not None and self.bypass(environ)):
            return self.passing(environ, start_response, "fwd=bypass")
        if self.ignore_query:
            self.drop_ignored(environ)
        target = target_of(environ, self.vary_by)
        if target is None:
            return self.passing(environ, start_response, "fwd=bypass; detail=host")
        return self.answer(environ, start_response, target, assumed)

    def answer(
        self, environ: Environ, start_response: StartResponse, target: Target, assumed: CacheControl | None
    ) -> Iterable[bytes]:
        try:
            found = self.shelf.find(target, environ)
        except StoreDown:
            return self.passing(environ, start_response, "fwd=bypass; detail=store")
        entry, now = found.entry, time.time()
        must_ask, only_if_cached = self.wishes(environ)
        freshness = None if entry is None else entry.freshness(now)
        if entry is not None and not must_ask:
            if freshness is Freshness.FRESH:
                return self.hit(entry, environ, start_response, now, "hit")
            if freshness is Freshness.STALE_USABLE:
                self.refresh(environ, target, found, assumed)
                return self.hit(entry, environ, start_response, now, "hit")
        if only_if_cached:
            return GATEWAY_TIMEOUT(environ, start_response)
        why = "request" if must_ask and freshness is Freshness.FRESH else "stale" if entry else "uri-miss"
        if entry is None and found.known is not None:
            why = "miss"
        if environ["REQUEST_METHOD"] == "HEAD" or "HTTP_RANGE" in environ:
            return self.passing(environ, start_response, f"fwd={why}")
        flight_key = self.flight_key(target, found, environ)
        flight = self.flights.begin(flight_key)
        if not must_ask and self.has_waited(flight, flight_key, found):
            try:
                found = self.shelf.find(target, environ)
            except StoreDown:
                end(flight)
                return self.passing(environ, start_response, "fwd=bypass; detail=store")
            entry, now = found.entry, time.time()
            if entry is not None and entry.freshness(now) is not Freshness.STALE:
                end(flight)
                return self.hit(entry, environ, start_response, now, f"fwd={why}; collapsed")
        return self.fetch(environ, start_response, target, found, assumed, why, flight)

    def fetch(
        self,
        environ: Environ,
        start_response: StartResponse,
        target: Target,
        found: Found,
        assumed: CacheControl | None,
        why: str,
        flight: Flight | None,
    ) -> Iterable[bytes]:
        try:
            fetch = Fetch(
                self.rules,
                environ,
                start_response,
                target=target,
                found=found,
                assumed=assumed,
                why=why,
                flight=flight,
                stale=found.entry,
            )
        except BaseException:
            end(flight)
            raise
        return fetch.run(self.app)

    def has_waited(self, flight: Flight | None, key: str, found: Found) -> bool:
        """Wait for a request that makes the same answer, in this process or in another. Whether there was one."""
        if flight is None:
            return self.flights.wait(key, self.wait_s)
        if found.known is None:
            # Nothing of this URL was ever kept: most such answers never are, and a lease has its price.
            return False
        flight.give_back = self.leases.take(key)
        if flight.give_back is not None:
            return False
        try:
            self.leases.wait(key, self.wait_s)
        except BaseException:
            end(flight)
            raise
        return True

    def flight_key(self, target: Target, found: Found, environ: Environ) -> str:
        if found.known is None:
            return target.key + target.beside
        return variant_of(target, found.known.generation, found.known.names, environ)

    def hit(
        self, entry: Entry, environ: Environ, start_response: StartResponse, now: float, told: str
    ) -> Iterable[bytes]:
        given = give(entry, environ, now)
        self.tell(given.headers, f"{told}; ttl={int(entry.ttl(now))}" if told == "hit" else told)
        start_response(given.status, given.headers)
        return [given.body] if given.body else []

    def refresh(self, environ: Environ, target: Target, found: Found, assumed: CacheControl | None) -> None:
        """Have the answer made anew, after this request or beside it."""
        flight_key = self.flight_key(target, found, environ)
        flight = self.flights.begin(flight_key)
        if flight is None:
            return
        flight.give_back = self.leases.take(flight_key)
        if flight.give_back is None:
            # Another process does it.
            flight.end(is_of_use=True)
            return
        made = anonymous(environ, found.known.names if found.known else ())
        made[CACHE] = self

        def act() -> None:
            result = self.fetch(made, unheard, target, found, assumed, "stale", flight)
            try:
                for _ in result:
                    pass
            finally:
                close_of(result)
                flight.end(is_of_use=True)

        if not self.refreshing.start(act):
            flight.end(is_of_use=True)

    def changing(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A method that may change something. RFC 9111 section 4.4: what is kept of its URL is no longer good."""
        asked = environ
        if self.ignore_query:
            query = ignored_query(str(environ.get("QUERY_STRING", "")), self.ignore_query)
            asked = {**environ, "QUERY_STRING": query}
        key = key_of(asked)
        # Noted now: what is inside may change its environ.
        base = None if key is None else url_of(asked)

        def edit(status: str, headers: Headers) -> tuple[str, Headers]:
            if status[:1] in ("2", "3") and key is not None and base is not None:
                try:
                    self.shelf.purge(key)
                    self.purge(*also_changed(base, headers))
                except StoreDown:
                    pass
            self.tell(headers, "fwd=method")
            return status, headers

        return self.app(environ, editing(start_response, edit))

    def passing(self, environ: Environ, start_response: StartResponse, told: str) -> Iterable[bytes]:
        """By the cache."""

        def edit(status: str, headers: Headers) -> tuple[str, Headers]:
            headers = [one for one in headers if one[0].lower() != self.rules.tag_field.lower()]
            self.tell(headers, told)
            return status, headers

        return self.app(environ, editing(start_response, edit))

    def wishes(self, environ: Environ) -> tuple[bool, bool]:
        """Whether the client wants the application asked, where that is granted; and whether it wants just that not."""
        value = environ.get("HTTP_CACHE_CONTROL")
        if value is None:
            return False, False
        wanted = parse_cache_control(value)
        return self.client_reloads and (wanted.no_cache or wanted.max_age == 0), wanted.only_if_cached

    def drop_ignored(self, environ: Environ) -> None:
        """What is not in the key is not in what the application gets: it could be in its answer."""
        query = str(environ.get("QUERY_STRING", ""))
        kept = ignored_query(query, self.ignore_query)
        if kept == query:
            return
        environ["QUERY_STRING"] = kept
        for name in RAW_TARGETS:
            if name in environ:
                path = str(environ[name]).partition("?")[0]
                environ[name] = f"{path}?{kept}" if kept else path

    def tell(self, headers: Headers, what: str) -> None:
        """RFC 9211: Cache-Status is a list, ours is the member that comes last."""
        if self.status_name is not None:
            headers.append(("Cache-Status", f"{self.status_name}; {what}"))


def end(flight: Flight | None) -> None:
    if flight is not None:
        flight.end(is_of_use=True)


SILENT = CacheControl()
"""Stands where a path has no row."""

GATEWAY_TIMEOUT = plain("504 Gateway Timeout", "This is not in the cache, and only what is in the cache was wanted.")


def assumed_from(text: object, what: str) -> CacheControl:
    cache_control = parse_cache_control(text) if isinstance(text, str) else CacheControl()
    if cache_control.max_age is None and cache_control.s_maxage is None:
        raise ValueError(f'{what}: want Cache-Control with a max-age, such as "max-age=60", got {text!r}')
    if cache_control.extensions:
        raise ValueError(f"{what}: {text!r}: no directive is called {', '.join(cache_control.extensions)}")
    return cache_control


def unheard(*_: object) -> Callable[[bytes], object]:
    """The start_response of nobody."""
    return lambda block: None


def url_of(environ: Environ) -> str:
    scheme = environ["wsgi.url_scheme"]
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    query = environ.get("QUERY_STRING", "")
    path = path_of(environ).replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    return f"{scheme}://{host}{path}" + (f"?{query}" if query else "")


def also_changed(base: str, headers: Headers) -> list[str]:
    """What Location and Content-Location name, of the same origin only."""
    urls = []
    for name in ("Location", "Content-Location"):
        value = get(headers, name)
        if value is None:
            continue
        try:
            url = urljoin(base, value)
            key_of_url(url)
            if urlsplit(url)[:2] == urlsplit(base)[:2]:
                urls.append(url)
        except ValueError:
            continue
    return urls
