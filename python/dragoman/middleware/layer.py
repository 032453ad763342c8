"""What each middleware of this library is: a WSGI application around another one, given at once or by `stack`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from functools import wraps
from typing import Any, TypeVar

from dragoman.middleware.arguments import refuse_wrong
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Layer"]

AnyLayer = TypeVar("AnyLayer", bound="Layer")


class Layer:
    """A middleware around `app`. Without `app` it is only configured: `stack` or `around` gives it one.

    What is configured is never changed by a request: one object serves all threads. An argument of another kind than
    its annotation is refused, also one of a class that derives from this.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in cls.__dict__:
            cls.__init__ = checking(cls.__init__)  # type: ignore[method-assign]

    order_name: str | None = None
    """The name in `order.ORDER` by which `stack` knows where it belongs, where that depends on its arguments."""

    def __init__(self, app: WSGIApplication | None = None) -> None:
        given: object = app
        if given is not None and not callable(given):
            name = type(self).__name__
            raise TypeError(f"{name}: want a WSGI application first, got {given!r}; options are given by their names")
        self.app: WSGIApplication = self.lacking if app is None else app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as PEP 3333 has it."""
        raise NotImplementedError

    @property
    def is_bound(self) -> bool:
        """Whether there is an application inside."""
        return self.app != self.lacking

    def around(self: AnyLayer, app: WSGIApplication) -> AnyLayer:
        """The same middleware around `app`; what it stores in is shared with this one."""
        made = copy(self)
        made.app = app
        return made

    def around_inner(self, app: WSGIApplication, name: str) -> WSGIApplication:
        """What `stack` puts in the place of each layer inside of this one, and of the application: here that itself."""
        return app

    def lacking(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Stands where an application is missing. Raises RuntimeError that says how one is given."""
        name = type(self).__name__
        raise RuntimeError(f"{name} is around no application; write {name}(app, …) or stack(app, {name}(…))")


def checking(init: Callable[..., None]) -> Callable[..., None]:
    """`init`, and then what it has let pass; what it says of an argument itself says more."""

    @wraps(init)
    def checked(self: Layer, *args: Any, **options: Any) -> None:
        try:
            init(self, *args, **options)
        except (AttributeError, TypeError) as error:
            # What failed on a value of another kind says nothing of the argument.
            if str(error).partition(":")[0] not in options:
                refuse_wrong(init, options)
            raise
        refuse_wrong(init, options)

    return checked
