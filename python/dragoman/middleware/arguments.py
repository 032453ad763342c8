"""Whether what a layer is given is of the kind that its signature says, and what to say when it is not."""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

__all__ = ["refuse_wrong"]

# Of these only the type is told: the value may be half of a secret.
SECRET = frozenset({"secret", "token", "keys", "users", "jwks"})
MOST_SHOWN = 100

LIST = "a list", lambda value: isinstance(value, Iterable) and not isinstance(value, (str, bytes))
KINDS: dict[object, tuple[str, Callable[[object], bool]]] = {
    bool: ("True or False", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    float: ("a number", lambda value: isinstance(value, (int, float)) and not isinstance(value, bool)),
    str: ("a text", lambda value: isinstance(value, str)),
    bytes: ("bytes", lambda value: isinstance(value, bytes)),
    types.NoneType: ("None", lambda value: value is None),
    Callable: ("a function", callable),
    Mapping: ("a mapping", lambda value: isinstance(value, Mapping)),
    # For lists: a set is as good as a list, and a text is a list of letters, which nobody means.
    re.Pattern: ("a compiled pattern", lambda value: isinstance(value, re.Pattern)),
    **dict.fromkeys((Sequence, Iterable, Collection), LIST),
}
"""By what an annotation is, or is one of. What is no key here may be anything."""


class Wrong(NamedTuple):
    """A value of another kind than its annotation, and where it is: the argument, and keys in it."""

    where: tuple[str, ...]
    value: object
    hint: Any


def refuse_wrong(signature: Callable[..., object], options: Mapping[str, object]) -> None:
    """Raise ValueError for the first of `options` that is of another kind than its annotation.

    Settings come as texts where they are read from variables, and a text is true, whatever it says: ``"false"``, too.
    """
    hints = hints_of(signature)
    for name, value in options.items():
        if name in hints and (wrong := next(wrong_in(value, hints[name], (name,)), None)) is not None:
            kind = type(wrong.value).__name__
            shown = f"a value of the type {kind}" if name in SECRET else repr(wrong.value)
            shown = shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"
            raise ValueError(f"{': '.join(wrong.where)}: want {described(wrong.hint)}, got {shown}")


@functools.cache
def hints_of(signature: Callable[..., object]) -> dict[str, Any]:
    """The annotations of the arguments that are given by name, as far as they can be read here."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(signature).parameters.items():
        hint = parameter.annotation
        if parameter.kind is not parameter.KEYWORD_ONLY or hint is parameter.empty:
            continue
        try:
            # An alias may be a text, too.
            while isinstance(hint, str):
                hint = eval(hint, inspect.unwrap(signature).__globals__)
        except Exception:
            # Names that are there for type checkers alone.
            continue
        found[name] = hint
    return found


def wrong_in(value: object, hint: Any, where: tuple[str, ...]) -> Iterator[Wrong]:
    """What is of another kind: `value` itself, or what is in it."""
    kind, inner = kind_of(hint), get_args(hint)
    if kind is Union:
        found = [list(wrong_in(value, one, where)) for one in inner]
        if all(found):
            # A mapping with a wrong value is a mapping all the same: the value is what is wrong.
            yield next((one[0] for one in found if len(one[0].where) > len(where)), Wrong(where, value, hint))
    elif kind is Literal:
        if not any(type(value) is type(one) and value == one for one in inner):
            yield Wrong(where, value, hint)
    elif kind in KINDS:
        if not KINDS[kind][1](value):
            yield Wrong(where, value, hint)
        elif isinstance(value, Mapping) and kind is Mapping and inner:
            for key, one in value.items():
                yield from wrong_in(key, inner[0], (*where, str(key)))
                yield from wrong_in(one, inner[1], (*where, str(key)))
        elif (
            isinstance(value, Collection)
            and KINDS[kind] is LIST
            and inner
            and any(True for one in value for _ in wrong_in(one, inner[0], where))
        ):
            yield Wrong(where, value, hint)


def described(hint: Any) -> str:
    """What an annotation wants, in words."""
    kind, inner = kind_of(hint), get_args(hint)
    if kind is Union:
        return " or ".join(dict.fromkeys(described(one) for one in inner))
    if kind is Literal:
        return " or ".join(f'"{one}"' if isinstance(one, str) else repr(one) for one in inner)
    if kind not in KINDS:
        return f"a {getattr(kind, '__name__', kind)}"
    words = KINDS[kind][0]
    if KINDS[kind] is LIST and inner and kind_of(inner[0]) in (str, int, float):
        return f"{words} of {described(inner[0]).removeprefix('a ')}s"
    return words


def kind_of(hint: Any) -> Any:
    """What decides: ``Mapping`` of ``Mapping[str, int]``."""
    origin = get_origin(hint)
    return types.NoneType if hint is None else Union if origin is types.UnionType else origin or hint
