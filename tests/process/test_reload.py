"""Reload, upgrade, other sizes, recycling: what serves goes on until its successor does."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.kit import children, eventually, state
from tests.support.server import Server, start_process
from tests.support.wire import DEADLINE_S, ConnectionEnded

SHOP = """
import os, sys
sys.stderr.write("loaded\\n")
VERSION = @

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{VERSION} {os.getpid()}".encode()]
"""


# A release of the same second and the same size would be taken for the one that is compiled already.
NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}


class Shop:
    """An application in a directory of its own, of which new versions can be released."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.release("1")

    def release(self, version: str) -> None:
        """Another version; one that is no number does not load."""
        # Written elsewhere first: a worker that starts meanwhile must not read half of it.
        draft = self.directory / "draft"
        draft.write_text(SHOP.replace("@", version))
        draft.replace(self.directory / "shop.py")

    def serve(self, *flags: str, workers: str = "2") -> Server:
        """The server of it."""
        common = ("--chdir", str(self.directory), "--control-socket", "none")
        return Server("shop:app", "--workers", workers, *common, *flags, env=NO_BYTECODE)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


class Load:
    """Clients that ask until they are told to stop, keep their connections or not, and forgive nothing."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.server = server
        self.is_over = False
        self.answered = 0
        self.failures: list[str] = []
        self.threads = [threading.Thread(target=self.ask, args=(number % 2 == 0,)) for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        for thread in self.threads:
            thread.join(DEADLINE_S)
        assert self.failures == []
        assert self.answered > 0

    def ask(self, is_kept: bool) -> None:
        while not self.is_over:
            try:
                with self.server.connect() as wire:
                    for _ in range(50 if is_kept else 1):
                        response = wire.request("GET", "/", (("Connection", "keep-alive" if is_kept else "close"),))
                        assert re.fullmatch(rb"\d+ \d+", response.body), response
                        self.answered += 1
                        if response.value("Connection") == "close" or self.is_over:
                            break
            except (OSError, ConnectionEnded, AssertionError) as error:
                self.failures.append(repr(error))


def version(server: Server) -> str:
    return server.request("GET", "/").body.split()[0].decode()


def answers(server: Server, wanted: str) -> None:
    """Waits for that version: a worker that has just been told to leave may still take a request."""
    eventually(lambda: version(server) == wanted, f"version {wanted} answers")


def workers(server: Server) -> set[int]:
    return {pid for pid in children(server.pid) if state(pid) != "Z"}


def replaced(server: Server, before: set[int], count: int = 2) -> Callable[[], bool]:
    return lambda: len(workers(server)) == count and not workers(server) & before


def test_hup_replaces_every_worker_by_one_that_has_loaded_the_application_anew(shop: Shop) -> None:
    with shop.serve() as server, Load(server):
        before = workers(server)
        shop.release("2")
        server.signal(signal.SIGHUP)
        server.log.wait_for("reloaded: 2 workers")
        eventually(replaced(server, before), "all workers are new")
        answers(server, "2")


def test_hup_with_an_error_in_the_application_leaves_what_serves_and_the_next_one_with_the_fix_succeeds(
    shop: Shop,
) -> None:
    with shop.serve() as server, Load(server):
        before = workers(server)
        shop.release("(")
        server.signal(signal.SIGHUP)
        server.log.wait_for("not reloaded, what serves goes on: .*could not start")
        server.log.wait_for("SyntaxError")
        assert workers(server) == before
        assert version(server) == "1"
        shop.release("2")
        server.signal(signal.SIGHUP)
        server.log.wait_for("reloaded: 2 workers")
        answers(server, "2")


def one_dies(server: Server) -> None:
    """Kills a worker, and returns when it is told."""
    since = len(server.log.text)
    os.kill(min(workers(server)), signal.SIGKILL)
    server.log.wait_for("was killed by SIGKILL.*another one takes its place", since)


def test_a_reload_with_the_fix_replaces_a_worker_that_cannot_start_and_the_others(shop: Shop) -> None:
    with shop.serve() as server:
        shop.release("(")
        one_dies(server)
        # Its place rests for seconds by now, and nobody waits for that.
        server.log.wait_for("(?s)(for the same reason.*){4}")
        with Load(server):
            shop.release("2")
            server.signal(signal.SIGHUP)
            server.log.wait_for("reloaded: 2 workers")
            answers(server, "2")


def test_a_reload_with_the_fix_replaces_a_worker_that_hangs_at_its_start_and_the_others(shop: Shop) -> None:
    with shop.serve() as server:
        shop.release("__import__('time').sleep(60)")
        one_dies(server)
        eventually(lambda: len(workers(server)) == 2, "its successor hangs")
        with Load(server):
            shop.release("2")
            server.signal(signal.SIGHUP)
            server.log.wait_for("reloaded: 2 workers")
            answers(server, "2")


def test_twenty_reloads_in_a_row_lose_nothing(shop: Shop) -> None:
    with shop.serve() as server, Load(server):
        for number in range(2, 22):
            since = len(server.log.text)
            shop.release(str(number))
            server.signal(signal.SIGHUP)
            server.log.wait_for("reloaded: 2 workers", since)
        answers(server, "21")


def test_a_storm_of_hups_ends_with_what_was_released_last(shop: Shop) -> None:
    with shop.serve() as server, Load(server):
        for number in range(2, 10):
            shop.release(str(number))
            server.signal(signal.SIGHUP)
        eventually(lambda: version(server) == "9" and len(workers(server)) == 2, "two workers of the last one", 60)


def test_ttin_and_ttou_change_the_number_of_workers_and_one_stays(shop: Shop) -> None:
    with shop.serve() as server, Load(server):
        server.signal(signal.SIGTTIN)
        eventually(lambda: len(workers(server)) == 3, "a worker more")
        for wanted in (2, 1):
            server.signal(signal.SIGTTOU)
            eventually(lambda wanted=wanted: len(workers(server)) == wanted, "a worker less")  # type: ignore[misc]
        since = len(server.log.text)
        server.signal(signal.SIGTTOU)
        server.log.wait_for("the last worker stays", since)
        assert len(workers(server)) == 1
        assert "from now on" not in server.log.text[since:]


def test_winch_dismisses_all_workers_while_a_new_supervisor_is_there_and_its_end_brings_them_back(shop: Shop) -> None:
    with shop.serve() as server:
        before = workers(server)
        server.signal(signal.SIGWINCH)
        server.signal(signal.SIGTTIN)
        eventually(lambda: len(workers(server)) == 3, "a resized terminal has dismissed nobody")
        shop.release("__import__('time').sleep(60)")
        server.signal(signal.SIGUSR2)
        successor = int(server.log.wait_for(r"upgrading: process (\d+)")[1])
        server.signal(signal.SIGWINCH)
        eventually(lambda: workers(server) == {successor}, "no worker is left")
        assert successor not in before
        shop.release("1")
        for pid in (successor, *children(successor)):
            os.kill(pid, signal.SIGKILL)
        server.log.wait_for("not upgraded, what serves goes on")
        assert version(server) == "1"


def test_worker_lifetime_replaces_workers_that_go_on_until_their_successors_serve(shop: Shop) -> None:
    with shop.serve("--worker-lifetime", "0.5") as server, Load(server):
        before = workers(server)
        eventually(replaced(server, before), "all workers are new")
        assert re.search("is replaced: it has served for", server.log.text)


def test_a_worker_that_has_grown_is_replaced(shop: Shop) -> None:
    with shop.serve("--max-worker-memory", "1M", workers="1") as server, Load(server):
        before = workers(server)
        eventually(replaced(server, before, 1), "it is another one")
        server.log.wait_for(r"is replaced: it uses \d+ MiB, more than 1")


class TestUpgrade:
    """USR2: a new program takes the sockets, and the old one drains when it serves."""

    def successor(self, server: Server, before: set[int]) -> int:
        found: set[int] = set()

        def is_there() -> bool:
            found.update(pid for pid in workers(server) - before if b"shop:app" in command_line(pid))
            return bool(found)

        eventually(is_there, "there is a new supervisor")
        return found.pop()

    def test_usr2_hands_over_and_loses_nothing(self, shop: Shop, tmp_path: Path) -> None:
        pid_file = tmp_path / "pid"
        with shop.serve("--pid", str(pid_file)) as server:
            with Load(server):
                before = workers(server)
                shop.release("2")
                server.signal(signal.SIGUSR2)
                server.log.wait_for("taking over from process")
                assert server.wait() == 0
                successor = int(pid_file.read_text())
                assert successor not in before
                answers(server, "2")
            try:
                assert not (tmp_path / "pid.2").exists()
                assert len(children(successor)) == 2
            finally:
                os.kill(successor, signal.SIGTERM)
            eventually(lambda: state(successor) in ("", "Z"), "the successor ends, too")
            assert not pid_file.exists()

    def test_a_unix_socket_keeps_its_file_over_the_upgrade(self, shop: Shop, tmp_path: Path) -> None:
        pid_file, path = tmp_path / "pid", str(tmp_path / "http.sock")
        common = ("--chdir", str(tmp_path), "--drain-linger", "0", "--control-socket", "none", "--pid", str(pid_file))
        with Server("shop:app", "--workers", "1", *common, binds=(f"unix:{path}",)) as server:
            server.signal(signal.SIGUSR2)
            assert server.wait() == 0
            successor = int(pid_file.read_text())
            try:
                assert server.request("GET", "/").status == 200
            finally:
                os.kill(successor, signal.SIGTERM)
            eventually(lambda: state(successor) in ("", "Z"), "the successor ends, too")
            assert not os.path.exists(path)

    def test_a_new_program_that_cannot_serve_changes_nothing(self, shop: Shop, tmp_path: Path) -> None:
        pid_file = tmp_path / "pid"
        with shop.serve("--pid", str(pid_file)) as server, Load(server):
            before = workers(server)
            shop.release("(")
            server.signal(signal.SIGUSR2)
            server.log.wait_for(r"not upgraded, what serves goes on: process \d+ ended with status 3")
            assert workers(server) == before
            assert int(pid_file.read_text()) == server.pid
            assert version(server) == "1"
            shop.release("2")
            server.signal(signal.SIGHUP)
            server.log.wait_for("reloaded: 2 workers")


class TestPreload:
    """--preload: the application is loaded once for all workers, and anew at a reload."""

    @pytest.fixture
    def server(self, shop: Shop) -> Iterator[Server]:
        with shop.serve("--preload") as server:
            yield server

    def loads(self, server: Server) -> int:
        return server.log.text.count("loaded\n") - server.log.text.count("reloaded")

    def test_the_application_is_loaded_once(self, server: Server) -> None:
        answers = {server.request("GET", "/").body for _ in range(20)}
        assert all(answer.startswith(b"1 ") for answer in answers)
        assert server.log.text.count("\nloaded\n") + server.log.text.startswith("loaded\n") == 1

    def test_the_supervisor_is_the_parent_of_the_workers_and_replaces_a_dead_one(self, server: Server) -> None:
        pid = int(server.request("GET", "/").body.split()[1])
        assert pid in workers(server)
        os.kill(pid, signal.SIGKILL)
        server.log.wait_for(rf"\(pid {pid}\) was killed by SIGKILL.*another one takes its place")
        eventually(lambda: len({server.request("GET", "/").body for _ in range(10)}) == 2, "two workers answer")

    def test_a_reload_loads_it_anew_and_one_that_fails_leaves_what_serves(self, server: Server, shop: Shop) -> None:
        with Load(server):
            shop.release("(")
            server.signal(signal.SIGHUP)
            server.log.wait_for("not reloaded, what serves goes on: the application cannot be loaded")
            # The process of before is still there: what dies is replaced by what served.
            os.kill(int(server.request("GET", "/").body.split()[1]), 0)
            assert version(server) == "1"
            shop.release("2")
            server.signal(signal.SIGHUP)
            server.log.wait_for("reloaded: 2 workers")
            answers(server, "2")

    def test_who_dies_while_a_reload_loads_is_replaced_by_what_served(self, server: Server, shop: Shop) -> None:
        before = workers(server)
        # Until the file is there; then it is version 2.
        loaded = shop.directory / "loaded"
        is_there = f"__import__('os').path.exists({str(loaded)!r})"
        shop.release(f"2 if all(__import__('time').sleep(0.01) is None for _ in iter(lambda: {is_there}, True)) else 0")
        server.signal(signal.SIGHUP)
        server.log.wait_for("reloading:")
        eventually(lambda: len(workers(server)) == len(before) + 1, "the next application is being loaded")
        pid = int(server.request("GET", "/").body.split()[1])
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: len({server.request("GET", "/").body for _ in range(10)}) == 2, "two workers answer")
        assert version(server) == "1"
        loaded.touch()
        server.log.wait_for("reloaded: 2 workers")
        answers(server, "2")

    def test_what_the_application_opens_and_starts_is_told(self, shop: Shop) -> None:
        held = "0; import threading, socket; S = socket.socket(); E = threading.Event();"
        start = "threading.Thread(target=E.wait, name='pump', daemon=True).start()"
        module = shop.directory / "shop.py"
        module.write_text(module.read_text() + f"\nV = {held} {start}\n")
        with shop.serve("--preload") as server:
            server.log.wait_for("--preload: thread pump does not go on in the workers")
            server.log.wait_for(r"--preload: descriptor \d+ \(socket:\[\d+\]\) is shared by all workers")


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_worker_that_hangs_at_the_end_does_not_hold_up_a_reload(shop: Shop) -> None:
    module = shop.directory / "shop.py"
    module.write_text(module.read_text().replace("start_response(", "HANG(environ) or start_response(") + HANGS)
    with shop.serve("--graceful-timeout", "1") as server:
        began = time.monotonic()
        with server.connect() as wire:
            wire.socket.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
            server.log.wait_for("hangs")
            server.signal(signal.SIGHUP)
            server.log.wait_for(r"the graceful timeout is over: .* 1 cut \(GET /hang\)")
        server.log.wait_for("reloaded: 2 workers")
        assert time.monotonic() - began < DEADLINE_S


HANGS = """
def HANG(environ):
    if environ["PATH_INFO"] == "/hang":
        import time
        sys.stderr.write("hangs\\n")
        time.sleep(60)
"""


def test_a_reload_that_fails_changes_neither_sockets_nor_sizes(shop: Shop, tmp_path: Path) -> None:
    first, second = tmp_path / "a.sock", tmp_path / "b.sock"
    config = tmp_path / "dragoman.toml"

    def configure(path: Path, count: int) -> None:
        config.write_text(
            f'[server]\napplication = "shop:app"\nbind = "unix:{path}"\nworkers = {count}\ncontrol_socket = "none"\n'
        )

    configure(first, 3)
    command = ("--config", str(config), "--chdir", str(tmp_path))
    with Server("shop:app", *command, binds=(), env={**NO_BYTECODE, "DRAGOMAN_WORKERS": ""}) as server:
        before = workers(server)
        shop.release("(")
        configure(second, 1)
        server.signal(signal.SIGHUP)
        server.log.wait_for("not reloaded, what serves goes on")
        eventually(lambda: workers(server) == before and len(before) == 3, "the three of before")
        assert version(server) == "1"
        # The log comes first, then the sockets.
        eventually(lambda: not second.exists(), "the socket of the reload is gone")
        shop.release("2")
        server.signal(signal.SIGHUP)
        server.log.wait_for("reloaded: 1 worker")
        server.address = str(second)
        answers(server, "2")
        eventually(lambda: not first.exists(), "the socket of before is gone")


class TestPreloadEnds:
    """The process with the application does not outlive its server."""

    def test_term_while_the_application_is_loaded_leaves_nobody_behind(self, shop: Shop) -> None:
        shop.release("__import__('time').sleep(60)")
        process = start_process(
            [
                sys.executable,
                "-m",
                "dragoman",
                "shop:app",
                "--preload",
                "--workers",
                "1",
                "--bind",
                "127.0.0.1:0",
                "--chdir",
                str(shop.directory),
                "--control-socket",
                "none",
            ]
        )
        found: list[int] = []
        eventually(lambda: bool(found.extend(children(process.pid)) or found), "it is there")
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
        eventually(lambda: state(found[0]) in ("", "Z"), "the process that loads has ended")
        process.communicate()
