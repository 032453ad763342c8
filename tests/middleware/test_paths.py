"""The table of paths: the longest prefix of whole segments wins."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware.paths import PathTable, path_of


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/x", "api"),
        ("/api/v2", "v2"),
        ("/api/v2/x", "v2"),
        ("/api/v20", "api"),
        ("/apis", None),
        ("/", None),
        ("", None),
        ("/API", None),
        ("//api", None),
    ],
)
def test_a_prefix_fits_whole_segments(path: str, value: str | None) -> None:
    # The shorter one first: the order in which they are written does not matter.
    assert PathTable({"/api/": "api", "/api/v2": "v2"}, "t").find(path, None) == value


def test_the_root_is_for_every_path() -> None:
    table = PathTable({"/": "all", "/a": "a"}, "t")
    assert [table.find(path, None) for path in ("/", "/x", "/a/b", "")] == ["all", "all", "a", "all"]


def test_a_value_of_none_is_told_from_no_row() -> None:
    assert PathTable({"/a": None}, "t").find("/a", "default") is None


def test_a_prefix_beyond_ascii_is_compared_as_paths_come() -> None:
    table = PathTable({"/über": 1}, "t")
    assert table.find("/über/x".encode().decode("latin-1"), 0) == 1
    assert table.find("/über/x", 0) == 0


@pytest.mark.parametrize("rows", [{"api": 1}, {"": 1}, {"*": 1}, {3: 1}])
def test_another_shape_is_refused(rows: dict[str, int]) -> None:
    with pytest.raises(ValueError, match='exempt: want paths that begin with "/", got'):
        PathTable(rows, "exempt")


def test_a_path_is_exempt_only_if_every_reader_takes_it_for_one_that_is() -> None:
    table = PathTable.of(["/hooks"], "exempt")
    for path in ("/hooks", "/hooks/a.b", "/hooks//x", "/hooks/./x", "/hooks/a/../b", "/hooks/...", "/hooks/.x"):
        assert table.has(path), path
    for path in ("/hooks/../pay", "/hooks/x/../../pay", "/hooks\\..\\pay", "/hooks//../pay", "/hooks/..", "//hooks"):
        assert not table.has(path), path


def clean(path: str) -> str:
    return posixpath.normpath(path).replace("//", "/")


@given(
    st.lists(st.sampled_from(["/", "//", "\\", "hooks", "pay", ".", "..", "x"]), max_size=9).map("".join),
    st.sampled_from([str, clean, lambda path: clean(path.replace("\\", "/")), lambda path: re.sub("//+", "/", path)]),
)
def test_no_reader_comes_from_an_exempt_path_to_another_one(path: str, read: Callable[[str], str]) -> None:
    table = PathTable.of(["/hooks"], "exempt")
    if table.has(f"/{path}"):
        assert table.find(read(f"/{path}"), False)


def test_one_text_is_no_list_of_paths() -> None:
    with pytest.raises(ValueError, match="exempt: want a list of paths, got the text '/health'"):
        PathTable.of("/health", "exempt")
    assert PathTable.of(["/health"], "exempt").find("/health", False) is True
    assert not PathTable.of([], "exempt")


@pytest.mark.parametrize(
    ("script", "path", "whole"), [("", "/", "/"), ("/a", "", "/a"), ("/a", "/b", "/a/b"), ("", "", "/")]
)
def test_the_path_of_a_request_has_where_it_is_mounted(script: str, path: str, whole: str) -> None:
    assert path_of({"SCRIPT_NAME": script, "PATH_INFO": path}) == whole


def test_the_path_of_an_environ_without_keys_is_the_root() -> None:
    assert path_of({}) == "/"


SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4)


@given(st.lists(SEGMENTS, max_size=5), SEGMENTS)
def test_the_table_finds_what_comparing_segments_finds(prefixes: list[list[str]], path: list[str]) -> None:
    table = PathTable({"/" + "/".join(one): tuple(one) for one in prefixes}, "t")
    fitting = [tuple(one) for one in prefixes if path[: len(one)] == one]
    assert table.find("/" + "/".join(path), ()) == max(fitting, key=len, default=())
