"""Watches requests, to learn which code is called as a WSGI application: names of arguments tell it only of some."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

from dragoman.check.slots import Called

__all__ = ["Watch"]

RETURNS = {dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap}
LAZY = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Watch:
    """What has been seen over several requests."""

    def __init__(self) -> None:
        self._applications: set[CodeType] = set()
        # What may be a helper, with what it has returned.
        self._doubtful: list[tuple[CodeType, object]] = []
        self._helpers: set[CodeType] = set()

    @property
    def called(self) -> Called:
        """What is known by now."""
        return Called(frozenset(self._applications - self._helpers), frozenset(self._helpers))

    def watched(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """`application`, each call of which is watched, and the first block that it gives."""

        def call(environ: Any, start_response: Any) -> Any:
            self._doubtful.clear()
            with self.profiling():
                result = application(environ, start_response)
            self._helpers.update(code for code, returned in self._doubtful if returned is not result)
            self._applications.update(code for code, returned in self._doubtful if returned is result)
            return self.blocks(result) if inspect.isgenerator(result) else result

        return call

    def blocks(self, generator: Any) -> Iterator[Any]:
        """A generator's code runs when it is asked for blocks."""
        try:
            while True:
                with self.profiling():
                    try:
                        block = next(generator)
                    except StopIteration:
                        return
                yield block
        finally:
            generator.close()

    @contextmanager
    def profiling(self) -> Iterator[None]:
        before = sys.getprofile()
        sys.setprofile(self.note)
        try:
            yield
        finally:
            sys.setprofile(before)

    def note(self, frame: FrameType, event: str, value: Any) -> None:
        """Called by the interpreter."""
        code = frame.f_code
        if event == "call" and is_call_of_application(frame):
            self._applications.add(code)
        elif event == "return" and code in self._applications and not is_lazy(code) and not is_body(value):
            # An exception that leaves it comes here as None, too, but from where it was raised.
            self._doubtful += [(code, value)] * (code.co_code[frame.f_lasti] in RETURNS)


def is_call_of_application(frame: FrameType) -> bool:
    """Whether two of its arguments are an environ and, next to it, something to call."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount]
    found = [frame.f_locals.get(name) for name in names]
    if code.co_flags & inspect.CO_VARARGS:
        name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        found += frame.f_locals.get(name) or ()
    return any(is_environ(one) and callable(after) for one, after in pairwise(found))


def is_lazy(code: CodeType) -> bool:
    """Whether what it returns says nothing: a generator's blocks, or the None of a class whose instances are bodies."""
    return bool(code.co_flags & LAZY) or code.co_name == "__init__"


def is_environ(value: object) -> bool:
    return isinstance(value, dict) and "wsgi.input" in value and "REQUEST_METHOD" in value


def is_body(value: object) -> bool:
    return not isinstance(value, (str, bytes, dict)) and hasattr(type(value), "__iter__")
