"""`stack`: layers around an application in a checked order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import Layer, OrderError, RateLimit, RequestId, Sessions, stack
from dragoman.middleware.order import ORDER, PAIRS, PLACES, misplaced, recommended
from tests.middleware.kit import Inner, ask


def named(name: str) -> Any:
    """A layer of that name, which writes it down."""

    def call(self: Any, environ: Any, start_response: Any) -> Any:
        environ.setdefault("test.passed", []).append(name)
        return self.app(environ, start_response)

    return type(name, (Layer,), {"__call__": call})()


def foreign(app: Any) -> Any:
    def application(environ: Any, start_response: Any) -> Any:
        environ.setdefault("test.passed", []).append("foreign")
        return app(environ, start_response)

    return application


def test_the_first_layer_is_the_outermost() -> None:
    inner = Inner()
    app = stack(inner, named("RequestId"), foreign, named("Sessions"))
    assert ask(app).environ["test.passed"] == ["RequestId", "foreign", "Sessions"]
    inner.settled()


def test_without_layers_the_application_comes_back() -> None:
    inner = Inner()
    assert stack(inner) is inner


def test_a_wrong_order_is_refused_with_the_reason_and_the_right_one() -> None:
    with pytest.raises(OrderError) as caught:
        stack(Inner(), named("Csrf"), foreign, named("Sessions"), named("RequestId"))
    assert str(caught.value).splitlines() == [
        "the layers stand in a wrong order (outermost first):",
        "  Sessions belongs outside of Csrf: a token that belongs to a session needs the session",
        "  Right: RequestId, Sessions, Csrf, foreign",
        "  check_order=False takes them as they are",
    ]


def test_the_check_can_be_turned_off() -> None:
    app = stack(Inner(), named("Csrf"), named("Sessions"), check_order=False)
    assert ask(app).environ["test.passed"] == ["Csrf", "Sessions"]


def test_a_layer_that_has_an_application_is_refused() -> None:
    with pytest.raises(TypeError, match="RequestId has an application already; give it to stack without one"):
        stack(Inner(), RequestId(Inner()))


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="stack: want layers behind the application, got 'static/'"):
        stack(Inner(), "static/")  # type: ignore[arg-type]


@pytest.mark.parametrize("app", [None, "shop:app", RequestId()])
def test_an_application_that_is_none_is_refused(app: Any) -> None:
    with pytest.raises(TypeError, match="stack: want the application first, then its layers, got "):
        stack(app, RequestId())


def test_of_two_layers_of_a_name_the_outermost_has_to_be_in_its_place() -> None:
    assert misplaced(["RateLimit", "BasicAuth", "RateLimit"]) == []
    assert [pair.outer for pair in misplaced(["RateLimit", "ProxyHeaders", "RateLimit"])] == ["ProxyHeaders"]


def test_a_limit_by_user_belongs_inside_of_what_knows_him() -> None:
    by_user = RateLimit(limits="5/minute", key="user", storage="memory://")
    by_hook = RateLimit(limits="5/minute", key=lambda environ: None, storage="memory://")
    stack(Inner(), RateLimit(limits="5/minute", storage="memory://"), named("BasicAuth"), by_user, by_hook)
    stack(Inner(), by_hook, named("BasicAuth"))
    with pytest.raises(OrderError, match="BasicAuth belongs outside of RateLimit by user: nobody would have a name"):
        stack(Inner(), by_user, named("BasicAuth"))


def test_a_class_that_derives_from_a_part_stands_where_the_part_does() -> None:
    class Ours(Sessions):
        pass

    with pytest.raises(OrderError, match="Sessions belongs outside of Csrf"):
        stack(Inner(), named("Csrf"), Ours(secret="sixteen letters or more"))


def test_what_others_have_named_like_a_part_may_stand_anywhere() -> None:
    def Sessions(app: Any) -> Any:
        return foreign(app)

    assert ask(stack(Inner(), named("Csrf"), Sessions)).environ["test.passed"] == ["Csrf", "foreign"]


def test_one_configured_layer_serves_two_stacks() -> None:
    layer = RequestId(trusted="*")
    one, two = stack(Inner(blocks=(b"1",)), layer), stack(Inner(blocks=(b"2",)), layer)
    assert (ask(one).text, ask(two).text) == ("1", "2")


def test_every_place_has_its_reason() -> None:
    assert tuple(PLACES) == ORDER


def test_the_recommended_order_keeps_every_pair() -> None:
    assert misplaced(ORDER) == []
    assert len(set(ORDER)) == len(ORDER)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.outer}-{pair.inner}")
def test_a_pair_names_layers_of_the_order_and_is_found_when_it_is_turned_round(pair: Any) -> None:
    assert pair.outer in ORDER and pair.inner in ORDER
    assert misplaced([pair.outer, "Other", pair.inner]) == []
    assert misplaced([pair.inner, "Other", pair.outer]) == [pair]
    assert misplaced([pair.inner]) == []


NAMES = st.lists(st.sampled_from([*ORDER, "Other", "Another"]), max_size=12)


@given(NAMES)
def test_what_is_recommended_has_the_same_layers_and_nothing_misplaced(names: list[str]) -> None:
    made = recommended(names)
    assert sorted(made) == sorted(names)
    # Of a layer that is there twice one may stand on the wrong side whatever is done.
    if len(set(names)) == len(names):
        assert misplaced(made) == []
        assert recommended(made) == made
