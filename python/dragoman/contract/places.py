"""Where in the code something happened: the file, line and name that a finding can honestly point to."""

import dis
import functools
import itertools
import os
import sys
from types import CodeType, FrameType, GeneratorType
from typing import Any, TypeAlias

__all__ = [
    "Place",
    "Spot",
    "attribute",
    "caller",
    "copes_without",
    "entry_of",
    "has_caller_between",
    "place_of",
    "raised_at",
    "spot",
    "standing_at",
]

Place: TypeAlias = tuple[str, int, str]
"""File, line, qualified name."""

Spot: TypeAlias = tuple[CodeType, int]
"""Code and line: what is kept where it is not known yet whether anybody asks."""

# Who names one of these asks whether something is there, or is ready for that it is not.
PREPARED = frozenset(["getattr", "hasattr", "suppress", "AttributeError", "Exception", "BaseException"])
HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def place(code: CodeType, line: int | None) -> Place:
    # co_qualname is there from Python 3.11 on.
    return code.co_filename, line or code.co_firstlineno, getattr(code, "co_qualname", code.co_name)


def caller() -> Place | None:
    """The innermost frame outside of this package: who has just called one of its functions."""
    return place_of(spot(1))


def spot(depth: int = 0) -> Spot | None:
    """The same, not yet put into words: `depth` callers are known to be of this package."""
    frame: FrameType | None = sys._getframe(depth + 1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return (frame.f_code, frame.f_lineno) if frame else None


def copes_without(name: str) -> bool:
    """Whether the attribute that is looked up now may be missing: the code does not name it, as hasattr() and what is
    written in C do not, or something in its file is ready for an exception.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    if frame is None or name not in frame.f_code.co_names:
        return True
    file = frame.f_code.co_filename
    while frame is not None and frame.f_code.co_filename == file:
        if not PREPARED.isdisjoint(frame.f_code.co_names) or catches_all(frame.f_code):
            return True
        frame = frame.f_back
    return False


@functools.lru_cache(1000)
def catches_all(code: CodeType) -> bool:
    """Whether there is an ``except:`` in it that names nothing: its handler begins by dropping the exception."""
    steps = list(dis.get_instructions(code))
    # Up to Python 3.10 three values are dropped, at the target of SETUP_FINALLY.
    handlers = {step.argval for step in steps if step.opname == "SETUP_FINALLY"}
    return any(
        one.opname == "PUSH_EXC_INFO" or two.offset in handlers
        for one, two in itertools.pairwise(steps)
        if two.opname == "POP_TOP"
    )


def has_caller_between() -> bool:
    """Whether other code stands between this package's function that was called and one that has called it."""
    frame: FrameType | None = sys._getframe(1)
    for is_ours in (True, False):
        while frame is not None and frame.f_code.co_filename.startswith(HERE) is is_ours:
            frame = frame.f_back
    return frame is not None


def place_of(spot: Spot | None) -> Place | None:
    """A spot in words."""
    return None if spot is None else place(*spot)


def raised_at(exception: BaseException) -> Place | None:
    """The innermost frame that the exception has come through."""
    traceback = exception.__traceback__
    found = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(HERE):
            found = place(code, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def standing_at(iterator: object) -> Place | None:
    """Where a generator stands; of another iterator written in Python, its `__next__`."""
    while isinstance(iterator, GeneratorType) and isinstance(iterator.gi_yieldfrom, GeneratorType):
        iterator = iterator.gi_yieldfrom
    if isinstance(iterator, GeneratorType):
        return place(iterator.gi_code, iterator.gi_frame.f_lineno if iterator.gi_frame else None)
    code = getattr(getattr(type(iterator), "__next__", None), "__code__", None)
    return None if code is None or code.co_filename.startswith(HERE) else place(code, None)


def entry_of(function: object) -> Place | None:
    """Where a call of `function` begins; None where that is not Python's."""
    called = attribute(function, "func", function)
    code = attribute(called, "__code__") or getattr(getattr(type(called), "__call__", None), "__code__", None)  # noqa: B004 - the method is meant
    if isinstance(called, type):
        # A class whose instances are the responses.
        code = getattr(vars(called).get("__init__"), "__code__", None)
    return place(code, None) if isinstance(code, CodeType) else None


def attribute(of: object, name: str, default: Any = None) -> Any:
    """The attribute, or `default`: a proxy of a request has none outside of one, and says so in its own way."""
    try:
        return getattr(of, name, default)
    except Exception:
        return default
