"""The frameworks: where their tests are, how they are run, and which findings are theirs, each with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["EXTRAS", "KNOWN", "SUITES", "Known", "Suite"]

# What the tests and examples import besides.
EXTRAS = (
    "click", "pytest<9", "pytest-timeout", "requests", "blinker", "asgiref", "python-dotenv", "msgpack", "pyyaml",
    "jsonschema", "ephemeral-port-reserve", "watchdog", "cryptography", "sqlalchemy<2", "simplejson", "tblib",
    "docutils", "pillow", "brotli", "mako", "jinja2", "httpx", "celery", "fakeredis", "genshi", "creoleparser",
    "feedparser", "msgspec", "rich", "setuptools<81",
)  # fmt: skip


@dataclass(frozen=True)
class Suite:
    """One framework.

    version    of the framework, which is installed, and whose source distribution has the tests
    clients    the test clients that the checkers stand behind
    command    arguments of the interpreter, run in `directory` of the sources
    of_server  what is found on the server's side, which is the test client: why that is none of the framework's
    """

    name: str
    version: str
    clients: str
    command: tuple[str, ...]
    directory: str = "."
    environment: tuple[tuple[str, str], ...] = ()
    of_server: str = ""
    # Where the tests are, if not in the distribution.
    repository: str = ""


PYTEST = ("-m", "pytest", "-q", "-p", "checked_clients", "-p", "no:cacheprovider", "-p", "no:dragoman")
DJANGO = (
    "handlers wsgi view_tests generic_views staticfiles_tests servers builtin_server test_client test_client_regress "
    "csrf_tests middleware middleware_exceptions file_uploads responses requests_tests conditional_processing "
    "decorators flatpages_tests redirects_tests sitemaps_tests syndication_tests messages_tests urlpatterns "
    "urlpatterns_reverse i18n sessions_tests auth_tests admin_views admin_docs"
)
UNCLOSED = "a test that has read what it wants does not close the response"

SUITES = (
    Suite("flask", "3.1.3", "wsgiref werkzeug", (*PYTEST, "tests"), of_server=UNCLOSED),
    Suite(
        "flask", "3.1.3", "wsgiref werkzeug", (*PYTEST, "tests"), "examples/tutorial",
        (("PYTHONPATH", "."),), of_server=UNCLOSED,
    ),
    Suite(
        "flask", "3.1.3", "wsgiref werkzeug", (*PYTEST, "tests"), "examples/javascript",
        (("PYTHONPATH", "."),), of_server=UNCLOSED,
    ),
    Suite(
        "werkzeug", "3.1.9", "wsgiref werkzeug", (*PYTEST, "tests", "--ignore", "tests/test_serving.py"),
        of_server=f"{UNCLOSED}; tests of the client and of the linter hand in environs that lack keys",
    ),
    Suite(
        "django", "5.2.19", "wsgiref django",
        ("-m", "checked_clients", "runtests.py", "--parallel", "1", *DJANGO.split()),
        "tests", of_server="the client is given paths without a slash, and numbers as CGI variables",
    ),
    Suite("falcon", "4.4.0", "wsgiref", (*PYTEST, "tests", "--ignore", "tests/asgi")),
    Suite("bottle", "0.13.4", "wsgiref", (*PYTEST, "test")),
    Suite(
        "webob", "1.8.11", "wsgiref webob", (*PYTEST, "tests", "-W", "ignore"),
        of_server="tests hand in environs that are made by hand and have a few keys only",
    ),
    Suite(
        "whitenoise", "6.12.0", "wsgiref", (*PYTEST, "tests"),
        environment=(("DJANGO_SETTINGS_MODULE", "tests.django_settings"),),
        repository="https://github.com/evansd/whitenoise",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A breach that stands in a framework's test or example, and why it is one.

    tests   regular expression for the test's name, or the example's
    rules   "" for all of them
    """

    name: str
    tests: str
    rules: str
    reason: str

    def covers(self, name: str, test: str, rule: str) -> bool:
        """Whether this is it."""
        return name == self.name and bool(re.search(self.tests, test)) and rule in (self.rules.split() or [rule])


TEXT = "an application of the test gives text where bytes are due; the client does not mind"
KNOWN = (
    Known("werkzeug", r"test_lint\.py", "", "what werkzeug's own linter has to find"),
    Known("werkzeug", r"test_path_info_script_name_unquoting|test_run_wsgi_apps?\b|test_run_wsgi_app_closing"
          r"|test_type_forcing|test_closing_iterator", "body-not-bytes", TEXT),
    Known("werkzeug", r"test_no_content_type_header_addition", "content-type-missing", "what the test is about"),
    Known("werkzeug", r"test_lazy_start_response_empty", "environ-after-request",
          "the client asks on behind the end, and the application calls start_response at each __next__"),
    Known("werkzeug", r"test_responder", "body-not-iterable",
          "a function that gives a response object for werkzeug's decorator to call: no application, but named as one"),
    Known("bottle", r"test_truncate_body", "status-informational", "the test gives 100 as a status on purpose"),
    Known("falcon", r"test_unicode_headers_contain_non_ascii", "header-injection header-name-malformed",
          "the test wants such fields to be refused"),
    Known("falcon", r"test_request_body\.py", "environ-after-request", "the test reads the body when it is over"),
    Known("falcon", r"test_filelike$", "close-missing", "the test's file wrapper has no close()"),
    Known("falcon", r"^header_name_case$", "start-response-foreign",
          "the recipe's start_response does not return write"),
    Known("webob", r"test_HTTPOk_head_of_proxied_head|test_middleware_body", "header-value-type",
          "a Content-Length that is a number"),
    Known("webob", r"test_call_application|test_response$", "body-not-bytes write-not-bytes", TEXT),
    Known("webob", r"test_response\.py::test_(set_response_status|cookies|conditional_response_if)", "body-not-bytes",
          TEXT),
    Known("webob", r"test_middleware_body", "content-type-missing", "an application of the test has none"),
    Known("webob", r"test_cookies", "start-response-arguments", "merge_cookies() passes exc_info by its name"),
    Known("webob", r"control_or_space", "header-injection", "the test redirects to addresses with control characters"),
    Known("webob", r"test_use_wsgi_filewrapper", "body-not-iterable", "the test's file wrapper cannot be iterated"),
)  # fmt: skip
