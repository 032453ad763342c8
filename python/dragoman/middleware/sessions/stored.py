"""Sessions in a store, by an id in the cookie; requests that change one session at once are merged key by key."""

from __future__ import annotations

import hashlib
import logging
import random
import re
import secrets
import time
from collections.abc import Callable

from dragoman.middleware.sessions.changes import Changes
from dragoman.middleware.sessions.keeping import Expiry, Kept, Loaded, Verdict, packed, unpacked
from dragoman.middleware.stores.base import Store, StoreDown

__all__ = ["StoredSessions"]

log = logging.getLogger("dragoman.middleware")

ID_BYTES = 32
ID = re.compile(r"[A-Za-z0-9_-]{43}")
# Of requests that write one session at once, one gets through each time: so many may be at it.
MOST_TRIES = 100
# Stands for a session that has got another id, so long that requests with the old one are answered by then.
MOVED = b"moved"
MOVED_S = 30.0


class StoredSessions:
    """A `Keeper` that has the session in `store`, and a random id of it in the cookie.

    name   of the cookie; an id of another cookie is none of this one's, though the store be the same

    A write needs the version that was read. Where another request was quicker, the changes of this one are applied to
    what that one has stored. What has been ended meanwhile is not brought back.
    """

    def __init__(
        self, store: Store, name: str, expiry: Expiry, is_persistent: bool, clock: Callable[[], float]
    ) -> None:
        self.store = store
        self.name = name
        self.expiry = expiry
        self.is_persistent = is_persistent
        self.clock = clock

    def load(self, cookie: str) -> Loaded | None:
        """The session whose id it is."""
        return self.read(self.key_of(cookie)) if ID.fullmatch(cookie) else None

    def read(self, key: str) -> Loaded | None:
        stored = self.store.get(key)
        found = unpacked(stored.value) if stored else None
        if stored is None or found is None or self.expiry.is_over(found[1], found[2], self.clock()):
            return None
        return Loaded(*found, key, stored.version)

    def has_moved(self, cookie: str) -> bool:
        """Whether it is an id that a session had a moment ago."""
        stored = self.store.get(self.key_of(cookie)) if ID.fullmatch(cookie) else None
        return stored is not None and stored.value == MOVED

    def save(self, loaded: Loaded | None, changes: Changes, is_rotated: bool, cookie: str) -> Verdict:
        """Store it; a new session, and one that is rotated or cleared, under a new id."""
        now = self.clock()
        if loaded is None and not changes:
            return Kept
        if loaded is None and not is_rotated and not changes.is_cleared and self.has_moved(cookie):
            # A login was answered just now; another cookie, in an answer that comes after that, would be a logout.
            log.info("sessions: a request came with the id of before a login; its changes are dropped")
            return Kept
        is_fresh = loaded is None or is_rotated or changes.is_cleared
        if loaded and not is_fresh and not changes:
            return self.used(loaded, now, cookie)
        session_id = secrets.token_urlsafe(ID_BYTES) if is_fresh else ""
        here = loaded
        for tries in range(MOST_TRIES):
            verdict = self.attempt(here, changes, session_id, now)
            if verdict is not None:
                if loaded and not is_fresh and verdict is Kept and self.expiry.is_due(loaded.used, now):
                    return self.prolonged(cookie, loaded.created, now)
                return verdict._replace(is_removed=verdict.is_removed and cookie != "")
            assert here is not None
            if tries > 2:
                time.sleep(random.uniform(0, 0.001 * tries))
            here = self.read(here.key)
            if here is None and not is_fresh:
                # Logged out, rotated or evicted: the id is nobody's now, and the client has got a new one, or none.
                log.info("sessions: a session was ended while another request changed it; those changes are dropped")
                return Kept
        raise StoreDown(f"{self.store.what}: a session was written by others at each of {MOST_TRIES} attempts")

    def attempt(self, here: Loaded | None, changes: Changes, session_id: str, now: float) -> Verdict | None:
        """Store it on top of `here`; None when that is no longer what is there. `session_id` is the new one, if any."""
        data = changes.applied(here.data if here else {})
        if not data:
            # Who clears it means all of it, whatever others have added.
            if here is None:
                # Not the cookie of an id that is unknown: another answer may be bringing the new one just now.
                return Verdict(is_removed=changes.is_cleared)
            if not self.store.delete(here.key, None if changes.is_cleared else here.version) and not changes.is_cleared:
                return None
            return Verdict(is_removed=True)
        created = now if session_id or here is None else here.created
        # Noted no sooner than the cookie is prolonged: they end together.
        used = now if session_id or here is None or self.expiry.is_due(here.used, now) else here.used
        payload = packed(data, created, used)
        left_s = self.expiry.left_s(created, now)
        if session_id:
            self.store.put(self.key_of(session_id), payload, left_s)
            if here is not None and changes.is_cleared:
                self.store.put(here.key, MOVED, MOVED_S)
            elif here is not None and self.store.swap(here.key, MOVED, MOVED_S, here.version) is None:
                return None
            return Verdict(session_id, int(left_s))
        assert here is not None
        if self.store.swap(here.key, payload, left_s, here.version) is None:
            return None
        return Kept

    def used(self, loaded: Loaded, now: float, cookie: str) -> Verdict:
        """Note now and then that it was used. When another request was quicker, that one has."""
        if not self.expiry.is_due(loaded.used, now):
            return Kept
        payload = packed(loaded.data, loaded.created, now)
        self.store.swap(loaded.key, payload, self.expiry.left_s(loaded.created, now), loaded.version)
        return self.prolonged(cookie, loaded.created, now)

    def prolonged(self, cookie: str, created: float, now: float) -> Verdict:
        """The same id, for longer, where the cookie has a time of its own."""
        return Verdict(cookie, int(self.expiry.left_s(created, now))) if self.is_persistent else Kept

    def key_of(self, session_id: str) -> str:
        """Under what it is stored: who reads the store has nobody's cookie."""
        return f"session:{hashlib.sha256(f'{self.name}={session_id}'.encode()).hexdigest()}"
