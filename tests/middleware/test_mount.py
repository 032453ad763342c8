"""`Mount`: which application a path belongs to, and what it is told of where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from dragoman.middleware import Mount, stack
from tests.middleware.kit import Inner, ask


def place(app: Any, path: str, script: str = "") -> tuple[str, str, str]:
    answer = ask(app, "GET", path, SCRIPT_NAME=script)
    return answer.text, answer.environ["SCRIPT_NAME"], answer.environ["PATH_INFO"]


def made() -> Mount:
    mounts = {"/api": Inner(blocks=(b"api",)), "/api/v2/": Inner(blocks=(b"v2",)), "/über": Inner(blocks=(b"u",))}
    return Mount(Inner(blocks=(b"root",)), mounts=mounts)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", ("root", "", "/")),
        ("/api", ("api", "/api", "")),
        ("/api/", ("api", "/api", "/")),
        ("/api/x/y", ("api", "/api", "/x/y")),
        ("/api/v2/x", ("v2", "/api/v2", "/x")),
        ("/api/v20", ("api", "/api", "/v20")),
        ("/apis", ("root", "", "/apis")),
        ("/API", ("root", "", "/API")),
        ("//api", ("root", "", "//api")),
        ("/x/api", ("root", "", "/x/api")),
        ("/über/x".encode().decode("latin-1"), ("u", "/über".encode().decode("latin-1"), "/x")),
    ],
)
def test_the_longest_prefix_of_whole_segments_wins(path: str, found: tuple[str, str, str]) -> None:
    assert place(made(), path) == found


def test_mounts_may_be_nested_and_each_adds_to_the_front() -> None:
    inner = Inner(blocks=(b"deep",))
    app = Mount(mounts={"/a": Mount(mounts={"/b": inner})})
    assert place(app, "/a/b/c", "/proxy") == ("deep", "/proxy/a/b", "/c")
    inner.settled()


def test_without_an_application_at_the_root_the_rest_is_404() -> None:
    app = Mount(mounts={"/api": Inner()})
    assert ask(app, "GET", "/x").status == 404
    assert ask(app, "GET", "/api").status == 200


def test_an_application_may_be_mounted_at_the_root() -> None:
    app = Mount(mounts={"/": Inner(blocks=(b"root",)), "/api": Inner(blocks=(b"api",))})
    assert [place(app, path)[0] for path in ("/", "/x", "/api/x")] == ["root", "root", "api"]


def test_in_a_stack_it_stands_around_the_application_of_the_root() -> None:
    app = stack(Inner(blocks=(b"root",)), Mount(mounts={"/api": Inner(blocks=(b"api",))}))
    assert [place(app, path)[0] for path in ("/x", "/api")] == ["root", "api"]


def test_werkzeug_a_path_of_thousands_of_segments_costs_no_more_than_the_prefixes_are_deep() -> None:
    # DispatcherMiddleware takes a segment off and joins the rest anew until the path is used up: quadratic.
    looked_up = []

    class Watched(dict):  # type: ignore[type-arg]
        def get(self, key: Any, default: Any = None) -> Any:
            looked_up.append(key)
            return super().get(key, default)

    app = made()
    app.mounts = Watched(app.mounts)
    assert place(app, "/a" * 50_000)[0] == "root"
    assert len(looked_up) <= app.depth + 1


@pytest.mark.parametrize(
    ("mounts", "error", "message"),
    [
        ({"api": Inner()}, ValueError, 'mounts: want paths that begin with "/"'),
        ({"/a//b": Inner()}, ValueError, "without empty segments"),
        ({"/a": Inner(), "/a/": Inner()}, ValueError, "mounts: /a/ is there twice"),
        ({"/a": "app"}, TypeError, "mounts: /a: want a WSGI application, got 'app'"),
    ],
)
def test_what_cannot_be_mounted_is_refused(mounts: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Mount(mounts=mounts)


SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", ""]), max_size=4)


@given(st.lists(SEGMENTS, max_size=4), SEGMENTS)
def test_nothing_of_the_path_is_lost(prefixes: list[list[str]], segments: list[str]) -> None:
    names = {"/" + "/".join(filter(None, one)) for one in prefixes}
    app = Mount(Inner(), mounts={name: Inner() for name in names})
    path = "/" + "/".join(segments)
    _, script, rest = place(app, path)
    assert script + rest == path
    assert script == max(
        (name for name in names if name != "/" and f"{path}/".startswith(f"{name}/")), key=len, default=""
    )


@given(st.lists(SEGMENTS, max_size=4), SEGMENTS)
def test_it_finds_what_werkzeugs_dispatcher_finds(prefixes: list[list[str]], segments: list[str]) -> None:
    names = {"/" + "/".join(filter(None, one)) for one in prefixes} - {"/"}
    mounts: dict[str, Any] = {name: Inner(blocks=(name.encode(),)) for name in names}
    path = "/" + "/".join(segments)
    theirs: Any = DispatcherMiddleware(Inner(), mounts)
    assert place(Mount(Inner(), mounts=mounts), path, "/front") == place(theirs, path, "/front")
