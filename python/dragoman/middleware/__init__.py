"""Middleware for any WSGI application under any WSGI server; each part is loaded when it is asked for."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.middleware.layer import Layer
    from dragoman.middleware.request_id import RequestId
    from dragoman.middleware.stacking import OrderError, stack
else:
    # What a part stands on (Redis, argon2, …) need not be installed for the others.
    MODULE_OF = {
        "Layer": "layer",
        "OrderError": "stacking",
        "RequestId": "request_id",
        "stack": "stacking",
    }

    def __getattr__(name: str) -> object:
        if name in MODULE_OF:
            return getattr(importlib.import_module(f"{__name__}.{MODULE_OF[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Layer", "OrderError", "RequestId", "stack"]
