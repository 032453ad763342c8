"""Gives up the rights of root for those of --user and --group, once what needs them has been opened."""

import grp
import os
import pwd
import stat
from collections.abc import Callable
from typing import NamedTuple

from dragoman.errors import OperatorError
from dragoman.values import printable

__all__ = ["Identity", "identity_of"]

# 2^32 - 1 is -1 in setresuid(2), which changes nothing.
LARGEST_ID = 2**32 - 2


class Identity(NamedTuple):
    """The user and the groups that workers run as."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    def drop(self) -> None:
        """Become this identity for good, in all threads. Raises OperatorError where that fails or could be undone."""
        try:
            # In this order: after the user has changed, groups cannot be.
            os.setgroups(self.groups)
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
        except OSError as error:
            raise OperatorError(
                f"this process cannot become {self}: {error.strerror}; root needs the capabilities CAP_SETUID and"
                " CAP_SETGID for it, and in a user namespace both numbers have to be mapped"
            ) from None
        is_whole = (
            os.getresuid() == (self.uid,) * 3
            and os.getresgid() == (self.gid,) * 3
            and set(os.getgroups()) == set(self.groups)
        )
        if not is_whole or (self.uid != 0 and self.can_go_back()):
            raise OperatorError(f"this process has become {self}, but could be root again; it serves nothing like that")

    def can_go_back(self) -> bool:
        """Whether the kernel would still let this process be root, or in other groups."""
        # Kept by PR_SET_KEEPCAPS or a securebit, say, of whoever has started us.
        ways_back = (lambda: os.setresuid(-1, 0, -1), lambda: os.setgroups(self.groups))
        return any(is_allowed(way) for way in ways_back)

    def give_log(self, fd: int, path: str) -> None:
        """Make the log file behind `fd`, opened at `path`, this user's, so that workers can open it again.

        Only a regular file that has this one name: the user may be able to put a link to any file of the machine where
        the log should be, and must not be given that one.
        """
        try:
            status, named = os.fstat(fd), os.lstat(path)
            is_itself = (status.st_dev, status.st_ino, status.st_nlink) == (named.st_dev, named.st_ino, 1)
            if stat.S_ISREG(status.st_mode) and is_itself and status.st_uid != self.uid:
                os.fchown(fd, self.uid, self.gid)
        except OSError:
            pass  # a file system that knows no owners; a worker that cannot open its log says so

    def __str__(self) -> str:
        return f"user {self.uid} with group {self.gid}"


def identity_of(user: str, group: str) -> Identity | None:
    """Who --user and --group mean, by names or numbers; None where this process is it already.

    With a user alone its own group is taken; its supplementary groups are taken in any case. Raises OperatorError for
    names that the machine does not know, and for an identity that only root can take.
    """
    if not user and not group:
        return None
    uid, name, own_gid = user_of(user) if user else (os.geteuid(), name_of(os.geteuid()), os.getegid())
    if not group and own_gid is None:
        raise OperatorError(
            f'--user "{printable(user)}": no user of this machine has the number, so that its group is unknown;'
            " add --group"
        )
    gid = group_of(group) if group else own_gid
    assert gid is not None
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return None
    if os.geteuid() != 0:
        flags = " ".join(f'{flag} "{printable(text)}"' for flag, text in (("--user", user), ("--group", group)) if text)
        me = name_of(os.geteuid()) or "a user without a name"
        raise OperatorError(
            f"{flags}: only root may become somebody else, and this process runs as {me} ({os.geteuid()});"
            " start it as root, or leave this out"
        )
    groups = os.getgrouplist(name, gid) if name else [gid]
    return Identity(uid, gid, tuple(sorted(set(groups))))


def user_of(text: str) -> tuple[int, str, int | None]:
    """User id, name ("" if it has none) and group of the user that `text` names."""
    number = id_of(text, "--user")
    try:
        entry = pwd.getpwnam(text) if number is None else pwd.getpwuid(number)
    except KeyError:
        if number is None:
            raise OperatorError(f'--user "{printable(text)}": this machine has no such user') from None
        return number, "", None
    return entry.pw_uid, entry.pw_name, entry.pw_gid


def group_of(text: str) -> int:
    number = id_of(text, "--group")
    if number is not None:
        return number
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise OperatorError(f'--group "{printable(text)}": this machine has no such group') from None


def id_of(text: str, flag: str) -> int | None:
    """The number that `text` is; None when it is a name."""
    if not (text.isascii() and text.isdecimal()):
        return None
    if len(text) > len(str(LARGEST_ID)) or int(text) > LARGEST_ID:
        raise OperatorError(f'{flag} "{text}": want a name, or a number from 0 to {LARGEST_ID}')
    return int(text)


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def is_allowed(change: Callable[[], None]) -> bool:
    try:
        change()
    except OSError:
        return False
    return True
