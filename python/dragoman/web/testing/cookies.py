"""The cookies that a client keeps, by the rules of browsers (RFC 6265bis §5.7, §5.8)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from dragoman.http.cookies import decode_value

__all__ = ["Cookie", "CookieJar", "end_of"]

BLANKS = " \t"
# Hosts that browsers take for secure by http, too (W3C Secure Contexts §3.1).
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Cookie:
    """A cookie as it was set.

    key, value    as they are sent; `decoded_value` is what `Response.set_cookie` was given
    domain        the host that it goes to; without `origin_only` to its subdomains, too
    path          it goes to this path and those below
    expires       when it ends; None: with the client
    max_age       what Max-Age said
    """

    key: str
    value: str
    domain: str
    path: str
    origin_only: bool = True
    expires: datetime | None = None
    max_age: int | None = None
    secure: bool = False
    http_only: bool = False
    same_site: str | None = None

    @property
    def decoded_value(self) -> str:
        """The value with its escapes undone."""
        return decode_value(self.value)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.expires is not None and self.expires.timestamp() <= time.time()

    def goes_to(self, url: SplitResult) -> bool:
        """Whether a request for `url` has it."""
        host, path = (url.hostname or "").lower(), url.path or "/"
        is_of_host = host == self.domain if self.origin_only else is_within(host, self.domain)
        is_below = path == self.path or path.startswith(self.path if self.path.endswith("/") else self.path + "/")
        return is_of_host and is_below and (not self.secure or is_trusted(url)) and not self.is_over


class CookieJar:
    """The cookies of one client, told apart by domain, path and key."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], Cookie] = {}

    def __iter__(self) -> Iterator[Cookie]:
        return iter(self.kept.values())

    def take(self, field: str, url: str) -> None:
        """Keep what a Set-Cookie field of the answer to a request for `url` says; what browsers drop is dropped."""
        cookie = parsed(field, urlsplit(url))
        if cookie is None:
            return
        key = (cookie.domain, cookie.path, cookie.key)
        if cookie.is_over:
            self.kept.pop(key, None)
        else:
            self.kept[key] = cookie

    def field(self, url: str) -> str:
        """The Cookie field of a request for `url`; empty for none. The longest paths come first."""
        target = urlsplit(url)
        going = sorted((one for one in self if one.goes_to(target)), key=lambda one: -len(one.path))
        return "; ".join(f"{one.key}={one.value}" for one in going)

    def get(self, key: str, domain: str, path: str) -> Cookie | None:
        """A cookie that has not ended."""
        cookie = self.kept.get((domain.lower(), path, key))
        return None if cookie is None or cookie.is_over else cookie

    def put(self, cookie: Cookie) -> None:
        """Keep a cookie, whoever sets it."""
        self.kept[cookie.domain, cookie.path, cookie.key] = cookie

    def remove(self, key: str, domain: str, path: str) -> None:
        """Forget a cookie, if it is there."""
        self.kept.pop((domain.lower(), path, key), None)


def parsed(field: str, url: SplitResult) -> Cookie | None:
    """The cookie of a field, by RFC 6265bis §5.6 and §5.7; None for one that a browser does not keep."""
    pair, *listed = field.split(";")
    key, sign, value = (part.strip(BLANKS) for part in pair.partition("="))
    split = (one.partition("=") for one in listed)
    attributes = {name.strip(BLANKS).lower(): text.strip(BLANKS) for name, _, text in split}
    host = (url.hostname or "").lower()
    domain = attributes.get("domain", "").removeprefix(".").lower()
    path = attributes.get("path", "")
    is_secure = "secure" in attributes
    if not sign or not key or (domain and not is_within(host, domain)) or (is_secure and not is_trusted(url)):
        return None
    if not is_allowed_prefix(key.lower(), is_secure, domain, path):
        return None
    max_age = seconds_of(attributes.get("max-age", ""))
    return Cookie(
        key=key,
        value=value,
        domain=domain or host,
        path=path if path.startswith("/") else default_path(url.path),
        origin_only=not domain,
        expires=end_of(max_age, attributes.get("expires", "")),
        max_age=max_age,
        secure=is_secure,
        http_only="httponly" in attributes,
        same_site=attributes.get("samesite"),
    )


def is_within(host: str, domain: str) -> bool:
    """RFC 6265 §5.1.3; an address has no subdomains."""
    return host == domain or (host.endswith("." + domain) and not host.replace(".", "").isdigit())


def is_trusted(url: SplitResult) -> bool:
    """Whether cookies that are Secure go there."""
    host = (url.hostname or "").lower()
    return url.scheme == "https" or host in LOCAL or host.endswith(".localhost")


def is_allowed_prefix(key: str, is_secure: bool, domain: str, path: str) -> bool:
    """RFC 6265bis §4.1.3."""
    if key.startswith("__host-"):
        return is_secure and not domain and path == "/"
    return is_secure or not key.startswith("__secure-")


def default_path(path: str) -> str:
    """RFC 6265 §5.1.4: the directory of the request."""
    return path.rpartition("/")[0] or "/"


def seconds_of(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


def end_of(max_age: int | None, expires: str) -> datetime | None:
    """When it ends: Max-Age counts before Expires."""
    if max_age is not None:
        # Browsers keep nothing for more than 400 days.
        return moment(0 if max_age <= 0 else time.time() + min(max_age, 400 * 86_400))
    try:
        # Dates of cookies come in more forms than HTTP's own (RFC 6265 §5.1.1).
        ends = parsedate_to_datetime(expires)
    except (ValueError, TypeError):
        return None
    return ends if ends.tzinfo else ends.replace(tzinfo=timezone.utc)


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
