"""Passwords: hashed by argon2, and verified again only now and then.

``python -m dragoman.middleware.auth.passwords`` asks for one and prints its hash.
"""

from __future__ import annotations

import getpass
import hashlib
import hmac
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from dragoman.middleware.auth.layer import Unavailable
from dragoman.middleware.extras import lacking

try:
    from argon2 import PasswordHasher, extract_parameters
    from argon2.exceptions import Argon2Error, InvalidHashError
except ImportError as error:
    raise lacking("BasicAuth", "argon2-cffi", "auth") from error

__all__ = ["Verifier", "hash_password", "is_hash"]

# Each takes 64 MiB and a processor for tens of milliseconds.
MOST_AT_ONCE = 4
WAIT_S = 5.0
REMEMBERED = 1024
MOST_PASSWORD_BYTES = 1024


def hash_password(password: str) -> str:
    """The hash to keep in the place of a password: ``$argon2id$…``.

    Source: RFC 9106, with argon2-cffi's parameters.
    """
    return PasswordHasher().hash(password)


def is_hash(text: object) -> bool:
    """Whether it is what `hash_password` makes."""
    try:
        extract_parameters(text if isinstance(text, str) else "")
    except InvalidHashError:
        return False
    return True


class Verifier:
    """Verifies passwords, and remembers for `remember_s` what came of it: argon2 takes as long as a hundred requests.

    What is remembered is an HMAC of hash, name and password by a key of this process; it is of no use elsewhere, and
    another hash makes it void. Names that share a hash, as all unknown ones do, share nothing of it: how long an answer
    takes would tell of one what another has asked. Good and bad ones have a bounded room each, so that guesses do not
    drive the good ones out.
    """

    def __init__(self, remember_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.remember_s = remember_s
        self.clock = clock
        self.key = os.urandom(32)
        self.lock = threading.Lock()
        self.slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        self.remembered: dict[bool, OrderedDict[bytes, float]] = {True: OrderedDict(), False: OrderedDict()}
        self.hasher = PasswordHasher()

    def holds(self, password_hash: str, password: bytes, name: str = "") -> bool:
        """Whether it is the password of the hash. Raises Unavailable when too many are verified at once."""
        if len(password) > MOST_PASSWORD_BYTES:
            return False
        known = hmac.digest(self.key, b"\0".join((password_hash.encode(), name.encode(), password)), hashlib.sha256)
        for outcome in (True, False):
            if self.is_remembered(outcome, known):
                return outcome
        if not self.slots.acquire(timeout=WAIT_S):
            raise Unavailable(f"{MOST_AT_ONCE} passwords are being verified, and none was done within {WAIT_S:g} s")
        try:
            outcome = self.hasher.verify(password_hash, password)
        except (Argon2Error, InvalidHashError):
            outcome = False
        finally:
            self.slots.release()
        self.remember(outcome, known)
        return outcome

    def is_remembered(self, outcome: bool, known: bytes) -> bool:
        with self.lock:
            until = self.remembered[outcome].get(known)
            if until is None:
                return False
            if until <= self.clock():
                del self.remembered[outcome][known]
                return False
            self.remembered[outcome].move_to_end(known)
            return True

    def remember(self, outcome: bool, known: bytes) -> None:
        if self.remember_s <= 0:
            return
        with self.lock:
            room = self.remembered[outcome]
            room[known] = self.clock() + self.remember_s
            if len(room) > REMEMBERED:
                room.popitem(last=False)


if __name__ == "__main__":
    sys.stdout.write(hash_password(getpass.getpass()) + "\n")
