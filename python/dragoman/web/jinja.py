"""The environment of Jinja: where it looks for templates, and what they have without being given it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec
from jinja2 import BaseLoader, Environment, TemplateNotFound

from dragoman.web.flashing import get_flashed_messages
from dragoman.web.globals import g, request, session
from dragoman.web.results import encoded_json, plainer

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.folders import Folders

__all__ = ["AppLoader", "environment_of"]


def environment_of(app: App, additions: Mapping[str, Mapping[str, Callable[..., Any]]]) -> Environment:
    """The environment of an application; `additions` are its filters, tests and globals."""
    auto_reload = app.config["TEMPLATES_AUTO_RELOAD"]
    options = {
        "autoescape": app.select_jinja_autoescape,
        "auto_reload": app.debug if auto_reload is None else auto_reload,
        "loader": AppLoader(app),
    }
    environment = Environment(**{**options, **app.jinja_options})
    environment.globals.update(
        # These look at the request when they are asked for something: a template that does not pays nothing.
        config=app.config,
        g=g,
        get_flashed_messages=get_flashed_messages,
        request=request,
        session=session,
        url_for=app.url_for,
    )
    environment.policies["json.dumps_function"] = as_json
    environment.filters.update(additions["filters"])
    environment.tests.update(additions["tests"])
    environment.globals.update(additions["globals"])
    return environment


class AppLoader(BaseLoader):
    """Templates of the application, and then those of its blueprints in the order in which they were put in."""

    def __init__(self, app: App) -> None:
        self.app = app

    def places(self) -> Iterator[tuple[Folders, BaseLoader]]:
        """Who has templates, and their loaders."""
        from dragoman.web.compiling import parts_of  # noqa: PLC0415

        seen = set()
        for part in parts_of(self.app):
            owner: Folders = part.blueprint or self.app
            loader = owner.jinja_loader
            if loader is not None and id(owner) not in seen:
                seen.add(id(owner))
                yield owner, loader

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Its text, its file, and a function that says whether that is still what it was."""
        for _, loader in self.places():
            try:
                return loader.get_source(environment, template)
            except TemplateNotFound:
                continue
        raise TemplateNotFound(template, self.missing(template))

    def list_templates(self) -> list[str]:
        """The names of all."""
        names: set[str] = set()
        for _, loader in self.places():
            try:
                names.update(loader.list_templates())
            except (TypeError, OSError):
                # One that makes templates by their names, say.
                continue
        return sorted(names)

    def missing(self, template: str) -> str:
        names = self.list_templates()
        places = [where(owner, loader) for owner, loader in self.places()]
        base_name = os.path.basename(template)
        near = get_close_matches(template, names, n=3)
        near += [name for name in names if os.path.basename(name) == base_name and name not in near][:3]
        if not places:
            folder = self.app.template_folder
            looked = f"there is no folder {str(self.app.root_path / folder)!r}" if folder else "there is no folder"
        else:
            looked = f"looked in {', '.join(places)}"
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        return f"{template!r}: no such template; {looked}{hint}"


def where(owner: Folders, loader: BaseLoader) -> str:
    paths = getattr(loader, "searchpath", None)
    return ", ".join(map(str, paths)) if paths else f"{type(loader).__name__} of {owner!r}"


def as_json(value: Any, *, sort_keys: bool = False, indent: int | None = None, **_: Any) -> str:
    """JSON for the filter ``tojson``, which makes it safe in HTML."""
    data = msgspec.json.encode(value, order="sorted", enc_hook=plainer) if sort_keys else encoded_json(value)
    return (data if indent is None else msgspec.json.format(data, indent=indent)).decode()
