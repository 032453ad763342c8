"""`MethodOverride`: a POST that stands for PUT, PATCH or DELETE, for forms and networks that know nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dragoman.http.fields import is_token
from dragoman.http.forms import FormError, parse_urlencoded
from dragoman.middleware.answer import plain
from dragoman.middleware.form_field import field_in_form
from dragoman.middleware.layer import Layer
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["ORIGINAL_METHOD", "MethodOverride"]

ORIGINAL_METHOD = "dragoman.original_method"
"""The environ's key for the method that was sent, there where it was changed."""

FORM_BYTES = 1 << 16


class MethodOverride(Layer):
    """Changes the method of a POST to the one that a field names.

    header      the request field, or None
    form_field  the name of a field in a form, or None: the first 64 KiB of a form are read for it; the application gets
                the whole body
    query       the name of a parameter of the query, or None
    methods     methods that may be named; another one is answered 400

    The method that was sent is ``environ["dragoman.original_method"]``.
    Raises ValueError for a header that is none, and for methods that are safe or POST itself: a POST that counts as a
    GET would pass by what guards POST.

        app = MethodOverride(app, form_field="_method")
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        header: str | None = "X-HTTP-Method-Override",
        form_field: str | None = None,
        query: str | None = None,
        methods: Sequence[str] = ("PUT", "PATCH", "DELETE"),
    ) -> None:
        super().__init__(app)
        if header is not None and (not is_token(header) or "_" in header):
            raise ValueError(f"header: want the name of a field, such as X-HTTP-Method-Override, got {header!r}")
        if isinstance(methods, str) or not all(isinstance(one, str) and is_token(one) for one in methods):
            raise ValueError(f"methods: want a list such as PUT, PATCH, DELETE, got {methods!r}")
        if bad := {one.upper() for one in methods} & {"GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "POST"}:
            raise ValueError(f"methods: {', '.join(sorted(bad))}: want methods that change something, and not POST")
        if not (header or form_field or query):
            raise ValueError("want a header, a form_field or a query in which a method is named")
        self.key = f"HTTP_{header.upper().replace('-', '_')}" if header else ""
        self.form_field = form_field
        self.query = query
        self.methods = frozenset(one.upper() for one in methods)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request as one with the method that it names."""
        if environ.get("REQUEST_METHOD") != "POST":
            return self.app(environ, start_response)
        named = (
            environ.get(self.key)
            or (self.query and in_query(environ.get("QUERY_STRING", ""), self.query))
            or (self.form_field and field_in_form(environ, self.form_field, FORM_BYTES))
        )
        method = (named or "POST").strip().upper()
        if method == "POST":
            return self.app(environ, start_response)
        if method not in self.methods:
            allowed = ", ".join(sorted(self.methods))
            return plain("400 Bad Request", f"A POST may stand for {allowed} here.")(environ, start_response)
        environ[ORIGINAL_METHOD] = "POST"
        environ["REQUEST_METHOD"] = method
        return self.app(environ, start_response)


def in_query(query: str, name: str) -> str | None:
    """The first value of a name in a query, None without it."""
    try:
        pairs = parse_urlencoded(query)
    except FormError:
        return None
    return next((value for key, value in pairs if key == name), None)
