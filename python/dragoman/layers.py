"""The middleware that the settings name, found and put around the application, the outermost first."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dragoman import signature
from dragoman.errors import ApplicationError, DragomanError, OperatorError, UsageError
from dragoman.loader import ApplicationString, Loaded, one_line, parse, resolve
from dragoman.values import nearest, printable

__all__ = ["call_of", "wrapped"]

LIBRARY = "dragoman.middleware"
# A value that is not to stand in a file or in a list of processes is read from one of these.
SOURCES = ("env", "file")


def wrapped(loaded: Loaded, texts: Sequence[str]) -> Loaded:
    """`loaded` inside of the middleware of `texts`, the outermost first; by the application's own name.

    texts   ``"request-id"`` and ``"static('public/')"`` of `dragoman.middleware`, or ``"MODULE:NAME"`` for any other,
            which is called with the application, with arguments what it makes of them

    Raises UsageError for what is no such text, or stands in a wrong order, ApplicationError for what cannot be found or
    made.
    """
    if not texts:
        return loaded
    # Imported late: without middleware none of it is needed.
    from dragoman.middleware.stacking import stack  # noqa: PLC0415

    layers = [layer_of(text) for text in texts]
    try:
        application = stack(loaded.application, *layers)
    except (TypeError, ValueError) as error:
        sentence, _, details = str(error).partition("\n")
        raise UsageError(f"--middleware: {sentence}", details) from None
    except Exception as error:
        raise ApplicationError(f"--middleware: {one_line(error)}") from None
    if problem := signature.problem_of(application, "--middleware"):
        raise ApplicationError(problem)
    return Loaded(application, loaded.name)


def call_of(text: str) -> ApplicationString:
    """What a text of --middleware means. Raises UsageError with the nearest name."""
    name, parenthesis, arguments = text.partition("(")
    if ":" not in name:
        name = f"{LIBRARY}:{library_name(name.strip(), text)}"
    wanted = parse(f"{name}{parenthesis}{arguments}", "--middleware")
    if not wanted.attribute:
        raise UsageError(f'--middleware "{printable(text)}": want a name behind the colon, such as MODULE:NAME')
    return wanted


def library_name(word: str, text: str) -> str:
    """The class that ``request-id``, ``request_id`` or ``RequestId`` is short for."""
    from dragoman import middleware  # noqa: PLC0415

    known = {plain(name): name for name in middleware.__all__ if name[0].isupper() and not name.endswith("Error")}
    if plain(word) in known:
        return known[plain(word)]
    near = nearest(plain(word), known, 1)
    hint = f"did you mean {dashed(known[near[0]])}?" if near else "one of another package is named MODULE:NAME"
    raise UsageError(f'--middleware "{printable(text)}": there is no {printable(word)} in {LIBRARY}; {hint}')


def plain(name: str) -> str:
    return re.sub("[-_]", "", name).lower()


def dashed(name: str) -> str:
    """``RequestId`` as it is written in settings: ``request-id``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def layer_of(text: str) -> Any:
    """What is called with the application. Raises DragomanError."""
    wanted = call_of(text)
    try:
        kwargs = tuple((name, value_of(name, value)) for name, value in wanted.kwargs)
        return resolve(ApplicationString(wanted.module, wanted.attribute, wanted.is_call, wanted.args, kwargs))[0]
    except DragomanError as error:
        raise type(error)(f'--middleware "{printable(text)}": {error}', error.details) from None


def value_of(name: str, value: object) -> object:
    """`value`, or where it, or one in it, says ``{env = "NAME"}`` or ``{file = "PATH"}`` what that has.

    Raises OperatorError.
    """
    if isinstance(value, list):
        return [value_of(name, one) for one in value]
    if isinstance(value, Mapping) and not (len(value) == 1 and next(iter(value)) in SOURCES):
        return {key: value_of(f"{name}.{key}", one) for key, one in value.items()}
    if not isinstance(value, Mapping):
        return value
    source = next(iter(value))
    where = str(value[source])
    if source == "env":
        if where not in os.environ:
            raise OperatorError(f"{name}: the variable {printable(where)} is not set")
        return os.environ[where]
    try:
        return Path(where).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f'{name}: the file "{printable(where)}" cannot be read: {one_line(error)}') from None
