"""What one request did, as one checker saw it: events come in, breaches go out."""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from dragoman.contract.files import returned_file
from dragoman.contract.judge import Head, bodiless, judge_block, judge_exc_info, judge_head, shown
from dragoman.contract.layers import forget_pulled, look_at_pulled, subject, swallowed
from dragoman.contract.places import Place, Spot, caller, entry_of, has_caller_between, place_of, raised_at, standing_at
from dragoman.contract.remembered import Remembered
from dragoman.contract.rules import RULES

if TYPE_CHECKING:
    from dragoman.contract.blocks import Blocks
    from dragoman.contract.checked import Checked

__all__ = ["KEY", "Phase", "Transcript"]

KEY = "dragoman.contract"
"""Where a checker leaves its transcript for the checkers inside of it."""

# What the application may not return, and the rule about it; everything else that is no iterable is of another one.
UNFIT: Mapping[str, Callable[[object], bool]] = {
    "app-is-coroutine": inspect.iscoroutine,
    "body-is-str": lambda result: isinstance(result, str),
    "body-is-bytes": lambda result: isinstance(result, bytes),
}


# Rules that compare the body with what was promised of it.
OF_BODY = frozenset({"length-wrong", "body-too-long", "body-too-short"})

# In the place of an iterator, where that says nothing: the application's beginning is meant.
ENTRY = ()
# What werkzeug's and Flask's test client leave: it closes a response where the test does.
TEST_CLIENT = "werkzeug.request"


HEADER_LISTS = Remembered()


class Phase(Enum):
    """Where the request is, seen from this checker."""

    CALLED = auto()  # the application runs, and has not returned yet
    RETURNED = auto()  # its iterable is there
    CLOSING = auto()  # close() runs: nothing can be sent any more
    ENDED = auto()


class Transcript:
    """The record of one request at one checker, and the rules that each event is held against.

    Everything inside of the checker (the application, or middleware around another checker) is judged by what it hands
    out, everything outside of it (the server, or middleware) by what it hands in.
    """

    # Class attributes are what a request begins with: most of them stay as they are.
    phase = Phase.CALLED
    is_started = is_head_out = is_exhausted = is_file = False
    is_bodiless = has_body = has_closed = has_iterated = has_lost_client = False
    headers: object = None
    # What the status and headers came to.
    head = Head(200, None, False, ())
    declared: int | None = None
    # Where start_response was called.
    called_at: Spot | None = None
    # The headers as they were when the inside was last entered.
    snapshot: list[Any] | None = None
    # It was iterated twice: what there is of the body says nothing any more.
    is_void = False
    # What start_response has raised, until it has left the application: (exception, was it given as exc_info).
    raised: tuple[BaseException, bool] | None = None
    # Whether the outside has an object of ours in the place of the iterable.
    is_watched = False
    # Whether the iterable has to be closed.
    has_close = False
    result_type: type = type(None)
    sent = blocks = ends_told = 0
    # The checkers inside that gave blocks since this one was last entered, and the number that this one so gave.
    pulled_from: tuple[Transcript, ...] = ()
    pulled = 0
    # Whether what is outside has called its start_response in this one's.
    is_passed_on = False
    last_block: object = None
    # The rules that were broken, and those about one name or value with that.
    flagged: frozenset[object] = frozenset()
    # What has been told of: once for each place is enough for a request.
    told: frozenset[tuple[object, Place | None]] = frozenset()
    children: tuple[Transcript, ...] = ()

    # wsgi.input and wsgi.errors, as the inside has them and as they were handed in.
    body: Any = None
    body_given: Any = None
    errors: Any = None
    errors_given: Any = None
    # wsgi.file_wrapper, where it is no class, and what it has made.
    wrapper: Any = None
    wrapper_given: Any = None
    made: tuple[object, ...] = ()
    # Tells when a file's response is there no more.
    made_alive: weakref.ref[Any] | None = None
    # The start_response that was handed in: whose it is, where it is not what it should be.
    foreign: object = None

    def __init__(self, checker: Checked, environ: Any) -> None:
        self.checker = checker
        self.environ: Any = environ if type(environ) is dict or isinstance(environ, MutableMapping) else {}
        self.method = self.environ.get("REQUEST_METHOD")
        self.path = self.environ.get("PATH_INFO")
        self.script_name = self.environ.get("SCRIPT_NAME", "")
        self.is_of_test_client = TEST_CLIENT in self.environ
        # A view of an environ cannot be written to, but what is in it is known.
        outer = environ.get(KEY) if isinstance(environ, Mapping) else None
        while outer is not None and outer.phase is Phase.ENDED:
            outer = outer.outer
        self.outer: Transcript | None = outer
        # Stands for the request where it is remembered, without keeping any of it.
        self.token = object() if outer is None else outer.token
        if outer is not None:
            outer.children += (self,)
            outer.checker.is_around_another = True

    def __deepcopy__(self, memo: object) -> Transcript:
        # A copy of the environ is one of the same request.
        return self

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        # Elsewhere it is none.
        return type(None), ()

    @property
    def came_for(self) -> str:
        """The whole path, as it was when the call came: a middleware may change the environ in place."""
        return f"{self.script_name}{self.path}"

    # Reports.

    def breach(self, rule_id: str, facts: Mapping[str, Any] = {}, where: Place | None = None) -> None:
        """One breach: of the party on the rule's side, unless a checker nearer to it has seen it, too."""
        what = subject(rule_id, facts)
        if (what, where) in self.told:
            return
        self.told |= {(what, where)}
        rule = RULES[rule_id]
        nearer = self.inside() if rule.side == "inside" else self.outside()
        self.flagged |= {rule_id, what}
        if any(what in other.flagged for other in nearer):
            return
        if self.is_void and rule_id in OF_BODY:
            return
        by = self.checker
        if rule.side == "inside":
            party = "middleware" if rule.party == "middleware" or self.is_around_another else "application"
            cleared = "inside" if self.children else "uncalled"
        elif self.outer is None:
            party, cleared = "server", ""
        else:
            party, cleared, by = "middleware", "outside", self.outer.checker
            if where is not None and not has_caller_between():
                where = entry_of(by.app)
        known = {"method": self.method, "path": self.path, "application": by.app, "where": where}
        if cleared:
            known |= {"by": by.name, "cleared": cleared}
        self.checker.report(rule_id, party, {**known, "started": self.is_head_out, **facts}, by)

    @property
    def is_around_another(self) -> bool:
        return self.checker.is_around_another

    def inside(self) -> list[Transcript]:
        """The transcripts of the checkers inside of this one."""
        return [one for child in self.children for one in (child, *child.inside())]

    def outside(self) -> list[Transcript]:
        """Those of the checkers outside of it."""
        return [] if self.outer is None else [self.outer, *self.outer.outside()]

    # Control passes in and out.

    def enter(self) -> None:
        """The inside is about to run."""
        if self.pulled_from:
            forget_pulled(self)
        self.environ[KEY] = self
        if self.snapshot is not None and self.headers != self.snapshot:
            self.take_snapshot()

    def leave(self, *, is_last: bool = False) -> None:
        """It has run. `is_last`: it has no block any more."""
        self.environ[KEY] = self.outer
        if is_last and self.is_head_out:
            # Everybody is done with the headers.
            self.snapshot = None
        if self.snapshot is not None and self.headers != self.snapshot:
            self.look_for_changes()

    def take_snapshot(self) -> None:
        self.snapshot = self.headers[:] if type(self.headers) is list else None

    def look_for_changes(self) -> None:
        """Since the list was handed over, or the inside entered, nobody else has run."""
        if self.phase in (Phase.CLOSING, Phase.ENDED):
            # Everybody is done with it.
            return
        if self.snapshot is not None and type(self.headers) is list and self.headers != self.snapshot:
            changed = [item for item in self.headers if item not in self.snapshot] or self.snapshot
            self.breach("headers-mutated", {"value": shown(changed[0])}, place_of(self.called_at))
            self.take_snapshot()

    # The head.

    def start_response_called(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], spot: Spot | None) -> None:
        """Judge a call, made at `spot`, before it is passed on."""
        if kwargs or not 2 <= len(args) <= 3:
            self.snapshot = None
            given = ", ".join([*map(shown, args), *(f"{name}= by name" for name in kwargs)])
            self.breach("start-response-arguments", {"value": given}, place_of(spot))
            # What was meant is judged all the same: most servers take the names that most applications use.
            args = (*args, *kwargs.values())
            if not 2 <= len(args) <= 3:
                return
        status, headers = args[:2]
        exc_info = args[2] if len(args) == 3 else None
        if self.phase is Phase.ENDED:
            self.breach("environ-after-request", {"what": "start_response"}, place_of(spot))
            return
        if exc_info is not None:
            for rule_id, facts in judge_exc_info(exc_info):
                self.breach(rule_id, facts, place_of(spot))
            # An error handler may try, and the exception leaves again: what is none has no error page to give.
            if exc_info and self.is_head_out and isinstance(exc_info, tuple) and sys.exc_info()[1] is not exc_info[1]:
                self.breach("start-response-late", {"exception": exc_info[1]}, place_of(spot))
        if self.is_started and not exc_info:
            self.breach("start-response-twice", {"value": shown(status), "got_type": "str"}, place_of(spot))
        self.head = judge_head(status, headers)
        for rule_id, facts in self.head.breaches:
            self.breach(rule_id, facts, place_of(spot))
        if HEADER_LISTS.was_given_before(headers, self.token):
            self.breach("headers-list-reused", {}, place_of(spot))
        self.called_at = spot
        # What the application has changed until now is taken back, or part of the call.
        self.snapshot = None

    def start_response_done(self, args: tuple[Any, ...], write: object) -> None:
        """It was accepted, and gave `write`."""
        self.is_started = True
        self.raised = None
        if len(args) >= 2:
            self.headers = args[1]
        self.is_bodiless = bodiless(self.head.code)
        self.declared = None if self.is_bodiless or self.method == "HEAD" else self.head.declared
        self.take_snapshot()
        if not callable(write):
            self.breach("start-response-foreign", {"got_type": type(write).__name__}, entry_of(self.foreign))

    def start_response_raised(self, args: tuple[Any, ...], error: BaseException) -> None:
        """It was refused, or has raised again what it was given."""
        exc_info = args[2] if len(args) == 3 else None
        self.raised = (error, isinstance(exc_info, tuple) and len(exc_info) == 3 and exc_info[1] is error)

    def foreign_signature(self, error: BaseException, function: object) -> None:
        """The start_response that was handed in does not take the third argument."""
        self.breach("start-response-foreign", {"exception": error}, entry_of(function))

    def went_on(self) -> None:
        """The inside goes on: it has swallowed what start_response raised."""
        if self.raised is not None:
            (error, was_given), self.raised = self.raised, None
            rule_id = "exc-info-swallowed" if was_given else "start-response-raised-ignored"
            self.breach(rule_id, {"exception": error}, place_of(self.called_at))

    # The body.

    def wrote(self, data: object) -> None:
        """write() was called."""
        where = caller()
        if self.phase in (Phase.CLOSING, Phase.ENDED):
            self.breach("write-after-end", {}, where)
            return
        if not isinstance(data, bytes):
            self.breach("write-not-bytes", {"value": shown(data), "got_type": type(data).__name__}, where)
            return
        if self.phase is Phase.RETURNED:
            self.breach("write-in-iterable", {}, where)
        if any(data and child.last_block == data for child in self.children):
            self.breach("yielded-through-write", {}, where)
        if "write-used" not in self.flagged:
            self.breach("write-used", {}, where)
        if data:
            self.count(data, None)

    def returned(self, result: object, kind: type[Blocks] | None) -> None:
        """The application has returned its iterable, which is watched as `kind`; None where it is none."""
        self.phase = Phase.RETURNED
        self.is_watched = kind is not None
        self.has_close = kind is not None and kind.has_close
        self.result_type = type(result)
        if self.raised is not None:
            self.went_on()
        if self.pulled_from:
            look_at_pulled(self, "chunk-pulled-ahead", ENTRY)
        if kind is None:
            rule_id = next((name for name, is_so in UNFIT.items() if is_so(result)), "body-not-iterable")
            facts = {"value": shown(result), "got_type": type(result).__name__}
            self.breach(rule_id, facts, entry_of(self.checker.app))
        wrapper = self.environ.get("wsgi.file_wrapper")
        made, self.made = self.made, ()
        if (made and any(result is one for one in made)) or (isinstance(wrapper, type) and isinstance(result, wrapper)):
            # The server knows it by its type and sends the file by itself: it is passed on as it is.
            self.is_file, self.is_watched, self.has_close = True, False, False
            returned_file(self, result)

    def returned_whole(self, blocks: list[Any] | tuple[Any, ...]) -> None:
        """The application has returned all of its blocks at once: nothing of it is still to run."""
        self.phase = Phase.RETURNED
        self.result_type = type(blocks)
        if self.raised is not None:
            self.went_on()
        for block in blocks:
            self.blocks += 1
            if (type(block) is bytes or self.is_block(block, blocks)) and block:
                self.last_block = block
                self.count(block, blocks)
        if self.pulled_from and self.has_body:
            look_at_pulled(self, "chunk-pulled-ahead", ENTRY)
        self.exhausted(blocks, None)
        self.end()

    def gave(self, block: Any, iterator: object) -> None:
        """A block has come."""
        if self.raised is not None:
            self.went_on()
        if self.phase is Phase.ENDED:
            return
        if self.pulled_from:
            look_at_pulled(self, "chunk-held-back", iterator)
        if block and self.outer is not None:
            if not self.pulled:
                self.outer.pulled_from += (self,)
            self.pulled += 1
        self.blocks += 1
        if type(block) is not bytes and not self.is_block(block, iterator):
            return
        if block:
            self.last_block = block
            self.count(block, iterator)

    def is_block(self, block: object, iterator: object) -> bool:
        """Whether it is one, if of another type than bytes itself."""
        breaches = list(judge_block(block, self.blocks - 1))
        for rule_id, facts in breaches:
            self.breach(rule_id, facts, self.place_in(iterator))
        return not breaches

    def place_in(self, iterator: object) -> Place | None:
        """Where the iterator stands, else where the application begins; None: where write() was called."""
        return caller() if iterator is None else standing_at(iterator) or entry_of(self.checker.app)

    def count(self, data: Any, iterator: object) -> None:
        """Bytes of the body leave: a block that is not empty, from `iterator` or, where that is None, by write()."""
        if not self.is_started:
            if "start-response-missing" not in self.flagged:
                self.breach("start-response-missing", {}, self.place_in(iterator))
            return
        if not self.is_head_out:
            self.begin_body(data, iterator)
        before = self.sent
        self.sent = before + len(data)
        if self.declared is not None and before <= self.declared < self.sent:
            self.breach("body-too-long", {"declared": self.declared, "sent": self.sent}, self.place_in(iterator))

    def begin_body(self, data: object, iterator: object) -> None:
        """The first of the body comes, and the head is sent."""
        self.has_body = self.is_head_out = True
        is_bodiless, is_head = self.is_bodiless, self.method == "HEAD"
        if is_bodiless or is_head:
            rule_id = "body-on-no-content" if is_bodiless else "body-on-head"
            self.breach(rule_id, {"value": shown(data)}, self.place_in(iterator))
        elif not (self.head.has_content_type or self.head.breaches):
            self.breach("content-type-missing", {}, place_of(self.called_at))

    def exhausted(self, iterator: object, size: int | None) -> None:
        """The last block has been given. `size`: what len() said of it."""
        if self.phase is Phase.ENDED:
            return
        if self.is_exhausted:
            return
        self.is_exhausted = True
        if self.raised is not None:
            self.went_on()
        if self.pulled_from and self.has_body:
            look_at_pulled(self, "chunk-held-back", iterator)
        self.compare_length(iterator, size, is_end=True)
        if not self.is_started:
            if not {"start-response-missing", "body-is-str", "body-not-bytes"} & self.flagged:
                self.breach("start-response-missing", {}, self.place_in(iterator))
            return
        if self.declared is not None and self.sent < self.declared and "body-not-bytes" not in self.flagged:
            facts = {"declared": self.declared, "sent": self.sent}
            self.breach("body-too-short", facts, self.place_in(iterator))
        if self.children and not self.has_body and (count := swallowed(self)):
            self.breach("block-swallowed", {"count": count}, self.place_in(iterator))

    def compare_length(self, iterator: object, size: int | None, *, is_end: bool) -> None:
        """`size` is what len() said of the iterable."""
        is_wrong = size is not None and (self.blocks > size or (is_end and self.blocks < size))
        if is_wrong and "length-wrong" not in self.flagged:
            self.breach("length-wrong", {"declared": size, "count": self.blocks}, self.place_in(iterator))

    def failed(self, error: BaseException) -> None:
        """An exception has left the inside."""
        is_refused_head = self.raised is not None and self.raised[0] is error
        self.raised = None
        if (
            self.is_head_out
            and not is_refused_head
            and not self.has_lost_client
            # GeneratorExit, KeyboardInterrupt and their like come from outside.
            and isinstance(error, Exception)
        ):
            self.breach("exception-after-start", {"exception": error}, raised_at(error))

    def lost_client(self) -> None:
        """The input or write() has said that the client is gone: the application may well let this pass."""
        for one in (self, *self.outside()):
            one.has_lost_client = True

    # What the outside does with the iterable.

    def iterated_again(self) -> None:
        """iter() was called, and a block has been asked for since the first time."""
        self.breach("body-iterated-twice", {}, caller())
        self.is_void = True

    def asked_late(self) -> None:
        """A block is asked for after close()."""
        self.breach("body-after-close", {}, caller())

    def closed(self) -> None:
        """close() was called; what is inside has still to be."""
        if self.has_closed:
            self.breach("close-twice", {}, caller())
        else:
            self.phase = Phase.CLOSING
        self.has_closed = True

    def close_raised(self, error: BaseException) -> None:
        """The application's close() has raised."""
        self.breach("close-raised", {"exception": error}, raised_at(error))

    def end(self) -> None:
        """The request is over: whatever is used from now on is used too late."""
        if self.phase is Phase.ENDED:
            return
        self.phase = Phase.ENDED
        for child in self.children:
            if child.is_file and not self.is_file and child.head.code == self.head.code:
                self.breach("file-wrapper-lost", {"got_type": self.result_type.__name__}, entry_of(self.checker.app))
            child.left_open()
            child.end()
        # The environ is as it was handed in, and nothing of the request is held here any more.
        environ, self.environ = self.environ, {}
        body, errors = self.body, self.errors
        if body is not None and environ.get("wsgi.input") is body:
            environ["wsgi.input"] = self.body_given
        if errors is not None and environ.get("wsgi.errors") is errors:
            environ["wsgi.errors"] = self.errors_given
        if self.wrapper is not None:
            if environ.get("wsgi.file_wrapper") is self.wrapper:
                environ["wsgi.file_wrapper"] = self.wrapper_given
            self.wrapper = None
            self.made = ()
        if self.outer is None:
            environ.pop(KEY, None)
            self.headers = self.snapshot = self.foreign = None
            if self.children:
                for one in self.inside():
                    one.headers = one.snapshot = one.foreign = None
        self.body = self.errors = None

    def left_open(self) -> None:
        """Nobody has called close(), and nobody will."""
        if self.has_closed or self.phase is not Phase.RETURNED or not self.has_close:
            return
        if self.outer is not None and self.outer.phase is not Phase.ENDED:
            # Whoever is outside has not been closed either, which its own checker tells.
            return
        self.has_closed = True
        if self.outer is not None or not self.is_of_test_client:
            self.breach("close-missing", {}, entry_of(self.outer.checker.app) if self.outer else None)
        else:
            # What is inside is left open by the client as well.
            self.flagged |= {"close-missing"}
        self.end()
