"""`SQLStore`: in a table of SQLite or PostgreSQL, by SQLAlchemy."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from dragoman.middleware.extras import lacking
from dragoman.middleware.stores.base import VERSION_BYTES, Stored, StoreDown, new_version, refuse_ttl

try:
    from sqlalchemy import (
        Column,
        Connection,
        Double,
        Engine,
        LargeBinary,
        MetaData,
        String,
        Table,
        create_engine,
        delete,
        event,
        select,
        update,
    )
    from sqlalchemy.dialects import postgresql, sqlite
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
except ImportError as error:
    raise lacking("SQLStore", "SQLAlchemy", "sql") from error

__all__ = ["SQLStore"]

Result = TypeVar("Result")

INSERTS: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
# So many writes after each other remove once what has expired, so many rows at most.
WRITES_A_SWEEP = 100
ROWS_A_SWEEP = 1000


class SQLStore:
    """Keeps values in a table of the database at `url`, as SQLAlchemy writes it; a missing table is made.

    table       its name
    timeout_s   how long a connection, a lock and an answer are waited for
    options     further arguments of ``sqlalchemy.create_engine``

    SQLite (a file, made for its owner alone) serves the processes of one machine, PostgreSQL
    (``postgresql+psycopg://…``) any number of machines. Each operation is one statement that commits by itself. The
    machines' clocks decide what has expired.
    Raises ValueError for another database, and for SQLite in memory, of which each thread would have its own.

        store = SQLStore("sqlite:////var/lib/shop/store.db")
    """

    is_shared = True

    def __init__(
        self,
        url: str,
        *,
        table: str = "dragoman_store",
        timeout_s: float = 1.0,
        clock: Callable[[], float] = time.time,
        **options: Any,
    ) -> None:
        address = checked(url)
        if not 0 < timeout_s < float("inf"):
            raise ValueError(f"timeout_s: want seconds above 0, got {timeout_s!r}")
        # A query may have a password, too.
        self.what = address.set(query={}).render_as_string(hide_password=True)
        self.timeout_s = timeout_s
        self.clock = clock
        self.insert = INSERTS[address.get_backend_name()]
        self.table = table_of(table)
        self.engine = engine_of(address, timeout_s, options)
        self.lock = threading.Lock()
        self.writes = itertools.count(1)
        self.is_made = False
        self.pid = os.getpid()

    def get(self, key: str) -> Stored | None:
        """What is stored under `key`."""
        columns = self.table.c
        wanted = select(columns.value, columns.version).where(columns.key == key, columns.expires > self.clock())
        row = self.trying(lambda connection: connection.execute(wanted).first())
        return None if row is None else Stored(bytes(row.value), bytes(row.version))

    def put(self, key: str, value: bytes, ttl_s: float) -> bytes:
        """Store it, whatever was there."""
        row = self.row_of(value, ttl_s)
        statement = self.insert(self.table).values(key=key, **row)
        statement = statement.on_conflict_do_update(index_elements=["key"], set_=row)
        self.writing(statement)
        return row["version"]  # type: ignore[no-any-return]

    def swap(self, key: str, value: bytes, ttl_s: float, expected: bytes | None) -> bytes | None:
        """Store it, if what is there has the version `expected`."""
        row = self.row_of(value, ttl_s)
        columns = self.table.c
        if expected is None:
            # What has expired is not there. Our own version is, when the statement is repeated: its answer was lost.
            is_free = (columns.expires <= self.clock()) | (columns.version == row["version"])
            statement = self.insert(self.table).values(key=key, **row)
            statement = statement.on_conflict_do_update(index_elements=["key"], set_=row, where=is_free)
        else:
            is_it = (columns.version == expected) & (columns.expires > self.clock()) | (
                columns.version == row["version"]
            )
            statement = update(self.table).where(columns.key == key, is_it).values(**row)
        return row["version"] if self.writing(statement) else None

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        """Take it away."""
        columns = self.table.c
        statement = delete(self.table).where(columns.key == key, columns.expires > self.clock())
        if expected is not None:
            statement = statement.where(columns.version == expected)
        return self.writing(statement)

    def row_of(self, value: bytes, ttl_s: float) -> dict[str, Any]:
        refuse_ttl(ttl_s)
        return {"value": value, "version": new_version(), "expires": self.clock() + ttl_s}

    def writing(self, statement: Any) -> bool:
        """Whether the statement has changed a row."""
        # Of an INSERT SQLAlchemy would not keep it.
        counted = statement.execution_options(preserve_rowcount=True)
        count = self.trying(lambda connection: connection.execute(counted).rowcount)
        if next(self.writes) % WRITES_A_SWEEP == 0:
            columns = self.table.c
            old = select(columns.key).where(columns.expires <= self.clock()).limit(ROWS_A_SWEEP)
            # Asked again in the outer condition: a row may have been written anew since it was found.
            is_old = (columns.expires <= self.clock()) & columns.key.in_(old)
            self.trying(lambda connection: connection.execute(delete(self.table).where(is_old)))
        return count > 0

    def trying(self, act: Callable[[Connection], Result]) -> Result:
        if self.pid != os.getpid():
            # After a fork the connections are the parent's.
            with self.lock:
                if self.pid != os.getpid():
                    self.engine.dispose(close=False)
                    self.pid = os.getpid()
        began = time.monotonic()
        try:
            try:
                return self.acting(act)
            except DBAPIError as error:
                # A server that was started anew has closed every kept connection: SQLAlchemy lets go of all of them.
                # One that says nothing is not waited for twice.
                if not error.connection_invalidated or time.monotonic() - began > self.timeout_s / 2:
                    raise
                return self.acting(act)
        except (SQLAlchemyError, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
            raise StoreDown(f"{self.what}: {' '.join(str(cause).split())[:200]}") from error

    def acting(self, act: Callable[[Connection], Result]) -> Result:
        with self.engine.connect() as connection:
            if not self.is_made:
                with self.lock:
                    if not self.is_made:
                        make(self.table, connection)
                        self.is_made = True
            return act(connection)


def checked(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError:
        raise ValueError("url: want a URL as SQLAlchemy has it, such as sqlite:////var/lib/shop/store.db") from None
    if address.get_backend_name() not in INSERTS:
        raise ValueError(f"url: want sqlite or postgresql, got {address.get_backend_name()!r}")
    if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
        raise ValueError("url: SQLite in memory is another one in each thread; want a file, or MemoryStore")
    return address


def table_of(name: str) -> Table:
    return Table(
        name,
        MetaData(),
        Column("key", String(200), primary_key=True),
        Column("value", LargeBinary, nullable=False),
        Column("version", LargeBinary(VERSION_BYTES), nullable=False),
        Column("expires", Double, nullable=False, index=True),
    )


def make(table: Table, connection: Connection) -> None:
    """Make the table. Two processes may do it at once, and one of them is told that it is there already."""
    try:
        table.metadata.create_all(connection)
    except DBAPIError:
        connection.execute(select(table).limit(0))


def engine_of(address: URL, timeout_s: float, options: dict[str, Any]) -> Engine:
    if address.get_backend_name() == "sqlite":
        engine = create_engine(
            address,
            **{"isolation_level": "AUTOCOMMIT", "connect_args": {"timeout": timeout_s}, **options},
        )

        @event.listens_for(engine, "do_connect")
        def make_private(_dialect: object, _record: object, words: list[Any], _named: object) -> None:
            # SQLite itself would make it for everybody to read. Where it cannot be made, SQLite says so.
            if words and not words[0].startswith("file:"):
                with suppress(OSError):
                    os.close(os.open(words[0], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: object) -> None:
            # Readers do not wait for a writer then; a crash of the machine loses the last writes, and nothing else.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        return engine
    arguments: dict[str, Any] = {
        "connect_timeout": max(1, round(timeout_s)),
        "options": f"-c statement_timeout={int(timeout_s * 1000)}",
    }
    given = {"isolation_level": "AUTOCOMMIT", "pool_timeout": timeout_s, "connect_args": arguments, **options}
    engine = create_engine(address, **given)
    if address.get_driver_name() == "psycopg":
        from dragoman.middleware.stores.psycopg_timed import connect  # noqa: PLC0415

        @event.listens_for(engine, "do_connect")
        def connected(_dialect: object, _record: object, words: list[Any], named: dict[str, Any]) -> Any:
            # Above the server's own limit, which leaves the connection whole.
            return connect(*words, timeout_s=timeout_s * 1.5, **named)

    return engine
