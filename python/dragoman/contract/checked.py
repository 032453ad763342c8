"""`Checked`: a middleware that holds both of its sides to the contract, under any server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from dragoman.contract.blocks import kind_of
from dragoman.contract.finding import ContractBreach, Finding, finding
from dragoman.contract.judge import judge_environ
from dragoman.contract.places import caller, spot
from dragoman.contract.report import Reporter, application_name
from dragoman.contract.rules import RULES
from dragoman.contract.streams import CheckedErrors, CheckedInput
from dragoman.contract.transcript import Transcript

__all__ = ["Checked"]

# Lists of headers that are remembered, to see them again with another request.
LISTS = 16
# How deep a middleware is looked through for a checker inside of it.
DEPTH = 4


class Checked:
    """A WSGI application that is `app`, and tells what is wrong with it or with who calls it.

    app         the application, or middleware around one
    on_finding  called with each `Finding`; by default they are logged (logger ``dragoman.contract``), once for a place
                and counted after that; the record's ``contract`` has the fields of the finding
    raise_on    ids of rules that raise `ContractBreach` where they are broken, or ``"all"``: for tests
    hints       also tell of what is legal and worth a word
    only        ids of the rules to look at; by default all
    name        what `app` is called in messages, such as ``"shop.wsgi:app"``

    Nothing of the response is changed: blocks, lengths, `wsgi.file_wrapper` objects, exceptions and ``close()`` pass
    as they are. Two of them around a middleware, ``Checked(middleware(Checked(app)))``, tell whose breach it is.
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
        self.is_around_another = contains_checked(app)
        self._lists: dict[int, tuple[object, object]] = {}
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
        kind = kind_of(result)
        transcript.returned(result, kind)
        return kind(result, transcript) if kind is not None and transcript.is_watched else result

    def judge_way_in(self, outer: Transcript, transcript: Transcript) -> None:
        """What a middleware between two checkers has done to the path."""
        before, after = outer.came_for, transcript.came_for
        # A prefix that a proxy has taken away may come before it.
        if not after.endswith(before):
            outer.breach("path-lost", {"before": repr(before), "after": repr(after)}, caller())

    def checked_start_response(self, outer: Any, transcript: Transcript) -> Callable[..., Any]:
        """The start_response for the inside."""
        transcript.foreign = outer

        def start_response(*args: Any, **kwargs: Any) -> Any:
            if transcript.is_started:
                transcript.look_for_changes()
            transcript.start_response_called(args, kwargs, spot())
            try:
                write = outer(*args, **kwargs)
            except BaseException as error:
                if len(args) == 3 and isinstance(error, TypeError) and is_of_call(error):
                    transcript.foreign_signature(error, outer)
                transcript.start_response_raised(args, error)
                raise
            transcript.start_response_done((*args, *kwargs.values()) if kwargs else args, write)
            return checked_write(write, transcript) if callable(write) else write

        return start_response

    def was_given_before(self, headers: object, transcript: Transcript) -> bool:
        """Whether this very list was given to another request."""
        if type(headers) is not list:
            return False
        lists = self._lists
        known = lists.get(id(headers))
        if known is None and len(lists) >= LISTS:
            lists.clear()
        # The list is kept alive, so that its id stays its own.
        lists[id(headers)] = headers, transcript.token
        return known is not None and known[1] is not transcript.token

    def report(self, rule_id: str, party: str, facts: Mapping[str, Any]) -> None:
        """One breach goes out."""
        rule = RULES[rule_id]
        if rule_id not in self.only or (rule.is_hint and not self.hints):
            return
        found = finding(rule_id, party, self.name, facts)
        if self.on_finding is not None:
            try:
                self.on_finding(found)
            except Exception:
                # A full queue, say, is no reason for which a request fails.
                logging.getLogger("dragoman.contract").exception("on_finding failed for:\n%s", found)
        else:
            self._log(rule_id, found.facts)
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
    """Put the watched streams into the environ."""
    environ = transcript.environ
    body, errors = environ.get("wsgi.input"), environ.get("wsgi.errors")
    if body is not None:
        transcript.body = environ["wsgi.input"] = CheckedInput(body, transcript)
        transcript.body_given = body
    if errors is not None:
        transcript.errors = environ["wsgi.errors"] = CheckedErrors(errors, transcript)
        transcript.errors_given = errors


def is_of_call(error: BaseException) -> bool:
    """Whether it came from the call itself, before anything of the called function ran."""
    return error.__traceback__ is not None and error.__traceback__.tb_next is None


def contains_checked(app: object, depth: int = DEPTH) -> bool:
    """Whether there is a checker inside of `app`: in its attributes, or in what its function has closed over."""
    if depth == 0:
        return False
    held = list((attribute(app, "__dict__") or {}).values()) if not isinstance(app, type) else []
    held += [attribute(app, name) for name in ("func", "__wrapped__", "__self__")]
    for cell in attribute(app, "__closure__") or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:
            continue
    return any(type(one) is Checked or (callable(one) and contains_checked(one, depth - 1)) for one in held)


def attribute(of: object, name: str) -> Any:
    """The attribute, or None: a proxy of a request has none outside of one, and says so in its own way."""
    try:
        return getattr(of, name, None)
    except Exception:
        return None
