"""Finds the applications inside of an application, and puts a checker before each: who of them errs shows then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dragoman.check.between import Between, between
from dragoman.check.slots import NOTHING_CALLED, Called, Slot, slots_of
from dragoman.contract.checked import Checked

__all__ = ["inner_applications", "layers_checked", "possible_mounts"]

# Layers of middleware; deeper than any project's, and an end where one holds itself.
DEPTH = 40


def inner_applications(application: Any, called: Called = NOTHING_CALLED) -> Iterator[tuple[Any, str]]:
    """`application` and everything that it holds, each with where it is mounted; the outermost first."""
    seen: set[int] = set()
    waiting = [(application, "", DEPTH)]
    while waiting:
        one, prefix, depth = waiting.pop(0)
        if key_of(one) in seen or depth == 0:
            continue
        seen.add(key_of(one))
        yield one, prefix
        waiting += [(slot.application, prefix + slot.prefix, depth - 1) for slot in slots_of(one, called)]


def possible_mounts(application: Any) -> list[str]:
    """Prefixes under which something hangs that may be an application."""
    guess = Called(is_guess=True)
    found = (
        prefix + slot.prefix
        for one, prefix in inner_applications(application)
        for slot in slots_of(one, guess)
        if slot.prefix
    )
    return sorted(set(found))


def key_of(application: Any) -> int:
    """What says that two are the same: a bound method is made anew each time that it is asked for."""
    return id(getattr(application, "__self__", application))


@contextmanager
def layers_checked(application: Any, name: str, called: Called = NOTHING_CALLED, **arguments: Any) -> Iterator[Checked]:
    """`application` with a checker before it and before each one that it holds; they are taken out at the end.

    name        what the application was loaded as
    called      what is known from requests
    arguments   what `Checked` takes
    """
    placed: list[tuple[Slot, Between]] = []
    # Kept, so that no other object gets the id of one that was seen.
    entered: dict[int, Any] = {}
    root = key_of(application)

    def place(holder: Any) -> bool:
        """Whether there is a checker in it now."""
        # Flask's own `wsgi_app` is a method of what holds the middleware around it.
        if key_of(holder) in entered or len(entered) > DEPTH:
            return False
        entered[key_of(holder)] = holder
        is_around = False
        for slot in list(slots_of(holder, called)):
            is_around = True
            if type(slot.get()) is Checked or isinstance(slot.get(), Between):
                continue
            checked = Checked(slot.application, name=name if key_of(slot.application) == root else "", **arguments)
            checked.is_around_another |= place(slot.application)
            stands = between(checked)
            try:
                slot.put(stands)
            except Exception:  # what cannot be changed
                continue
            placed.append((slot, stands))
        return is_around

    try:
        checked = Checked(application, name=name, **arguments)
        checked.is_around_another |= place(application)
        yield checked
    finally:
        for slot, stands in reversed(placed):
            take_out(slot, stands)


def take_out(slot: Slot, stands: Between) -> None:
    """Put back what was there, unless the application has replaced it itself."""
    try:
        if slot.get() is stands:
            slot.put(slot.application)
    except Exception:  # the place is gone
        return
