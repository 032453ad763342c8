"""Exceptions and answers: which handler gets which, what the pages say, and who is told."""

from __future__ import annotations

import html
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
import werkzeug.exceptions
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.wrappers import Response as WerkzeugResponse

from dragoman.web import App, Blueprint, HTTPException, Response, abort
from dragoman.web.errors import (
    BadRequest,
    Forbidden,
    InternalServerError,
    MethodNotAllowed,
    MissingKey,
    NotFound,
    exception_for,
)
from dragoman.web.handling import MOST_FOUND
from tests.middleware.kit import ask


def saying(text: str) -> Callable[[Any], Any]:
    return lambda error: (text, 200)


def raising(error: Any) -> Callable[[], Any]:
    def handler() -> Any:
        raise error

    return handler


class OwnNotFound(NotFound):
    pass


class Teapot(HTTPException):
    code = 404
    description = "Own class, without a base of that status."


class Base(Exception):
    pass


class Derived(Base):
    pass


# Each row: what handlers there are, for the application and for the blueprint; what is raised; who answers.
CHOICES: list[tuple[list[Any], list[Any], Any, Any]] = [
    ([404], [], NotFound(), ("app", 404)),
    ([NotFound], [], NotFound(), ("app", NotFound)),
    ([404, NotFound], [], NotFound(), ("app", NotFound)),
    ([HTTPException], [], NotFound(), ("app", HTTPException)),
    ([HTTPException, 404], [], NotFound(), ("app", 404)),
    ([Exception], [], NotFound(), ("app", Exception)),
    ([Exception, HTTPException], [], NotFound(), ("app", HTTPException)),
    ([404], [], OwnNotFound(), ("app", 404)),
    ([404, OwnNotFound], [], OwnNotFound(), ("app", OwnNotFound)),
    ([OwnNotFound, 404], [], NotFound(), ("app", 404)),
    ([404], [], Teapot(), ("app", 404)),
    ([404, Teapot], [], Teapot(), ("app", Teapot)),
    ([400], [], MissingKey("a"), ("app", 400)),
    ([KeyError], [], MissingKey("a"), ("app", KeyError)),
    ([KeyError, 400], [], MissingKey("a"), ("app", 400)),
    ([403], [], NotFound(), None),
    # A blueprint comes before the application, and a status before a class that is only a base.
    ([404], [404], NotFound(), ("bp", 404)),
    ([404], [NotFound], NotFound(), ("bp", NotFound)),
    ([404], [HTTPException], NotFound(), ("app", 404)),
    ([OwnNotFound], [404], OwnNotFound(), ("bp", 404)),
    ([Exception], [404], NotFound(), ("bp", 404)),
    ([404], [Exception], NotFound(), ("app", 404)),
    ([], [Exception], NotFound(), ("bp", Exception)),
    ([Base], [], Derived(), ("app", Base)),
    ([Base, Derived], [], Derived(), ("app", Derived)),
    ([Derived], [Base], Derived(), ("bp", Base)),
    ([Exception], [Base], Derived(), ("bp", Base)),
    ([500], [], Derived(), ("app", 500)),
    ([InternalServerError], [], Derived(), ("app", InternalServerError)),
    ([HTTPException], [], Derived(), ("app", HTTPException)),
    ([500], [Exception], Derived(), ("bp", Exception)),
    ([500], [500], Derived(), ("bp", 500)),
    ([Base, 500], [], InternalServerError(), ("app", 500)),
    ([418], [], exception_for(418)(), ("app", 418)),
]


@pytest.mark.parametrize(("of_app", "of_blueprint", "error", "chosen"), CHOICES)
def test_who_answers_an_exception(of_app: list[Any], of_blueprint: list[Any], error: Exception, chosen: Any) -> None:
    app, blueprint = App(__name__), Blueprint("bp")
    for key in of_app:
        app.register_error_handler(key, saying(str(("app", key))))
    for key in of_blueprint:
        blueprint.register_error_handler(key, saying(str(("bp", key))))
    blueprint.get("/")(raising(error))
    app.register_blueprint(blueprint)
    # Twice: what was found is kept.
    for _ in range(2):
        answer = ask(app)
        if chosen is None:
            assert answer.status == 404
        else:
            assert answer.text == str(chosen)


FLASK_CHOICES = [row for row in CHOICES if not isinstance(row[2], Teapot | MissingKey) and 418 not in row[0]]


@pytest.mark.parametrize(("of_app", "of_blueprint", "error", "chosen"), FLASK_CHOICES)
def test_flask_chooses_the_same(of_app: list[Any], of_blueprint: list[Any], error: Exception, chosen: Any) -> None:
    import flask
    import werkzeug.exceptions as theirs

    names = {
        NotFound: theirs.NotFound,
        HTTPException: theirs.HTTPException,
        InternalServerError: theirs.InternalServerError,
    }

    class TheirOwnNotFound(theirs.NotFound):
        pass

    kinds: dict[Any, Any] = {**names, OwnNotFound: TheirOwnNotFound}
    app, blueprint = flask.Flask("flask_app"), flask.Blueprint("bp", "bp")
    app.logger.disabled = True
    for part, name, keys in ((app, "app", of_app), (blueprint, "bp", of_blueprint)):
        for key in keys:
            part.register_error_handler(kinds.get(key, key), saying(str((name, key))))
    kind = kinds.get(type(error), type(error))
    blueprint.get("/")(raising(kind()))
    app.register_blueprint(blueprint)
    answer = ask(app.wsgi_app)
    assert answer.text == str(chosen) if chosen is not None else answer.status == 404


def test_the_handler_of_an_inner_blueprint_comes_before_that_of_an_outer_one() -> None:
    app, outer, inner = App(__name__), Blueprint("outer", url_prefix="/o"), Blueprint("inner", url_prefix="/i")
    for name, part in (("app", app), ("outer", outer), ("inner", inner)):
        part.register_error_handler(404, saying(name))
        part.get("/")(raising(NotFound()))
    inner.register_error_handler(Base, saying("inner base"))
    outer.get("/base", endpoint="b")(raising(Base()))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert [ask(app, "GET", path).text for path in ("/", "/o/", "/o/i/", "/nope", "/o/i/nope")] == [
        "app",
        "outer",
        "inner",
        "app",
        "app",
    ]
    assert ask(app, "GET", "/o/base").status == 500


def test_threads_that_meet_an_exception_for_the_first_time_together_find_the_same_handler() -> None:
    kinds = [type(f"Kind{number}", (Base,), {}) for number in range(200)]
    app = App(__name__)
    app.register_error_handler(Base, lambda error: type(error).__name__)
    app.add_url_rule("/<int:n>", "n", lambda n: raising(kinds[n]())())
    gate = threading.Barrier(8)
    wrong: list[str] = []

    def asks() -> None:
        gate.wait(10)
        for number in range(200):
            text = ask(app, "GET", f"/{number}").text
            if text != f"Kind{number}":
                wrong.append(text)

    threads = [threading.Thread(target=asks) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_classes_of_exceptions_that_are_made_for_one_request_are_let_go() -> None:
    errors = App(__name__).freeze().errors
    for _ in range(3 * MOST_FOUND):
        assert errors.find((), type("Made", (Exception,), {})()) is None
    assert len(errors.found) <= MOST_FOUND


def test_a_handler_of_all_exceptions_may_give_back_those_that_are_answers() -> None:
    app = App(__name__)
    app.add_url_rule("/teapot", "teapot", lambda: abort(418, "No coffee.", headers=[("X-Pot", "1")]))
    app.add_url_rule("/given", "given", lambda: NotFound("Not here."))
    app.add_url_rule("/response", "response", lambda: abort(Response("own", 401)))
    app.add_url_rule("/fault", "fault", raising(ValueError()))

    @app.errorhandler(Exception)
    def any_of_them(error: Exception) -> Any:
        return error if isinstance(error, HTTPException) else (type(error).__name__, 500)

    answer = ask(app, "GET", "/teapot", {"Accept": "text/plain"})
    assert (answer.status, answer.value("X-Pot")) == (418, "1")
    assert "No coffee." in answer.text
    assert ask(app, "GET", "/given").status == 404
    assert "Not here." in ask(app, "GET", "/given").text
    assert (ask(app, "GET", "/response").status, ask(app, "GET", "/response").text) == (401, "own")
    assert ask(app, "GET", "/fault").text == "ValueError"
    assert ask(app, "GET", "/nowhere").status == 404
    assert ask(app, "POST", "/fault").value("Allow") == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("key", ["404", None, 3.5, int, object()])
def test_a_key_that_is_no_status_and_no_exception_is_told_at_once(key: Any) -> None:
    with pytest.raises(TypeError, match="want a status such as 404, or a class of exceptions"):
        App(__name__).register_error_handler(key, saying(""))


@pytest.mark.parametrize("key", [200, 399, 600, 0, -1, True])
def test_a_status_that_is_no_error_is_told_at_once(key: int) -> None:
    with pytest.raises(ValueError, match="want a number from 400 to 599"):
        App(__name__).errorhandler(key)(saying(""))


# abort


def test_abort_takes_a_status_a_description_and_a_response() -> None:
    app = App(__name__)
    app.add_url_rule(
        "/status", "a", lambda: abort(409, "Two of them.", headers=[("X-Which", "both")], extensions={"count": 2})
    )
    app.add_url_rule("/response", "b", lambda: abort(Response("as it is", 299)))
    app.add_url_rule("/methods", "c", lambda: abort(405, valid_methods=["PUT", "GET"]))
    app.add_url_rule("/unknown", "d", lambda: abort(499))
    answer = ask(app, "GET", "/status", {"Accept": "application/json"})
    assert (answer.status, answer.value("X-Which"), answer.value("Content-Type")) == (
        409,
        "both",
        "application/problem+json",
    )
    assert json.loads(answer.text) == {
        "type": "about:blank",
        "status": 409,
        "title": "Conflict",
        "detail": "Two of them.",
        "count": 2,
    }
    assert (ask(app, "GET", "/response").status, ask(app, "GET", "/response").text) == (299, "as it is")
    assert ask(app, "GET", "/methods").value("Allow") == "GET, PUT"
    assert ask(app, "GET", "/unknown").status == 499


@pytest.mark.parametrize("code", [200, 302, 399, 600, 0])
def test_abort_is_for_errors(code: int) -> None:
    with pytest.raises(ValueError, match="other answers are returned, not raised"):
        abort(code)


@pytest.mark.parametrize("code", ["404", None, 4.04, [404]])
def test_abort_tells_what_it_wants(code: Any) -> None:
    with pytest.raises(TypeError, match="abort: want a status from 400 to 599, or a Response"):
        abort(code)


def test_each_exception_has_the_status_of_its_name() -> None:
    from dragoman.web import errors

    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type) and kind is not HTTPException and issubclass(kind, HTTPException):
            assert 400 <= kind.code <= 599
            assert kind is MissingKey or exception_for(kind.code) is kind
    assert exception_for(418) is exception_for(418)


# Pages


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("image/png", "text/html; charset=utf-8"),
        ("text/html;q=0, application/json", "application/problem+json"),
        ("\xff;;q=,", "text/html; charset=utf-8"),
    ],
)
def test_a_page_is_of_the_type_that_the_client_takes(accept: str | None, content_type: str) -> None:
    answer = ask(App(__name__), "GET", "/nope", {"Accept": accept} if accept else {})
    assert (answer.status, answer.value("Content-Type"), answer.value("Vary")) == (404, content_type, "Accept")


@pytest.mark.parametrize("accept", ["text/html", "application/json", "text/plain"])
def test_nothing_of_a_description_is_markup(accept: str) -> None:
    app = App(__name__)
    app.add_url_rule("/", "a", lambda: abort(400, "<script>alert('x')</script>"))
    text = ask(app, "GET", "/", {"Accept": accept}).text
    assert ("<script>" in text) is (accept == "text/plain")


def test_a_fault_shows_nothing_of_itself_but_under_development() -> None:
    app = App(__name__)
    app.add_url_rule("/", "a", raising(Base("secret of the house")))
    for accept in ("text/html", "application/json", "text/plain"):
        assert "secret" not in ask(app, "GET", "/", {"Accept": accept}).text
    app.debug = True
    for accept in ("text/html", "application/json", "text/plain"):
        assert "secret of the house" in ask(app, "GET", "/", {"Accept": accept}).text


def test_a_fault_is_logged_once_with_what_was_asked_and_left_for_layers_around(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = App(__name__)
    error = Base("why")
    app.add_url_rule("/x", "a", raising(error))
    with caplog.at_level(logging.ERROR):
        answer = ask(app, "GET", "/x", SCRIPT_NAME="/m")
    [record] = caplog.records
    assert record.getMessage().startswith("exception on '/m/x' [GET] of ")
    assert record.exc_info is not None and record.exc_info[1] is error
    assert answer.environ["dragoman.exception"] is error


def test_an_answer_that_was_raised_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = App(__name__)
    app.add_url_rule("/", "a", raising(Forbidden("no")))
    ask(app)
    assert caplog.records == []


def test_a_handler_of_500_gets_the_exception_behind_it() -> None:
    app = App(__name__)
    app.add_url_rule("/", "a", raising(Base("why")))
    app.register_error_handler(500, lambda error: (f"{error.original_exception!r}", 500))
    assert ask(app).text == "Base('why')"


def test_in_tests_an_exception_is_raised_and_a_handled_one_is_not() -> None:
    app = App(__name__)
    app.testing = True
    app.add_url_rule("/", "a", raising(Derived("why")))
    app.add_url_rule("/not-found", "b", raising(NotFound()))
    with pytest.raises(Derived, match="why"):
        ask(app)
    assert ask(app, "GET", "/not-found").status == 404
    quiet = App(__name__)
    quiet.testing = True
    quiet.config["PROPAGATE_EXCEPTIONS"] = False
    quiet.add_url_rule("/", "a", raising(Derived("why")))
    assert ask(quiet).status == 500


def test_405_says_what_is_allowed_in_every_form() -> None:
    assert MethodNotAllowed(["PUT", "GET"]).headers == [("Allow", "GET, PUT")]
    assert str(BadRequest("x")) == "400 Bad Request: x"
    assert MissingKey("a").args
    with pytest.raises(KeyError):
        raise MissingKey("a")


def test_an_exception_that_answers_with_a_response_of_its_own() -> None:
    app = App(__name__)
    app.add_url_rule("/", "a", raising(NotFound(response=Response("own", 404))))
    assert ask(app).text == "own"


@pytest.mark.parametrize("code", [*range(400, 432), 451, *range(500, 512), 499, 599])
def test_each_error_has_a_sentence_that_pages_and_handlers_show(code: int) -> None:
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: abort(code))
    sentence = exception_for(code)().description
    assert sentence.endswith(".")
    asked_by_program = ask(app, headers={"Accept": "application/json"})
    assert json.loads(asked_by_program.text)["detail"] == sentence
    assert f"<p>{html.escape(sentence)}</p>" in ask(app).text
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: abort(code))
    app.register_error_handler(HTTPException, lambda error: error.description)
    assert ask(app).text == sentence


def test_an_error_may_have_no_sentence_when_that_is_said() -> None:
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: abort(404, ""))
    assert "detail" not in json.loads(ask(app, headers={"Accept": "application/json"}).text)


def test_an_error_class_of_the_applications_own_has_at_least_its_name() -> None:
    class Locked(HTTPException):
        code = 423

    assert (Locked().description, Locked("Mine.").description) == ("Locked.", "Mine.")


# What libraries raise that stand on werkzeug


class OutOfStock(werkzeug.exceptions.Conflict):
    description = "It is sold."


def answered(error: BaseException, *handlers: tuple[Any, Any]) -> tuple[int, str]:
    app = App(__name__)
    app.add_url_rule("/", "index", raising(error))
    for key, handler in handlers:
        app.register_error_handler(key, handler)
    answer = ask(app, accept="text/plain")
    return answer.status, answer.text


@pytest.mark.parametrize("key", [404, NotFound, HTTPException])
def test_an_exception_of_werkzeug_goes_to_the_handler_of_its_status(key: Any) -> None:
    assert answered(werkzeug.exceptions.NotFound("no user"), (key, lambda error: (f"{error.description}!", 404))) == (
        404,
        "no user!",
    )


def test_an_exception_of_werkzeug_is_answered_by_a_page_with_its_text_and_its_fields() -> None:
    status, text = answered(werkzeug.exceptions.NotFound("no user"))
    assert (status, "no user" in text, "Internal" in text) == (404, True, False)
    app = App(__name__)
    fields = WWWAuthenticate("basic", {"realm": "shop"})
    app.add_url_rule("/", "index", raising(werkzeug.exceptions.Unauthorized(www_authenticate=fields)))
    app.add_url_rule("/only", "only", raising(werkzeug.exceptions.MethodNotAllowed(["PUT"])))
    assert ask(app).value("WWW-Authenticate") == "Basic realm=shop"
    assert ask(app, target="/only").value("Allow") == "PUT"


def test_an_exception_of_werkzeug_with_a_response_is_that_response() -> None:
    error = werkzeug.exceptions.HTTPException(response=WerkzeugResponse("made before", 202))
    assert answered(error, (Exception, saying("any"))) == (202, "made before")


def test_a_class_that_is_derived_from_werkzeugs_has_its_handler() -> None:
    assert answered(OutOfStock(), (OutOfStock, saying("sold")), (409, saying("conflict"))) == (200, "sold")
    assert answered(OutOfStock(), (Exception, saying("any")), (409, saying("conflict"))) == (200, "conflict")
    assert answered(OutOfStock(), (Exception, saying("any"))) == (200, "any")


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        (werkzeug.exceptions.NotFound, r"errorhandler\(404\)"),
        (werkzeug.exceptions.HTTPException, "dragoman.web.errors.HTTPException"),
    ],
)
def test_a_handler_for_a_class_of_werkzeug_is_refused_since_its_own_404_would_pass_it_by(
    key: Any, instead: str
) -> None:
    with pytest.raises(TypeError, match=rf"werkzeug\.exceptions\.{key.__name__}\): .*{instead}"):
        App(__name__).errorhandler(key)(saying("never"))
