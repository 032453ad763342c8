"""An exception of the application as a person reads it: the request, the application's own lines, the error."""

import linecache
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any
from urllib.parse import quote

from dragoman.contract.masking import MASK, is_secret, masked_query, masked_url
from dragoman.log import Log
from dragoman.values import printable

__all__ = ["MARK", "failure_text", "request_text", "tell_failure"]

# Stands before the line of the application that was being executed.
MARK = "→"
VALUE_CHARACTERS = 200
FIELDS_AT_MOST = 100
CONTEXT_LINES = 2
# Of a recursion without end, frames at its beginning and at its end; and of a chain of exceptions, the last ones.
FRAMES_FIRST, FRAMES_LAST = 10, 15
CHAIN_AT_MOST = 10
CAUSE = "The above was the direct cause of:"
CONTEXT = "While that was handled, there was:"
LIBRARY_PARTS = frozenset({"site-packages", "dist-packages"})
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
STANDARD_LIBRARY = os.path.dirname(os.path.abspath(traceback.__file__)) + os.sep


def tell_failure(log: Log, environ: Mapping[str, Any], error: BaseException) -> None:
    """An exception left the application: the request and the way of the exception go to `log`."""
    # What is shown is the application's, and may raise anything, SystemExit too.
    try:
        request = request_text(environ)
    except BaseException as unnamed:
        request = f"a request whose environ cannot be shown ({type(unnamed).__name__})"
    try:
        details = failure_text(error)
    except BaseException:
        details = f"{type(error).__name__}, which cannot be shown: {traceback.format_exc(limit=0).strip()}"
    log.error(f"exception in the application: {request}\n{details}")


def request_text(environ: Mapping[str, Any]) -> str:
    """Method and path on the first line, then the client and the request's fields, without secrets."""
    path = quote(
        f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".encode("latin-1", "replace"),
        "/:@!$&'()*+,;=~",
    )
    query = cut(masked_query(str(environ.get("QUERY_STRING", ""))))
    lines = [f"{environ.get('REQUEST_METHOD', '')} {path}{'?' if query else ''}{query}"]
    client, port = environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")
    if client:
        lines.append(f"  from {client}{f' port {port}' if port else ''}")
    lines += [f"  {name}: {value}" for name, value in fields_of(environ)]
    return "\n".join(printable(line) for line in lines)


def fields_of(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The request's fields as they may be shown."""
    names = [name for name in environ if isinstance(name, str)]
    shown = [name for name in names if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")]
    for key in shown[:FIELDS_AT_MOST]:
        value = str(environ[key])
        if value:
            name = key.removeprefix("HTTP_").replace("_", "-").title()
            yield name, MASK if is_secret(name) else cut(masked_url(value) if name == "Referer" else value)


def cut(text: str) -> str:
    return text if len(text) <= VALUE_CHARACTERS else text[: VALUE_CHARACTERS - 1] + "…"


def failure_text(error: BaseException) -> str:
    """The exception and those that led to it, each with its frames: the application's with the lines around them."""
    return "\n".join(told(traceback.TracebackException.from_exception(error, compact=True)))


def told(error: traceback.TracebackException, depth: int = CHAIN_AT_MOST) -> Iterator[str]:
    if depth and error.__cause__ is not None:
        yield from told(error.__cause__, depth - 1)
        yield from ("", CAUSE, "")
    elif depth and error.__context__ is not None and not error.__suppress_context__:
        yield from told(error.__context__, depth - 1)
        yield from ("", CONTEXT, "")
    yield from frame_lines([frame for frame in error.stack if not frame.filename.startswith(PACKAGE)])
    yield from "".join(error.format_exception_only()).rstrip("\n").split("\n")
    members = getattr(error, "exceptions", None) or ()
    for number, member in enumerate(members[:CHAIN_AT_MOST] if depth else (), 1):
        yield f"  {number} of {len(members)}:"
        yield from (f"    {line}" for line in told(member, depth - 1))


def frame_lines(frames: list[traceback.FrameSummary]) -> Iterator[str]:
    """The way through the code: libraries take a line, but the place where the exception comes from is always shown."""
    left_out = len(frames) - FRAMES_FIRST - FRAMES_LAST
    parts = [frames] if left_out <= 0 else [frames[:FRAMES_FIRST], frames[-FRAMES_LAST:]]
    for index, part in enumerate(parts):
        if index:
            yield f"  … {left_out} more frames …"
        for is_of_library, group in groupby(part, lambda frame: is_library(frame.filename)):
            run = list(group)
            if not is_of_library:
                for frame in run:
                    yield from with_context(frame)
                continue
            origin = run.pop() if frames and run[-1] is frames[-1] else None
            if run:
                yield f"  … {', '.join(packages_of(run))} …"
            if origin is not None:
                yield place_of(origin)
                yield f"      {origin.line}"


def with_context(frame: traceback.FrameSummary) -> Iterator[str]:
    """The place, and the line with those around it."""
    yield place_of(frame)
    number = frame.lineno or 0
    around = range(max(1, number - CONTEXT_LINES), number + CONTEXT_LINES + 1)
    lines = {one: linecache.getline(frame.filename, one).rstrip("\n") for one in around}
    while lines and not lines[max(lines)].strip():
        del lines[max(lines)]
    if number not in lines:
        return
    width = len(str(max(lines)))
    for one, line in lines.items():
        yield f"  {MARK if one == number else ' '} {one:>{width}}  {line}".rstrip()


def place_of(frame: traceback.FrameSummary) -> str:
    relative = os.path.relpath(frame.filename) if os.path.isabs(frame.filename) else frame.filename
    return f"  {frame.filename if relative.startswith('..') else relative}:{frame.lineno}, in {frame.name}"


def is_library(filename: str) -> bool:
    """Whether somebody else has written it: an installed package, or the standard library."""
    is_installed = not LIBRARY_PARTS.isdisjoint(filename.split(os.sep))
    return is_installed or filename.startswith((STANDARD_LIBRARY, "<frozen "))


def packages_of(frames: Iterable[traceback.FrameSummary]) -> list[str]:
    """The libraries that these frames are of, in their order."""
    return list(dict.fromkeys(package_of(frame.filename) for frame in frames))


def package_of(filename: str) -> str:
    parts = filename.removeprefix(STANDARD_LIBRARY).split(os.sep)
    after = next((index + 1 for index, part in enumerate(parts) if part in LIBRARY_PARTS), 0)
    return parts[min(after, len(parts) - 1)].removesuffix(".py")
