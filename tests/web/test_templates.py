"""Templates: where they are looked for, what is in them, and how they go out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import jinja2
import pytest
from jinja2 import DictLoader, TemplateNotFound, TemplateSyntaxError
from markupsafe import Markup

from dragoman.web import (
    App,
    Blueprint,
    g,
    get_template_attribute,
    render_template,
    render_template_string,
    request,
    session,
    stream_template,
    stream_template_string,
)
from tests.middleware.kit import ask


def app_of(tmp_path: Path, **templates: str) -> App:
    """An application with these templates, by names without ``.html``."""
    write(tmp_path / "templates", **templates)
    return App(__name__, root_path=tmp_path)


def write(folder: Path, **templates: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in templates.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")


def rendered(app: App, source: str, **context: Any) -> str:
    with app.test_request_context("/page?q=1"):
        return render_template_string(source, **context)


def test_a_template_is_a_page_of_html_with_what_it_is_given(tmp_path: Path) -> None:
    app = app_of(tmp_path, hello="<p>{{ name }}")

    @app.get("/")
    def hello() -> str:
        return render_template("hello.html", name="<Ann>")

    answer = ask(app)
    assert (answer.text, answer.value("Content-Type")) == ("<p>&lt;Ann&gt;", "text/html; charset=utf-8")


@pytest.mark.parametrize("name", ["a.html", "a.htm", "a.xml", "a.xhtml", "a.svg", "A.HTML"])
def test_texts_are_escaped_in_html_and_xml(name: str) -> None:
    app = App(__name__)
    app.jinja_loader = DictLoader({name: "{{ x }}"})
    with app.app_context():
        assert render_template(name, x="<") == "&lt;"


def test_texts_are_escaped_in_a_text_and_not_in_other_files() -> None:
    app = App(__name__)
    app.jinja_loader = DictLoader({"a.txt": "{{ x }}"})
    with app.app_context():
        assert render_template("a.txt", x="<") == "<"
        assert render_template_string("{{ x }}{{ y }}", x="<", y=Markup("<")) == "&lt;<"


def test_of_several_names_the_first_that_there_is_is_taken(tmp_path: Path) -> None:
    app = app_of(tmp_path, second="second")
    with app.app_context():
        assert render_template(["first.html", "second.html"]) == "second"
        assert render_template(app.jinja_env.get_template("second.html")) == "second"


def test_the_applications_template_comes_before_that_of_a_blueprint_and_the_first_blueprints_before_the_next(
    tmp_path: Path,
) -> None:
    app = app_of(tmp_path, a="a of app")
    for name, texts in {"one": dict(a="a of one", b="b of one"), "two": dict(b="b of two", c="c of two")}.items():
        write(tmp_path / name, **texts)
    inner = Blueprint("inner", template_folder="two", root_path=tmp_path)
    outer = Blueprint("outer", template_folder="one", root_path=tmp_path)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    with app.app_context():
        assert [render_template(f"{one}.html") for one in "abc"] == ["a of app", "b of one", "c of two"]
    assert app.jinja_env.list_templates() == ["a.html", "b.html", "c.html"]


def test_a_missing_template_is_told_with_where_was_looked_and_what_may_have_been_meant(tmp_path: Path) -> None:
    app = app_of(tmp_path, index="")
    write(tmp_path / "templates" / "user", profile="")
    with app.app_context():
        with pytest.raises(
            TemplateNotFound, match=r"'indx.html': no such template; looked in .*templates.*'index.html'"
        ):
            render_template("indx.html")
        with pytest.raises(TemplateNotFound, match=r"did you mean 'user/profile.html'"):
            render_template("profile.html")


def test_without_a_folder_that_is_told(tmp_path: Path) -> None:
    with (
        App(__name__, root_path=tmp_path).app_context(),
        pytest.raises(TemplateNotFound, match=r"no folder .*templates"),
    ):
        render_template("index.html")


def test_outside_of_a_context_that_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"app\.app_context\(\)"):
        render_template("index.html")


def test_request_session_g_config_and_url_for_are_in_each_template() -> None:
    app = App(__name__, root_path="/nowhere")
    app.secret_key = "0123456789abcdef"
    app.config["TITLE"] = "Shop"
    app.add_url_rule("/user/<int:id>", "user", lambda id: "")
    with app.test_request_context("/page?q=1"):
        g.user = "Ann"
        session["count"] = 3
        source = (
            "{{ request.args.q }} {{ g.user }} {{ session.count }} {{ config.TITLE }} {{ url_for('user', id=7) }}"
            "{{ g.nothing }}{% if request %}{{ request.method }}{% endif %}"
        )
        assert render_template_string(source) == "1 Ann 3 Shop /user/7GET"


def test_they_are_in_what_a_template_imports_too(tmp_path: Path) -> None:
    app = app_of(tmp_path, macros="{% macro path() %}{{ request.path }}{% endmacro %}")
    assert rendered(app, "{% from 'macros.html' import path %}{{ path() }}") == "/page"


def test_a_template_that_does_not_use_them_makes_neither_request_nor_session(tmp_path: Path) -> None:
    app = app_of(tmp_path, index="plain")
    made = []

    class Counting(app.request_class):  # type: ignore[name-defined, misc]
        def __init__(self, *arguments: Any) -> None:
            made.append(1)
            super().__init__(*arguments)

    app.request_class = Counting
    app.get("/")(lambda: render_template("index.html"))
    app.get("/used", endpoint="used")(lambda: render_template_string("{{ request.path }}"))
    assert ask(app).value("Vary") is None and made == []
    assert ask(app, target="/used").text == "/used" and made == [1]


def test_filters_tests_and_globals_are_registered_with_a_name_or_by_their_own() -> None:
    app = App(__name__)
    part = Blueprint("part")

    @app.template_filter
    def twice(text: str) -> str:
        return text * 2

    @app.template_filter("euro")
    def in_euro(number: int) -> str:
        return f"{number} €"

    @app.template_test()
    def prime(number: int) -> bool:
        return number in (2, 3, 5)

    @app.template_global(name="version")
    def of_release() -> str:
        return "1.0"

    @part.app_template_filter("thrice")
    def three_times(text: str) -> str:
        return text * 3

    @part.app_template_test
    def even(number: int) -> bool:
        return number % 2 == 0

    @part.app_template_global
    def half(number: int) -> float:
        return number / 2

    part.add_app_template_filter(str.upper, "loud")
    app.register_blueprint(part)
    assert rendered(app, "{{ 'a'|twice }}{{ 3|euro }}{{ 3 is prime }}{{ version() }}") == "aa3 €True1.0"
    assert rendered(app, "{{ 'a'|thrice|loud }}{{ 3 is even }}{{ half(3) }}") == "AAAFalse1.5"


def test_what_is_registered_when_the_environment_is_there_is_in_it() -> None:
    app = App(__name__)
    assert "late" not in app.jinja_env.filters
    app.add_template_filter(str.upper, "late")
    with app.app_context():
        assert render_template_string("{{ 'a'|late }}") == "A"


def test_when_requests_are_answered_nothing_more_is_registered() -> None:
    app = App(__name__)
    app.freeze()
    with pytest.raises(RuntimeError, match="add_template_filter"):
        app.add_template_filter(str.upper)


def test_context_processors_add_names_the_innermost_last_and_what_is_given_stays() -> None:
    app, outer, inner = App(__name__), Blueprint("outer", url_prefix="/outer"), Blueprint("inner", url_prefix="/inner")
    called = []

    def giving(name: str) -> Any:
        def processor() -> dict[str, str]:
            called.append(name)
            return {"who": name, name: name, "given": name}

        return processor

    for one, name in ((app, "app"), (outer, "outer"), (inner, "inner")):
        one.context_processor(giving(name))
        one.add_url_rule("/page", "page", lambda: render_template_string("{{ who }} {{ app }} {{ given }}", given="x"))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert ask(app, target="/page").text == "app app x"
    assert ask(app, target="/outer/page").text == "outer app x"
    called.clear()
    assert ask(app, target="/outer/inner/page").text == "inner app x"
    assert called == ["app", "outer", "inner"]


def test_a_context_processor_of_a_blueprint_may_be_for_all() -> None:
    app, part = App(__name__), Blueprint("part")
    part.app_context_processor(lambda: {"year": 2001})
    app.register_blueprint(part)
    assert rendered(app, "{{ year }}") == "2001"
    context: dict[str, Any] = {"a": 1}
    with app.app_context():
        app.update_template_context(context)
    assert context == {"a": 1, "year": 2001}


def test_an_answer_to_a_path_that_there_is_not_may_be_a_template() -> None:
    app = App(__name__)
    app.context_processor(lambda: {"site": "Shop"})
    app.register_error_handler(404, lambda error: (render_template_string("{{ site }}: {{ request.path }}"), 404))
    answer = ask(app, target="/none")
    assert (answer.status, answer.text) == (404, "Shop: /none")


def test_json_in_a_template_is_that_of_handlers_and_safe_in_a_script() -> None:
    app = App(__name__)
    value = {"b": date(2001, 2, 3), "a": "</script>"}
    assert rendered(app, "{{ value|tojson }}", value=value) == '{"a":"\\u003c/script\\u003e","b":"2001-02-03"}'
    assert rendered(app, "{{ value|tojson(indent=1) }}", value=[1]) == "[\n 1\n]"


def test_options_of_the_environment_are_those_of_the_application() -> None:
    app = App(__name__)
    app.jinja_options.update(variable_start_string="[[", variable_end_string="]]", undefined=jinja2.StrictUndefined)
    assert rendered(app, "[[ 1 ]]{{ 2 }}") == "1{{ 2 }}"
    with pytest.raises(jinja2.UndefinedError):
        rendered(app, "[[ nothing ]]")


@pytest.mark.parametrize(
    ("setting", "debug", "is_seen"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_changed_templates_are_seen_under_debug_or_where_the_setting_says_so(
    tmp_path: Path, setting: bool | None, debug: bool, is_seen: bool
) -> None:
    app = app_of(tmp_path, index="before")
    app.debug = debug
    app.config["TEMPLATES_AUTO_RELOAD"] = setting
    app.get("/")(lambda: render_template("index.html"))
    assert ask(app).text == "before"
    path = tmp_path / "templates" / "index.html"
    path.write_text("after")
    os.utime(path, (1, 1))
    assert ask(app).text == ("after" if is_seen else "before")


def test_a_template_may_go_out_piece_by_piece_as_it_is_made(tmp_path: Path) -> None:
    app = app_of(tmp_path, rows="{% for row in rows %}<p>{{ row }}{% endfor %}{{ request.path }}")
    made: list[int] = []

    def rows() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    @app.get("/rows")
    def streamed() -> Iterator[str]:
        return stream_template("rows.html", rows=rows())

    @app.get("/text")
    def streamed_text() -> Iterator[str]:
        return stream_template_string("{{ x }}|{{ request.path }}", x="<")

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/rows", "SCRIPT_NAME": "", "QUERY_STRING": ""}
    blocks = iter(app(environ, lambda *arguments: lambda data: None))
    assert next(blocks) == b"<p>"
    assert made in ([0], [0, 1])
    assert b"".join(blocks) == b"0<p>1<p>2/rows"
    assert ask(app, target="/text").text == "&lt;|/text"


def test_a_stream_of_a_template_that_there_is_not_is_refused_at_once(tmp_path: Path) -> None:
    app = app_of(tmp_path)
    with app.app_context(), pytest.raises(TemplateNotFound):
        stream_template("none.html")


def test_a_macro_is_called_from_python(tmp_path: Path) -> None:
    app = app_of(tmp_path, macros="{% macro hello(name) %}Hello {{ name }}{% endmacro %}")
    with app.app_context():
        assert get_template_attribute("macros.html", "hello")("Ann") == "Hello Ann"


def test_a_template_that_cannot_be_read_is_told_with_its_line(tmp_path: Path) -> None:
    app = app_of(tmp_path, broken="\n{% if %}")
    with app.app_context(), pytest.raises(TemplateSyntaxError) as caught:
        render_template("broken.html")
    assert (caught.value.name, caught.value.lineno) == ("broken.html", 2)


def test_jinja_is_imported_where_a_template_is_used_alone() -> None:
    program = (
        "import sys\n"
        "from dragoman.web import App, render_template_string\n"
        "app = App('x', root_path='/nowhere')\n"
        "app.template_filter(str.upper)\n"
        "app.get('/')(lambda: 'hello')\n"
        "app.freeze()\n"
        "assert 'jinja2' not in sys.modules and 'markupsafe' not in sys.modules\n"
        "sys.modules['jinja2'] = None\n"
        "with app.app_context():\n"
        "    render_template_string('')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "pip install 'dragoman[web]'" in done.stderr


def test_with_a_folder_and_without_jinja_an_application_that_uses_none_answers(tmp_path: Path) -> None:
    write(tmp_path / "templates", index="{% if %}")
    program = (
        "import sys\n"
        "sys.modules['jinja2'] = None\n"
        "from dragoman.web import App\n"
        f"app = App('x', root_path={str(tmp_path)!r})\n"
        "app.get('/')(lambda: 'hello')\n"
        "app.freeze()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_request_in_hand_is_that_of_the_template(tmp_path: Path) -> None:
    app = app_of(tmp_path, page="{{ request.path }}")

    @app.get("/<name>")
    def page(name: str) -> str:
        assert request.path == f"/{name}"
        return render_template("page.html")

    assert [ask(app, target=f"/{name}").text for name in "ab"] == ["/a", "/b"]
