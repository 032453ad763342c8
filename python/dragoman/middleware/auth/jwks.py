"""Keys that sign tokens: a JWKS of a file or URL, read anew now and then, and kept while it cannot be."""

from __future__ import annotations

import http.client
import json
import logging
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from dragoman.middleware.auth.layer import Unavailable
from dragoman.middleware.extras import lacking
from dragoman.middleware.outage import Outage
from dragoman.middleware.secrets import without_password

try:
    import jwt
except ImportError as error:
    raise lacking("BearerAuth", "PyJWT", "auth") from error

__all__ = ["ALGORITHMS", "FileKeys", "FixedKeys", "Key", "KeySource", "UrlKeys", "keys_of", "source_of"]

log = logging.getLogger("dragoman.middleware")

# RFC 7518 section 3.1, RFC 8037 section 3.1: which keys an algorithm takes. "none" is no algorithm.
ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    **dict.fromkeys(("HS256", "HS384", "HS512"), ("oct", None)),
}
LEAST_SECRET_BYTES = 32
MOST_BYTES = 1 << 20
MOST_KEYS = 100
LOOK_AT_FILE_S = 5.0
PAUSE_S = 5.0
# A fetch that has not ended by then never will.
STUCK_S = 60.0


class Key(NamedTuple):
    """One key, with the algorithms that it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    value: Any


Keys = tuple[Key, ...]


def keys_of(document: object, is_public: bool) -> Keys:
    """The keys of a JWKS that verify signatures; others in it are left out.

    is_public   whether anybody can read it: then a shared secret in it is none
    Raises ValueError for what is no JWKS, and for one without any such key.
    Source: RFC 7517 section 5.
    """
    given = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(given, list):
        raise ValueError('want a JWKS: an object with a list "keys"')
    found = []
    for jwk in given[:MOST_KEYS]:
        key = key_of(jwk, is_public) if isinstance(jwk, Mapping) else None
        if key is not None:
            found.append(key)
    if not found:
        raise ValueError("want a JWKS with a key that verifies signatures, got none")
    return tuple(found)


def key_of(jwk: Mapping[str, Any], is_public: bool) -> Key | None:
    # RFC 7517 sections 4.2, 4.3: for encryption alone, for signing alone.
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    kind = (jwk.get("kty"), jwk.get("crv"))
    fitting = [name for name, (kty, crv) in ALGORITHMS.items() if kty == kind[0] and crv in (None, kind[1])]
    if "alg" in jwk:
        fitting = [name for name in fitting if name == jwk["alg"]]
    if not fitting or (kind[0] == "oct" and is_public):
        return None
    try:
        value = jwt.PyJWK(dict(jwk), algorithm=fitting[0]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        # Its text may be a secret.
        log.warning("bearer: the key %r of the JWKS cannot be read; it is left out", str(jwk.get("kid"))[:100])
        return None
    if kind[0] == "oct" and len(value) < LEAST_SECRET_BYTES:
        log.warning("bearer: a secret of the JWKS is shorter than %d bytes; it is left out", LEAST_SECRET_BYTES)
        return None
    kid = jwk.get("kid")
    return Key(kid if isinstance(kid, str) else None, frozenset(fitting), value)


class KeySource:
    """Where keys come from."""

    def find(self, kid: str | None, algorithm: str) -> list[Any]:
        """The keys that may have signed a token; without a `kid` all of that algorithm. Raises Unavailable."""
        raise NotImplementedError

    @staticmethod
    def among(keys: Keys, kid: str | None, algorithm: str) -> list[Any]:
        return [key.value for key in keys if algorithm in key.algorithms and kid in (None, key.kid)]


class FixedKeys(KeySource):
    """The keys of a JWKS that was given as it is."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.keys = keys_of(document, is_public=False)

    def find(self, kid: str | None, algorithm: str) -> list[Any]:
        """Those that fit."""
        return self.among(self.keys, kid, algorithm)


class FileKeys(KeySource):
    """The keys of a file, which is read again when it has changed; a broken one leaves the keys of before."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.clock = clock
        self.lock = threading.Lock()
        self.outage = Outage(f"bearer: {path}", "the keys of before are used")
        self.seen, self.keys = self.look(), self.read()
        self.looked = clock()

    def find(self, kid: str | None, algorithm: str) -> list[Any]:
        """Those that fit."""
        if self.clock() - self.looked >= LOOK_AT_FILE_S and self.lock.acquire(blocking=False):
            try:
                self.looked = self.clock()
                self.refresh()
            finally:
                self.lock.release()
        return self.among(self.keys, kid, algorithm)

    def refresh(self) -> None:
        try:
            seen = self.look()
            if seen != self.seen:
                self.keys = self.read()
                self.seen = seen
            self.outage.worked()
        except (OSError, ValueError, RecursionError) as error:
            self.outage.failed(error)

    def look(self) -> tuple[int, int, int]:
        found = os.stat(self.path)
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> Keys:
        return keys_of(json.loads(self.path.read_bytes()), is_public=False)


class Run:
    """One fetch, which is waited for until `until` and goes on after that."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.done = threading.Event()


class UrlKeys(KeySource):
    """The keys of a URL.

    refresh_s   how old they may be before they are fetched anew; no request waits for that
    keep_s      how long they are used when that fails
    timeout_s   how long one fetch is waited for at most

    Only the first fetch is waited for, and one for a key that is not there, which is made once in 5 seconds at most:
    whoever makes up names of keys does not make us ask for each. Each is made by a thread of its own: nothing bounds
    how long a name is looked up.
    """

    def __init__(
        self,
        url: str,
        refresh_s: float,
        keep_s: float,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.refresh_s = refresh_s
        self.keep_s = keep_s
        self.timeout_s = timeout_s
        self.clock = clock
        self.lock = threading.Lock()
        self.outage = Outage(
            f"bearer: {without_password(url)}", "the keys of before are used; without any requests are answered 503"
        )
        self.keys: Keys = ()
        self.fetched = 0.0
        # When it was tried last; None: never.
        self.tried: float | None = None
        self.run: Run | None = None

    def find(self, kid: str | None, algorithm: str) -> list[Any]:
        """Those that fit."""
        age = self.clock() - self.fetched
        if not self.keys or age > self.keep_s:
            self.wait_for_fetch(None)
            if not self.keys or self.clock() - self.fetched > self.keep_s:
                raise Unavailable(f"no keys of {self.outage.what}")
        elif age > self.refresh_s:
            self.begin_fetch(self.fetched)
        found = self.among(self.keys, kid, algorithm)
        if not found:
            self.wait_for_fetch(self.fetched)
            found = self.among(self.keys, kid, algorithm)
        return found

    def wait_for_fetch(self, seen: float | None) -> None:
        """Begin a fetch as `begin_fetch` does, and wait for it as long as it may take."""
        run = self.begin_fetch(seen)
        if run is not None and not run.done.wait(max(0.0, run.until - time.monotonic())):
            self.outage.failed(TimeoutError(f"no answer within {self.timeout_s:g} s"))

    def begin_fetch(self, seen: float | None) -> Run | None:
        """The fetch that goes on: a new one unless somebody has fetched since `seen`, or has just tried."""
        with self.lock:
            now = time.monotonic()
            run = self.run
            if run is not None and not run.done.is_set() and now < run.until + STUCK_S:
                return run
            has_just_tried = self.tried is not None and self.clock() - self.tried < PAUSE_S
            if has_just_tried or (seen is not None and self.fetched != seen):
                return None
            self.tried = self.clock()
            self.run = run = Run(now + self.timeout_s)
        threading.Thread(target=self.fetch, args=(run,), name="jwks", daemon=True).start()
        return run

    def fetch(self, run: Run) -> None:
        """Fetch them."""
        try:
            keys = keys_of(json.loads(fetched(self.url, self.timeout_s)), is_public=True)
            # One that was given up does not bring back what a later one has replaced.
            if run is self.run:
                self.keys, self.fetched = keys, self.clock()
                self.outage.worked()
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
            self.outage.failed(error)
        finally:
            run.done.set()


class OnlyHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: whoever could send one could name other keys."""

    def redirect_request(self, *_: Any) -> None:
        """None: the answer is an error then."""


def fetched(url: str, timeout_s: float) -> bytes:
    """What is at the URL. Raises OSError, also when it takes longer or is larger than 1 MiB."""
    until = time.monotonic() + timeout_s
    request = urllib.request.Request(url, headers={"Accept": "application/jwk-set+json, application/json"})
    with urllib.request.build_opener(OnlyHere).open(request, timeout=timeout_s) as response:
        body = bytearray()
        while block := response.read1(1 << 16):
            body += block
            if len(body) > MOST_BYTES:
                raise OSError(f"the JWKS is larger than {MOST_BYTES} bytes")
            if time.monotonic() > until:
                raise TimeoutError(f"the JWKS took longer than {timeout_s:g} s")
    return bytes(body)


def source_of(
    jwks: str | os.PathLike[str] | Mapping[str, Any], refresh_s: float, keep_s: float, timeout_s: float
) -> KeySource:
    """Where keys come from: an https URL, a file, or a JWKS itself. Raises ValueError for what is none."""
    try:
        if isinstance(jwks, Mapping):
            return FixedKeys(jwks)
        text = os.fspath(jwks)
        parts = urlsplit(text)
        if not parts.scheme:
            return FileKeys(Path(text))
    except (OSError, ValueError) as error:
        raise ValueError(f"jwks: {error}") from None
    is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not (parts.scheme == "https" or is_local) or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"jwks: want an https URL, without a user, a file or a JWKS, got {without_password(text)!r}")
    return UrlKeys(text, refresh_s, keep_s, timeout_s)
