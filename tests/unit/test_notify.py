"""What the service manager is told: each message's assignments, and silence where there is no manager."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.supervisor import Notifier
from tests.support.manager import Manager, abstract_name


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    with Manager(str(tmp_path / "notify") if request.param == "path" else abstract_name()) as manager:
        yield manager


def test_ready_tells_a_status(manager: Manager) -> None:
    assert Notifier({"NOTIFY_SOCKET": manager.name}).ready("serving shop:app")
    assert manager.hear() == {"READY": "1", "STATUS": "serving shop:app"}


def test_a_reload_is_dated_by_the_monotonic_clock(manager: Manager) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier({"NOTIFY_SOCKET": manager.name}).reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    message = manager.hear()
    assert message["RELOADING"] == "1"
    assert before <= int(message["MONOTONIC_USEC"]) <= after


def test_the_other_messages_are_one_assignment_each(manager: Manager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.name})
    notifier.stopping()
    assert manager.hear()["STOPPING"] == "1"
    notifier.status("draining")
    assert manager.hear() == {"STATUS": "draining"}
    notifier.main_pid(4711)
    assert manager.hear() == {"MAINPID": "4711"}
    notifier.watchdog()
    assert manager.hear() == {"WATCHDOG": "1"}


def test_a_status_of_several_lines_forges_no_assignment(manager: Manager) -> None:
    Notifier({"NOTIFY_SOCKET": manager.name}).status("a\nMAINPID=1\n\udcff")
    assert set(manager.hear()) == {"STATUS"}


def test_the_variables_are_taken_away_from_children() -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    Notifier(environment)
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative", "@", "/", "/there/is/none", "/" + "x" * 200])
def test_without_a_manager_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    assert not notifier.ready("serving")
    assert not notifier.watchdog()


def test_a_manager_that_is_gone_is_no_failure(manager: Manager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.name})
    assert notifier.ready("serving")
    manager.close()
    assert not notifier.stopping()


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.supervisor.notify.PATIENCE_S", 0.01)
    with Manager(str(tmp_path / "notify")) as manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.name})
        assert not all(notifier.watchdog() for _ in range(10_000))


def test_the_watchdog_is_fed_twice_as_often_as_is_asked() -> None:
    asked = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000"}
    assert Notifier(dict(asked)).watchdog_s == 15.0
    assert Notifier({**asked, "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 15.0


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "30000000"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "9" * 5000},
    ],
)
def test_nobody_is_watched_who_is_not_meant(environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    assert notifier.watchdog_s is None
    notifier.keep_watch()
