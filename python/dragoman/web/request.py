"""`Request`: what a client has sent. Nothing is looked at before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from dragoman.http.cookies import parse_cookies
from dragoman.http.forms import Form, FormError, parse_form, parse_urlencoded
from dragoman.http.hosts import parse_host
from dragoman.http.media_types import MediaType, parse_media_type
from dragoman.types import Environ, InputStream
from dragoman.web.accept import Accept, accept_encodings, accept_languages, accept_mimetypes
from dragoman.web.authorization import Authorization, parse_authorization
from dragoman.web.bodies import body_stream, declared_length, read_body
from dragoman.web.context import APP, PLAN, VALUES, Context
from dragoman.web.errors import BadRequest, UnsupportedMediaType, exception_for
from dragoman.web.headers import RequestHeaders
from dragoman.web.lazy import lazy
from dragoman.web.multidict import MultiDict
from dragoman.web.quoting import SAFE_IN_PATH, SAFE_IN_QUERY
from dragoman.web.request_fields import RequestFields, limit, number_for
from dragoman.web.uploads import UploadedFile

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.plan import Plan
    from dragoman.web.response import Response

__all__ = ["Request"]

MOST_QUERY_FIELDS = 1000
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
# GET and HEAD are cached by their URL: a body would change what others are given for it.
WITHOUT_FORM = frozenset({"GET", "HEAD"})
# Where it is kept that the form was refused.
REFUSAL = "refusal of the form"
DEFAULT_PORTS = {"http": "80", "https": "443"}


class RuleText(str):
    """The text of a rule, with those attributes of Flask's object that are asked for."""

    __slots__ = ("endpoint",)

    endpoint: str

    def __new__(cls, text: str, endpoint: str) -> RuleText:
        """A text, and the endpoint beside it."""
        made = super().__new__(cls, text)
        made.endpoint = endpoint
        return made

    @property
    def rule(self) -> str:
        """The text itself."""
        return str(self)


class Request(RequestFields):
    """A request. All its attributes are read-only, and worked out when they are first asked for.

    environ   of WSGI; `Request(environ)` can be made by anybody
    """

    __slots__ = ("context", "environ", "made")

    max_content_length = limit("MAX_CONTENT_LENGTH", 64 << 20)
    max_form_files = limit("MAX_FORM_FILES", 100)
    max_form_memory_size = limit("MAX_FORM_MEMORY_SIZE", 2 << 20)
    max_form_parts = limit("MAX_FORM_PARTS", 1000)

    def __init__(self, environ: Environ, context: Context | None = None) -> None:
        self.environ = environ
        self.context: Context = [None, environ, self, None, ()] if context is None else context
        self.made: dict[str, Any] = {}

    @classmethod
    def from_values(cls, path: str = "/", **options: Any) -> Request:
        """A request that nobody has sent; path and `options` are those of `environ_of`: method, headers, data, json."""
        from dragoman.web.building_environ import environ_of  # noqa: PLC0415

        return cls(environ_of(path, **options))

    # What was asked for

    @property
    def method(self) -> str:
        """In capitals, as it came."""
        method: str = self.environ["REQUEST_METHOD"]
        return method

    @lazy
    def path(self) -> str:
        """Decoded, after the prefix that the application is mounted at; begins with a slash."""
        return "/" + decoded(self.environ.get("PATH_INFO", "")).lstrip("/")

    @lazy
    def full_path(self) -> str:
        """The path with ``?`` and the query, which may be empty."""
        return f"{self.path}?{decoded(self.environ.get('QUERY_STRING', ''))}"

    @lazy
    def script_root(self) -> str:
        """The prefix that the application is mounted at, without a slash at its end."""
        return decoded(self.environ.get("SCRIPT_NAME", "")).rstrip("/")

    @property
    def root_path(self) -> str:
        """`script_root`."""
        return self.script_root

    @property
    def scheme(self) -> str:
        """``http`` or ``https``. Behind a proxy that ends TLS it is what the server, or ProxyHeaders, makes of it."""
        scheme: str = self.environ["wsgi.url_scheme"]
        return scheme

    @property
    def is_secure(self) -> bool:
        """Whether the scheme is https."""
        return self.scheme == "https"

    @lazy
    def host(self) -> str:
        """Host and port as the client says them; without the port that the scheme has. TrustedHosts judges it.

        Empty where the client says what is no host.
        """
        host: str = self.environ.get("HTTP_HOST", "")
        port = DEFAULT_PORTS.get(self.scheme, "")
        if host and parse_host(host) is None:
            return ""
        if not host:
            host = self.environ["SERVER_NAME"]
            host = f"[{host}]" if ":" in host and not host.startswith("[") else host
            host += ":" + self.environ["SERVER_PORT"]
        return host.removesuffix(f":{port}") if port else host

    @lazy
    def host_url(self) -> str:
        """``https://host/``"""
        return f"{self.scheme}://{self.host}/"

    @lazy
    def url_root(self) -> str:
        """The URL of the application's root: it ends in a slash."""
        return f"{self.scheme}://{self.host}{quote(self.script_root, safe=SAFE_IN_PATH)}/"

    @property
    def root_url(self) -> str:
        """`url_root`."""
        return self.url_root

    @lazy
    def base_url(self) -> str:
        """The URL without the query."""
        return self.url_root[:-1] + quote(self.path, safe=SAFE_IN_PATH)

    @lazy
    def url(self) -> str:
        """The URL."""
        query = quote(self.query_string, safe=SAFE_IN_QUERY + "%")
        return f"{self.base_url}?{query}" if query else self.base_url

    @property
    def query_string(self) -> bytes:
        """The query as it came, without ``?``."""
        query: str = self.environ.get("QUERY_STRING", "")
        return query.encode("latin-1")

    @lazy
    def args(self) -> MultiDict[str]:
        """The query's names and values."""
        query = self.environ.get("QUERY_STRING", "")
        if not query:
            return MultiDict()
        try:
            return MultiDict(parse_urlencoded(query, most_fields=MOST_QUERY_FIELDS))
        except FormError as error:
            raise BadRequest(f"The query has more than {MOST_QUERY_FIELDS} fields.") from error

    # Which of the application's handlers answers it

    @property
    def app(self) -> App:
        """The application. Raises RuntimeError for a request that none has."""
        app: App | None = self.context[APP]
        if app is None:
            raise RuntimeError("this Request was made of an environ alone: no application has it")
        return app

    @property
    def plan(self) -> Plan | None:
        """What was found for the path and the method."""
        plan: Plan | None = self.context[PLAN]
        return plan

    @property
    def endpoint(self) -> str | None:
        """The name of the handler, as `url_for` takes it; None for a request that no rule fits."""
        return None if self.plan is None or not self.plan.endpoint else self.plan.endpoint

    @property
    def url_rule(self) -> RuleText | None:
        """The text of the rule that fits: ``/user/<int:id>``; its `rule` is the same, its `endpoint` the handler's."""
        return (
            None if self.plan is None or not self.plan.endpoint else RuleText(self.plan.rule.text, self.plan.endpoint)
        )

    @property
    def view_args(self) -> dict[str, Any]:
        """The values of the rule's variables."""
        return {} if self.plan is None else self.plan.named(self.context[VALUES])

    @property
    def blueprint(self) -> str | None:
        """The name of the handler's blueprint, with those that it is in: ``admin.users``; None without any."""
        return None if self.endpoint is None or "." not in self.endpoint else self.endpoint.rpartition(".")[0]

    @property
    def blueprints(self) -> list[str]:
        """The names of the blueprints that the handler is in, the innermost first."""
        parts = (self.blueprint or "").split(".")
        return [".".join(parts[:end]) for end in range(len(parts), 0, -1)] if self.blueprint else []

    # Who asks

    @property
    def remote_addr(self) -> str | None:
        """The client's address. Behind a proxy it is what the server, or ProxyHeaders, makes of it."""
        return self.environ.get("REMOTE_ADDR") or None

    @lazy
    def access_route(self) -> list[str]:
        """The addresses of X-Forwarded-For, else the client's. Anybody can write that field: do not trust it."""
        listed = [part.strip() for part in self.environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        return listed or ([self.remote_addr] if self.remote_addr else [])

    @property
    def remote_user(self) -> str | None:
        """Who it is, where the server or a layer of `dragoman.middleware.auth` knows."""
        return self.environ.get("REMOTE_USER") or None

    @lazy
    def authorization(self) -> Authorization | None:
        """The field Authorization, read; None without it, and where it cannot be read."""
        return parse_authorization(self.environ.get("HTTP_AUTHORIZATION"))

    @lazy
    def headers(self) -> RequestHeaders:
        """The header fields."""
        return RequestHeaders(self.environ)

    @lazy
    def cookies(self) -> MultiDict[str]:
        """The cookies; of two of one name the first counts."""
        return MultiDict(parse_cookies(self.environ.get("HTTP_COOKIE", "")).items())

    # What it would take

    @lazy
    def accept_mimetypes(self) -> Accept:
        """The field Accept."""
        return accept_mimetypes(self.environ.get("HTTP_ACCEPT"))

    @lazy
    def accept_languages(self) -> Accept:
        """The field Accept-Language."""
        return accept_languages(self.environ.get("HTTP_ACCEPT_LANGUAGE"))

    @lazy
    def accept_encodings(self) -> Accept:
        """The field Accept-Encoding."""
        return accept_encodings(self.environ.get("HTTP_ACCEPT_ENCODING"))

    @property
    def last_event_id(self) -> str | None:
        """The field Last-Event-ID: the id of the last event that a client which comes back has seen."""
        return decoded(self.environ.get("HTTP_LAST_EVENT_ID", "")) or None

    # The body

    @property
    def content_type(self) -> str | None:
        """The field Content-Type."""
        return self.environ.get("CONTENT_TYPE") or None

    @lazy
    def media_type(self) -> MediaType | None:
        """Content-Type, read; None without it, and where it is none."""
        return parse_media_type(self.content_type or "")

    @property
    def mimetype(self) -> str:
        """The type without parameters, in lower case; empty without one."""
        return "" if self.media_type is None else self.media_type.essence

    @property
    def mimetype_params(self) -> dict[str, str]:
        """The type's parameters."""
        return {} if self.media_type is None else dict(self.media_type.parameters)

    @property
    def content_length(self) -> int | None:
        """Bytes of the body; None where that is not known. Raises BadRequest where the server let nonsense through."""
        return declared_length(self.environ)

    @lazy
    def stream(self) -> InputStream:
        """The body as it comes, for reading once; what is longer than MAX_CONTENT_LENGTH raises ContentTooLarge."""
        return body_stream(self.environ, number_for(self.max_content_length))

    @property
    def data(self) -> bytes:
        """The body, in memory. Empty for a form, which `form` and `files` have; `get_data` gives that, too."""
        # The type of most bodies need not be read for this.
        if "form" in self.environ.get("CONTENT_TYPE", "").lower() and self.mimetype in FORMS:
            if REFUSAL not in self.made:
                _ = self.read_form
            return b""
        return self.body_bytes

    def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> Any:
        """The body, as bytes or as text of UTF-8.

        cache             without effect, for Flask's callers: it is kept
        parse_form_data   whether a form is read as `form` instead, and is empty here
        """
        whole = self.data if parse_form_data else self.body_bytes
        return whole.decode("utf-8", "replace") if as_text else whole

    @lazy
    def body_bytes(self) -> bytes:
        """The body as it came, in memory. Empty for a form that was read before."""
        is_read = ("read_form" in self.made and self.mimetype in FORMS) or REFUSAL in self.made
        return b"" if is_read else read_body(self.stream)

    @property
    def is_json(self) -> bool:
        """Whether Content-Type says JSON: ``application/json`` or ``application/…+json``."""
        return self.media_type is not None and self.media_type.is_json

    @property
    def json(self) -> Any:
        """What the body says in JSON. Raises UnsupportedMediaType for another type, BadRequest for what is no JSON."""
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The same.

        force    whatever the type says
        silent   None instead of an exception
        cache    without effect, for Flask's callers: it is kept
        """
        if not (force or self.is_json):
            if silent:
                return None
            raise UnsupportedMediaType(f"Want Content-Type: application/json, not {self.mimetype or 'nothing'}.")
        try:
            return self._json
        except BadRequest:
            if silent:
                return None
            raise

    @lazy
    def _json(self) -> Any:
        return decoded_json(self.body_bytes)

    @lazy
    def read_form(self) -> Form:
        """The form with its fields and files; what is no form has none."""
        if self.mimetype not in FORMS:
            return Form()
        if REFUSAL in self.made:
            # What is left of the body begins somewhere within it, and may look like a form of its own.
            raise refusal_of(*self.made[REFUSAL])
        stream: Any = self.stream
        if "body_bytes" in self.made:
            import io  # noqa: PLC0415

            stream = io.BytesIO(self.body_bytes)
        try:
            return parse_form(stream, self.content_type, None, limits=self.form_limits())
        except FormError as error:
            self.made[REFUSAL] = error.status, str(error)
            raise refusal_of(error.status, str(error)) from error

    def form_limits(self) -> Any:
        """How much of a form is taken: settings MAX_CONTENT_LENGTH and MAX_FORM_…."""
        from dragoman.http.forms import Limits  # noqa: PLC0415

        parts = number_for(self.max_form_parts)
        return Limits(
            body_bytes=number_for(self.max_content_length),
            fields=parts,
            # Each that is on disk has a descriptor.
            files=min(parts, number_for(self.max_form_files)),
            memory_bytes=number_for(self.max_form_memory_size),
        )

    @lazy
    def form(self) -> MultiDict[str]:
        """The fields of a form that was sent."""
        return MultiDict(self.read_form.fields)

    @lazy
    def files(self) -> MultiDict[UploadedFile]:
        """The files of a form that was sent; what is large is on disk, until the request has ended."""
        return MultiDict((upload.name, UploadedFile(upload)) for upload in self.read_form.files)

    @lazy
    def values(self) -> MultiDict[str]:
        """Query and form together, the query first; of GET and HEAD the query alone."""
        return MultiDict([*self.args.pairs(), *(() if self.method in WITHOUT_FORM else self.form.pairs())])

    # What goes on with it

    @lazy
    def session(self) -> MutableMapping[str, Any]:
        """What is remembered of the visitor; read when it is first asked for something."""
        return self.app.open_session(self)

    @lazy
    def g(self) -> SimpleNamespace:
        """Room for what belongs to this request."""
        from dragoman.web.globals import Room  # noqa: PLC0415

        return Room()

    @lazy
    def flashes(self) -> list[tuple[str, Any]]:
        """What `flash` has left for this visitor, with categories: taken out of the session when it is asked for."""
        from dragoman.web.flashing import taken  # noqa: PLC0415

        return taken(self.session)

    @lazy
    def after(self) -> list[Callable[[Response], Response | None]]:
        """What `after_this_request` has been given."""
        return []

    def close(self) -> None:
        """The request has ended: close its files."""
        form: Form | None = self.made.get("read_form")
        if form is not None:
            form.close()

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"


def decoded(native: str) -> str:
    return native if native.isascii() else native.encode("latin-1").decode("utf-8", "replace")


def decoded_json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is no JSON: {error}.") from error


def refusal_of(status: int, said: str) -> Exception:
    return exception_for(status)(f"{said[:1].upper()}{said[1:]}.")
