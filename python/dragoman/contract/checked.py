"""`Checked`: a middleware that holds both of its sides to the contract, under any server."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from dragoman.contract.blocks import WHOLE, kind_of
from dragoman.contract.finding import ContractBreach, Finding, finding
from dragoman.contract.judge import judge_environ
from dragoman.contract.layers import contains, lost_prefix
from dragoman.contract.places import caller, spot
from dragoman.contract.report import Reporter, application_name
from dragoman.contract.rules import RULES
from dragoman.contract.streams import CheckedErrors, CheckedInput
from dragoman.contract.transcript import Transcript

__all__ = ["Checked"]


class Checked:
    """A WSGI application that is `app`, and tells what is wrong with it or with who calls it.

    app         the application, or middleware around one
    on_finding  called with each `Finding`; by default they are logged (logger ``dragoman.contract``), once for a place
                and counted after that; the record's ``contract`` has the fields of the finding
    raise_on    ids of rules that raise `ContractBreach` where they are broken, or ``"all"``: for tests
    hints       also tell of what is legal and worth a word
    only        ids of the rules to look at; by default all
    name        what `app` is called in messages, such as ``"shop.wsgi:app"``

    Nothing of the response is changed: lists, tuples and `wsgi.file_wrapper` objects pass themselves; of other
    iterables blocks, length and ``close()``, and exceptions, pass as they are. Two of them around a middleware,
    ``Checked(middleware(Checked(app)))``, tell whose breach it is.
    Source: PEP 3333; ``dragoman explain`` lists the rules.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        on_finding: Callable[[Finding], object] | None = None,
        *,
        raise_on: Collection[str] = (),
        hints: bool = False,
        only: Collection[str] | None = None,
        name: str = "",
    ) -> None:
        if unknown := set([] if raise_on == "all" else raise_on).union(only or ()) - RULES.keys():
            raise ValueError(f"there is no rule {', '.join(sorted(unknown))}; dragoman explain lists them")
        self.app = app
        self.on_finding = on_finding
        self.raise_on = RULES.keys() if raise_on == "all" else frozenset(raise_on)
        self.hints = hints
        self.only = RULES.keys() if only is None else frozenset(only)
        self.name = name or application_name(app)
        # Beside what can be looked through, what has been seen in a request.
        self.is_around_another = contains(app, Checked)
        self._log = Reporter(log_breach, self.name, is_server=False)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        transcript = Transcript(self, environ)
        for rule_id, facts in judge_environ(environ):
            transcript.breach(rule_id, facts, caller())
        if transcript.outer is not None:
            self.judge_way_in(transcript.outer, transcript)
        watch_streams(transcript)
        transcript.enter()
        try:
            result = self.app(environ, self.checked_start_response(start_response, transcript))
        except BaseException as error:
            transcript.leave()
            transcript.failed(error)
            transcript.end()
            raise
        transcript.leave()
        if type(result) in WHOLE:
            transcript.returned_whole(result)
            return result
        kind = kind_of(result)
        transcript.returned(result, kind)
        return kind(result, transcript) if kind is not None and transcript.is_watched else result

    def judge_way_in(self, outer: Transcript, transcript: Transcript) -> None:
        """What a middleware between two checkers has done to the path."""
        # Of several calls the first is about what was asked for: others may be about an error page, or a part of one.
        if len(outer.children) == 1 and (lost := lost_prefix(outer, transcript)):
            before, after = outer.came_for, transcript.came_for
            outer.breach("path-lost", {"value": repr(lost), "before": repr(before), "after": repr(after)}, caller())

    def checked_start_response(self, outer: Any, transcript: Transcript) -> Callable[..., Any]:
        """The start_response for the inside."""
        transcript.foreign = outer

        def start_response(*args: Any, **kwargs: Any) -> Any:
            if transcript.is_started:
                transcript.look_for_changes()
            transcript.start_response_called(args, kwargs, spot())
            around = transcript.outer
            head = None if around is None else around.head
            try:
                write = outer(*args, **kwargs)
            except BaseException as error:
                if len(args) == 3 and isinstance(error, TypeError) and is_of_call(error):
                    transcript.foreign_signature(error, outer)
                transcript.start_response_raised(args, error)
                raise
            # Who is called on meanwhile has passed it on.
            transcript.is_passed_on = around is not None and around.head is not head
            transcript.start_response_done((*args, *kwargs.values()) if kwargs else args, write)
            return checked_write(write, transcript) if callable(write) else write

        return start_response

    def report(self, rule_id: str, party: str, facts: Mapping[str, Any], by: Checked) -> None:
        """One breach goes out: of what `by` is wrapped around, or of who has called that."""
        rule = RULES[rule_id]
        if rule_id not in self.only or (rule.is_hint and not self.hints):
            return
        found = finding(rule_id, party, by.name, facts)
        if self.on_finding is not None:
            try:
                self.on_finding(found)
            except Exception:
                # A full queue, say, is no reason for which a request fails.
                logging.getLogger("dragoman.contract").exception("on_finding failed for:\n%s", found)
        else:
            by._log(rule_id, found.facts)
        if rule_id in self.raise_on:
            raise ContractBreach(found)


def log_breach(message: str, fields: Mapping[str, object]) -> None:
    logging.getLogger("dragoman.contract").error("%s", message, extra={"contract": dict(fields)})


def checked_write(write: Any, transcript: Transcript) -> Callable[..., Any]:
    """The write() for the inside."""

    def checked(data: Any) -> Any:
        transcript.look_for_changes()
        transcript.wrote(data)
        try:
            return write(data)
        except OSError:
            transcript.lost_client()
            raise
        finally:
            transcript.take_snapshot()

    return checked


def watch_streams(transcript: Transcript) -> None:
    """Put the watched streams into the environ, and the way to make a file's response."""
    environ = transcript.environ
    body, errors, wrapper = environ.get("wsgi.input"), environ.get("wsgi.errors"), environ.get("wsgi.file_wrapper")
    if body is not None:
        transcript.body = environ["wsgi.input"] = CheckedInput(body, transcript)
        transcript.body_given = body
    if errors is not None:
        transcript.errors = environ["wsgi.errors"] = CheckedErrors(errors, transcript)
        transcript.errors_given = errors
    if wrapper is not None and not isinstance(wrapper, type):
        transcript.wrapper = environ["wsgi.file_wrapper"] = noting_wrapper(wrapper, transcript)
        transcript.wrapper_given = wrapper


def noting_wrapper(wrapper: Any, transcript: Transcript) -> Callable[..., Any]:
    """A wsgi.file_wrapper that is no class: what it makes is known by having been made."""

    @functools.wraps(wrapper, updated=())
    def file_wrapper(*args: Any, **kwargs: Any) -> Any:
        made = wrapper(*args, **kwargs)
        transcript.made += (made,)
        return made

    return file_wrapper


def is_of_call(error: BaseException) -> bool:
    """Whether it came from the call itself, before anything of the called function ran."""
    return error.__traceback__ is not None and error.__traceback__.tb_next is None
