"""Finding the application: what each string means, and what is said when it is not there."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from dragoman.errors import ApplicationError, DragomanError, UsageError
from dragoman.loader import ApplicationString, Loaded, add_paths, load, parse

APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes modules into a directory that modules are found in: ``write(shop=..., shop__wsgi=...)``."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write_modules(**modules: str) -> None:
        for name, source in modules.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.parent != tmp_path:
                (path.parent / "__init__.py").touch()
            path.write_text(dedent(source))
        add_paths(str(tmp_path), [])

    yield write_modules
    for name in set(sys.modules) - before:
        del sys.modules[name]


def failure(text: str, kind: type[DragomanError] = ApplicationError) -> DragomanError:
    with pytest.raises(kind) as caught:
        load(text)
    return caught.value


# --- strings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app", ApplicationString("app")),
        ("shop.wsgi:app", ApplicationString("shop.wsgi", "app")),
        ("shop:site.app", ApplicationString("shop", "site.app")),
        ("shop:make()", ApplicationString("shop", "make", True)),
        ("shop:a.make('x', n=[1, -2])", ApplicationString("shop", "a.make", True, ("x",), (("n", [1, -2]),))),
    ],
)
def test_an_application_string_is_module_attribute_and_literal_arguments(text: str, expected: object) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", ":app", "a b:app", "app:", "app:1", "app:a b", "app:make(x)", "app:make(*[1])", "app:make(**{})", "app:a[0]",
     "app:make()()", "app:(", "app:" + "(" * 500, "app:a.b().c", "..app:app"],
)  # fmt: skip
def test_a_malformed_string_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"^application ") as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "likely"), [("app.py", "app"), ("./src/app.py:site", "src.app:site")])
def test_a_file_name_is_answered_with_the_module_that_it_is(text: str, likely: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert str(caught.value).endswith(f"did you mean {likely}?")


# --- what is found -----------------------------------------------------------------------------------------------


def test_module_and_attribute_name_the_application(write: Write) -> None:
    write(shop=APP + "other = app\nclass Site:\n    inner = staticmethod(app)\nsite = Site()")
    assert load("shop:app").name == "shop:app"
    assert load("shop:other").application is load("shop:app").application
    assert load("shop:site.inner").name == "shop:site.inner"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (APP, "shop:app"),
        (APP.replace("app(", "application("), "shop:application"),
        (APP + "application = None", "shop:app"),
        (APP.replace("app(", "other(") + "def create_app():\n    return other", "shop:create_app()"),
    ],
)
def test_without_an_attribute_app_application_and_create_app_are_tried(write: Write, source: str, name: str) -> None:
    write(shop=source)
    assert load("shop").name == name


def test_a_package_is_served_by_its_wsgi_module(write: Write) -> None:
    write(shop__wsgi=APP.replace("app(", "application("))
    assert load("shop").name == "shop.wsgi:application"


def test_a_submodule_named_app_is_not_taken_for_the_application(write: Write) -> None:
    write(shop__app="", shop__wsgi=APP)
    (Path("shop") / "__init__.py").write_text("import shop.app")
    assert load("shop").name == "shop.wsgi:app"


def test_a_factory_is_called_with_its_literal_arguments(write: Write) -> None:
    write(shop=APP + "def make(*args, **kwargs):\n    global seen\n    seen = args, kwargs\n    return app")
    assert load("shop:make('prod', debug=False, sizes=[1, 2])").name == "shop:make()"
    assert sys.modules["shop"].seen == (("prod",), {"debug": False, "sizes": [1, 2]})


def test_a_django_project_is_served_by_its_name(write: Write) -> None:
    write(
        mysite__settings="SECRET_KEY = 'x'\nROOT_URLCONF = 'mysite.urls'\nALLOWED_HOSTS = ['*']",
        mysite__urls="urlpatterns = []",
        mysite__wsgi="""
            import os
            from django.core.wsgi import get_wsgi_application
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
            application = get_wsgi_application()
        """,
    )
    loaded = load("mysite")
    assert loaded.name == "mysite.wsgi:application"
    assert type(loaded.application).__name__ == "WSGIHandler"


def test_a_class_whose_instances_are_the_iterables_is_an_application(write: Write) -> None:
    write(
        shop="""
        class App:
            def __init__(self, environ, start_response):
                self.start = start_response
            def __iter__(self):
                self.start("200 OK", [])
                yield b""
        """
    )
    assert isinstance(load("shop:App"), Loaded)


def test_pythonpath_and_chdir_come_first_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/first"])
    monkeypatch.chdir(tmp_path)
    add_paths(str(tmp_path), ["lib", "/absolute"])
    assert sys.path == [str(tmp_path), str(tmp_path / "lib"), "/absolute", "/first"]


# --- what is not found -------------------------------------------------------------------------------------------


def test_a_missing_module_is_answered_with_near_names(write: Write) -> None:
    write(shop=APP)
    error = failure("shp:app")
    assert str(error) == f"no module shp in {Path.cwd()}, nor in the rest of sys.path; did you mean shop?"
    assert error.exit_status == 3
    assert error.details == ""


def test_a_missing_module_without_near_names_is_answered_with_what_is_there(write: Write) -> None:
    write(shop=APP, tools="")
    assert str(failure("zebra")).endswith("; there are shop, tools")


def test_a_missing_submodule_is_looked_for_in_its_package(write: Write) -> None:
    write(shop__wsgi=APP)
    assert str(failure("shop.wsgy:app")).endswith("did you mean shop.wsgi?")


def test_a_submodule_of_a_plain_module_is_said_to_be_impossible(write: Write) -> None:
    write(shop=APP)
    assert str(failure("shop.wsgi")) == "no module shop.wsgi: shop is a module (shop.py), not a package"


def test_an_import_that_fails_inside_is_told_apart_and_shown_from_the_application_on(write: Write) -> None:
    write(shop="import lib_of_shop", lib_of_shop="import nothing_of_that_name")
    error = failure("shop:app")
    assert str(error) == "importing shop fails: ModuleNotFoundError: No module named 'nothing_of_that_name'"
    frames = [line for line in error.details.splitlines() if line.startswith("  File")]
    assert [Path(frame.split('"')[1]).name for frame in frames] == ["shop.py", "lib_of_shop.py"]


def test_a_module_that_imports_its_own_missing_sibling_is_not_called_missing_itself(write: Write) -> None:
    write(shop__wsgi="import shop.settings")
    error = failure("shop.wsgi")
    assert str(error).startswith("importing shop.wsgi fails: ModuleNotFoundError: No module named 'shop.settings'")
    assert "wsgi.py" in error.details


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "importing shop fails: ZeroDivisionError: division by zero"),
        ("raise ValueError('a\\nb\\x1b[2J')", "importing shop fails: ValueError: a"),
        ("import sys; sys.exit('no settings')", "importing shop exits the process: SystemExit: no settings"),
        ("from os import nothing_like_that", "importing shop fails: ImportError: cannot import name"),
    ],
)
def test_a_module_that_raises_is_told_in_one_line_with_its_traceback(write: Write, source: str, message: str) -> None:
    write(shop=source)
    error = failure("shop")
    assert str(error).startswith(message) and "\n" not in str(error)
    assert error.details.startswith("Traceback") and "shop.py" in error.details
    assert "importlib" not in error.details and "loader.py" not in error.details


def test_a_syntax_error_shows_its_line(write: Write) -> None:
    write(shop="def app(:\n    pass")
    error = failure("shop")
    assert str(error).startswith("importing shop fails: SyntaxError")
    assert "shop.py" in error.details and "def app(:" in error.details


def test_a_missing_attribute_is_answered_with_near_names_and_the_path_of_the_module(write: Write) -> None:
    write(shop=APP)
    assert str(failure("shop:ap")) == "no ap in shop (shop.py); did you mean shop:app?"


def test_a_class_that_a_module_imports_is_not_taken_for_the_application(write: Write) -> None:
    write(shop="from dragoman.web import App\napplication = App(__name__)\n")
    assert str(failure("shop:app")) == "no app in shop (shop.py); it has shop:application"
    write(own="class App:\n    pass\n")
    assert str(failure("own:app")) == "no app in own (own.py); did you mean own:App?"


def test_a_missing_attribute_without_near_names_is_answered_with_the_callables(write: Write) -> None:
    write(shop="from json import dumps\nVERSION = 1\n" + APP.replace("app(", "site("))
    assert str(failure("shop:zzz")) == "no zzz in shop (shop.py); it has shop:site"
    assert str(failure("shop")) == "no app, application or create_app() in shop (shop.py); it has shop:site"


def test_a_missing_part_of_a_dotted_attribute_names_its_holder(write: Write) -> None:
    write(shop="class Site:\n    handler = 1\nsite = Site()")
    assert str(failure("shop:site.handle")).startswith("no handle in shop:site, which is a Site; did you mean")


def test_a_package_without_any_default_names_both_modules(write: Write) -> None:
    write(shop__wsgi="")
    message = str(failure("shop"))
    assert message == (
        "no app, application or create_app() in shop (shop/__init__.py) and shop.wsgi (shop/wsgi.py);"
        " name what is to be served: shop:NAME"
    )


def test_the_directory_of_a_django_project_is_answered_with_chdir(write: Write) -> None:
    write(shop_root__shop__wsgi="")
    Path("shop_root/manage.py").touch()
    assert str(failure("shop_root")).endswith("shop_root has manage.py: try --chdir shop_root")


# --- what is not an application ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text", "message"),
    [
        ("app = {}", "shop:app", "contract: app-not-callable: shop:app is a dict, not a WSGI application"),
        (
            "import json as app",
            "shop:app",
            "contract: app-not-callable: shop:app is the module json, not a WSGI application",
        ),
        ("async def app(scope, receive, send): ...", "shop", "shop:app is an async def function: it is an ASGI"),
        ("async def app(environ, start_response): ...", "shop", "shop:app is an async def function: it is an ASGI"),
        (
            "class A:\n    async def __call__(self, scope, receive, send): ...\napp = A()",
            "shop",
            "contract: app-signature: shop:app is an A: it is an ASGI application",
        ),
        ("class A:\n    async def __call__(self, a, b, c): ...", "shop:A", "is the class A of ASGI applications"),
        ("class A:\n    def __call__(self, environ, start): ...", "shop:A", "is the class A; serve an instance of it"),
        ("class A: pass", "shop:A", "its instances are neither callable nor iterable"),
        ("def app(): ...", "shop:app", "takes no arguments, a WSGI application takes (environ, start_response)"),
        (
            "def create_app(config=None): ...",
            "shop:create_app",
            "shop:create_app(config=None) can do without any, a WSGI application takes (environ, start_response);"
            " if it makes the application, write shop:create_app()",
        ),
        ("def app(request): ...", "shop:app", "shop:app(request) does not take (environ, start_response)"),
        (
            "def create_app(mode): ...",
            "shop:create_app",
            "shop:create_app(mode) does not take (environ, start_response); if it makes the application, write its"
            " arguments, as literals: shop:create_app('prod', n=1)",
        ),
        ("def app(): ...", "shop:app()", "shop:app() returned None; it has to return the application"),
        ("def make(n): ...", "shop:make()", "calling shop:make() fails: TypeError: make() missing 1 required"),
        ("app = 3", "shop:app()", "shop:app is an int and cannot be called; drop the parentheses"),
    ],
)
def test_what_is_not_a_wsgi_application_is_told_with_what_it_is(
    write: Write, source: str, text: str, message: str
) -> None:
    write(shop=source)
    assert message in str(failure(text))


def test_a_factory_that_wants_arguments_says_where_they_stand_and_shows_no_traceback(write: Write) -> None:
    write(shop="def create_app(mode): ...\ndef broken(): int('a', 'b', 'c', 'd')")
    error = failure("shop")
    assert str(error) == (
        "calling shop:create_app() fails: TypeError: create_app() missing 1 required positional argument: 'mode';"
        " arguments stand in the call, as literals: shop:create_app('prod', n=1)"
    )
    assert not error.details
    assert "literals" not in str(failure("shop:broken()")) and failure("shop:broken()").details


def test_a_factory_that_fails_shows_its_own_traceback(write: Write) -> None:
    write(shop="def make():\n    raise LookupError('no database')")
    error = failure("shop:make()")
    assert str(error) == "calling shop:make() fails: LookupError: no database"
    assert "in make" in error.details and "loader.py" not in error.details


def test_callables_whose_signature_cannot_be_told_are_given_the_benefit_of_the_doubt(write: Write) -> None:
    write(shop="from functools import partial\n" + APP + "bound = partial(app)\nany = lambda *args: []")
    assert load("shop:bound") and load("shop:any")


@pytest.mark.parametrize(
    "source",
    [
        # As werkzeug's Request.application does: the wrapper has the name and the documentation of what it wraps.
        """
        import functools
        def application(view):
            @functools.wraps(view)
            def wrapper(*args): return []
            return wrapper
        @application
        def app(request): ...
        """,
        """
        import functools
        def view(request): ...
        @functools.wraps(view)
        def app(environ, start_response): return []
        """,
        """
        class app:
            def __new__(cls, environ, start_response): return []
        """,
        """
        class Kind(type):
            def __call__(cls, environ, start_response): return []
        class app(metaclass=Kind): ...
        """,
        """
        class app:
            def __init__(self, environ, start_response): ...
            def __getitem__(self, index): raise IndexError
        """,
    ],
)
def test_what_is_called_as_an_application_is_one_whatever_it_wraps_or_makes(write: Write, source: str) -> None:
    write(shop=textwrap.dedent(source))
    assert load("shop:app")


def test_a_factory_behind_a_cache_is_still_seen_to_be_one(write: Write) -> None:
    write(shop="import functools\n@functools.cache\ndef create_app(): ...")
    assert "write shop:create_app()" in str(failure("shop:create_app"))


@pytest.mark.parametrize(
    ("library", "source", "words"),
    [
        ("gevent", "saved = {'socket': {}, 'threading': {}}", "remove gevent.monkey.patch_all()"),
        ("eventlet", "already_patched = {'thread': True}", "remove eventlet.monkey_patch()"),
    ],
)
def test_a_patched_process_is_refused_with_what_to_remove(write: Write, library: str, source: str, words: str) -> None:
    module = "gevent__monkey" if library == "gevent" else "eventlet__patcher"
    write(**{module: source, "shop": f"import {module.replace('__', '.')}\n{APP}"})
    message = str(failure("shop"))
    assert message.startswith(f"{library} has patched this process") and words in message


def test_a_replaced_thread_start_is_recognised_by_the_object_itself(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(shop=APP)

    def start_new_thread() -> None: ...

    start_new_thread.__module__ = "gevent.thread"
    monkeypatch.setattr("_thread.start_new_thread", start_new_thread)
    assert "_thread.start_new_thread is gevent's" in str(failure("shop"))
