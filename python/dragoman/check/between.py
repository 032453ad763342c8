"""A checker in the place of an application: it is called as one, and in everything else it is the application."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from dragoman.contract.checked import Checked

__all__ = ["Between", "between"]

# Special methods that a stand-in has of its own, or that belong to the making of objects.
OWN = frozenset(
    f"__{name}__"
    for name in (
        "new", "init", "init_subclass", "del", "call", "get", "set", "delete", "set_name", "prepare",
        "class", "class_getitem", "getattribute", "getattr", "setattr", "delattr", "subclasshook", "build_class",
    )
)  # fmt: skip
HIDDEN = "_dragoman_checked"


class Between:
    """Stands for ``checked.app`` wherever somebody looks at it, and is `checked` where it is called."""

    __slots__ = (HIDDEN,)

    # A property, and no method: between the caller and the checker there is no frame of this one.
    __call__ = property(attrgetter(HIDDEN))

    # What is asked for where somebody looks at how it can be called.
    __signature__ = property(lambda self: inspect.signature(app_of(self)))

    def __init__(self, checked: Checked) -> None:
        object.__setattr__(self, HIDDEN, checked)

    def __getattr__(self, name: str) -> Any:
        return getattr(app_of(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(app_of(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(app_of(self), name)


def app_of(stands: Between) -> Any:
    return object.__getattribute__(stands, HIDDEN).app


def between(checked: Checked) -> Between:
    """A stand-in for ``checked.app``, with the special methods of its type: operators do not ask `__getattr__`."""
    kind = type(checked.app)
    methods: dict[str, Any] = {"__slots__": ()}
    for name in ("__class__", "__doc__", "__module__"):
        methods[name] = property(attrgetter(f"{HIDDEN}.app.{name}"))
    for name in dir(kind):
        if name.startswith("__") and name.endswith("__") and name not in OWN and callable(getattr(kind, name, None)):
            methods[name] = forward(name)
    made: type[Between] = type("Between", (Between,), methods)
    return made(checked)


def forward(name: str) -> Callable[..., Any]:
    def method(self: Between, *args: Any, **kwargs: Any) -> Any:
        app = app_of(self)
        return getattr(type(app), name)(app, *args, **kwargs)

    return method
