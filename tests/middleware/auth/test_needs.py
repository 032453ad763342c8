"""What a path wants, and how two ways to authenticate go together."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from argon2 import PasswordHasher

from dragoman.middleware import ApiKeyAuth, BasicAuth, Cache, stack
from dragoman.middleware.auth import AUTH, Identity
from dragoman.middleware.auth.api_key import hash_key
from dragoman.middleware.auth.identity import Needs
from tests.middleware.kit import Inner, ask

KEYS = {"ci": hash_key("ci's key"), "admin": hash_key("admin's key")}
CI, ADMIN = {"X-API-Key": "ci's key"}, {"X-API-Key": "admin's key"}
REQUIRE: dict[str, Any] = {
    "/": "optional",
    "/health": False,
    "/private": True,
    "/admin": ["admin", "write"],
    "/admin/public": False,
}


def app(inner: Any = None, **options: Any) -> ApiKeyAuth:
    return ApiKeyAuth(inner or Inner(), keys=KEYS, require=REQUIRE, scopes={"admin": ["admin", "write"]}, **options)


@pytest.mark.parametrize(
    ("path", "nobody", "ci", "admin"),
    [
        ("/", 200, 200, 200),
        ("/health", 200, 200, 200),
        ("/healthy", 200, 200, 200),
        ("/private", 401, 200, 200),
        ("/private/x", 401, 200, 200),
        ("/admin", 401, 403, 200),
        ("/admin/x", 401, 403, 200),
        ("/admin/public", 200, 200, 200),
        # What an application may read as another path has the needs of both.
        ("//admin", 401, 403, 200),
        ("/./admin", 401, 403, 200),
        ("/health/../admin", 401, 403, 200),
        ("/admin/public/../x", 401, 403, 200),
        ("/admin/public/../../private", 401, 200, 200),
        ("/..//admin/.", 401, 403, 200),
        ("/\\admin", 401, 403, 200),
        ("/.well-known", 200, 200, 200),
        ("/a..b", 200, 200, 200),
    ],
)
def test_a_path_wants_what_is_said_of_it(path: str, nobody: int, ci: int, admin: int) -> None:
    assert [ask(app(), "GET", path, fields).status for fields in ({}, CI, ADMIN)] == [nobody, ci, admin]


def test_a_mounted_application_is_judged_by_the_whole_path() -> None:
    assert ask(app(), "GET", "/x", SCRIPT_NAME="/admin").status == 401
    assert ask(app(), "GET", "/admin", SCRIPT_NAME="/health").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/health/../private",
        "/health//../../private",
        "/health\\..\\private",
        # One reader takes empty segments away before "..", the next one after it, and a third takes "\" for a letter.
        "/private/x//../../health",
        "/health/a//../../private",
        "/health/x\\y/../../private",
        "/health/./../private",
        "//private/../health",
    ],
)
def test_a_path_that_any_reader_takes_for_a_private_one_wants_somebody(path: str) -> None:
    open_but = ApiKeyAuth(Inner(), keys=KEYS, require={"/": False, "/private": True})
    assert ask(open_but, "GET", path).status == 401


def test_paths_that_are_not_named_want_somebody() -> None:
    assert ask(ApiKeyAuth(Inner(), keys=KEYS), "GET", "/").status == 401
    assert ask(ApiKeyAuth(Inner(), keys=KEYS, require={"/health": False}), "GET", "/").status == 401


def test_bad_credentials_are_refused_where_none_would_do_and_not_looked_at_where_nobody_looks() -> None:
    assert ask(app(), "GET", "/", {"X-API-Key": "wrong"}).status == 401
    assert ask(app(), "GET", "/health", {"X-API-Key": "wrong"}).status == 200


def test_the_application_is_told_who_it_is() -> None:
    inner = Inner()
    ask(app(inner), "GET", "/admin", ADMIN)
    [environ] = inner.environs
    assert (environ["REMOTE_USER"], environ["AUTH_TYPE"]) == ("admin", "ApiKey")
    assert environ[AUTH] == Identity("admin", "ApiKey", frozenset({"admin", "write"}))
    inner.settled()


def test_the_application_is_told_of_nobody() -> None:
    inner = Inner()
    ask(app(inner), "GET", "/")
    assert not {"REMOTE_USER", "AUTH_TYPE", AUTH} & set(inner.environs[0])


def test_an_answer_varies_by_the_field_that_no_cache_knows() -> None:
    assert ask(app(), "GET", "/private", CI).value("Vary") == "X-API-Key"
    assert ask(app(), "GET", "/health", CI).value("Vary") is None


@pytest.mark.parametrize(
    "cache_control", ["max-age=60", "max-age=60, must-revalidate", "public, max-age=60", "s-maxage=60"]
)
def test_a_cache_outside_gives_what_is_somebodys_to_nobody_else(cache_control: str) -> None:
    # All but the first let a shared cache keep an answer to a request with Authorization: RFC 9111 section 3.5.
    inner = Inner(headers=[("Content-Type", "text/plain"), ("Cache-Control", cache_control)])
    app = stack(inner, Cache(), BasicAuth(users=USERS, require={"/": True}))
    assert ask(app, headers=ANNA).status == 200
    assert [ask(app, headers=fields).status for fields in ({}, BERT, ANNA)] == [401, 401, 200]


USERS = {"anna": PasswordHasher(1, 8, 1).hash("secret")}
BERT = {"Authorization": f"Basic {base64.b64encode(b'bert:secret').decode()}"}
ANNA = {"Authorization": f"Basic {base64.b64encode(b'anna:secret').decode()}"}


def test_two_ways_are_either_of_them() -> None:
    inner = Inner()
    both = BasicAuth(
        ApiKeyAuth(inner, keys=KEYS, scopes={"admin": ["admin"]}, require={"/admin": ["admin"]}),
        users=USERS,
        scopes={"anna": ["admin"]},
        require={"/": "optional"},
    )
    assert [ask(both, "GET", "/", fields).status for fields in ({}, CI, ANNA)] == [401, 200, 200]
    assert [ask(both, "GET", "/admin", fields).status for fields in ({}, CI, ADMIN, ANNA)] == [401, 403, 200, 200]
    assert inner.environs[-1]["AUTH_TYPE"] == "Basic"
    wrong = {"Authorization": f"Basic {base64.b64encode(b'anna:wrong').decode()}"}
    assert ask(both, "GET", "/", {**wrong, **CI}).status == 401


@pytest.mark.parametrize(
    ("require", "words"),
    [
        ({"/": "always"}, "want False, \"optional\", True or a list of scopes, got 'always'"),
        ({"/": []}, "want False"),
        ({"/": None}, "want False"),
        ({"/": ["a b"]}, "want scopes of visible ASCII"),
        ({"/": [5]}, "want scopes of visible ASCII"),
        ({"admin": True}, 'require: want paths that begin with "/"'),
    ],
)
def test_a_need_that_is_none_is_refused(require: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Needs(require)
