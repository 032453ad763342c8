"""A headless Chromium, told what to do over two pipes: the DevTools protocol without a library in between."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.backends import program_of
from tests.support.wire import DEADLINE_S

__all__ = ["Browser", "Page"]

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PACKAGE = "chromium-headless-shell"
FLAGS = (
    *("--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-extensions"),
    # In containers /dev/shm is small.
    "--disable-dev-shm-usage",
    # It asks nobody but the server under test.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-pings"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# The protocol has the descriptors 3, of commands, and 4, of answers and events.
BEGIN = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
LOWEST_FD = 10
# Resolves when an expression is true, or at once; it is looked at whenever something changes.
WHEN = """
const when = (look) => new Promise((resolve) => {
  const again = () => { const found = look(); if (found) { observer.disconnect(); resolve(found); } };
  const observer = new MutationObserver(again);
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  again();
});
"""


class Browser:
    """One process with a profile of its own, which is removed at its end."""

    def __init__(self) -> None:
        program = program_of("chromium", PACKAGE, lambda: next(filter(None, map(shutil.which, NAMES)), None))
        self.directory = tempfile.mkdtemp(prefix="dragoman-browser-")
        self.last_id = 0
        self.received = b""
        self.events: list[dict[str, Any]] = []
        theirs_in, self.commands = pipe()
        self.answers, theirs_out = pipe()
        flags = [*FLAGS, f"--user-data-dir={self.directory}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        log = open(os.path.join(self.directory, "log"), "wb")
        with log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", BEGIN, str(theirs_in), str(theirs_out), program, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs_in, theirs_out),
                env={**os.environ, "HOME": self.directory},
            )
        os.close(theirs_in)
        os.close(theirs_out)

    def page(self) -> Page:
        """A new, empty page."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, target, session)

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command, and give its answer; events that come meanwhile are kept."""
        self.last_id += 1
        message: dict[str, Any] = {"id": self.last_id, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        answer = self.wait_for(lambda one: one.get("id") == message["id"])
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that is wanted, of those that have come or will."""
        until = time.monotonic() + DEADLINE_S
        seen = 0
        while True:
            for index in range(seen, len(self.events)):
                if is_wanted(self.events[index]):
                    return self.events.pop(index)
            seen = len(self.events)
            self.receive(until)

    def receive(self, until: float) -> None:
        """Take on what comes next."""
        ready, _, _ = select.select([self.answers], [], [], max(0.0, until - time.monotonic()))
        data = os.read(self.answers, 1 << 16) if ready else b""
        if not data:
            with open(os.path.join(self.directory, "log"), errors="replace") as log:
                raise AssertionError(f"the browser says nothing (status {self.process.poll()}):\n{log.read()[-4000:]}")
        *messages, self.received = (self.received + data).split(b"\0")
        self.events += map(json.loads, messages)

    def close(self) -> None:
        """End it, and remove its profile."""
        with contextlib.suppress(OSError, AssertionError):
            self.ask("Browser.close")
        for fd in (self.commands, self.answers):
            os.close(fd)
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Page:
    """A page, and all that has gone wrong in it: exceptions, errors in its console, what its policy refused."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.browser = browser
        self.target = target
        self.session = session
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.ask(method, self.session, **parameters)

    def go(self, url: str) -> None:
        """Load a page; returns when all that its HTML names is loaded."""
        answer = self.ask("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        self.browser.wait_for(lambda one: one.get("method") == "Page.loadEventFired" and self.is_mine(one))

    def run(self, body: str) -> Any:
        """What the body of an async function returns, as JSON; ``await when(() => …)`` waits for a change."""
        answer = self.ask(
            "Runtime.evaluate",
            expression=f"(async () => {{ {WHEN} {body} }})()",
            awaitPromise=True,
            returnByValue=True,
            timeout=DEADLINE_S * 1000,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def is_mine(self, message: dict[str, Any]) -> bool:
        return message.get("sessionId") == self.session

    def faults(self) -> list[str]:
        """What has gone wrong so far."""
        # What was told before this answer has come before it.
        self.run("")
        return list(filter(None, map(fault_of, filter(self.is_mine, self.browser.events))))

    def wait_for_fault(self, text: str) -> None:
        """Until something goes wrong that is told with these words."""
        self.browser.wait_for(lambda one: self.is_mine(one) and text in fault_of(one))

    def close(self) -> None:
        """Leave it."""
        self.browser.ask("Target.closeTarget", targetId=self.target)


def fault_of(message: dict[str, Any]) -> str:
    """What a message of the protocol tells of a fault; empty for others."""
    given = message.get("params", {})
    match message.get("method"):
        case "Log.entryAdded" if given["entry"]["level"] in ("error", "warning"):
            return str(given["entry"]["text"])
        case "Runtime.exceptionThrown":
            return str(given["exceptionDetails"])
        case "Runtime.consoleAPICalled" if given["type"] in ("error", "warning", "assert"):
            return str(given["args"])
    return ""


def pipe() -> tuple[int, int]:
    """A pipe whose descriptors are none of those that the protocol has."""
    import fcntl

    ends = os.pipe()
    moved = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, LOWEST_FD) for one in ends]
    for one in ends:
        os.close(one)
    return moved[0], moved[1]


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """A browser until the end of the block."""
    browser = Browser()
    try:
        yield browser
    finally:
        browser.close()
