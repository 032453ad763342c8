"""`render_template` and its kin: pages made of templates, whole or piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dragoman.web.background import called_in_loop
from dragoman.web.context import APP, PLAN, current_context

if TYPE_CHECKING:
    from jinja2 import Template

    from dragoman.web.app import App

__all__ = [
    "completed",
    "get_template_attribute",
    "render_template",
    "render_template_string",
    "stream_template",
    "stream_template_string",
]

Names: TypeAlias = "str | Template | Sequence[str | Template]"


def render_template(template_name_or_list: Names, /, **context: Any) -> str:
    """The text of a template.

    template_name_or_list   its name, or several of which the first that there is is taken
    context                 the names in it; request, session, g, config, url_for and get_flashed_messages are there too
    Raises jinja2.TemplateNotFound, which says where was looked, and jinja2.TemplateSyntaxError.
    """
    app: App = current_context("render_template")[APP]
    return found(app, template_name_or_list).render(completed(app, context))


def render_template_string(source: str, /, **context: Any) -> str:
    """The text of a template that is given as a text itself. Values in it are escaped as in HTML."""
    app: App = current_context("render_template_string")[APP]
    return app.jinja_env.from_string(source).render(completed(app, context))


def stream_template(template_name_or_list: Names, /, **context: Any) -> Iterator[str]:
    """The pieces of a template, each as it is made: give it back from a handler, and the page is sent as it grows.

    The template is looked for at once; what is wrong in its course comes when part of the page has been sent.
    """
    app: App = current_context("stream_template")[APP]
    return found(app, template_name_or_list).generate(completed(app, context))


def stream_template_string(source: str, /, **context: Any) -> Iterator[str]:
    """The pieces of a template that is given as a text itself."""
    app: App = current_context("stream_template_string")[APP]
    return app.jinja_env.from_string(source).generate(completed(app, context))


def get_template_attribute(template_name: str, attribute: str) -> Any:
    """A macro or a variable of a template, for calling it from Python."""
    app: App = current_context("get_template_attribute")[APP]
    return getattr(app.jinja_env.get_template(template_name).module, attribute)


def found(app: App, names: Names) -> Template:
    environment = app.jinja_env
    return environment.get_template(names) if isinstance(names, str) else environment.get_or_select_template(names)  # type: ignore[arg-type]


def completed(app: App, context: dict[str, Any]) -> dict[str, Any]:
    """The context with what the processors of the application and of the handler's blueprints give.

    What the caller gives comes before what they do, and the innermost blueprint's before the application's.
    """
    plan = current_context("render_template")[PLAN]
    scopes: tuple[str, ...] = () if plan is None else plan.scopes
    processors = app.processors.get(scopes)
    if processors is None:
        given = [app.given.context]
        if scopes:
            by_scope = {part.scopes[0]: part.given.context for part in app.freeze().parts if part.scopes}
            given += [by_scope[scope] for scope in scopes[::-1]]
        processors = tuple(called_in_loop(one) for listed in given for one in listed)
        if app.is_frozen:
            app.processors[scopes] = processors
    if not processors:
        return context
    values: dict[str, Any] = {}
    for processor in processors:
        values.update(processor())
    return {**values, **context}
