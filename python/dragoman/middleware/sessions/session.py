"""`Session`: the mapping that an application sees. It is read when it is asked, and knows what was done to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from dragoman.http.cookies import parse_cookies
from dragoman.middleware.sessions.changes import Changes, call, refuse_other_than_json
from dragoman.middleware.sessions.keeping import Keeper, Loaded, Verdict
from dragoman.middleware.stores.base import StoreDown

__all__ = ["TOKEN_KEY", "Session", "SessionSealed", "SessionTooLarge", "SessionUnavailable"]

TOKEN_KEY = "_csrf"
"""Where `Csrf` keeps its token. It does not outlive a rotation: who knew it before the login must not know it after."""


BEFORE_HEAD = (
    "before start_response; a handler that is a generator runs after that from its first line on: let one that is none"
    " do it, and give the generator"
)


class SessionUnavailable(RuntimeError):
    """The store is away, and ``when_down="error"``: the answer will be 503."""


class SessionSealed(RuntimeError):
    """The head of the answer has gone out, and the session with it."""


class SessionTooLarge(ValueError):
    """A cookie cannot hold the session."""


class Session(MutableMapping[str, Any]):
    """What is remembered of a visitor, by names; values are what JSON holds. ``environ["dragoman.session"]``.

    Nothing is read before it is asked for something. Changes in lists and dicts that it has given out count, too. It is
    stored when the head of the answer goes out; an exception that leaves the application before stores nothing.
    """

    __slots__ = (
        *("cookie_name", "header", "is_strict", "keeper"),
        *("is_rotated", "is_sealed", "is_touched", "failure"),
        *("changes", "data", "handed", "loaded"),
    )

    def __init__(self, keeper: Keeper, cookie_name: str, header: str, is_strict: bool) -> None:
        self.keeper = keeper
        self.cookie_name = cookie_name
        self.header = header
        self.is_strict = is_strict
        self.is_touched = False
        self.is_rotated = False
        self.is_sealed = False
        self.failure: StoreDown | None = None

    @property
    def is_available(self) -> bool:
        """Whether it could be read; if not, it is empty, and what is set is not kept."""
        self.touch()
        return self.failure is None

    @property
    def is_new(self) -> bool:
        """Whether no session came with the request."""
        self.touch()
        return self.loaded is None

    @property
    def is_changed(self) -> bool:
        """Whether there is something to store."""
        if not self.is_touched:
            return False
        self.note_changed_containers()
        return self.is_rotated or bool(self.changes)

    @property
    def created(self) -> float | None:
        """When it began, in seconds since 1970; None when it is new."""
        self.touch()
        return self.loaded.created if self.loaded else None

    def rotate(self) -> None:
        """Give it a new id and a new beginning: at a login and at each other gain of rights. The old id ends."""
        self.touch()
        self.refuse_when_sealed()
        self.is_rotated = True
        self.pop(TOKEN_KEY, None)

    def change(self, key: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Set `key` to ``function(what is there, or default)``, and give that.

        If another request of the same session has changed it meanwhile, the function is called once more with that
        one's value, so that none is lost: ``session.change("visits", lambda count: count + 1, 0)``. In a signed cookie,
        which each request has a copy of, that is not so.
        """
        self.touch()
        self.note_changed_container(key)
        value = call(function, self.data.get(key, default))
        self.refuse_bad(key, value)
        self.changes.apply(key, function, default)
        self.handed.pop(key, None)
        self.data[key] = value
        return value

    def clear(self) -> None:
        """End it: the store forgets it, and the browser the cookie. What is set afterwards begins a new one."""
        self.touch()
        self.refuse_when_sealed()
        self.changes.clear()
        self.handed.clear()
        self.data.clear()

    def __getitem__(self, key: str) -> Any:
        self.touch()
        value = self.data[key]
        if isinstance(value, list | dict) and key not in self.handed:
            self.handed[key] = as_json(value)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self.touch()
        self.refuse_bad(key, value)
        self.changes.set(key, value)
        self.handed.pop(key, None)
        self.data[key] = value

    def __delitem__(self, key: str) -> None:
        self.touch()
        self.refuse_when_sealed()
        del self.data[key]
        self.handed.pop(key, None)
        self.changes.remove(key)

    def __iter__(self) -> Iterator[str]:
        self.touch()
        return iter(self.data)

    def __len__(self) -> int:
        self.touch()
        return len(self.data)

    def __contains__(self, key: object) -> bool:
        self.touch()
        return key in self.data

    def __repr__(self) -> str:
        # Without values: a repr lands in logs and error pages.
        return f"<Session {sorted(self.data)}>" if self.is_touched else "<Session, not read>"

    def touch(self) -> None:
        """Read it, the first time."""
        if self.is_touched:
            return
        if self.is_sealed:
            raise SessionSealed(
                "the session is first used after the head of the answer, which says nothing of it to caches;"
                f" use it {BEFORE_HEAD}"
            )
        self.is_touched = True
        self.loaded: Loaded | None = None
        self.changes = Changes()
        # What was given out of lists and dicts, as JSON of that time.
        self.handed: dict[str, str] = {}
        try:
            cookie = self.cookie
            self.loaded = self.keeper.load(cookie) if cookie else None
        except StoreDown as error:
            self.failure = error
            if self.is_strict:
                self.data: dict[str, Any] = {}
                raise SessionUnavailable("the sessions cannot be reached") from error
        self.data = dict(self.loaded.data) if self.loaded else {}

    @property
    def cookie(self) -> str:
        """The value that has come, or ""."""
        return parse_cookies(self.header).get(self.cookie_name, "") if self.cookie_name in self.header else ""

    def store(self) -> Verdict:
        """Store what has changed. Where the store is away `failure` says so."""
        self.note_changed_containers()
        self.is_sealed = True
        # What could not be read is not written over, though the store is there again.
        if self.failure is None:
            try:
                return self.keeper.save(self.loaded, self.changes, self.is_rotated, self.cookie)
            except StoreDown as error:
                self.failure = error
        # The store cannot be told of a logout; the browser can.
        return Verdict(is_removed=self.changes.is_cleared and self.cookie != "")

    def note_changed_containers(self) -> None:
        for key in list(self.handed):
            self.note_changed_container(key)

    def note_changed_container(self, key: str) -> None:
        before = self.handed.get(key)
        if before is not None and as_json(value := self.data[key]) != before:
            refuse_other_than_json(value, f"session[{key!r}]")
            # What is done to it later is done to the same object.
            self.changes.set(key, value)
            del self.handed[key]

    def refuse_bad(self, key: object, value: object) -> None:
        self.refuse_when_sealed()
        if not isinstance(key, str):
            raise TypeError(f"session[{key!r}]: want keys of text")
        refuse_other_than_json(value, f"session[{key!r}]")

    def refuse_when_sealed(self) -> None:
        if self.is_sealed:
            raise SessionSealed(f"the session was stored with the head of the answer; change it {BEFORE_HEAD}")


def as_json(value: object) -> str:
    """To compare by; what JSON does not hold is found out later."""
    return json.dumps(value, default=repr)
