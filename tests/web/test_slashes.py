"""Paths that lack nothing but a slash at their end."""

from __future__ import annotations

import pytest

from dragoman.web import App
from tests.middleware.kit import ask


@pytest.mark.parametrize("raw", [{}, {"RAW_URI": "/%"}])
@pytest.mark.parametrize(
    ("rules", "path", "location"),
    [
        (["/<name>", "/admin/"], "/admin", "/admin/"),
        (["/<name>", "/<int:id>/"], "/7", "/7/"),
        (["/<path:rest>", "/shop/<name>/"], "/shop/ann", "/shop/ann/"),
    ],
)
def test_a_path_that_lacks_a_slash_alone_leads_to_its_rule_before_variables_take_it(
    rules: list[str], path: str, location: str, raw: dict[str, str]
) -> None:
    app = App(__name__)
    for index, rule in enumerate(rules):
        app.add_url_rule(rule, f"e{index}", lambda **values: "text")
    answer = ask(app, "GET", path, **raw)
    assert (answer.status, answer.value("Location")) == (308, location)
    # Those rules answer GET alone.
    assert ask(app, "POST", path, **raw).status == 405
    app = App(__name__)
    app.config["STRICT_SLASHES"] = False
    for index, rule in enumerate(rules):
        app.add_url_rule(rule, f"e{index}", lambda rule=rule, **values: rule)
    assert ask(app, "GET", path, **raw).text == rules[1]
