"""Where `BearerAuth` has its keys from: a file that changes, a URL that rotates, fails and comes back."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.middleware import BearerAuth
from dragoman.middleware.auth import jwks as module
from dragoman.middleware.auth.jwks import UrlKeys, fetched, keys_of
from tests.middleware.auth.issuer import AUDIENCE, ISSUER, JwksServer, SigningKey, jwks, secret_key
from tests.middleware.kit import Answered, Inner, ask
from tests.support.wire import DEADLINE_S

OLD, NEW = SigningKey("old", "ES256"), SigningKey("new", "ES256")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[JwksServer]:
    with JwksServer(jwks(OLD)) as served:
        yield served


def app_of(source: Any, clock: Clock) -> BearerAuth:
    made = BearerAuth(Inner(), jwks=source, issuer=ISSUER, audience=AUDIENCE, timeout_s=5)
    made.keys.clock = clock  # type: ignore[attr-defined]
    return made


def asked(app: BearerAuth, key: SigningKey) -> Answered:
    return ask(app, headers={"Authorization": f"Bearer {key.token()}"})


def until(is_so: Any) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_nothing_is_fetched_before_a_token_comes(server: JwksServer, clock: Clock) -> None:
    app = app_of(server.url, clock)
    assert ask(app).status == 401
    assert server.count == 0
    assert asked(app, OLD).status == 200
    assert asked(app, OLD).status == 200
    assert server.count == 1


def test_a_new_key_is_fetched_when_a_token_names_it(server: JwksServer, clock: Clock) -> None:
    app = app_of(server.url, clock)
    assert asked(app, OLD).status == 200
    server.document = jwks(OLD, NEW)
    clock.now += 6
    assert asked(app, NEW).status == 200
    assert asked(app, OLD).status == 200
    assert server.count == 2


def test_names_of_keys_that_are_made_up_do_not_make_us_ask_each_time(server: JwksServer, clock: Clock) -> None:
    app = app_of(server.url, clock)
    for _ in range(20):
        assert asked(app, NEW).status == 401
    assert server.count == 1
    clock.now += 6
    for _ in range(20):
        assert asked(app, NEW).status == 401
    assert server.count == 2


def test_keys_are_fetched_anew_while_requests_are_answered_by_the_old_ones(server: JwksServer, clock: Clock) -> None:
    app = app_of(server.url, clock)
    assert asked(app, OLD).status == 200
    assert server.entered.acquire(timeout=DEADLINE_S)
    server.document = jwks(NEW)
    server.gate.clear()
    clock.now += 301
    assert asked(app, OLD).status == 200
    assert server.entered.acquire(timeout=DEADLINE_S)
    for _ in range(5):
        assert asked(app, OLD).status == 200
    server.gate.set()
    until(lambda: [key.kid for key in app.keys.keys] == ["new"])  # type: ignore[attr-defined]
    # A key that the issuer has taken back is no key any more.
    assert asked(app, OLD).status == 401
    assert asked(app, NEW).status == 200
    assert server.count == 2


def test_while_keys_cannot_be_fetched_the_old_ones_are_used_for_a_day(
    server: JwksServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(server.url, clock)
    assert asked(app, OLD).status == 200
    server.status = 500
    for _ in range(3):
        clock.now += 400
        before = server.count
        assert asked(app, OLD).status == 200
        until(lambda before=before: server.count > before and app.keys.run.done.is_set())  # type: ignore[attr-defined]
    assert len([message for message in caplog.messages if "cannot be reached" in message]) == 1
    clock.now += 86_400
    answered = asked(app, OLD)
    assert (answered.status, answered.value("Retry-After")) == (503, "5")
    server.status = 200
    clock.now += 6
    assert asked(app, OLD).status == 200
    assert [message for message in caplog.messages if "is there again" in message]


def test_without_any_keys_it_is_503_and_one_request_in_five_seconds_tries(server: JwksServer, clock: Clock) -> None:
    app = app_of(server.url, clock)
    server.status = 500
    assert [asked(app, OLD).status for _ in range(5)] == [503] * 5
    assert server.count == 1
    server.status = 200
    clock.now += 6
    assert asked(app, OLD).status == 200


def test_requests_that_come_before_the_first_keys_wait_for_one_fetch(server: JwksServer, clock: Clock) -> None:
    app = app_of(server.url, clock)
    server.gate.clear()
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(asked(app, OLD).status)) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert server.entered.acquire(timeout=DEADLINE_S)
    server.gate.set()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 5
    assert server.count == 1


@pytest.mark.parametrize(
    "document",
    [b"", b"no json", b"[" * 100_000, {"keys": []}, {"keys": "a"}, [], jwks(secret_key(b"x" * 40, kid="old")), b"\xff"],
)
def test_what_is_no_jwks_brings_no_keys(document: Any, clock: Clock) -> None:
    with JwksServer(document) as server:
        assert asked(app_of(server.url, clock), OLD).status == 503


def test_a_redirect_is_not_followed(server: JwksServer, clock: Clock) -> None:
    with JwksServer(b"") as first:
        first.status, first.headers = 302, {"Location": server.url}
        assert asked(app_of(first.url, clock), OLD).status == 503
    assert server.count == 0


def test_too_large_a_document_is_not_read_to_its_end() -> None:
    with JwksServer(b" " * (module.MOST_BYTES + 100_000)) as server:
        with pytest.raises(OSError, match="larger than 1048576 bytes"):
            fetched(server.url, 5)


def test_a_server_that_says_nothing_is_given_up(server: JwksServer) -> None:
    server.gate.clear()
    with pytest.raises(OSError):
        fetched(server.url, 0.05)


def test_a_fetch_that_takes_longer_than_it_may_is_waited_for_by_nobody(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # A name that is looked up takes as long as the resolver likes, and no timeout of a socket ends that.
    leave = threading.Event()
    count = 0

    def slow(url: str, timeout_s: float) -> bytes:
        nonlocal count
        count += 1
        assert leave.wait(DEADLINE_S)
        return json.dumps(jwks(OLD)).encode()

    monkeypatch.setattr(module, "fetched", slow)
    app = BearerAuth(Inner(), jwks="https://id.example/jwks.json", issuer=ISSUER, audience=AUDIENCE, timeout_s=0.05)
    app.keys.clock = clock  # type: ignore[attr-defined]
    for _ in range(3):
        assert asked(app, OLD).status == 503
        clock.now += 6
    assert not leave.is_set() and count == 1
    assert len([message for message in caplog.messages if "no answer within 0.05 s" in message]) == 1
    leave.set()
    until(lambda: app.keys.keys)  # type: ignore[attr-defined]
    assert asked(app, OLD).status == 200


def test_a_server_that_is_not_there_is_an_outage(clock: Clock) -> None:
    with JwksServer(jwks(OLD)) as server:
        url = server.url
    assert asked(app_of(url, clock), OLD).status == 503


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_url_with_a_user_is_refused_and_not_shown(scheme: str) -> None:
    # The standard library would take all of it for the name of a host.
    with pytest.raises(ValueError, match="jwks: want an https URL, without a user") as raised:
        BearerAuth(jwks=f"{scheme}://a:geheim@id.example/jwks.json?key=geheim", issuer=ISSUER, audience=AUDIENCE)
    assert "geheim" not in str(raised.value)


def test_the_log_has_no_password(caplog: pytest.LogCaptureFixture) -> None:
    keys = UrlKeys("http://127.0.0.1:1/jwks.json?key=geheim", 300, 300, 1)
    keys.wait_for_fetch(None)
    assert "geheim" not in caplog.text and "http://127.0.0.1:1/jwks.json" in caplog.text


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(jwks(OLD)))
    app = app_of(path, clock)
    app.keys.looked = clock.now  # type: ignore[attr-defined]
    assert asked(app, OLD).status == 200
    other = tmp_path / "other.json"
    other.write_text(json.dumps(jwks(NEW)))
    os.replace(other, path)
    assert asked(app, NEW).status == 401
    clock.now += 6
    assert asked(app, NEW).status == 200
    assert asked(app, OLD).status == 401


def test_a_file_that_is_broken_leaves_the_keys_of_before(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(jwks(OLD)))
    app = app_of(path, clock)
    app.keys.looked = clock.now  # type: ignore[attr-defined]
    for content in ('{"keys": [', "", None):
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        clock.now += 6
        assert asked(app, OLD).status == 200
    assert len(caplog.messages) == 1
    path.write_text(json.dumps(jwks(NEW)))
    clock.now += 6
    assert asked(app, NEW).status == 200
    assert "is there again" in caplog.messages[1]


@pytest.mark.parametrize("value", [None, 5, 1.5, True, [], {}, "", "é", "A" * 5000])
@pytest.mark.parametrize("member", ["kty", "crv", "x", "y", "alg", "kid", "use", "key_ops", "d"])
def test_a_key_of_which_a_member_is_anything_leaves_the_others_as_they_are(member: str, value: object) -> None:
    found = keys_of(jwks({**OLD.jwk, member: value}, NEW), is_public=True)
    assert "new" in [key.kid for key in found]


def test_keys_that_cannot_be_read_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    broken = {**OLD.jwk, "kid": "broken", "x": "AAAA"}
    assert [key.kid for key in keys_of(jwks(broken, OLD, {"kty": "new"}, {}), True)] == ["old"]  # type: ignore[arg-type]
    assert caplog.messages == ["bearer: the key 'broken' of the JWKS cannot be read; it is left out"]
