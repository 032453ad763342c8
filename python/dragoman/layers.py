"""The middleware that the settings name, found and put around the application, the outermost first."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dragoman import signature
from dragoman.errors import ApplicationError, DragomanError, OperatorError, UsageError
from dragoman.loader import ApplicationString, Loaded, one_line, parse, resolve, traceback_of
from dragoman.values import nearest, printable

__all__ = ["call_of", "wrapped"]

LIBRARY = "dragoman.middleware"
# Names of the library that are no part of it.
NO_PARTS = ("Layer", "OrderError")
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
    except DragomanError:
        raise
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
    is_ours = ":" not in name
    if is_ours:
        name = f"{LIBRARY}:{library_name(name.strip(), text)}"
    wanted = parse(name, "--middleware")
    if not wanted.attribute:
        raise UsageError(f'--middleware "{shown(text)}": want a name behind the colon, such as MODULE:NAME')
    if not parenthesis:
        # A part of the library is made here, so that what is wrong with it is said with its text.
        return wanted._replace(is_call=is_ours)
    try:
        return parse(f"{name}{parenthesis}{arguments}", "--middleware")
    except UsageError:
        raise UsageError(
            f"--middleware \"{shown(text)}\": want arguments by name with literals, such as (header='X-Id', trusted=[])"
        ) from None


def shown(text: str) -> str:
    """`text` for messages, which go into logs: without the arguments, of which any may be a secret."""
    name, parenthesis, arguments = text.partition("(")
    return printable(name) + ("" if not parenthesis else "()" if arguments == ")" else "(…)")


def library_name(word: str, text: str) -> str:
    """The class that ``request-id``, ``request_id`` or ``RequestId`` is short for."""
    from dragoman import middleware  # noqa: PLC0415

    known = {plain(name): name for name in middleware.__all__ if name[0].isupper() and name not in NO_PARTS}
    if plain(word) in known:
        return known[plain(word)]
    near = nearest(plain(word), known, 1)
    hint = f"did you mean {dashed(known[near[0]])}?" if near else "one of another package is named MODULE:NAME"
    raise UsageError(f'--middleware "{shown(text)}": there is no {printable(word)} in {LIBRARY}; {hint}')


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
        found = resolve(ApplicationString(wanted.module, wanted.attribute, wanted.is_call, wanted.args, kwargs))[0]
    except DragomanError as error:
        raise type(error)(f'--middleware "{shown(text)}": {error}', error.details) from None
    return found if is_layer(found) or not callable(found) else calling(found, text)


def is_layer(found: object) -> bool:
    from dragoman.middleware.layer import Layer  # noqa: PLC0415

    return isinstance(found, Layer) or (isinstance(found, type) and issubclass(found, Layer))


def calling(layer: Any, text: str) -> Any:
    """`layer`, with its text in what is said of its failure."""

    @functools.wraps(layer, updated=())
    def called(app: Any) -> Any:
        try:
            made = layer(app)
        except Exception as error:
            raise ApplicationError(f'--middleware "{shown(text)}": {one_line(error)}', traceback_of(error)) from None
        if not callable(made):
            raise ApplicationError(
                f'--middleware "{shown(text)}": called with the application it gives a {type(made).__name__},'
                " and not a WSGI application"
            )
        return made

    return called


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
