"""`RateLimit` around an application: who is counted, what is answered, what is told."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from limits.storage import MemoryStorage

from dragoman.middleware import RateLimit
from dragoman.middleware.rate_limit import RATE_LIMIT, Spent
from dragoman.middleware.shared_file import default_name
from dragoman.middleware.stores.watched import PAUSE_S
from tests.middleware.kit import TEXT, Inner, ask

NOW = 1_790_000_010.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its one item is the time."""
    now = [NOW]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


def limited(inner: Any, limits: str | None = "2/minute", **options: Any) -> RateLimit:
    return RateLimit(inner, limits=limits, **{"storage": "memory://", "strategy": "fixed-window", **options})


def statuses(app: Any, count: int, *arguments: Any, **more: Any) -> list[int]:
    return [ask(app, *arguments, **more).status for _ in range(count)]


def test_requests_above_the_limit_are_refused_until_its_time_is_over(clock: list[float]) -> None:
    inner = Inner()
    app = limited(inner)
    assert statuses(app, 4) == [200, 200, 429, 429]
    assert inner.calls == 2
    clock[0] += 60
    assert statuses(app, 1) == [200]
    inner.settled()


def test_a_refusal_says_when_to_come_again(clock: list[float]) -> None:
    app = limited(Inner())
    statuses(app, 2)
    clock[0] += 20.5
    refused = ask(app)
    assert (refused.status, refused.value("Retry-After")) == (429, "40")
    assert refused.text == "Too many requests. Try again in 40 seconds.\n"
    assert refused.value("RateLimit") == '"2/minute";r=0;t=40'


def test_each_answer_says_what_is_left() -> None:
    answered = ask(limited(Inner(), "10/second; 1000/hour"))
    assert answered.value("RateLimit-Policy") == '"10/second";q=10;w=1, "1000/hour";q=1000;w=3600'
    assert answered.value("RateLimit") == '"10/second";r=9;t=1, "1000/hour";r=999;t=3600'
    assert answered.environ[RATE_LIMIT] == (
        Spent("10/second", 10, 1, 9, 1.0),
        Spent("1000/hour", 1000, 3600, 999, 3600.0),
    )


def test_fields_of_an_inner_layer_stay_as_members_of_the_lists() -> None:
    app = limited(limited(Inner(), "5/minute", name="inner"), "10/hour", name="outer")
    assert ask(app).values("RateLimit") == ['"inner 5/minute";r=4;t=60', '"outer 10/hour";r=9;t=3600']


def test_older_clients_get_the_fields_that_they_know() -> None:
    answered = ask(limited(Inner(), "10/second; 5/hour", fields="legacy"))
    assert [answered.value(f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")] == ["5", "4", "3600"]
    assert answered.value("RateLimit") is None
    assert ask(limited(Inner(), fields="none")).headers == [("Content-Type", "text/plain")]


def test_requests_that_a_short_limit_refuses_take_nothing_of_a_long_one(clock: list[float]) -> None:
    app = limited(Inner(), "2/second; 5/hour")
    assert statuses(app, 50) == [200, 200] + [429] * 48
    clock[0] += 1
    assert statuses(app, 2) == [200, 200]
    clock[0] += 1
    assert statuses(app, 2) == [200, 429]


def test_the_longest_wait_of_all_limits_that_refuse_is_told(clock: list[float]) -> None:
    app = limited(Inner(), "3/second; 3/hour")
    statuses(app, 3)
    assert ask(app).value("Retry-After") == "3600"


def test_each_address_has_its_own_count() -> None:
    app = limited(Inner())
    assert statuses(app, 3, REMOTE_ADDR="192.0.2.1") == [200, 200, 429]
    assert statuses(app, 3, REMOTE_ADDR="192.0.2.2") == [200, 200, 429]


def test_the_addresses_of_one_ipv6_customer_are_one() -> None:
    app = limited(Inner())
    assert statuses(app, 2, REMOTE_ADDR="2001:db8:0:1::1") == [200, 200]
    assert statuses(app, 1, REMOTE_ADDR="2001:db8:0:1:ffff::2") == [429]
    assert statuses(app, 1, REMOTE_ADDR="2001:db8:0:2::1") == [200]
    assert statuses(app, 2, REMOTE_ADDR="::ffff:192.0.2.9") == [200, 200]
    assert statuses(app, 1, REMOTE_ADDR="192.0.2.9") == [429]


@pytest.mark.parametrize("address", ["", "fe80::1%eth0", "::1", "not:an:address", "x" * 10_000])
def test_any_address_that_a_server_gives_is_counted(address: str) -> None:
    assert statuses(limited(Inner()), 3, REMOTE_ADDR=address) == [200, 200, 429]


def test_users_are_counted_by_name_and_others_by_address() -> None:
    app = limited(Inner(), key="user")
    assert statuses(app, 3, REMOTE_USER="anna") == [200, 200, 429]
    assert statuses(app, 3, REMOTE_USER="bert") == [200, 200, 429]
    assert statuses(app, 3) == [200, 200, 429]


def test_a_field_is_counted_by_its_value_and_who_has_none_by_address() -> None:
    app = limited(Inner(), key="header:X-API-Key")
    assert statuses(app, 3, headers={"X-API-Key": "k1"}) == [200, 200, 429]
    assert statuses(app, 3, headers={"X-API-Key": "k2" * 10_000}) == [200, 200, 429]
    assert statuses(app, 3) == [200, 200, 429]


def test_no_secret_of_a_field_lies_in_the_storage() -> None:
    storage = MemoryStorage()
    ask(limited(Inner(), key="header:Authorization", storage=storage), headers={"Authorization": "Bearer secret-1"})
    assert len(storage.storage) == 1 and "secret-1" not in str(storage.storage)


def test_a_function_says_whom_to_count_and_whom_not() -> None:
    app = limited(Inner(), key=lambda environ: environ.get("HTTP_TENANT"))
    assert statuses(app, 3, headers={"Tenant": "a"}) == [200, 200, 429]
    assert statuses(app, 5) == [200] * 5
    with pytest.raises(TypeError, match="want the function to give text or None"):
        ask(limited(Inner(), key=lambda environ: 7))


def test_paths_have_limits_of_their_own_and_the_longest_wins() -> None:
    app = limited(Inner(), "3/minute", by_path={"/login": "1/minute", "/login/help": None})
    assert statuses(app, 2, target="/login") == [200, 429]
    assert statuses(app, 2, target="/login/other") == [429, 429]
    assert statuses(app, 5, target="/login/help") == [200] * 5
    # What is counted there is not counted here.
    assert statuses(app, 4, target="/loginish") == [200, 200, 200, 429]


def test_exempt_paths_are_not_counted_and_have_no_fields() -> None:
    app = limited(Inner(), exempt=["/static"])
    assert statuses(app, 5, target="/static/a.css") == [200] * 5
    assert ask(app, target="/static").value("RateLimit") is None
    assert statuses(app, 3) == [200, 200, 429]


def test_without_limits_for_all_only_the_paths_named_are_counted() -> None:
    app = limited(Inner(), None, by_path={"/api": "1/minute"})
    assert statuses(app, 3) == [200] * 3
    assert statuses(app, 2, target="/api/x") == [200, 429]


def test_only_the_methods_named_are_counted() -> None:
    app = limited(Inner(), methods=["POST"])
    assert statuses(app, 5) == [200] * 5
    assert statuses(app, 3, method="POST") == [200, 200, 429]


def test_a_request_may_cost_more_than_one_or_nothing() -> None:
    app = limited(Inner(), "10/minute", cost=lambda environ: int(environ["QUERY_STRING"]))
    assert statuses(app, 5, target="/?0") == [200] * 5
    assert statuses(app, 3, target="/?4") == [200, 200, 429]
    assert statuses(app, 1, target="/?2") == [200]
    # What can never be allowed is refused, and takes nothing.
    assert statuses(limited(Inner(), "10/minute", cost=lambda environ: 11), 2) == [429, 429]


def test_only_failures_are_counted_when_statuses_say_so() -> None:
    inner = Inner()
    app = limited(inner, "2/minute", count_status=[401])
    assert statuses(app, 5) == [200] * 5
    inner.status = "401 Unauthorized"
    assert statuses(app, 3) == [401, 401, 429]
    inner.status = "200 OK"
    assert statuses(app, 1) == [429]
    inner.settled()


def test_an_answer_whose_status_counts_says_what_is_left_after_it() -> None:
    inner = Inner(status="401 Unauthorized")
    assert ask(limited(inner, count_status=[401])).value("RateLimit") == '"2/minute";r=1;t=60'


def test_a_problem_names_the_limits_that_were_exceeded() -> None:
    app = limited(Inner(), "2/minute; 2/hour; 9/day", answer="problem", name="api")
    statuses(app, 2)
    refused = ask(app)
    assert refused.value("Content-Type") == "application/problem+json"
    problem = json.loads(refused.body)
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert (problem["status"], problem["violated-policies"]) == (429, ["api 2/minute", "api 2/hour"])


def test_an_application_answers_in_its_own_way() -> None:
    def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        [spent] = environ[RATE_LIMIT]
        start_response("429 Too Many Requests", [("Content-Type", "text/html")])
        return [f"<p>{spent.amount} are enough".encode()]

    app = limited(Inner(), answer=page)
    statuses(app, 2)
    refused = ask(app)
    assert (refused.status, refused.text, refused.value("Retry-After")) == (429, "<p>2 are enough", "60")


def test_a_head_that_replaces_another_is_no_second_request() -> None:
    def inner(environ: Any, start_response: Any) -> list[bytes]:
        start_response("401 Unauthorized", [TEXT])
        try:
            raise LookupError
        except LookupError:
            start_response("401 Unauthorized", [TEXT], sys.exc_info())
        return [b"who are you?"]

    app = limited(inner, "3/minute", count_status=[401])
    assert statuses(app, 5) == [401, 401, 401, 429, 429]


def test_head_is_refused_without_a_body() -> None:
    app = limited(Inner())
    statuses(app, 2)
    refused = ask(app, method="HEAD")
    assert (refused.status, refused.body) == (429, b"")


@pytest.mark.parametrize("strategy", ["fixed-window", "sliding-window", "token-bucket"])
def test_each_strategy_lets_the_amount_through(strategy: str) -> None:
    app = limited(Inner(), "5/minute", strategy=strategy)
    assert statuses(app, 7) == [200] * 5 + [429] * 2


@pytest.mark.parametrize("strategy", ["fixed-window", "sliding-window"])
def test_any_storage_of_limits_does(strategy: str) -> None:
    app = limited(Inner(), "5/minute", strategy=strategy, storage=MemoryStorage())
    assert statuses(app, 7) == [200] * 5 + [429] * 2
    assert 1 <= int(ask(app).value("Retry-After") or "") <= 60


def test_two_layers_of_different_names_count_apart_in_one_storage(tmp_path: Path) -> None:
    storage = f"shm://apart?size=64k&dir={tmp_path}"
    first, second = (limited(Inner(), storage=storage, name=name) for name in ("a", "b"))
    assert statuses(first, 3) == [200, 200, 429]
    assert statuses(second, 3) == [200, 200, 429]
    assert statuses(limited(Inner(), storage=storage, name="a"), 1) == [429]


def test_a_response_streams_through(tmp_path: Path) -> None:
    inner = Inner(blocks=[b"a", b"", b"b"])
    app = limited(inner, storage="memory://")
    started: list[Any] = []
    result = iter(app(ask(limited(Inner())).environ, lambda *words: started.append(words)))
    assert (next(result), inner.given) == (b"a", 1)


class Broken(MemoryStorage):
    """Away while `is_away`."""

    is_away = False
    STORAGE_SCHEME = None  # type: ignore[assignment]

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        if self.is_away:
            raise ConnectionRefusedError("by plan")
        return super().incr(key, expiry, amount)


@pytest.mark.parametrize(
    ("when_down", "expected", "means"),
    [
        ("allow", [200, 200, 200, 200], "requests are not limited"),
        ("refuse", [503, 503, 503, 503], "requests are refused"),
        ("local", [200, 200, 429, 429], "each process limits by itself"),
    ],
)
def test_a_storage_that_is_away_does_what_the_setting_says_and_is_told_once(
    when_down: str, expected: list[int], means: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Broken()
    app = limited(Inner(), "2/minute", storage=storage, when_down=when_down)
    now = [100.0]
    app.watched.clock = lambda: now[0]
    storage.is_away = True
    assert statuses(app, 4) == expected
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.messages[0].startswith(f"rate limit: Broken cannot be reached, {means}: ")
    storage.is_away = False
    now[0] += PAUSE_S
    assert statuses(app, 3) == [200, 200, 429]
    assert re.fullmatch(r"rate limit: Broken is there again, after \d+ failures", caplog.messages[1])


def test_the_default_is_shared_by_the_workers_of_one_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "shop ü").mkdir()
    monkeypatch.chdir(tmp_path / "shop ü")
    assert re.fullmatch(r"shop-[0-9a-f]{12}", default_name())
    assert default_name() == default_name()
    monkeypatch.chdir("/")
    assert re.fullmatch(r"root-[0-9a-f]{12}", default_name())


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, "want limits"),
        ({"limits": "10"}, "limits: '10': want an amount by time"),
        ({"limits": "1/second", "by_path": {"login": "1/second"}}, 'want paths that begin with "/"'),
        ({"limits": "1/second", "by_path": {"/login": "often"}}, "by_path: /login: 'often': want"),
        ({"limits": "1/second", "by_path": {"/a": None}, "exempt": ["/a"]}, "'/a' is in by_path, too"),
        ({"limits": "1/second", "exempt": "/a"}, "want a list of paths"),
        ({"limits": "1/second", "methods": "POST"}, "want a list of methods"),
        ({"limits": "1/second", "key": "ip"}, 'want "address", "user"'),
        ({"limits": "1/second", "strategy": "leaky"}, "want one of fixed-window"),
        ({"limits": "1/second", "storage": "nowhere://"}, "storage: unknown storage scheme"),
        ({"limits": "1/second", "storage": 7}, "want a URI such as"),
        ({"limits": "1/second", "storage": "shm://a?size=1"}, "storage: shm://a: size: want"),
        ({"limits": "1/second", "when_down": "panic"}, "want one of allow, refuse, local"),
        ({"limits": "1/second", "fields": "all"}, "want one of draft, legacy, none"),
        ({"limits": "1/second", "answer": "html"}, "want one of plain, problem or a WSGI application"),
        ({"limits": "1/second", "name": "a\nb"}, "printable ASCII"),
        ({"limits": "1/second", "timeout_s": 0}, "want seconds above 0"),
        ({"limits": "1/second", "strategy": "token-bucket", "storage": MemoryStorage()}, "does not work with"),
    ],
)
def test_options_that_cannot_be_are_refused_with_what_is_wanted(options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wanted)):
        RateLimit(Inner(), **{"storage": "memory://", **options})
