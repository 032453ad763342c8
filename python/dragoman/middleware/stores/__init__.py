"""Stores: where middleware keeps bytes by key, in this process, in files, in SQL or in Redis."""

import importlib
from typing import TYPE_CHECKING

from dragoman.middleware.stores.base import Store, Stored, StoreDown

if TYPE_CHECKING:
    from dragoman.middleware.stores.file import FileStore
    from dragoman.middleware.stores.memory import MemoryStore
    from dragoman.middleware.stores.redis import RedisStore
    from dragoman.middleware.stores.sql import SQLStore
    from dragoman.middleware.stores.urls import store_of
else:
    # Redis and SQLAlchemy need not be installed for the others.
    MODULE_OF = {
        "FileStore": "file",
        "MemoryStore": "memory",
        "RedisStore": "redis",
        "SQLStore": "sql",
        "store_of": "urls",
    }

    def __getattr__(name: str) -> object:
        if name in MODULE_OF:
            return getattr(importlib.import_module(f"{__name__}.{MODULE_OF[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["FileStore", "MemoryStore", "RedisStore", "SQLStore", "Store", "StoreDown", "Stored", "store_of"]
