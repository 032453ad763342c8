"""wsgi.input and wsgi.errors as the application has them under a checker: the same, and watched."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dragoman.contract.judge import shown
from dragoman.contract.places import caller, copes_without
from dragoman.contract.transcript import KEY, Phase, Transcript

__all__ = ["CheckedErrors", "CheckedInput"]


NOTHING: frozenset[str] = frozenset()
# Reads that may be answered by the end: a parser makes some, but only a loop that waits for more makes so many.
ENDS_TOLD = 1000


class Stream:
    """Passes everything on to `stream`."""

    # Whatever else is set is kept in a dictionary, which most never need.
    __slots__ = ("__dict__", "__weakref__", "_asked_for", "_handed_in_by", "_stream", "_transcript")

    def __init__(self, stream: Any, transcript: Transcript) -> None:
        self._stream: Any = stream
        self._transcript = transcript
        # The outermost checker that it has come through: from there on inwards it is somebody else's.
        self._handed_in_by = transcript
        # Attributes that were looked up by who knows how to do without.
        self._asked_for = NOTHING
        if isinstance(stream, Stream):
            # Of two checkers the inner one judges: what is read through both is read once.
            self._stream, self._handed_in_by = stream._stream, stream._handed_in_by

    @property
    def _user(self) -> Transcript | None:
        """Whose inside uses it now; None: somebody whom it belongs to, the server or the middleware that made it."""
        return running_below(self._transcript, self._handed_in_by)

    def _breach(self, rule_id: str, facts: Mapping[str, Any]) -> None:
        if (user := self._user) is not None:
            user.breach(rule_id, facts, caller())

    def _look_for_late_use(self, name: str) -> None:
        """The request has ended for who uses it; whoever is outside may use it still."""
        if self._transcript.phase is Phase.ENDED and (user := self._user) is not None and user.phase is Phase.ENDED:
            user.breach("environ-after-request", {"what": name}, caller())

    def __getattr__(self, name: str) -> Any:
        if name in Stream.__slots__:
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __enter__(self) -> Any:
        self._stream.__enter__()
        return self

    def __exit__(self, *failure: object) -> Any:
        self._leave()
        return self._stream.__exit__(*failure)

    def _leave(self) -> None:
        """A `with` over it ends, which closes a file."""

    def __copy__(self) -> Any:
        return copy.copy(self._stream)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self._stream, memo)


class CheckedInput(Stream):
    """wsgi.input: PEP 3333 promises read, readline, readlines and iteration."""

    __slots__ = ()

    # No code has asked for it.
    _is_closed_by_collection = False

    def read(self, *args: Any, **kwargs: Any) -> bytes:
        return self._ask("read", args, kwargs)

    def readline(self, *args: Any, **kwargs: Any) -> bytes:
        return self._ask("readline", args, kwargs)

    def readlines(self, *args: Any, **kwargs: Any) -> list[bytes]:
        self._judge("readlines", args, kwargs)
        return self._watched(self._stream.readlines, args, kwargs)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[bytes]:
        self._judge("__iter__", (), {})
        lines = iter(self._stream)
        while True:
            try:
                line = self._watched(next, (lines,), {})
            except StopIteration:
                return
            yield line

    def __next__(self) -> bytes:
        return self._watched(next, (self._stream,), {})  # type: ignore[no-any-return]

    def close(self) -> None:
        if not self._is_closed_by_collection:
            self._breach("input-closed", {})
        self._stream.close()

    def _leave(self) -> None:
        self._breach("input-closed", {})

    def __getattr__(self, name: str) -> Any:
        if name in Stream.__slots__:
            raise AttributeError(name)
        # After the end its owner may use it. What a middleware has put in the server's place may do more than PEP 3333
        # promises, and a key of the environ may say so.
        is_more = self._transcript.phase is Phase.ENDED or self._handed_in_by.outer is not None
        may_be_used = is_more or name.startswith("_") or name in self._asked_for
        if not may_be_used and copes_without(name):
            may_be_used = True
            self._asked_for |= {name}
        try:
            found = getattr(self._stream, name)
        except AttributeError:
            if not may_be_used:
                self._beyond_the_promise(name)
            raise
        if not callable(found) or name.startswith("_"):
            return found

        def beyond_the_promise(*args: Any, **kwargs: Any) -> Any:
            if not may_be_used:
                self._beyond_the_promise(name)
            return self._watched(found, args, kwargs)

        return beyond_the_promise

    def _beyond_the_promise(self, name: str) -> None:
        if (user := self._user) is not None and "input-attribute" not in user.flagged:
            user.breach("input-attribute", {"name": name}, caller())

    def _dealloc_warn(self, source: object) -> None:
        """What is around it, a TextIOWrapper or BufferedReader, is collected, and closes it next (Lib/_pyio.py)."""
        self._is_closed_by_collection = True

    def _ask(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        self._judge(name, args, kwargs)
        data: bytes = self._watched(getattr(self._stream, name), args, kwargs)
        if (user := self._user) is not None:
            count_ends(user, bool(args) and args[0] == 0, data)
        return data

    def _judge(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._look_for_late_use("wsgi.input")
        is_size = not args or args[0] is None or hasattr(args[0], "__index__")
        if kwargs or len(args) > 1 or not is_size:
            given = ", ".join([*map(shown, args), *(f"{key}={shown(value)}" for key, value in kwargs.items())])
            self._breach("input-read-arguments", {"name": name, "value": given})

    def _watched(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return function(*args, **kwargs)
        except OSError:
            self._transcript.lost_client()
            raise


class CheckedErrors(Stream):
    """wsgi.errors: a text stream that is never closed."""

    __slots__ = ()

    def write(self, text: Any, *rest: Any) -> Any:
        self._look_for_late_use("wsgi.errors")
        self._judge("write", text)
        return self._stream.write(text, *rest)

    def writelines(self, lines: Iterable[Any]) -> Any:
        lines = list(lines)
        self._look_for_late_use("wsgi.errors")
        for line in lines:
            self._judge("writelines", line)
        return self._stream.writelines(lines)

    def flush(self) -> Any:
        return self._stream.flush()

    def close(self) -> None:
        self._breach("errors-closed", {})
        self._stream.close()

    def _leave(self) -> None:
        self._breach("errors-closed", {})

    def _judge(self, name: str, text: object) -> None:
        if not isinstance(text, str):
            self._breach("errors-not-text", {"name": name, "value": shown(text), "got_type": type(text).__name__})


def running_below(inner: Transcript, outermost: Transcript) -> Transcript | None:
    """Whoever runs now: the inside of `inner`, or that of a checker around it, up to `outermost`, which sees the same
    environ. None while all of them wait for what is outside.
    """
    now: object = (inner if inner.outer is None else inner.outer).environ.get(KEY)
    one: Transcript | None = inner
    while one is not None:
        if one is now:
            return one
        one = None if one is outermost else one.outer
    # What comes too late comes when nobody else runs.
    return inner if now is None and inner.phase is Phase.ENDED else None


def count_ends(user: Transcript, size_is_zero: bool, data: object) -> None:
    """wsgi.input gave `data`."""
    if data or size_is_zero:
        user.ends_told = 0
        return
    user.ends_told += 1
    if user.ends_told == ENDS_TOLD:
        user.breach("input-past-end", {"count": ENDS_TOLD - 1}, caller())
