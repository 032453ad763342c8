"""Links of templates are checked before the first request: those that lead nowhere are told with template and line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from jinja2 import DictLoader, FunctionLoader

from dragoman.web import App, Blueprint, BuildError


def app_with(templates: dict[str, str]) -> App:
    app = App(__name__, root_path="/nowhere")
    app.jinja_loader = DictLoader(templates)
    app.add_url_rule("/", "index", lambda: "")
    app.add_url_rule("/user/<int:id>", "user", lambda id: "")
    return app


def part_with(templates: dict[str, str], name: str = "admin") -> Blueprint:
    part = Blueprint(name, url_prefix=f"/{name}")
    part.jinja_loader = DictLoader(templates)
    part.add_url_rule("/", "index", lambda: "")
    part.add_url_rule("/users", "users", lambda: "")
    return part


def problems(app: App) -> list[str]:
    try:
        app.freeze()
    except BuildError as error:
        return str(error).splitlines()[1:]
    return []


def test_a_link_to_an_endpoint_that_there_is_not_is_told_with_template_line_and_near_names() -> None:
    app = app_with({"page.html": "<p>\n<a href=\"{{ url_for('usr', id=1) }}\">"})
    with pytest.raises(BuildError, match=r"page\.html, line 2: url_for\('usr'\): .* did you mean 'user'\?") as caught:
        app.freeze()
    assert "CHECK_TEMPLATES = False" in str(caught.value)
    assert app.compiled is None


def test_all_that_is_wrong_is_told_at_once() -> None:
    templates = {"a.html": "{{ url_for('x') }}{{ url_for('index') }}\n{{ url_for('y') }}", "b.html": "{% if %}"}
    told = problems(app_with(templates))
    assert [line.split(":")[0].strip() for line in told] == ["a.html, line 1", "a.html, line 2", "b.html, line 1"]


def test_of_very_many_the_first_ones_are_told() -> None:
    told = problems(app_with({f"{n:02}.html": "{{ url_for('x') }}" for n in range(30)}))
    assert len(told) == 21 and told[-1].strip() == "and 10 more"


def test_a_template_that_cannot_be_read_is_told_with_its_line() -> None:
    [told] = problems(app_with({"a.html": "\n\n{% block %}{% endblock %}"}))
    assert told.strip().startswith("a.html, line 3: ")


@pytest.mark.parametrize(
    "source",
    [
        "{{ url_for('user', id=7) }}",
        "{% macro link(to) %}{{ url_for(to) }}{% endmacro %}",
        "{% set url_for = other %}{{ url_for('x') }}",
        "{% macro link(url_for) %}{{ url_for('x') }}{% endmacro %}",
        "{{ tools.url_for('x') }}",
        "{# url_for('x') #}{% raw %}{{ url_for('x') }}{% endraw %}",
        "{{ url_for('us' ~ 'er') }}",
        "{{ url_for(*names) }}",
    ],
)
def test_what_is_right_or_cannot_be_known_is_let_be(source: str) -> None:
    assert problems(app_with({"page.html": source})) == []


def test_calls_are_found_wherever_they_stand() -> None:
    source = (
        "{% extends 'base.html' %}{% block a %}{% for x in y if url_for('in_filter') %}{% endfor %}{% endblock %}"
        "{% macro m(to=url_for('in_default')) %}{% call n(url_for('in_call')) %}{% endcall %}{% endmacro %}"
    )
    told = "\n".join(problems(app_with({"page.html": source, "base.html": ""})))
    assert all(name in told for name in ("in_filter", "in_default", "in_call"))


def test_of_a_large_site_templates_whose_links_look_right_are_left_unread_unless_somebody_works_on_it() -> None:
    right = "{# " + "x" * 1000 + " #}{{ url_for('index') }}"
    templates = {f"{n:03}.html": right for n in range(300)}
    templates |= {"y.html": "{% if %}", "z.html": "{{ url_for ( 'none' ) }}"}
    [told] = problems(app_with(templates))
    assert "z.html, line 1" in told
    for setting in ("DEBUG", "TESTING"):
        app = app_with(templates)
        app.config[setting] = True
        assert [line.split(",")[0].strip() for line in problems(app)] == ["y.html", "z.html"]


def test_the_setting_switches_it_off() -> None:
    app = app_with({"page.html": "{{ url_for('x') }}{% if %}"})
    app.config["CHECK_TEMPLATES"] = False
    assert problems(app) == []


def test_a_relative_link_is_one_of_the_blueprint_that_has_the_template() -> None:
    app = app_with({})
    app.register_blueprint(
        part_with({"admin/a.html": "{{ url_for('.users') }}", "admin/b.html": "{{ url_for('.user') }}"})
    )
    [told] = problems(app)
    assert "admin/b.html, line 1" in told and "did you mean 'admin.users'" in told


def test_it_may_be_one_of_a_blueprint_within_that_uses_the_template() -> None:
    outer, inner = part_with({"outer.html": "{{ url_for('.deep') }}"}, "outer"), Blueprint("inner", url_prefix="/inner")
    inner.add_url_rule("/deep", "deep", lambda: "")
    outer.register_blueprint(inner)
    app = app_with({})
    app.register_blueprint(outer)
    assert problems(app) == []


def test_of_a_template_of_the_application_it_may_be_one_of_any_blueprint() -> None:
    app = app_with({"a.html": "{{ url_for('.users') }}{{ url_for('.index') }}", "b.html": "{{ url_for('.none') }}"})
    app.register_blueprint(part_with({}))
    [told] = problems(app)
    assert "b.html" in told


def test_a_blueprint_that_is_put_in_twice_is_known_by_both_names() -> None:
    app, part = app_with({}), part_with({"p.html": "{{ url_for('.users') }}{{ url_for('other.users') }}"})
    app.register_blueprint(part)
    app.register_blueprint(part, name="other", url_prefix="/other")
    assert problems(app) == []


def test_a_template_that_another_one_stands_before_is_not_looked_at() -> None:
    app = app_with({"page.html": ""})
    app.register_blueprint(part_with({"page.html": "{{ url_for('x') }}"}))
    assert problems(app) == []


def test_files_that_are_no_templates_are_let_be(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "page.vue").write_text("{{ {% }}")
    (folder / "latin.html").write_bytes(b"\xff\xfe")
    (folder / "link.html").symlink_to(tmp_path / "none")
    assert problems(App(__name__, root_path=tmp_path)) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_no_failure(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "page.html").write_text("{{ url_for('x') }}")
    folder.chmod(0)
    try:
        assert problems(App(__name__, root_path=tmp_path)) == []
    finally:
        folder.chmod(0o700)


def test_a_loader_that_cannot_be_listed_is_no_failure() -> None:
    app = app_with({})
    app.jinja_loader = FunctionLoader(lambda name: "{{ url_for('x') }}")
    assert problems(app) == []


def test_a_loader_that_fails_is_no_failure() -> None:
    class Failing(DictLoader):
        def list_templates(self) -> list[str]:
            raise PermissionError

        def get_source(self, *arguments: Any) -> Any:
            raise PermissionError

    app = app_with({})
    app.jinja_loader = Failing({})
    assert problems(app) == []


def test_where_the_application_has_a_url_for_of_its_own_nothing_is_said_of_links() -> None:
    app = app_with({"page.html": "{{ url_for('x') }}"})
    app.add_template_global(lambda name: name, "url_for")
    assert problems(app) == []


def test_extensions_of_jinja_are_known() -> None:
    app = app_with({"page.html": "{% do rows.append(1) %}"})
    app.jinja_options["extensions"] = ["jinja2.ext.do"]
    assert problems(app) == []


def test_links_to_static_files_are_known_where_there_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("{{ url_for('static', filename='a.css') }}")
    [told] = problems(App(__name__, root_path=tmp_path))
    assert "url_for('static')" in told and str(tmp_path / "static") in told
    (tmp_path / "static").mkdir()
    assert problems(App(__name__, root_path=tmp_path)) == []
