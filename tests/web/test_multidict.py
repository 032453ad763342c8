"""`MultiDict`: laws of reading, the same as of werkzeug's, and that it is not changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict as WerkzeugMultiDict

from dragoman.web import App, MultiDict, Request
from dragoman.web.errors import BadRequest, MissingKey
from tests.middleware.kit import ask

NAMES = st.sampled_from(["a", "b", "c", ""])
PAIRS = st.lists(st.tuples(NAMES, st.text("01x", max_size=2)), max_size=8)


@given(PAIRS, NAMES)
def test_it_reads_as_werkzeugs_does(pairs: list[tuple[str, str]], name: str) -> None:
    ours, theirs = MultiDict(pairs), WerkzeugMultiDict(pairs)
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)
    assert dict(ours) == dict(theirs.items())
    assert ours.to_dict() == theirs.to_dict()
    assert ours.to_dict(flat=False) == theirs.to_dict(flat=False)
    assert ours.lists() == list(theirs.lists())
    assert ours.pairs() == list(theirs.items(multi=True))
    assert ours.get(name) == theirs.get(name)
    assert ours.get(name, 7, type=int) == theirs.get(name, 7, type=int)
    assert ours.getlist(name) == theirs.getlist(name)
    assert ours.getlist(name, type=int) == theirs.getlist(name, type=int)
    assert (name in ours) == (name in theirs)


@given(PAIRS)
def test_what_it_gives_out_changes_nothing_in_it(pairs: list[tuple[str, str]]) -> None:
    given = MultiDict(pairs)
    for _, values in given.lists():
        values.append("more")
    for name in given:
        given.getlist(name).clear()
    given.to_dict(flat=False).clear()
    given.to_dict().clear()
    assert given == MultiDict(pairs)
    assert not hasattr(given, "__setitem__")


@given(PAIRS)
def test_its_pairs_make_it_again(pairs: list[tuple[str, str]]) -> None:
    given = MultiDict(pairs)
    assert MultiDict(given.pairs()) == given
    assert given != dict(pairs)


def test_a_name_that_is_missing_is_a_key_error_and_the_clients_fault() -> None:
    with pytest.raises(KeyError):
        MultiDict()["a"]
    with pytest.raises(BadRequest, match="'a' is missing"):
        MultiDict()["a"]
    with pytest.raises(MissingKey) as caught:
        MultiDict([("b", "1")])["a"]
    assert caught.value.missing == "a"
    app = App(__name__)

    @app.get("/")
    def handler(request: Request) -> str:
        return request.args["page"]

    assert ask(app).status == 400
    assert ask(app, "GET", "/?page=2&page=3").text == "2"


def test_a_default_may_be_of_another_type_and_wrong_values_are_the_default() -> None:
    given = MultiDict([("n", "x"), ("n", "5")])
    assert given.get("n", type=int) is None
    assert given.get("n", 1, type=int) == 1
    assert given.getlist("n", type=int) == [5]
    assert given.get("m", type=int) is None
