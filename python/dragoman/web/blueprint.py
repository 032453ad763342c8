"""`Blueprint`: a part of an application, with rules and hooks of its own, put in under a prefix."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dragoman.web.folders import Folders
from dragoman.web.registrations import AnyView, Registrations, refuse_undecorated
from dragoman.web.templates import Naming
from dragoman.web.typing import (
    AnyAfter,
    AnyBefore,
    AnyContext,
    AnyErrorHandler,
    AnyTeardown,
    AnyUrlDefaults,
    AnyValues,
)

if TYPE_CHECKING:
    import click

__all__ = ["Blueprint", "Nested"]


class Blueprint(Registrations, Folders):
    """A part of an application.

    name            stands before its endpoints: ``admin.index``
    import_name     ``__name__`` of its module: its folders are beside that
    url_prefix      before its rules: ``/admin``
    static_folder, template_folder   relative to `root_path`
    static_url_path   where its static files are, below the prefix; default ``/`` with the folder's name
    root_path       default the module's directory
    cli_group       the group of its commands in `App.cli`, default its name; None: they stand beside the application's
    """

    def __init__(
        self,
        name: str,
        import_name: str = "__main__",
        *,
        url_prefix: str = "",
        template_folder: str | os.PathLike[str] | None = None,
        static_folder: str | os.PathLike[str] | None = None,
        static_url_path: str | None = None,
        root_path: str | os.PathLike[str] | None = None,
        cli_group: str | None = "",
    ) -> None:
        check_name(name)
        check_prefix(url_prefix)
        super().__init__(name)
        self.import_name = import_name
        self.root_path = Path(root_path) if root_path else directory_of(import_name)
        self.url_prefix = url_prefix
        self.template_folder = template_folder
        self.static_folder = static_folder
        self.static_url_path = static_url_path
        self.cli_group = cli_group
        self.nested: list[Nested] = []
        # Method and arguments, and whether it is done each time that this is put in, not only the first time.
        self.of_app: list[tuple[str, tuple[Any, ...], bool]] = []
        self.is_put_in = False

    def register_blueprint(
        self,
        blueprint: Blueprint,
        *,
        url_prefix: str | None = None,
        name: str | None = None,
        cli_group: str | None = "",
    ) -> None:
        """Put another one into this, as `App.register_blueprint` has it.

        Raises ValueError for a name that is there already, and for a circle.
        """
        self.refuse_when_put_in("register_blueprint")
        nested = Nested(blueprint, url_prefix, name, cli_group)
        if blueprint.contains(self):
            raise ValueError(f"blueprint {blueprint.name!r} cannot be put into itself, nor into one that is in it")
        refuse_name_twice(nested, self.nested)
        self.nested.append(nested)

    def contains(self, other: Blueprint) -> bool:
        """Whether `other` is this one, or in it."""
        return other is self or any(nested.blueprint.contains(other) for nested in self.nested)

    @cached_property
    def cli(self) -> click.Group:
        """Its commands, a group of click: see `App.cli`."""
        import click  # noqa: PLC0415

        return click.Group(self.name, help=f"Commands of {self.name}.")

    # What a blueprint asks of the application as a whole

    def before_app_request(self, hook: AnyBefore) -> AnyBefore:
        """`App.before_request`."""
        return self.for_app("before_request", hook)

    def after_app_request(self, hook: AnyAfter) -> AnyAfter:
        """`App.after_request`."""
        return self.for_app("after_request", hook)

    def teardown_app_request(self, hook: AnyTeardown) -> AnyTeardown:
        """`App.teardown_request`."""
        return self.for_app("teardown_request", hook)

    def app_context_processor(self, hook: AnyContext) -> AnyContext:
        """`App.context_processor`."""
        return self.for_app("context_processor", hook)

    def app_url_value_preprocessor(self, hook: AnyValues) -> AnyValues:
        """`App.url_value_preprocessor`."""
        return self.for_app("url_value_preprocessor", hook)

    def app_url_defaults(self, hook: AnyUrlDefaults) -> AnyUrlDefaults:
        """`App.url_defaults`."""
        return self.for_app("url_defaults", hook)

    def app_errorhandler(self, key: int | type[BaseException]) -> Callable[[AnyErrorHandler], AnyErrorHandler]:
        """`App.errorhandler`."""

        if not isinstance(key, type):
            refuse_undecorated("app_errorhandler", key, "404")

        def registered(handler: AnyErrorHandler) -> AnyErrorHandler:
            self.asked_of_app("register_error_handler", key, handler)
            return handler

        return registered

    def add_app_template_filter(self, function: Callable[..., Any], name: str | None = None) -> None:
        """`App.add_template_filter`."""
        self.asked_of_app("add_template_filter", function, name)

    def add_app_template_test(self, function: Callable[..., bool], name: str | None = None) -> None:
        """`App.add_template_test`."""
        self.asked_of_app("add_template_test", function, name)

    def add_app_template_global(self, function: Callable[..., Any], name: str | None = None) -> None:
        """`App.add_template_global`."""
        self.asked_of_app("add_template_global", function, name)

    @property
    def app_template_filter(self) -> Naming:
        """`App.template_filter`."""
        return Naming(self.add_app_template_filter)

    @property
    def app_template_test(self) -> Naming:
        """`App.template_test`."""
        return Naming(self.add_app_template_test)

    @property
    def app_template_global(self) -> Naming:
        """`App.template_global`."""
        return Naming(self.add_app_template_global)

    def record(self, function: Callable[[Any], Any]) -> None:
        """Call it with the application when this is put into one. (Flask: with a state, whose `app` that is.)"""
        self.asked_of_app("call_with_app", function, each_time=True)

    def record_once(self, function: Callable[[Any], Any]) -> None:
        """`record`, for the first time alone that this is put into an application."""
        self.asked_of_app("call_with_app", function)

    def for_app(self, method: str, hook: AnyView) -> AnyView:
        self.asked_of_app(method, hook)
        return hook

    def asked_of_app(self, method: str, *arguments: Any, each_time: bool = False) -> None:
        self.refuse_when_put_in(method)
        self.of_app.append((method, arguments, each_time))

    def refuse_when_put_in(self, what: str) -> None:
        self.refuse_when_frozen(what)
        if self.is_put_in:
            raise RuntimeError(
                f"{what}: {self.name!r} has been put into an application already, which would not hear of it; do this"
                " before register_blueprint"
            )


class Nested:
    """A blueprint as it was put in: under which name and prefix, with which group of commands."""

    def __init__(
        self, blueprint: Blueprint, url_prefix: str | None, name: str | None, cli_group: str | None = ""
    ) -> None:
        check_blueprint(blueprint)
        check_prefix(url_prefix or "")
        check_name(name or blueprint.name)
        self.blueprint = blueprint
        self.url_prefix = blueprint.url_prefix if url_prefix is None else url_prefix
        self.name = name or blueprint.name
        self.cli_group = blueprint.cli_group if cli_group == "" else cli_group


def refuse_name_twice(nested: Nested, others: Iterable[Nested]) -> None:
    """Raises ValueError where one of `others` has the name of `nested`."""
    if any(one.name == nested.name for one in others):
        raise ValueError(f"there is a blueprint {nested.name!r} already; give this one a name: name='…'")


def check_blueprint(given: object) -> None:
    if not isinstance(given, Blueprint):
        said = f"the module {given.__name__}" if isinstance(given, ModuleType) else f"{given!r}"
        names = [name for name, value in getattr(given, "__dict__", {}).items() if isinstance(value, Blueprint)]
        hint = f"; did you mean its {' or '.join(names)}?" if names else ""
        if type(given).__name__ == "Blueprint":
            said, hint = f"{said} of {type(given).__module__}", ": from dragoman.web import Blueprint"
        raise TypeError(f"register_blueprint: want a Blueprint, got {said}{hint}")


def check_name(name: str) -> None:
    if not name or "." in name:
        raise ValueError(f"blueprint {name!r}: want a name without points")


def check_prefix(prefix: str) -> None:
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        raise ValueError(f"url_prefix={prefix!r}: want a slash at its beginning and none at its end")


def directory_of(import_name: str) -> Path:
    """The directory of a module, or the current one where it has no file."""
    file: Any = getattr(sys.modules.get(import_name), "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()
