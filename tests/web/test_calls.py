"""How handlers are called: where each parameter comes from, and what is said of those that nothing gives."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from dragoman.web import App, Request
from dragoman.web import request as current_request
from dragoman.web.calls import HandlerError, compiled_call
from tests.middleware.kit import ask

if TYPE_CHECKING:
    from nowhere import OnlyForCheckers


@dataclasses.dataclass
class Body:
    n: int


class Struct(msgspec.Struct):
    n: int


class Typed(typing.TypedDict):
    n: int


class OwnRequest(Request):
    """An application's own."""


def answered(view: Any, rule: str = "/<int:a>/<b>", target: str = "/1/x", body: bytes = b"", **options: Any) -> Any:
    app = App(__name__)
    app.add_url_rule(rule, "here", view, methods=["GET", "POST"], **options)
    fields = {"Content-Type": "application/json"} if body else {}
    answer = ask(app, "POST" if body else "GET", target, fields, body)
    return json.loads(answer.text) if answer.status == 200 else answer.status


def plain(a, b):  # type: ignore[no-untyped-def]
    return [a, b]


def other_order(b: str, a: int) -> list[Any]:
    return [a, b]


def with_request(request: Request, a: int, b: str) -> list[Any]:
    assert request is current_request.context[2]
    return [a, b]


def request_last(a: int, b: str, request: Request) -> list[Any]:
    return [a, b] if request.path else []


def own_request(r: OwnRequest, b: str, a: int) -> list[Any]:
    return [a, b] if r.path else []


def with_default(a: int, b: str, c: str = "c") -> list[Any]:
    return [a, b]


def keyword_only(*, b: str, a: int) -> list[Any]:
    return [a, b]


def positional_only(b: str, a: int, /) -> list[Any]:
    return [a, b]


def positional_with_default_first(c: str = "c", b: str = "", a: int = 0, /) -> list[Any]:
    assert c == "c"
    return [a, b]


def rest(**values: Any) -> list[Any]:
    return [values["a"], values["b"]]


def some_and_rest(b: str, *args: Any, **values: Any) -> list[Any]:
    assert args == ()
    return [values["a"], b]


def only_for_checkers(a: int, b: str, c: OnlyForCheckers | None = None) -> list[Any]:
    return [a, b]


class View:
    def method(self, a: int, b: str) -> list[Any]:
        return [a, b]

    def __call__(self, request: Request, a: int, b: str) -> list[Any]:
        return [a, b] if request.path else []

    @classmethod
    def of_class(cls, a: int, b: str) -> list[Any]:
        return [a, b]

    @staticmethod
    def static(a: int, b: str) -> list[Any]:
        return [a, b]


@functools.wraps(plain)
def wrapped(*args: Any, **kwargs: Any) -> Any:
    return plain(*args, **kwargs)


@functools.wraps(plain)
def wrapped_by_name(**kwargs: Any) -> Any:
    return plain(**kwargs)


@functools.wraps(with_request)
def wrapped_with_request_by_name(**kwargs: Any) -> Any:
    return with_request(**kwargs)


def takes_more(user: str, a: int, b: str) -> list[Any]:
    assert user == "Ann"
    return [a, b]


@functools.wraps(takes_more)
def wrapped_with_more(*args: Any, **kwargs: Any) -> Any:
    return takes_more("Ann", *args, **kwargs)


@functools.wraps(wrapped_by_name)
def wrapped_twice(*args: Any, **kwargs: Any) -> Any:
    return wrapped_by_name(*args, **kwargs)


def of_sum(c: list[Any]) -> list[Any]:
    return c


@functools.wraps(of_sum)
def wrapped_with_fewer(a: int, b: str, **kwargs: Any) -> Any:
    return of_sum(c=[a, b], **kwargs)


VIEWS = [
    *(plain, other_order, with_request, request_last, with_default, keyword_only, positional_only),
    *(positional_with_default_first, rest, some_and_rest, only_for_checkers, wrapped),
    *(wrapped_by_name, wrapped_with_request_by_name, wrapped_with_more, wrapped_with_fewer),
    wrapped_twice,
    *(View(), View().method, View.of_class, View.static),
    functools.lru_cache(plain),
    functools.partial(plain),
    functools.partial(with_default, c="other"),
    lambda a, b: [a, b],
]


@pytest.mark.parametrize("view", VIEWS)
def test_a_handler_gets_its_values_by_name_whatever_its_form(view: Any) -> None:
    assert answered(view) == [1, "x"]


def test_an_applications_own_request_is_given_where_it_is_annotated() -> None:
    class OwnApp(App):
        request_class = OwnRequest

    app = OwnApp(__name__)
    app.add_url_rule("/<int:a>/<b>", "here", own_request)
    assert ask(app, "GET", "/1/x").text == '[1,"x"]'


def test_defaults_of_a_rule_are_given_as_its_values_are() -> None:
    assert answered(plain, "/<int:a>", "/1", defaults={"b": "x"}) == [1, "x"]
    assert answered(rest, "/<int:a>", "/1", defaults={"b": "x"}) == [1, "x"]
    assert answered(with_request, "/", "/", defaults={"a": 1, "b": "x"}) == [1, "x"]


def test_annotations_say_what_a_braced_variable_is() -> None:
    def view(a: int, b: uuid.UUID, c: float, d: str, e) -> list[Any]:  # type: ignore[no-untyped-def]
        return [type(one).__name__ for one in (a, b, c, d, e)]

    rule = "/{a}/{b}/{c}/{d}/{e}"
    assert answered(view, rule, f"/1/{uuid.uuid4()}/1.5/d/e") == ["int", "UUID", "float", "str", "str"]
    assert answered(view, rule, f"/x/{uuid.uuid4()}/1.5/d/e") == 404


@pytest.mark.parametrize("kind", [Body, Struct, Typed, Body | None, typing.Optional[Body], list[Body], dict[str, Body]])  # noqa: UP045
def test_a_body_is_given_where_a_type_of_one_is_annotated(kind: Any) -> None:
    def view(a: int, body: Any) -> Any:
        return [a, msgspec.to_builtins(body)]

    view.__annotations__["body"] = kind
    value: Any = {"n": 5}
    if typing.get_origin(kind) is list:
        value = [value]
    elif typing.get_origin(kind) is dict:
        value = {"k": value}
    assert answered(view, "/<int:a>", "/1", json.dumps(value).encode()) == [1, value]
    assert answered(view, "/<int:a>", "/1", b"nonsense") == 400
    assert answered(view, "/<int:a>", "/1", b'"text"') == 422


def test_a_body_that_may_be_missing_is_none_without_one() -> None:
    def view(body: Body | None) -> Any:
        return {"is_none": body is None}

    view.__annotations__["body"] = Body | None
    app = App(__name__)
    app.add_url_rule("/", "here", view, methods=["POST"])
    assert ask(app, "POST", "/").text == '{"is_none":true}'


# What does not fit is told before the first request


def lacks_b(a: int) -> str:
    return ""


def wants_more(a: int, b: str, c: str) -> str:
    return c


def wants_more_by_keyword(a: int, b: str, *, c: str) -> str:
    return c


def two_bodies(a: int, b: str, c: Body, d: Struct) -> str:
    return ""


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (lacks_b, "the rule has the variable 'b', and the handler no parameter of that name; want def lacks_b(a, b)"),
        (wants_more, "nothing gives the parameter 'c': it is no variable of the rule"),
        (wants_more_by_keyword, "nothing gives the parameter 'c'"),
        (two_bodies, "c and d: a request has one body"),
        (dict, "want a function of Python around it"),
    ],
)
def test_a_handler_that_does_not_fit_its_rule_is_told_by_place(view: Any, said: str) -> None:
    app = App(__name__)
    app.add_url_rule("/<int:a>/<b>", "here", view)
    with pytest.raises(HandlerError, match=re.escape(said)) as caught:
        app.freeze()
    if view is not dict:
        assert f"{view.__name__} ({__file__}:" in str(caught.value)


@pytest.mark.parametrize("view", [None, 5, "text", ["a"]])
def test_what_is_no_function_is_told_at_once(view: Any) -> None:
    with pytest.raises(TypeError, match="want a function that answers it"):
        App(__name__).add_url_rule("/", "here", view)


def test_methods_are_a_list() -> None:
    with pytest.raises(TypeError, match=re.escape("methods='GET': want a list: ['GET']")):
        App(__name__).route("/", methods="GET")(plain)


def test_a_call_is_compiled_once_and_does_not_look_at_signatures_again() -> None:
    call = compiled_call(plain, ["a", "b"], {}, False)
    assert call([None, {}, None, None, (1, "x")]) == [1, "x"]
