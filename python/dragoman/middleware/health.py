"""`Health`: answers those who ask whether the process lives and whether it is ready to serve."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pkgutil import resolve_name

from dragoman.http.statuses import status_line
from dragoman.middleware.answer import Answer
from dragoman.middleware.layer import Layer
from dragoman.middleware.outage import Outage
from dragoman.middleware.paths import path_of
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Health"]

METHODS = ("GET", "HEAD")


class Health(Layer):
    """Answers 200 to `live` as long as requests are answered, and to `ready` as long as all checks pass, else 503.

    live        the path for liveness, or None. It never asks a check: a database that is away is no reason to start
                this process anew
    ready       the path for readiness, or None
    checks      name → function without arguments, or ``"MODULE:NAME"`` of one; it fails by raising or by returning
                False
    timeout_s   seconds for which a check is waited for; one that takes longer has failed, and is not called a second
                time while it runs
    remember_s  seconds for which what a check has said holds, so that those who ask cannot wear out what is checked
    details     whether the answer names the checks that fail; what they raised is in the log alone

    Checks run in threads of their own, all at once. Answers are JSON, and not to be stored.
    Raises ValueError for a path that is none, for numbers that are none, TypeError for a check that cannot be called.

        app = Health(app, checks={"database": lambda: engine.connect().close()})
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        live: str | None = "/livez",
        ready: str | None = "/readyz",
        checks: Mapping[str, Callable[[], object] | str] | None = None,
        timeout_s: float = 2.0,
        remember_s: float = 1.0,
        details: bool = True,
    ) -> None:
        super().__init__(app)
        for name, path in (("live", live), ("ready", ready)):
            if path is not None and not path.startswith("/"):
                raise ValueError(f'{name}: want a path such as "/{name}z", or None, got {path!r}')
        if live is None and ready is None:
            raise ValueError("live, ready: want one of them at least")
        if live == ready:
            raise ValueError(f"live, ready: want two paths, got {live!r} for both")
        if not timeout_s > 0 or remember_s < 0:
            raise ValueError(f"timeout_s, remember_s: want seconds, got {timeout_s!r} and {remember_s!r}")
        self.live = live
        self.ready = ready
        self.timeout_s = float(timeout_s)
        self.details = details
        self.checks = [Check(name, found(name, one), float(remember_s)) for name, one in (checks or {}).items()]

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the two paths, pass on all others."""
        path = path_of(environ)
        if path not in (self.live, self.ready):
            return self.app(environ, start_response)
        if environ.get("REQUEST_METHOD") not in METHODS:
            return told(405, {"status": "GET and HEAD only"}, ("Allow", ", ".join(METHODS)))(environ, start_response)
        if path == self.live:
            return told(200, {"status": "live"})(environ, start_response)
        return self.readiness()(environ, start_response)

    def readiness(self) -> Answer:
        """What is answered to whoever asks whether we are ready."""
        runs = [check.begin() for check in self.checks]
        passed = {check.name: check.outcome(run, self.timeout_s) for check, run in zip(self.checks, runs, strict=True)}
        is_ready = all(passed.values())
        body: dict[str, object] = {"status": "ready" if is_ready else "not ready"}
        if self.details and passed:
            body["checks"] = {name: "ok" if has_passed else "failed" for name, has_passed in passed.items()}
        return told(200 if is_ready else 503, body)


def found(name: str, check: Callable[[], object] | str) -> Callable[[], object]:
    """The function that is meant. Raises ValueError for a text that leads to none, TypeError for anything else."""
    function: object = check
    if isinstance(check, str):
        try:
            function = resolve_name(check)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(f'checks: {name}: want "MODULE:NAME", got {check!r}: {error}') from error
    if not callable(function):
        raise TypeError(f"checks: {name}: want a function, got {function!r}")
    return function


def told(status: int, body: Mapping[str, object], *headers: tuple[str, str]) -> Answer:
    fields = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), *headers)
    return Answer(status_line(status), fields, json.dumps(body).encode() + b"\n")


class Run:
    """One call of a check, and what came of it once `done` is set."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.began_at = time.monotonic()
        self.error: BaseException | None = None
        self.ended_at = 0.0


class Check:
    """One check: its latest run is asked again while it goes on, and for `remember_s` after it."""

    def __init__(self, name: str, function: Callable[[], object], remember_s: float) -> None:
        self.name = name
        self.function = function
        self.remember_s = remember_s
        self.lock = threading.Lock()
        self.run: Run | None = None
        self.outage = Outage(f"health: {name}", "this process says that it is not ready")

    def begin(self) -> Run:
        """The run whose outcome counts now; a new one if the latest is too old."""
        with self.lock:
            latest = self.run
            if latest is not None:
                is_running = not latest.done.is_set()
                if is_running or time.monotonic() - latest.ended_at < self.remember_s:
                    return latest
            self.run = run = Run()
        # A daemon: a check that hangs keeps no process from ending.
        threading.Thread(target=self.call, args=(run,), name=f"health-{self.name}", daemon=True).start()
        return run

    def call(self, run: Run) -> None:
        """Run the check, in a thread of its own."""
        try:
            if self.function() is False:
                run.error = ValueError("it returned False")
        except BaseException as error:
            run.error = error
        run.ended_at = time.monotonic()
        run.done.set()

    def outcome(self, run: Run, timeout_s: float) -> bool:
        """Whether the run has passed, waiting for it until its time is over: one that hangs is waited for once."""
        has_ended = run.done.wait(max(0.0, run.began_at + timeout_s - time.monotonic()))
        error = run.error if has_ended else TimeoutError(f"no answer within {timeout_s:g} s")
        if error is None:
            self.outage.worked()
        else:
            self.outage.failed(error)
        return error is None
