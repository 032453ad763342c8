"""Messages for the visitor's next page are kept in the session, shown once, and gone then."""

from __future__ import annotations

from typing import Any

import pytest
from markupsafe import Markup

from dragoman.web import App, flash, get_flashed_messages, render_template_string, session
from tests.middleware.kit import Answered, ask


def app_of() -> App:
    app = App(__name__)
    app.secret_key = "0123456789abcdef"

    @app.get("/flash")
    def leave() -> str:
        flash("saved")
        flash("too long", "error")
        flash(Markup("<b>new</b>"), category="info")
        return "left"

    @app.get("/")
    def show() -> dict[str, Any]:
        again = get_flashed_messages()
        assert again == get_flashed_messages()
        return {"pairs": get_flashed_messages(with_categories=True), "left": "_flashes" in session}

    @app.get("/page")
    def page() -> str:
        return render_template_string("{% for text in get_flashed_messages() %}[{{ text }}]{% endfor %}")

    return app


class Visitor:
    """Keeps the cookie."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.cookie = ""

    def get(self, target: str) -> Answered:
        answer = ask(self.app, target=target, headers={"Cookie": self.cookie} if self.cookie else {})
        self.cookie = (answer.value("Set-Cookie") or self.cookie).partition(";")[0]
        return answer


def test_a_message_is_shown_on_the_next_page_and_not_again() -> None:
    visitor = Visitor(app_of())
    assert visitor.get("/").text == '{"pairs":[],"left":false}'
    visitor.get("/flash")
    shown = '[["message","saved"],["error","too long"],["info","<b>new</b>"]]'
    assert visitor.get("/").text == f'{{"pairs":{shown},"left":false}}'
    assert visitor.get("/").text == '{"pairs":[],"left":false}'


def test_texts_are_escaped_in_a_template_and_markup_is_not() -> None:
    visitor = Visitor(app_of())
    visitor.get("/flash")
    assert visitor.get("/page").text == "[saved][too long][<b>new</b>]"


def test_who_asks_for_messages_and_has_none_gets_no_cookie() -> None:
    answer = Visitor(app_of()).get("/")
    assert answer.value("Set-Cookie") is None


def test_categories_choose_and_are_told() -> None:
    app = app_of()
    with app.test_request_context():
        flash("a", "error")
        flash({"b": 1}, "info")
        flash("c", "error")
        assert get_flashed_messages(category_filter=["error"]) == ["a", "c"]
        assert get_flashed_messages(True, "info") == [("info", {"b": 1})]
        assert get_flashed_messages(True, ["inf", "nothing"]) == []


def test_a_message_of_this_request_is_shown_in_it() -> None:
    with app_of().test_request_context():
        flash("now")
        assert get_flashed_messages() == ["now"]
        flash("later")
        assert get_flashed_messages() == ["now"]
        assert session["_flashes"] == [["message", "later"]]


def test_without_a_request_that_is_told() -> None:
    with pytest.raises(RuntimeError, match="no handler or hook"):
        flash("x")
    with app_of().app_context(), pytest.raises(RuntimeError, match="flash is for a request"):
        flash("x")
