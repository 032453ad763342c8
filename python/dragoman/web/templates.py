"""`Templates`: what an application is told of its templates, and the environment of Jinja that comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

if TYPE_CHECKING:
    from jinja2 import Environment

    from dragoman.web.app import App
    from dragoman.web.compiling import Compiled

__all__ = ["Naming", "Templates", "check_templates"]

Function = TypeVar("Function", bound=Callable[..., Any])

# Whose templates are HTML or XML, where texts are escaped.
ESCAPED = (".html", ".htm", ".xml", ".xhtml", ".svg")
MISSING = "templates want Jinja2: pip install 'dragoman[web]'"


class Adding(Protocol):
    """Takes a function under a name, by default its own."""

    def __call__(self, function: Callable[..., Any], name: str | None = None, /) -> object: ...


class Naming:
    """A decorator, as it is or with a name: ``@app.template_filter`` and ``@app.template_filter("euro")``."""

    def __init__(self, add: Adding) -> None:
        self.add = add

    @overload
    def __call__(self, name: Function, /) -> Function: ...
    @overload
    def __call__(self, name: str | None = None) -> Callable[[Function], Function]: ...
    def __call__(self, name: Any = None) -> Any:
        """Register a function; gives it back."""
        if callable(name):
            self.add(name)
            return name

        def registered(function: Function) -> Function:
            self.add(function, name)
            return function

        return registered


class Templates:
    """What `App` has of templates. Jinja2 is imported when the first one is wanted.

    jinja_options   further arguments of `jinja2.Environment`: ``app.jinja_options["trim_blocks"] = True``
    """

    def __init__(self) -> None:
        self.jinja_options: dict[str, Any] = {}
        self.additions: dict[str, dict[str, Callable[..., Any]]] = {"filters": {}, "tests": {}, "globals": {}}
        self.made_environment: Environment | None = None
        self.making_environment = threading.RLock()
        # By the scopes of a handler: what its templates' context processors are.
        self.processors: dict[tuple[str, ...], tuple[Callable[[], Mapping[str, Any]], ...]] = {}

    @property
    def jinja_env(self) -> Environment:
        """The environment that templates are made in: made when it is first asked for, of what was registered."""
        if self.made_environment is None:
            with self.making_environment:
                if self.made_environment is None:
                    self.made_environment = self.create_jinja_environment()
        return self.made_environment

    def create_jinja_environment(self) -> Environment:
        """A new one. Replace it to change what `jinja_options` cannot. Raises ImportError without Jinja2."""
        try:
            from dragoman.web.jinja import environment_of  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(MISSING, name=error.name) from error
        return environment_of(cast("App", self), self.additions)

    def select_jinja_autoescape(self, filename: str | None) -> bool:
        """Whether texts are escaped in a template: where its name says HTML or XML, and where it has none."""
        return filename is None or filename.lower().endswith(ESCAPED)

    def update_template_context(self, context: dict[str, Any]) -> None:
        """Add what the context processors give; what is there stays."""
        from dragoman.web.templating import completed  # noqa: PLC0415

        context.update(completed(cast("App", self), dict(context)))

    @property
    def template_filter(self) -> Naming:
        """Register a filter, by its name or another one: ``{{ price|euro }}``."""
        return Naming(self.add_template_filter)

    @property
    def template_test(self) -> Naming:
        """Register a test: ``{% if number is prime %}``."""
        return Naming(self.add_template_test)

    @property
    def template_global(self) -> Naming:
        """Register a function that templates call: ``{{ version() }}``."""
        return Naming(self.add_template_global)

    def add_template_filter(self, function: Callable[..., Any], name: str | None = None) -> None:
        """`template_filter`, without a decorator."""
        self.add_to_templates("filters", function, name)

    def add_template_test(self, function: Callable[..., bool], name: str | None = None) -> None:
        """`template_test`, without a decorator."""
        self.add_to_templates("tests", function, name)

    def add_template_global(self, function: Callable[..., Any], name: str | None = None) -> None:
        """`template_global`, without a decorator."""
        self.add_to_templates("globals", function, name)

    def add_to_templates(self, kind: str, function: Callable[..., Any], name: str | None) -> None:
        name = name or function.__name__
        cast("App", self).refuse_when_frozen(f"add_template_{kind[:-1]}")
        self.additions[kind][name] = function
        if self.made_environment is not None:
            getattr(self.made_environment, kind)[name] = function


def check_templates(app: App, tables: Compiled) -> None:
    """Raises BuildError for templates that are wrong; without any, or without Jinja2, nothing is looked at."""
    try:
        if all((part.blueprint or app).jinja_loader is None for part in tables.parts):
            return
        from dragoman.web.checking import check  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "markupsafe"):
            raise
        return
    check(app, tables)
