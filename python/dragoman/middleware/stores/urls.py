"""Stores by URL, for settings, which hold text: ``redis://127.0.0.1/0``, ``sqlite:////var/lib/shop.db``."""

from __future__ import annotations

from dragoman.middleware.stores.base import Store

__all__ = ["store_of"]


def store_of(url: str) -> Store:
    """The store that a URL means.

    ``memory:``; ``file:DIRECTORY``; ``redis://``, ``rediss://``, ``unix://`` as redis-py has them; ``sqlite:``,
    ``postgresql:`` and ``postgresql+psycopg:`` as SQLAlchemy has them. Raises ValueError for another one.
    """
    scheme, colon, rest = url.partition(":")
    if colon and scheme in ("redis", "rediss", "unix"):
        from dragoman.middleware.stores.redis import RedisStore  # noqa: PLC0415

        return RedisStore(url)
    if colon and scheme.partition("+")[0] in ("sqlite", "postgresql"):
        from dragoman.middleware.stores.sql import SQLStore  # noqa: PLC0415

        return SQLStore(url)
    if url == "memory:":
        from dragoman.middleware.stores.memory import MemoryStore  # noqa: PLC0415

        return MemoryStore()
    if scheme == "file" and rest.strip("/"):
        from dragoman.middleware.stores.file import FileStore  # noqa: PLC0415

        return FileStore(rest.removeprefix("//"))
    # It may hold a password: no more than its scheme is shown.
    shown = f"{scheme[:20]!r}:…" if colon else "text without a scheme"
    wanted = "memory:, file:DIRECTORY, redis://…, sqlite:///… or postgresql+psycopg://…"
    raise ValueError(f"store: want {wanted}, got {shown}")
