"""`stack`: layers around an application, outermost first, in an order that is checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from dragoman.middleware.layer import Layer
from dragoman.middleware.order import ORDER, misplaced, recommended
from dragoman.types import WSGIApplication

__all__ = ["OrderError", "Wrapping", "stack"]

Wrapping: TypeAlias = "Layer | Callable[[WSGIApplication], WSGIApplication]"
"""A layer without its application, or anything that takes one and gives one: another library's class, a function."""


class OrderError(ValueError):
    """The layers stand in an order in which one of them cannot do its work."""


def stack(app: WSGIApplication, *layers: Wrapping, check_order: bool = True) -> WSGIApplication:
    """`app` inside of `layers`, the outermost first: the order in which a request passes them.

    check_order   False takes any order

    Raises OrderError for an order in which a layer of this library cannot do its work, and says why and which one is
    right; TypeError for what is no layer.

        app = stack(app, RequestId(), Static("static/"), Compress(), Sessions(secret=…))
    """
    given: object = app
    if not callable(given) or (isinstance(given, Layer) and not given.is_bound):
        what = f"{name_of(given)}, which has none" if callable(given) else repr(given)
        raise TypeError(f"stack: want the application first, then its layers, got {what}")
    for layer in layers:
        if isinstance(layer, Layer) and layer.is_bound:
            raise TypeError(f"{name_of(layer)} has an application already; give it to stack without one")
        if not callable(layer):
            raise TypeError(f"stack: want layers behind the application, got {layer!r}")
    if check_order:
        refuse_disorder([order_name_of(layer) for layer in layers])
    app = watched(app, "app", layers)
    for place in range(len(layers) - 1, -1, -1):
        layer = layers[place]
        app = layer.around(app) if isinstance(layer, Layer) else layer(app)
        app = watched(app, name_of(layer), layers[:place])
    return app


def watched(app: WSGIApplication, name: str, outer: Sequence[Wrapping]) -> WSGIApplication:
    """`app` as those of the layers outside of it have it that watch what is inside."""
    for layer in reversed(outer):
        if isinstance(layer, Layer):
            app = layer.around_inner(app, name)
    return app


def refuse_disorder(names: list[str]) -> None:
    if wrong := misplaced(names):
        reasons = "".join(f"\n  {pair.outer} belongs outside of {pair.inner}: {pair.why}" for pair in wrong)
        order = ", ".join(recommended(names))
        raise OrderError(
            f"the layers stand in a wrong order (outermost first):{reasons}\n  Right: {order}"
            "\n  check_order=False takes them as they are"
        )


def name_of(layer: object) -> str:
    return type(layer).__name__ if isinstance(layer, Layer) else getattr(layer, "__name__", type(layer).__name__)


def order_name_of(layer: object) -> str:
    """The name under which the table of the order has it; one that it has not for what is no layer of this library."""
    kind = layer if isinstance(layer, type) else type(layer)
    if issubclass(kind, Layer):
        named = getattr(layer, "order_name", None)
        return named or next((one.__name__ for one in kind.__mro__ if one.__name__ in ORDER), kind.__name__)
    name = name_of(layer)
    return f"{getattr(layer, '__module__', kind.__module__)}.{name}" if name in ORDER else name
