"""Handlers that are classes: `View`, and `MethodView` with a method for each method of HTTP."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar

from dragoman.web.background import called_in_loop
from dragoman.web.globals import request

__all__ = ["MethodView", "View"]

METHODS = ("get", "post", "head", "options", "delete", "put", "trace", "patch")


class View:
    """A handler that is a class; `as_view` makes the function of it that a rule takes.

    methods             that it answers, where the rule does not say it
    decorators          put around that function, the first one innermost
    init_every_request  whether each request has an object of its own

        app.add_url_rule("/about", view_func=About.as_view("about"))

    What the rule's variables give comes by name. A body is in `request`: it is no parameter, since the signature of a
    class is not looked at.
    """

    methods: ClassVar[Collection[str] | None] = None
    decorators: ClassVar[list[Callable[..., Any]]] = []
    init_every_request: ClassVar[bool] = True

    def dispatch_request(self, **values: Any) -> Any:
        """The answer, as any handler gives it."""
        raise NotImplementedError(f"{type(self).__name__}: want a method dispatch_request")

    @classmethod
    def as_view(cls, name: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """The function for a rule.

        name           of its endpoint
        args, kwargs   go to the class
        """
        answer = called_in_loop(cls.dispatch_request)
        shared = None if cls.init_every_request else cls(*args, **kwargs)

        def view(**values: Any) -> Any:
            return answer(cls(*args, **kwargs) if shared is None else shared, **values)

        view.__name__ = name
        made: Callable[..., Any] = view
        for decorate in cls.decorators:
            made = decorate(made)
        for attribute, value in (
            ("__name__", name),
            ("__doc__", cls.__doc__),
            ("__module__", cls.__module__),
            ("view_class", cls),
            ("methods", cls.methods),
        ):
            setattr(made, attribute, value)
        return made


class MethodView(View):
    """A handler with a method for each method of HTTP: ``get``, ``post`` and so on. HEAD is answered by ``get``.

    class Users(MethodView):
        def get(self) -> list[str]: ...
        def post(self) -> tuple[str, int]: ...
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "methods" not in vars(cls):
            found = {name.upper() for name in METHODS if hasattr(cls, name)}
            inherited = {name for base in cls.__bases__ for name in getattr(base, "methods", None) or ()}
            cls.methods = tuple(sorted(found | inherited)) or None

    def dispatch_request(self, **values: Any) -> Any:
        """What the method for the request's method gives."""
        method = request.method.lower()
        answer = getattr(self, method, None) or (self.get if method == "head" else None)  # type: ignore[attr-defined]
        assert answer is not None, f"{type(self).__name__} has no method {method}"
        return called_in_loop(answer)(**values)
