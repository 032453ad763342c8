"""`App`: rules, hooks and settings, and the WSGI application that they make."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, overload

from dragoman.middleware.development import is_development
from dragoman.types import Environ, StartResponse, WSGIApplication
from dragoman.web.blueprint import Blueprint, Nested, directory_of, refuse_name_twice
from dragoman.web.compiling import Compiled, compiled
from dragoman.web.config import Config
from dragoman.web.context import ENVIRON, PLAN, Context
from dragoman.web.contexts import AppContext, RequestContext, in_hand, preprocessed
from dragoman.web.converters import CONVERTERS, Converters
from dragoman.web.errors import HTTPException, InternalServerError, ServiceUnavailable
from dragoman.web.folders import Folders
from dragoman.web.handling import is_of_sessions, of_werkzeug, page
from dragoman.web.instance import instance_folder_of
from dragoman.web.json import Json
from dragoman.web.late import Late
from dragoman.web.of_flask import FUNCTIONS, INSTEAD, extensions_of_flask
from dragoman.web.places import place_of
from dragoman.web.plan import Plan
from dragoman.web.registrations import Registrations
from dragoman.web.request import Request
from dragoman.web.response import Response
from dragoman.web.results import response_of
from dragoman.web.serving import compiled_serving
from dragoman.web.templates import Templates, check_templates
from dragoman.web.typing import AnyContext, AnyTeardown, ContextHook, TeardownHook
from dragoman.web.urls import url_for as url_of

if TYPE_CHECKING:
    import logging

    from dragoman.middleware import Sessions
    from dragoman.web import sessioning
    from dragoman.web.commands import AppCommands
    from dragoman.web.testing import Client, CliRunner, LiveClient
else:
    sessioning = Late("dragoman.web.sessioning")

__all__ = ["App"]

# Where a layer outside of the application looks for an exception that was answered with a page.
EXCEPTION = "dragoman.exception"


class App(Registrations, Folders, Templates):
    """A web application. It is a WSGI application itself: any server runs it, any middleware wraps it.

    import_name       ``__name__`` of its module: folders are beside that
    static_folder     whose files are served at `static_url_path`; None for none
    static_url_path   default ``/`` with the folder's name
    template_folder   of Jinja2's templates
    root_path         what folders are relative to; default the module's directory
    instance_path     where files are that are no part of the code; default ``instance`` beside module or package
    instance_relative_config   whether `Config.from_file` and its like look there

        app = App(__name__)

        @app.get("/user/<int:id>")
        def user(id: int) -> dict:
            return {"id": id}
    """

    request_class: type[Request] = Request
    test_client_class: type[Client] | None = None
    response_class: type[Response] = Response
    builtin_converters = tuple(CONVERTERS.values())

    def __init__(
        self,
        import_name: str = "__main__",
        *,
        static_folder: str | os.PathLike[str] | None = "static",
        static_url_path: str | None = None,
        template_folder: str | os.PathLike[str] | None = "templates",
        root_path: str | os.PathLike[str] | None = None,
        instance_path: str | None = None,
        instance_relative_config: bool = False,
    ) -> None:
        Registrations.__init__(self, import_name)
        Templates.__init__(self)
        self.import_name = import_name
        self.root_path = Path(root_path) if root_path else directory_of(import_name)
        self.static_folder = static_folder
        self.static_url_path = static_url_path
        self.template_folder = template_folder
        if instance_path is not None and not os.path.isabs(instance_path):
            raise ValueError(f"instance_path={instance_path!r}: want an absolute path")
        self.instance_path = instance_path or str(instance_folder_of(import_name))
        self.config = Config(self.instance_path if instance_relative_config else self.root_path)
        self.converters = Converters(self.refuse_when_frozen)
        self.blueprints_given: list[Nested] = []
        self.taken: set[Blueprint] = set()
        self.context_teardown: list[TeardownHook] = []
        self.extensions: dict[str, Any] = {}
        self.json = Json()
        self.sessions: Sessions | None = None
        self.shell_context: list[ContextHook] = []
        self.sessions_by_settings: dict[bool, Sessions] = {}
        self.freezing = threading.RLock()
        self.compiled: Compiled | None = None
        self.own_entry: WSGIApplication = self.first_request
        self.entry: WSGIApplication = self.own_entry

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in INSTEAD:
                raise AttributeError(f"App has no {name!r}, as Flask has: {INSTEAD[name]}", name=name, obj=self)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

        def __setattr__(self, name: str, value: Any) -> None:
            if name in INSTEAD:
                raise AttributeError(f"App takes no {name!r}, as Flask does: {INSTEAD[name]}", name=name, obj=self)
            object.__setattr__(self, name, value)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in cls.__dict__.keys() & (INSTEAD.keys() - FUNCTIONS):
            raise TypeError(f"{cls.__name__}.{name}: nothing asks for it, as Flask does: {INSTEAD[name]}")

    # Answering

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as PEP 3333 has it."""
        return self.entry(environ, start_response)

    @property
    def wsgi_app(self) -> WSGIApplication:
        """What is called for each request; set it to wrap that: ``app.wsgi_app = Compress(app.wsgi_app)``."""
        return self.own_wsgi_app if self.entry is self.own_entry else self.entry

    @wsgi_app.setter
    def wsgi_app(self, app: WSGIApplication) -> None:
        self.entry = app

    def own_wsgi_app(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return self.own_entry(environ, start_response)

    def first_request(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            self.freeze()
        except Exception as error:
            if not self.debug or self.testing:
                raise
            # Who works on it has a browser in front, and not the log.
            self.logger.error("the application cannot be had", exc_info=error)
            fault = InternalServerError("The application cannot be had.", original_exception=error)
            return page(fault, environ, is_development=True)(environ, start_response)
        return self.own_entry(environ, start_response)

    def freeze(self) -> Compiled:
        """Decide how each request is answered; the first one does it. Nothing can be registered afterwards.

        Raises RuleError for rules that are none or that contradict each other, HandlerError for a handler whose
        parameters nothing gives, BuildError for a template that links to an endpoint that there is not, TypeError for a
        setting of another kind than it has to be.
        """
        with self.freezing:
            if self.compiled is None:
                if wrong := self.config.wrong():
                    raise TypeError("\n  ".join(wrong))
                for sentence in (*self.config.without_effect(), *extensions_of_flask(self.extensions)):
                    self.logger.warning(sentence)
                tables = compiled(self)
                if self.config["CHECK_TEMPLATES"]:
                    check_templates(self, tables)
                serving = compiled_serving(self, tables)
                self.compiled = tables
                is_unwrapped = self.entry is self.own_entry
                self.own_entry = serving
                if is_unwrapped:
                    self.entry = serving
                self.is_frozen = True
                for part in tables.parts:
                    if part.blueprint is not None:
                        part.blueprint.is_frozen = True
            return self.compiled

    # Parts

    def register_blueprint(
        self,
        blueprint: Blueprint,
        *,
        url_prefix: str | None = None,
        name: str | None = None,
        cli_group: str | None = "",
    ) -> None:
        """Put a blueprint in.

        url_prefix   instead of its own
        name         instead of its own: to put one in twice
        cli_group    of its commands, instead of its own; None: they stand beside the application's
        Raises ValueError for a name that is there already.
        """
        self.refuse_when_frozen("register_blueprint")
        nested = Nested(blueprint, url_prefix, name, cli_group)
        refuse_name_twice(nested, self.blueprints_given)
        self.blueprints_given.append(nested)
        self.take_from(blueprint)

    def take_from(self, blueprint: Blueprint) -> None:
        """Do what a blueprint, and those in it, ask of the application as a whole: once, however often it is put in."""
        blueprint.is_put_in = True
        is_first = blueprint not in self.taken
        self.taken.add(blueprint)
        for method, arguments, each_time in blueprint.of_app:
            if is_first or each_time:
                getattr(self, method)(*arguments)
        for nested in blueprint.nested:
            self.take_from(nested.blueprint)

    def call_with_app(self, function: Callable[[Any], Any]) -> None:
        function(self)

    @property
    def blueprints(self) -> dict[str, Blueprint]:
        """Those that were put in, by name."""
        return {nested.name: nested.blueprint for nested in self.blueprints_given}

    def iter_blueprints(self) -> Iterable[Blueprint]:
        """Those that were put in, in that order."""
        return self.blueprints.values()

    # Files

    def open_instance_resource(self, resource: str, mode: str = "rb", encoding: str | None = "utf-8") -> IO[Any]:
        """A file of the instance folder; in another mode than ``"rb"`` and ``"r"`` it may be written, too."""
        return open(Path(self.instance_path) / resource, mode, encoding=None if "b" in mode else encoding)

    # Contexts

    def app_context(self) -> AppContext:
        """The application in hand without a request: ``with app.app_context():``."""
        return AppContext(self)

    def request_context(self, environ: Environ) -> RequestContext:
        """A request in hand, of an environ."""
        return RequestContext(self, environ)

    def test_request_context(self, path: str = "/", **options: Any) -> RequestContext:
        """A request in hand that nobody has sent; path and `options` are those of `environ_of`: method, data, json, …

        Hooks are not called; `preprocess_request` calls those that come before the handler.
        """
        from dragoman.web.building_environ import environ_of  # noqa: PLC0415

        options.setdefault("base_url", self.base_url())
        return RequestContext(self, environ_of(path, **options))

    def base_url(self) -> str:
        """Where requests of tests find the application, by SERVER_NAME and APPLICATION_ROOT."""
        return f"http://{self.config['SERVER_NAME'] or 'localhost'}{self.config['APPLICATION_ROOT']}"

    def preprocess_request(self) -> Any:
        """Call the hooks that come before the handler of the request in hand; gives the answer of one, or None."""
        return preprocessed(in_hand("preprocess_request"))

    def teardown_appcontext(self, hook: AnyTeardown) -> AnyTeardown:
        """Call it when a request or an `app_context` has ended, with what was raised or None."""
        return self.noted("teardown_appcontext", self.context_teardown, hook)

    # Settings

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """For how many seconds caches keep a file of which nobody says: setting SEND_FILE_MAX_AGE_DEFAULT."""
        age: int | timedelta | None = self.config["SEND_FILE_MAX_AGE_DEFAULT"]
        return int(age.total_seconds()) if isinstance(age, timedelta) else age

    @property
    def secret_key(self) -> Any:
        """Signs the cookies of sessions: setting SECRET_KEY."""
        return self.config["SECRET_KEY"]

    @secret_key.setter
    def secret_key(self, key: str | bytes) -> None:
        self.config["SECRET_KEY"] = key

    @property
    def testing(self) -> bool:
        """Setting TESTING: exceptions go to the test instead of becoming pages."""
        return bool(self.config["TESTING"])

    @testing.setter
    def testing(self, value: bool) -> None:
        self.config["TESTING"] = value

    @property
    def debug(self) -> bool:
        """Setting DEBUG, or else whether this runs under ``dragoman --dev``: pages of faults show what was raised."""
        debug = self.config["DEBUG"]
        return is_development() if debug is None else isinstance(debug, int) and bool(debug)

    @debug.setter
    def debug(self, value: bool) -> None:
        self.config["DEBUG"] = value

    # URLs

    def url_for(
        self,
        endpoint: str,
        *,
        _external: bool | None = None,
        _anchor: str | None = None,
        _method: str | None = None,
        _scheme: str | None = None,
        **values: Any,
    ) -> str:
        """The URL of an endpoint.

        endpoint   ``"user"``, ``"admin.user"``; ``".user"`` is that of the blueprint of the request in hand
        values     of the rule's variables; others go into the query
        Raises BuildError for an endpoint that there is not, with the names that are near, and for missing values.
        """
        return url_of(
            endpoint, _app=self, _external=_external, _anchor=_anchor, _method=_method, _scheme=_scheme, **values
        )

    # Exceptions

    @cached_property
    def logger(self) -> logging.Logger:
        """The logger of the application's name, with `dragoman.web.logging.default_handler`.

        Who has set up another handler for its records has them there alone. With `debug` it begins at DEBUG.
        """
        from dragoman.web.logging import create_logger  # noqa: PLC0415

        return create_logger(self)

    def handled(self, error: Exception, scopes: tuple[str, ...], context: Context) -> Response:
        """The answer to an exception that the application has a handler for, or that stands for one.

        Raises `error` again where neither is so.
        """
        if is_of_sessions(error):
            error = ServiceUnavailable("Sessions cannot be reached at the moment. Please try again.")
        errors = self.freeze().errors
        if isinstance(error, HTTPException) and error.response is not None:
            return error.response
        handler = errors.find(scopes, error)
        ours = None if isinstance(error, HTTPException) else of_werkzeug(error, context[ENVIRON])
        # A handler for this very class comes first.
        if ours is not None and handler is errors.find(scopes, Exception()):
            return self.handled(ours, scopes, context)
        if handler is not None:
            return response_of(handler(error), context[ENVIRON], handler, self.json.encode)
        if isinstance(error, HTTPException):
            return page(error, context[ENVIRON])
        raise error

    def failed(self, error: Exception, scopes: tuple[str, ...], context: Context) -> Response:
        """The answer to an exception that nobody handles: 500, and the log has it. In tests it is raised again."""
        propagate = self.config["PROPAGATE_EXCEPTIONS"]
        if self.testing if propagate is None else propagate:
            raise error
        self.log_exception(error, context)
        environ: Environ = context[ENVIRON]
        environ[EXCEPTION] = error
        fault = InternalServerError(original_exception=error)
        handler = self.freeze().errors.find(scopes, fault)
        if handler is not None:
            try:
                return response_of(handler(fault), environ, handler, self.json.encode)
            except Exception as second:
                self.log_exception(second, context)
        return page(fault, environ, self.debug)

    def log_exception(self, error: BaseException, context: Context) -> None:
        """Tell the log of an exception that nobody handles. Replace it to tell somebody else."""
        environ: Environ = context[ENVIRON]
        where = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        plan: Plan | None = context[PLAN]
        # What went wrong with its result has no line of it in the traceback.
        handler = f" of {place_of(plan.view)}" if plan is not None and plan.endpoint else ""
        self.logger.error("exception on %r [%s]%s", where, environ.get("REQUEST_METHOD"), handler, exc_info=error)

    # Sessions

    def open_session(self, request: Request) -> MutableMapping[str, Any]:
        """The session of a request."""
        return sessioning.open_session(request, self.sessions_for)

    def save_session(self, request: Request, response: Response) -> None:
        """Store the session of a request that has asked for it."""
        sessioning.save_session(request, response, self.sessions_for)

    def sessions_for(self, request: Request) -> Sessions | None:
        """`sessions`, else those that the settings describe: one may be asked by http and by https. None: no secret."""
        if self.sessions is not None:
            return self.sessions
        is_local = request.scheme == "http"
        made = self.sessions_by_settings.get(is_local)
        if made is None and self.config["SECRET_KEY"]:
            made = self.sessions_by_settings[is_local] = sessioning.sessions_of(self.config, is_local)
        return made

    # Serving it

    def run(self, host: str = "127.0.0.1", port: int = 8000, debug: bool | None = None, **settings: Any) -> None:
        """Serve it by Dragoman in this process until Ctrl-C: for a file that is run as a program.

        debug      sets `App.debug`
        settings   those of `dragoman.serve`
        Nothing is loaded anew when a file changes: ``dragoman --dev app:app`` does that.
        """
        from dragoman.embedded import serve  # noqa: PLC0415

        if debug is not None:
            self.debug = debug
        serve(self, bind=f"[{host}]:{port}" if ":" in host else f"{host}:{port}", **settings)

    # Seeing it

    def routes(self) -> list[Mapping[str, Any]]:
        """Each rule with ``rule``, ``endpoint``, ``methods`` and ``view``, in the order of registration."""
        return [
            {"rule": plan.rule.text, "endpoint": plan.endpoint, "methods": list(of.methods), "view": of.view}
            for of, plan in self.freeze().rules
        ]

    def openapi(
        self,
        title: str | None = None,
        version: str = "0.1.0",
        *,
        description: str = "",
        servers: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        openapi_extra: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The OpenAPI 3.1 document of the application, written from rules, annotations and docstrings.

        title, version   of the API; the title is by default the name of the module
        description      in CommonMark
        servers          URLs that the paths are relative to
        tags             what each tag, which is by default a blueprint's name, stands for
        openapi_extra    further members of the document, merged into it: ``components`` with ``securitySchemes``, say
        What `describe` says of handlers is in it. Rules that OpenAPI cannot tell apart are told in ``x-omitted``. It
        wants all rules, so the application takes no more after it.
        """
        from dragoman.web.openapi import openapi_document  # noqa: PLC0415

        return openapi_document(
            self,
            title=title,
            version=version,
            description=description,
            servers=servers,
            tags=tags,
            openapi_extra=openapi_extra,
        )

    def serve_openapi(self, rule: str = "/openapi.json", docs: str | None = "/docs", **said: Any) -> None:
        """Serve the document at `rule`, and a page that shows it, and tries requests, at `docs`; None for no page.

        said   what `openapi` takes; without ``servers`` the prefix that the application is mounted at
        The page loads nothing of other sites. Whoever reaches the application sees both, unless a hook asks who it is.
        """
        from dragoman.web.openapi_page import serve_openapi  # noqa: PLC0415

        serve_openapi(self, rule, docs, said)

    # Tests, commands and the shell

    @overload
    def test_client(self, use_cookies: bool = True, *, live: Literal[False] = False) -> Client: ...
    @overload
    def test_client(self, use_cookies: bool = True, *, live: Literal[True], **settings: Any) -> LiveClient: ...
    def test_client(self, use_cookies: bool = True, *, live: bool = False, **settings: Any) -> Client:
        """A client for tests, with the contract checker around the application.

        use_cookies   whether it keeps cookies
        live          whether it asks over sockets, of the real server, which runs in a ``with`` block
        settings      of that server, as `dragoman.testing.LiveServer` takes them
        `test_client_class`, where it is set, makes the client that is not live.
        """
        from dragoman.web import testing  # noqa: PLC0415

        if live:
            return testing.LiveClient(self, use_cookies, **settings)
        made: Client = (self.test_client_class or testing.Client)(self, use_cookies, **settings)
        return made

    def test_cli_runner(self, **options: Any) -> CliRunner:
        """Runs commands in tests: ``app.test_cli_runner().invoke(args=["init-db"])``. `options`: those of click's."""
        from dragoman.web.testing import CliRunner  # noqa: PLC0415

        return CliRunner(self, **options)

    @cached_property
    def cli(self) -> AppCommands:
        """The application's own commands, a group of click; ``dragoman command`` runs them."""
        from dragoman.web.commands import AppCommands  # noqa: PLC0415

        return AppCommands(self)

    def shell_context_processor(self, hook: AnyContext) -> AnyContext:
        """Call it when ``dragoman shell`` begins; it gives names and values for it."""
        self.shell_context.append(hook)
        return hook

    def make_shell_context(self) -> dict[str, Any]:
        """The names that ``dragoman shell`` begins with."""
        from dragoman.web import globals  # noqa: PLC0415

        names = {"app": self, "g": globals.g, "request": globals.request, "session": globals.session}
        for hook in self.shell_context:
            names.update(hook())
        return names

    def __repr__(self) -> str:
        return f"<App {self.import_name!r}>"
