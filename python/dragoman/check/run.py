"""Runs a check: the plan's requests one after the other, then the repeats, within a time, into a report."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dragoman.check.called import Watch
from dragoman.check.drive import Answer, Driver, Fault, ends_recorded, line_of_frame, logged_exceptions
from dragoman.check.layers import layers_checked, possible_mounts
from dragoman.check.openapi import read_openapi
from dragoman.check.plan import Plan, make_plan
from dragoman.check.repeat import Repeats
from dragoman.check.report import Report, Seen
from dragoman.check.request import Request, Site, named
from dragoman.check.routes import Routes, find_routes
from dragoman.check.slots import Called
from dragoman.contract.finding import Finding, finding
from dragoman.contract.places import Place, entry_of
from dragoman.contract.report import application_name
from dragoman.contract.rules import RULES

__all__ = ["GRACE_S", "Options", "asked_for", "check"]

SHARED_STATE = "app-shared-state"
# The part of the time that the requests which are made once may take, where there are some to repeat.
ONCE = 0.6
# The part in which it is looked who calls whom, and so many requests for it.
WATCHED = 0.1
WATCHED_AT_MOST = 30
# What a call that does not return may take longer than the whole time.
GRACE_S = 1.0


@dataclass(frozen=True)
class Options:
    """What is checked, and how.

    asked       requests besides the catalogue's and the routes'
    url         where the requests say that they go
    headers     fields that each of them has
    env         additions to the environ
    is_unsafe   methods that may change data are used on the application's own routes
    rules       the only ones to look at, or all but `ignored`
    threads     calls at once; 1: the application is told so, and gets one at a time
    time_s      the whole time
    is_quiet    what the application logs is not written
    is_guarded  the calls are made in a thread, so that one which does not return is told of
    """

    asked: Sequence[Request] = ()
    url: str = ""
    root_path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    is_unsafe: bool = False
    rules: Collection[str] = ()
    ignored: Collection[str] = ()
    hints: bool = False
    threads: int = 64
    time_s: float = 10.0
    is_quiet: bool = True
    is_guarded: bool = True


def check(
    application: Any, options: Options, name: str = "", tell: Callable[[list[Request]], object] | None = None
) -> Report:
    """Drive `application` through the catalogue, its routes and what was asked for. Raises UsageError.

    name   what it was loaded as
    tell   called with the requests that are under way, each time that others are
    """
    routes = find_routes(application)
    plan = make_plan(routes, options.asked, is_unsafe=options.is_unsafe)
    run = Run(application, name or application_name(application), options, routes, plan)
    if tell is not None:
        run.driver.tell = tell
        tell([])
    if options.is_guarded:
        run.guarded()
    else:
        run.drive()
    return run.report()


def asked_for(requests: Sequence[str], openapi: str = "") -> tuple[Request, ...]:
    """The requests of --request and --openapi. Raises UsageError."""
    return (*map(named, requests), *(read_openapi(openapi) if openapi else ()))


class Run:
    """One check under way."""

    def __init__(self, application: Any, name: str, options: Options, routes: Routes, plan: Plan) -> None:
        self.application = application
        self.name = name
        self.options = options
        self.routes = routes
        self.plan = plan
        self.chosen = frozenset(options.rules or RULES) - frozenset(options.ignored)
        self.driver = Driver(site_of(options, routes), self.found)
        self.began_s = time.monotonic()
        self.until_s = self.began_s + options.time_s
        self.seen: dict[tuple[Any, ...], Seen] = {}
        self.left_out = len(plan.once)
        # Several threads find something, and one does in a collection that comes while it keeps what it has found.
        self.lock = threading.RLock()
        # Requests that were not answered, once: nothing is learnt by repeating them.
        self.failed: set[tuple[str, str]] = set()
        self.failure: BaseException | None = None

    def guarded(self) -> None:
        """`drive` in a thread of its own, which is left behind if the application does not come back."""
        thread = threading.Thread(target=self.drive_and_keep, name="dragoman-check", daemon=True)
        thread.start()
        thread.join(self.options.time_s + GRACE_S)
        if self.failure is not None:
            raise self.failure
        if thread.is_alive():
            self.tell_of_stuck()

    def drive_and_keep(self) -> None:
        try:
            self.drive()
        except BaseException as error:
            self.failure = error

    def drive(self) -> None:
        """Everything that there is time for."""
        options = self.options
        arguments = {"on_finding": self.driver.found, "hints": options.hints, "only": self.chosen}
        with (
            ends_recorded(),
            logged_exceptions(is_quiet=options.is_quiet),
            layers_checked(self.application, self.name, self.watch(), **arguments) as checked,
        ):
            is_repeating = SHARED_STATE in self.chosen and bool(self.plan.repeated)
            once_until_s = self.began_s + options.time_s * (ONCE if is_repeating else 1)
            for request in self.plan.once:
                if time.monotonic() >= once_until_s:
                    break
                self.left_out -= 1
                answer = self.driver.call(checked, request)
                self.note(answer)
                if answer.fault:
                    self.failed.add((request.method, request.target))
            # What was never closed says so as it is collected.
            gc.collect()
            if is_repeating:
                self.repeat(checked)
            gc.collect()

    def watch(self) -> Called:
        """Which code some requests that change nothing have called as an application."""
        watch = Watch()
        watched = watch.watched(self.application)
        mounts = [Request("", path=f"{prefix}/") for prefix in possible_mounts(self.application)]
        for request in [*mounts, *self.plan.repeated][:WATCHED_AT_MOST]:
            if time.monotonic() >= self.began_s + self.options.time_s * WATCHED:
                break
            self.driver.call(watched, request)
        return watch.called

    def repeat(self, checked: Any) -> None:
        def call(request: Request) -> Answer:
            answer = self.driver.call(checked, request)
            self.note(answer)
            return answer

        requests = [one for one in self.plan.repeated if (one.method, one.target) not in self.failed]
        Repeats(call, self.tell_of_state, self.place_of, requests, self.options.threads, self.until_s).run()

    def note(self, answer: Answer) -> None:
        """Take the answer's fault, if it has one."""
        fault = answer.fault
        if fault is not None:
            if fault.where is None:
                where = self.routes.view_place(fault.request.method, fault.request.path)
                fault = replace(fault, where=where)
            self.keep((fault.kind, fault.where, fault.text if fault.where is None else ""), fault, fault.request)

    def found(self, one: Finding, request: Request | None) -> None:
        """A checker has found something."""
        if request is not None and one.party == "application" and one.where and self.is_passed_on(one.where[0]):
            # The framework's line only carries what the view has given.
            view = self.routes.view_place(request.method, request.path)
            if view is not None:
                one = replace(one, where=view, facts={**one.facts, "where": view})
        self.keep((one.rule, one.party, one.where or one.layer), one, request)

    def is_passed_on(self, filename: str) -> bool:
        return self.routes.is_of_framework(filename)

    def tell_of_state(self, request: Request, what: str) -> None:
        """A repeated request was answered otherwise."""
        where = self.place_of(request)
        facts = {
            "method": request.method,
            "path": request.path,
            "application": self.application,
            "where": where,
            "value": what,
        }
        self.found(finding(SHARED_STATE, "application", self.name, facts), request)

    def place_of(self, request: Request) -> Place | None:
        """Where the code begins that answers."""
        return self.routes.view_place(request.method, request.path) or entry_of(self.application)

    def keep(self, key: tuple[Any, ...], what: Finding | Fault, request: Request | None) -> None:
        with self.lock:
            seen = self.seen.setdefault(key, Seen(what, request))
            if request is not None:
                seen.names.add(request.name)

    def tell_of_stuck(self) -> None:
        """Name the calls that have not returned, and where they are."""
        frames = sys._current_frames()
        for ident, request in list(self.driver.under_way.items()):
            where = line_of_frame(frames.get(ident))
            text = f"{request} was under way when the time was over"
            self.keep(("stuck", where), Fault("stuck", text, where, request), request)

    def report(self) -> Report:
        """What has come of it until now."""
        with self.lock:
            seen = list(self.seen.values())
        return Report(
            self.name,
            self.plan.counts,
            len(self.routes),
            [one for one in seen if isinstance(one.what, Finding) and not one.what.hint],
            [one for one in seen if isinstance(one.what, Finding) and one.what.hint],
            [one for one in seen if isinstance(one.what, Fault)],
            len(self.plan.held_back),
            self.left_out,
            self.routes.unfilled,
            self.driver.calls,
            time.monotonic() - self.began_s,
            self.options.time_s,
            self.driver.answered,
        )


def site_of(options: Options, routes: Routes) -> Site:
    """Where the requests go: what was asked for, else a host that the application answers to."""
    site = Site.of(options.url or f"http://{routes.host or 'localhost'}")
    return replace(
        site,
        root_path=options.root_path or site.root_path,
        headers=options.headers,
        env=options.env,
        is_multithread=options.threads > 1,
    )
