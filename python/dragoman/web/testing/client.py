"""`Client`: asks an application in the process of a test, with Flask's API, and keeps cookies as a browser does."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dragoman import __version__
from dragoman.http.cookies import COOKIE_VALUE, SameSite, encode_value, set_cookie
from dragoman.types import Environ, WSGIApplication
from dragoman.web.app import App
from dragoman.web.authorization import Authorization
from dragoman.web.building_environ import Data, Fields, Query, environ_of
from dragoman.web.context import CURRENT, Context
from dragoman.web.request import Request
from dragoman.web.testing.asking import Auth, Method
from dragoman.web.testing.cookies import Cookie, CookieJar, end_of
from dragoman.web.testing.entry import HOOK, keeping, observe, read_session, transaction
from dragoman.web.testing.exchange import Findings, exchanged
from dragoman.web.testing.redirects import REDIRECTS, redirected
from dragoman.web.testing.response import TestResponse

__all__ = ["Client"]

Self = TypeVar("Self", bound="Client")

MOST_REDIRECTS = 20


class Client:
    """Asks an application, without a server: ``app.test_client()`` makes one.

    application    an `App`, or any WSGI application
    use_cookies    whether it keeps cookies, and sends them
    base_url       scheme and host of requests, with the path that the application is mounted at; default by http what
                   SERVER_NAME and APPLICATION_ROOT say

    It does what a server does, and holds the application to PEP 3333: a breach raises ContractBreach, an AssertionError
    that says what is wrong, where, and how to mend it. Exceptions of the application are raised here if its setting
    TESTING is on. In a ``with`` block `request`, `session` and `g` of the last request can be looked at afterwards.

        client = app.test_client()
        response = client.post("/login", data={"name": "Ann"}, follow_redirects=True)
        assert response.status_code == 200
    """

    def __init__(self, application: WSGIApplication, use_cookies: bool = True, *, base_url: str | None = None) -> None:
        self.application = application
        self.app = application if isinstance(application, App) else None
        self.base_url = base_url or ("http://localhost/" if self.app is None else self.app.base_url())
        self.jar = CookieJar() if use_cookies else None
        self.environ_base: dict[str, Any] = {"HTTP_USER_AGENT": f"dragoman-test-client/{__version__}"}
        """What each request's environ has; ``environ_base["REMOTE_ADDR"] = "192.0.2.7"``."""
        self.findings = Findings()
        self.contexts: list[Context] = []
        self.is_keeping = False
        self.before: Context | None = None

    # Asking

    def open(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        base_url: str | None = None,
        query_string: Query = None,
        headers: Fields = None,
        data: Data = None,
        json: Any = None,
        content_type: str | None = None,
        auth: Auth = None,
        environ_base: Mapping[str, Any] | None = None,
        environ_overrides: Mapping[str, Any] | None = None,
        follow_redirects: bool = False,
        buffered: bool = True,
    ) -> TestResponse:
        """Make a request, and give its answer.

        path, base_url, query_string, headers, content_type   what is asked for. A path may have a query, and be a URL
        data               the body: text, bytes, a stream; or a form as a dict, whose values may be lists, open files,
                           (file, filename) and (file, filename, content_type)
        json               the body as what JSON can say
        auth               (user, password), or another Authorization
        environ_base       that of all requests for this one; what the other arguments say comes first
        environ_overrides  further keys of the environ, or other values
        follow_redirects   go on to where the answer sends; `TestResponse.history` has the answers on the way
        buffered           the whole answer is made before this returns. (Flask: not so by default.) Without, its blocks
                           can be had one by one
        Raises ContractBreach, and RuntimeError for redirects that lead elsewhere or do not end.
        """
        environ = self.environ_for(
            path,
            method=method,
            base_url=base_url,
            query_string=query_string,
            headers=headers,
            data=data,
            json=json,
            content_type=content_type,
            auth=auth,
            environ_base=environ_base,
            environ_overrides=environ_overrides,
        )
        is_own = environ_base is None and environ_overrides is None
        if not follow_redirects:
            return self.ask(environ, is_own, buffered)
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        response = self.ask(environ, is_own, buffered)
        history: tuple[TestResponse, ...] = ()
        while response.status_code in REDIRECTS and response.location is not None:
            history += (response,)
            if len(history) > MOST_REDIRECTS:
                last = " → ".join(str(one.location) for one in history[-3:])
                raise RuntimeError(f"follow_redirects: {MOST_REDIRECTS} redirects and no end: … {last}")
            response.get_data()
            environ = redirected(environ, body, response)
            response = self.ask(environ, is_own, buffered)
            response.history = history
        return response

    get = Method("GET")
    post = Method("POST")
    put = Method("PUT")
    patch = Method("PATCH")
    delete = Method("DELETE")
    options = Method("OPTIONS")
    head = Method("HEAD")
    trace = Method("TRACE")

    def environ_for(
        self,
        path: str = "/",
        *,
        base_url: str | None = None,
        headers: Fields = None,
        auth: Auth = None,
        environ_base: Mapping[str, Any] | None = None,
        environ_overrides: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Environ:
        """The environ of a request, without cookies: what `open` takes, as `environ_of` makes it."""
        base = {**self.environ_base, **(environ_base or {})}
        environ = environ_of(path, base_url=base_url or self.base_url, headers=headers, environ_base=base, **options)
        if auth is not None:
            environ["HTTP_AUTHORIZATION"] = authorization_field(auth)
        return {**environ, **(environ_overrides or {})}

    def ask(self, environ: Environ, is_own_environ: bool, is_buffered: bool) -> TestResponse:
        """Make one request with the cookies that go there, and take those that come."""
        self.forget()
        kind = Request if self.app is None else self.app.request_class
        asked = kind(self.with_cookies(environ))
        response = self.answered(dict(asked.environ), asked, is_own_environ, is_buffered)
        if self.jar is not None:
            for field in response.headers.getlist("Set-Cookie"):
                self.jar.take(field, asked.base_url)
        if self.contexts:
            read_session(self.contexts[0])
            CURRENT.set(self.contexts[0])
        return response

    def answered(self, sent: Environ, asked: Request, is_own_environ: bool, is_buffered: bool) -> TestResponse:
        """The answer to one request; here by a call of the application."""
        if self.is_keeping and self.app is not None:
            observe(self.app)
            sent[HOOK] = keeping(self.contexts)
        head_and_body = exchanged(
            self.application, sent, self.findings, is_own_environ=is_own_environ, is_buffered=is_buffered
        )
        return TestResponse(*head_and_body, asked)

    def with_cookies(self, environ: Environ) -> Environ:
        """A copy with the cookies that go to its URL, after those of the request's own."""
        field = "" if self.jar is None else self.jar.field(Request(environ).base_url)
        listed = [one for one in (environ.get("HTTP_COOKIE", ""), field) if one]
        return {**environ, "HTTP_COOKIE": "; ".join(listed)} if listed else dict(environ)

    # What it remembers

    def get_cookie(self, key: str, domain: str | None = None, path: str = "/") -> Cookie | None:
        """A cookie that it keeps. `domain`: default the host of its base_url."""
        return self.cookies().get(key, domain or self.host, path)

    def set_cookie(
        self,
        key: str,
        value: str = "",
        *,
        domain: str | None = None,
        origin_only: bool = True,
        path: str = "/",
        max_age: int | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: SameSite | None = None,
    ) -> None:
        """Keep a cookie, as if an answer had set it.

        domain, origin_only   the host that it goes to, default that of the base_url; and not its subdomains
        path                  it goes to this path and those below
        Raises ValueError for what browsers would drop.
        """
        text = value if COOKIE_VALUE.fullmatch(value) else encode_value(value)
        set_cookie(key, text, path=path, secure=secure, http_only=httponly, same_site=samesite)
        self.cookies().put(
            Cookie(
                key,
                text,
                (domain or self.host).lower(),
                path,
                origin_only=origin_only,
                expires=end_of(max_age, ""),
                max_age=max_age,
                secure=secure,
                http_only=httponly,
                same_site=samesite,
            )
        )

    def delete_cookie(self, key: str, *, domain: str | None = None, path: str = "/") -> None:
        """Forget a cookie, if it is there."""
        self.cookies().remove(key, domain or self.host, path)

    @property
    def host(self) -> str:
        """The host of its base_url."""
        return urlsplit(self.base_url).hostname or ""

    def cookies(self) -> CookieJar:
        if self.jar is None:
            raise TypeError("this client keeps no cookies: it was made with use_cookies=False")
        return self.jar

    def session_transaction(self, path: str = "/", **options: Any) -> AbstractContextManager[MutableMapping[str, Any]]:
        """The session of this client's visitor, to be read and changed in a ``with`` block; stored at its end.

        path, options   of the request that it would be of, as for `open`
        Layers around the application see that request, so that the session may be theirs.
        Raises TypeError without cookies, and for an application that is no `App`; RuntimeError where a layer answers
        itself. An exception in the block stores nothing.

            with client.session_transaction() as session:
                session["user"] = 7
        """
        if self.app is None:
            raise TypeError(f"session_transaction: want an App of dragoman.web, this is {self.application!r}")
        jar = self.cookies()
        environ = self.with_cookies(self.environ_for(path, **options))
        url = Request(environ).base_url
        return transaction(self.app, environ, lambda field: jar.take(field, url))

    # Keeping the last request

    def __enter__(self: Self) -> Self:
        if self.is_keeping:
            raise RuntimeError("this client is in a with block already")
        self.is_keeping = True
        self.before = CURRENT.get()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.forget()
        self.is_keeping = False

    def forget(self) -> None:
        """Let go of the last request's context."""
        if self.contexts:
            if CURRENT.get() is self.contexts[0]:
                CURRENT.set(self.before)
            self.contexts.clear()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.application!r}>"


def authorization_field(auth: Auth) -> str:
    if isinstance(auth, str):
        return auth
    if isinstance(auth, tuple):
        auth = Authorization("basic", *auth)
    if not isinstance(auth, Authorization):
        raise TypeError(f"auth={auth!r}: want (user, password), an Authorization, or the text of the field")
    if auth.type == "basic":
        pair = f"{auth.username}:{auth.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    if auth.token is not None:
        return f"{auth.type.title()} {auth.token}"
    listed = ", ".join(f'{name}="{value}"' for name, value in auth.parameters.items())
    return f"{auth.type.title()} {listed}"
