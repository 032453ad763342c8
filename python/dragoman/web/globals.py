"""`request`, `g`, `session` and `current_app` of the request in hand, for those who do not pass them."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from dragoman.web.context import APP, CURRENT, current_context, has_request, request_of
from dragoman.web.lazy import lazy
from dragoman.web.request import Request
from dragoman.web.request_fields import limit

if TYPE_CHECKING:
    from dragoman.web.app import App

__all__ = ["Room", "current_app", "g", "has_app_context", "has_request_context", "request", "session"]


class Room(SimpleNamespace):
    """Room for what belongs to one request, with the methods that Flask's has."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            raise AttributeError(
                f"g.{name}: nothing has set it in this request; g.get({name!r}) is None then", name=name, obj=self
            )

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute, else `default`."""
        return getattr(self, name, default)

    def pop(self, name: str, *default: Any) -> Any:
        """The attribute, taken out."""
        return vars(self).pop(name, *default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The attribute, set to `default` where there is none."""
        return vars(self).setdefault(name, default)

    def __contains__(self, name: object) -> bool:
        return name in vars(self)

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self))


class CurrentRequest:
    """All attributes of `Request`, of the request in hand."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        # What `App.request_class` adds.
        refuse_special(name)
        return getattr(request_of(current_context("request")), name)

    def __repr__(self) -> str:
        return repr(request_of(current_context("request"))) if has_request_context() else "<request of no request>"

    def __setattr__(self, name: str, value: Any) -> None:
        request = request_of(current_context("request"))
        try:
            setattr(request, name, value)
        except AttributeError:
            if hasattr(type(request), name):
                raise
            raise AttributeError(
                f"request.{name} = …: a request takes no attributes of yours: write g.{name}, or set app.request_class"
                " to a class that has it"
            ) from None


def passing(name: str, doc: str | None) -> property:
    return property(lambda self: getattr(request_of(current_context("request")), name), doc=doc)


def passing_method(name: str, doc: str | None) -> Any:
    def method(self: CurrentRequest, *args: Any, **kwargs: Any) -> Any:
        return getattr(request_of(current_context("request")), name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = doc
    return method


for name in dir(Request):
    if not name.startswith("__"):
        of_class = getattr(Request, name)
        is_method = callable(of_class) and not isinstance(of_class, property | lazy | limit)
        make = passing_method if is_method else passing
        setattr(CurrentRequest, name, make(name, of_class.__doc__))


class CurrentRoom:
    """The attributes of the request's room."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        refuse_special(name)
        return getattr(request_of(current_context("g")).g, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(request_of(current_context("g")).g, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(request_of(current_context("g")).g, name)

    def __contains__(self, name: object) -> bool:
        return name in cast(Room, request_of(current_context("g")).g)

    def __iter__(self) -> Iterator[str]:
        return iter(cast(Room, request_of(current_context("g")).g))


# What Flask's sessions have by other names. They are set to True without any need and any effect.
OF_FLASK = {"accessed": "is_touched", "modified": "is_changed", "new": "is_new", "permanent": "permanent"}
NEVER = {
    "accessed": "that is seen by itself",
    "modified": "what was changed is stored; request.session.clear() ends the session",
    "new": "that is seen by itself",
    "permanent": "each session lives for SESSION_IDLE_S after its last use",
}


class CurrentSession(MutableMapping[str, Any]):
    """The session of the request in hand."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        return request_of(current_context("session")).session[key]

    def __setitem__(self, key: str, value: Any) -> None:
        request_of(current_context("session")).session[key] = value

    def __delitem__(self, key: str) -> None:
        del request_of(current_context("session")).session[key]

    def __iter__(self) -> Iterator[str]:
        return iter(request_of(current_context("session")).session)

    def __len__(self) -> int:
        return len(request_of(current_context("session")).session)

    def clear(self) -> None:
        """End it, as the session itself does it: not only its items."""
        request_of(current_context("session")).session.clear()

    def __getattr__(self, name: str) -> Any:
        refuse_special(name)
        # rotate(), is_new and so on, of those sessions that have them.
        return getattr(request_of(current_context("session")).session, OF_FLASK.get(name, name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in OF_FLASK:
            setattr(request_of(current_context("session")).session, name, value)
        elif not value:
            raise AttributeError(f"session.{name} = {value!r}: {NEVER[name]}")

    @property
    def permanent(self) -> bool:
        """True: each session lives for SESSION_IDLE_S after its last use, also when the browser is closed."""
        return True


class CurrentApp:
    """The attributes of the application that answers the request in hand."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        refuse_special(name)
        return getattr(current_context("current_app")[APP], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(current_context("current_app")[APP], name, value)

    def _get_current_object(self) -> Any:
        return current_context("current_app")[APP]


def refuse_special(name: str) -> None:
    """Tools look for names such as ``__wrapped__`` in all that a module has, and there is no request then."""
    if name.startswith("__"):
        raise AttributeError(name)


def has_request_context() -> bool:
    """Whether there is a request in hand."""
    context = CURRENT.get()
    return context is not None and has_request(context)


def has_app_context() -> bool:
    """Whether there is an application in hand, with a request or without one."""
    return CURRENT.get() is not None


request = cast(Request, CurrentRequest())
"""The request in hand."""
g = cast(Any, CurrentRoom())
"""Room for what belongs to the request in hand."""
session = cast("MutableMapping[str, Any]", CurrentSession())
"""What is remembered of the visitor."""
current_app = cast("App", CurrentApp())
"""The application that answers the request in hand."""
