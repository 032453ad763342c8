"""What every layer is: around an application, or configured and waiting for one."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import middleware
from dragoman.middleware import Layer, RequestId
from tests.middleware.kit import Inner, ask


class Marked(Layer):
    """Puts a mark into the environ."""

    def __init__(self, app: Any = None, *, mark: str = "m") -> None:
        super().__init__(app)
        self.marks = [mark]

    def __call__(self, environ: Any, start_response: Any) -> Any:
        environ["test.marks"] = environ.get("test.marks", "") + self.marks[0]
        return self.app(environ, start_response)


def test_a_layer_around_an_application_calls_it() -> None:
    inner = Inner()
    assert ask(Marked(inner)).text == "Hello"
    assert inner.environs[0]["test.marks"] == "m"
    inner.settled()


def test_a_layer_without_an_application_says_how_it_gets_one() -> None:
    layer = Marked()
    assert not layer.is_bound
    with pytest.raises(RuntimeError, match=r"write Marked\(app, …\) or stack\(app, Marked\(…\)\)"):
        layer({}, lambda *arguments: print)


def test_around_leaves_the_layer_itself_without_an_application() -> None:
    layer = Marked(mark="x")
    first, second = Inner(), Inner(blocks=(b"Second",))
    bound, other = layer.around(first), layer.around(second)
    assert (layer.is_bound, bound.is_bound, other.is_bound) == (False, True, True)
    assert (ask(bound).text, ask(other).text) == ("Hello", "Second")
    # What it stores in is shared, not copied.
    assert bound.marks is layer.marks is other.marks


@pytest.mark.parametrize("given", ["static/", 3, ["a"], {"secret": "x"}])
def test_what_is_no_application_is_refused_and_the_message_speaks_of_options(given: object) -> None:
    with pytest.raises(TypeError, match=r"Marked: want a WSGI application first, got .*; options are given by their"):
        Marked(given)


def test_options_are_given_by_name_only() -> None:
    with pytest.raises(TypeError):
        RequestId(Inner(), "X-Request-ID")  # type: ignore[misc]


def test_every_public_name_of_the_library_is_there_and_a_wrong_one_is_told() -> None:
    assert all(getattr(middleware, name) is not None for name in middleware.__all__)
    with pytest.raises(AttributeError, match=r"module 'dragoman.middleware' has no attribute 'Sesions'"):
        _ = middleware.Sesions
