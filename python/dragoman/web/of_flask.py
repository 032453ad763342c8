"""What is instead of what Flask's application has and `App` has not: docs/from-flask.md in errors and in the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["FUNCTIONS", "INSTEAD", "extensions_of_flask"]

REGISTERED = "what was registered is decided at the first request, and is not changed from outside"
NO_STEPS = (
    "there is no object with this step: hooks, errorhandler(Exception) and WSGI middleware around app.wsgi_app are the"
    " places"
)
NO_CLASS = "it is not exchanged by class: app.json.default, app.jinja_options, app.sessions = Sessions(store=…)"
BUILT = "it is built once; dragoman.web.config.DEFAULTS has the defaults"

FUNCTIONS = frozenset({"redirect", "make_response"})
"""Names that a derived class may take for methods of its own: Flask calls them for nobody but the application."""

GROUPS: Mapping[str, str] = {
    "url_map": "app.routes() lists the rules; app.converters['name'] = Class adds a converter, a subclass of"
    " dragoman.web.converters.Converter; the setting STRICT_SLASHES is its strict_slashes",
    "url_map_class url_rule_class view_functions": "app.routes() lists rules, endpoints, methods and handlers",
    "endpoint": "app.add_url_rule(rule, endpoint, function)",
    "aborter aborter_class make_aborter": "abort, and exceptions of your own with errorhandler",
    "redirect make_response": "it is a function of dragoman.web",
    "app_ctx_globals_class config_class json_provider_class jinja_environment test_cli_runner_class"
    " session_interface": NO_CLASS,
    "default_config auto_find_instance_path make_config create_global_jinja_loader create_url_adapter": BUILT,
    "permanent_session_lifetime": "the setting SESSION_IDLE_S, in seconds",
    "after_request_funcs before_request_funcs error_handler_spec shell_context_processors teardown_appcontext_funcs"
    " teardown_request_funcs template_context_processors url_build_error_handlers url_default_functions"
    " url_value_preprocessors": REGISTERED,
    "dispatch_request full_dispatch_request finalize_request process_response do_teardown_appcontext"
    " do_teardown_request handle_exception handle_http_exception handle_user_exception handle_url_build_error"
    " raise_routing_exception should_ignore_error trap_http_exception make_default_options_response"
    " inject_url_defaults": NO_STEPS,
    "ensure_sync async_to_sync": "handlers and hooks may be async def",
    "response_class": "give your own response back from the handler",
    "subdomain_matching": "dragoman.middleware.HostRouter gives each host its application",
}

INSTEAD: Mapping[str, str] = {name: instead for names, instead in GROUPS.items() for name in names.split()}
"""Attributes of Flask's application by name, with what to write here."""


def extensions_of_flask(extensions: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each of `App.extensions` that is an extension of Flask, which fails where it is first used."""
    for name, value in extensions.items():
        package = (value if isinstance(value, type) else type(value)).__module__.partition(".")[0]
        if package.startswith("flask_"):
            yield (
                f"app.extensions[{name!r}] is of {package}, which asks Flask's current_app and finds nothing there:"
                " docs/web/extensions.md has what there is instead"
            )
