"""`BasicAuth`: credentials, hashes, and how seldom they are verified."""

from __future__ import annotations

import base64
import logging
import subprocess
import sys
import threading
from typing import Any

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import BasicAuth
from dragoman.middleware.auth import passwords
from dragoman.middleware.auth.basic import parse_basic
from dragoman.middleware.auth.layer import Unavailable
from dragoman.middleware.auth.passwords import Verifier, hash_password, is_hash
from tests.middleware.kit import Inner, ask
from tests.support.server import REPOSITORY
from tests.support.wire import DEADLINE_S

CHEAP = PasswordHasher(1, 8, 1)
USERS = {"anna": CHEAP.hash("a secret: with colon"), "Zoë": CHEAP.hash("gehèim")}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


ANNA = basic("anna", "a secret: with colon")


def status(fields: dict[str, str], **options: Any) -> int:
    return ask(BasicAuth(Inner(), users=USERS, **options), headers=fields).status


def test_who_knows_the_password_gets_in_with_a_name_as_bytes_of_utf_8() -> None:
    inner = Inner()
    assert ask(BasicAuth(inner, users=USERS), headers=ANNA).status == 200
    assert ask(BasicAuth(inner, users=USERS), headers=basic("Zoë", "gehèim")).status == 200
    assert [environ["REMOTE_USER"] for environ in inner.environs] == ["anna", "Zoë".encode().decode("latin-1")]
    assert inner.environs[0]["AUTH_TYPE"] == "Basic"
    inner.settled()


def test_who_does_not_is_asked() -> None:
    answered = ask(BasicAuth(Inner(), users=USERS, realm='The "shop"'))
    assert answered.status == 401
    assert answered.value("WWW-Authenticate") == 'Basic realm="The \\"shop\\"", charset="UTF-8"'


@pytest.mark.parametrize(
    "fields",
    [
        basic("anna", "wrong"),
        basic("anna", ""),
        basic("bert", "a secret: with colon"),
        basic("", ""),
        basic("ANNA", "a secret: with colon"),
        basic("anna", "a secret: with colon\0"),
        basic("anna", "x" * 2000),
        {"Authorization": "Basic"},
        {"Authorization": "Basic "},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic YW5uYQ=="},
        {"Authorization": "Basic " + base64.b64encode(b"anna\xff:x").decode()},
        {"Authorization": "Basic é"},
        {"Authorization": "Bearer abc"},
        {"Authorization": "Basic " + "A" * 100_000},
    ],
)
def test_anything_else_is_401(fields: dict[str, str]) -> None:
    assert status(fields) == 401


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "Basic  "])
def test_the_scheme_has_no_case(scheme: str) -> None:
    assert status({"Authorization": ANNA["Authorization"].replace("Basic", scheme)}) == 200


def test_a_function_may_know_the_hashes() -> None:
    asked: list[str] = []

    def hash_of(name: str) -> str | None:
        asked.append(name)
        return USERS.get(name)

    app = BasicAuth(Inner(), users=hash_of)
    assert ask(app, headers=ANNA).status == 200
    assert ask(app, headers=basic("bert", "x")).status == 401
    assert asked == ["anna", "bert"]


class Counting(PasswordHasher):
    """Counts what it verifies."""

    def __init__(self) -> None:
        super().__init__(1, 8, 1)
        self.count = 0

    def verify(self, hash: Any, password: Any) -> Any:
        self.count += 1
        return super().verify(hash, password)


@pytest.fixture
def counting() -> tuple[BasicAuth, Counting]:
    app = BasicAuth(Inner(), users=dict(USERS), scopes={"anna": ["a"]})
    app.verifier.hasher = hasher = Counting()
    return app, hasher


def test_a_verified_password_is_not_verified_again(counting: tuple[BasicAuth, Counting]) -> None:
    app, hasher = counting
    for _ in range(5):
        assert ask(app, headers=ANNA).status == 200
        assert ask(app, headers=basic("anna", "wrong")).status == 401
    assert hasher.count == 2


def test_a_name_that_is_unknown_costs_a_verification_like_one_that_is_known(
    counting: tuple[BasicAuth, Counting],
) -> None:
    app, hasher = counting
    ask(app, headers=basic("bert", "x"))
    assert hasher.count == 1


def test_what_is_remembered_of_one_unknown_name_tells_nothing_of_another_name(
    counting: tuple[BasicAuth, Counting],
) -> None:
    app, hasher = counting
    # Else a guess of a second name with the same password would be quick for a name that is unknown, and slow for one
    # that is known; and any name with somebody's password would be quick.
    ask(app, headers=ANNA)
    for count, (name, password) in enumerate(
        [("bert", "x"), ("carl", "x"), ("anna", "x"), ("bert", "a secret: with colon")], 2
    ):
        assert ask(app, headers=basic(name, password)).status == 401
        assert hasher.count == count


def test_the_password_of_whose_hash_stands_in_for_the_unknown_ones_lets_nobody_else_in(
    counting: tuple[BasicAuth, Counting],
) -> None:
    app, _ = counting
    for _ in range(2):
        assert ask(app, headers=basic("bert", "a secret: with colon")).status == 401
    assert ask(app, headers=ANNA).status == 200
    assert ask(app, headers=basic("bert", "a secret: with colon")).status == 401


def test_another_hash_makes_what_is_remembered_void() -> None:
    users = dict(USERS)
    app = BasicAuth(Inner(), users=users)
    assert ask(app, headers=ANNA).status == 200
    users["anna"] = CHEAP.hash("a new one")
    assert ask(app, headers=ANNA).status == 401
    assert ask(app, headers=basic("anna", "a new one")).status == 200


def test_what_is_remembered_is_forgotten_in_time() -> None:
    now = [0.0]
    verifier = Verifier(10, clock=lambda: now[0])
    verifier.hasher = hasher = Counting()
    for now[0] in (0.0, 9.9, 10.0, 19.9):
        assert verifier.holds(USERS["anna"], b"a secret: with colon")
    assert hasher.count == 2


def test_nothing_is_remembered_where_nobody_wants_it() -> None:
    verifier = Verifier(0)
    verifier.hasher = hasher = Counting()
    for _ in range(3):
        assert verifier.holds(USERS["anna"], b"a secret: with colon")
    assert hasher.count == 3


def test_guesses_do_not_drive_out_what_is_good_and_have_a_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "REMEMBERED", 10)
    verifier = Verifier(60)
    verifier.hasher = hasher = Counting()
    assert verifier.holds(USERS["anna"], b"a secret: with colon")
    for number in range(50):
        assert not verifier.holds(USERS["anna"], b"%d" % number)
    before = hasher.count
    assert verifier.holds(USERS["anna"], b"a secret: with colon")
    assert hasher.count == before
    assert len(verifier.remembered[False]) == 10


def test_what_is_remembered_holds_no_password() -> None:
    verifier = Verifier(60)
    verifier.holds(USERS["anna"], b"a secret: with colon")
    assert b"a secret" not in b"".join(verifier.remembered[True])


def test_only_so_many_are_verified_at_once_and_the_others_are_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAIT_S", 0.01)
    entered, leave = threading.Semaphore(0), threading.Event()

    class Slow(Counting):
        def verify(self, hash: Any, password: Any) -> Any:
            entered.release()
            assert leave.wait(DEADLINE_S)
            return super().verify(hash, password)

    app = BasicAuth(Inner(), users=USERS)
    app.verifier.hasher = Slow()
    threads = [
        threading.Thread(target=app.verifier.holds, args=(USERS["anna"], b"%d" % number))
        for number in range(passwords.MOST_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert entered.acquire(timeout=DEADLINE_S)
    with pytest.raises(Unavailable):
        app.verifier.holds(USERS["anna"], b"one more")
    answered = ask(app, headers=ANNA)
    assert (answered.status, answered.value("Retry-After")) == (503, "5")
    leave.set()
    for thread in threads:
        thread.join()
    assert ask(app, headers=ANNA).status == 200


def test_no_secret_gets_into_the_log_or_a_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    status(basic("anna", "hunter2"))
    status(basic("hunter2", "hunter2"))
    told = [message.removeprefix("Basic: GET '/': refused: ") for message in caplog.messages]
    assert told == ["wrong password of 'anna'", "unknown name"]
    assert "hunter2" not in repr(parse_basic(base64.b64encode(b"anna:hunter2").decode()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"users": {}}, "users: want one at least"),
        ({"users": {"anna": "hunter2"}}, "users: anna: want a hash of argon2"),
        ({"users": {"anna": "$2b$12$abc"}}, "users: anna: want a hash of argon2"),
        ({"users": {"a:b": USERS["anna"]}}, "want names without colons"),
        ({"users": ["anna"]}, "users: want names with their hashes, or a function, got list"),
        ({"users": USERS, "scopes": {"bert": ["a"]}}, "scopes: 'bert' is none of the names"),
        ({"users": USERS, "scopes": {"anna": "a"}}, "scopes: anna: want a list of scopes"),
        ({"users": USERS, "realm": "a\nb"}, "realm: "),
        ({"users": USERS, "remember_s": -1}, "remember_s: want seconds"),
    ],
)
def test_a_setting_that_is_wrong_is_said_at_once_without_what_may_be_a_password(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        BasicAuth(**options)
    assert "hunter2" not in str(raised.value)


def test_a_hash_is_one_of_argon2() -> None:
    made = hash_password("a")
    assert made.startswith("$argon2id$") and is_hash(made)
    assert not is_hash("a") and not is_hash(None)


def test_the_command_prints_the_hash_of_what_it_reads() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "dragoman.middleware.auth.passwords"],
        input="geheim\n",
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
        timeout=60,
        check=True,
    )
    assert Verifier(0).holds(done.stdout.strip(), b"geheim")


@given(st.text(max_size=200))
def test_any_text_is_credentials_or_none(text: str) -> None:
    parse_basic(text)


@given(user=st.text(max_size=50), password=st.text(max_size=50))
def test_a_name_and_a_password_come_back(user: str, password: str) -> None:
    try:
        text = base64.b64encode(f"{user}:{password}".encode()).decode()
    except UnicodeEncodeError:
        return
    found = parse_basic(text)
    is_fine = ":" not in user and not any(ord(one) < 32 or ord(one) == 127 for one in user + password)
    assert found == ((user, password.encode()) if is_fine else found)
    assert found is not None or not is_fine
