"""Sockets that the service manager has opened for this process: the protocol of sd_listen_fds(3)."""

import os
import re
from collections.abc import MutableMapping, Sequence
from dataclasses import replace

from dragoman.errors import OperatorError
from dragoman.settings import Settings
from dragoman.values import Address, PassedAddress, printable

__all__ = ["is_bind_given", "take_passed", "with_passed"]

# SD_LISTEN_FDS_START: the descriptors follow on standard error's.
FIRST_FD = 3
# A bound for what is asked one by one; systemd's own default is 512 for a service.
MOST_FDS = 4096
# LISTEN_PIDFDID says the same as LISTEN_PID, more exactly, since systemd 258.
VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


def take_passed(environment: MutableMapping[str, str], pid: int) -> tuple[tuple[PassedAddress, ...], str]:
    """The sockets that were passed to process `pid`, in their order, and a warning or "".

    The variables are taken out of `environment`, and the descriptors are closed on exec: programs that the application
    starts get neither. Raises OperatorError for variables that cannot be meant.
    """
    count, owner, names, _ = (environment.pop(name, "") for name in VARIABLES)
    if not count or not owner:
        return (), ""
    are_numbers = re.fullmatch("[0-9]{1,4}", count) and re.fullmatch("[0-9]{1,10}", owner)
    if not are_numbers or int(count) > MOST_FDS:
        shown = f'LISTEN_FDS "{printable(count)}", LISTEN_PID "{printable(owner)}"'
        raise OperatorError(f"{shown}: want a number of sockets up to {MOST_FDS} and a process id")
    if int(owner) != pid:
        return (), (
            f"{count} sockets were passed to process {owner} and are not used, because this is process {pid};"
            " a shell that starts dragoman has to do it with exec"
        )
    called = names.split(":") + [""] * int(count)
    passed = tuple(PassedAddress(FIRST_FD + index, called[index]) for index in range(int(count)))
    for address in passed:
        try:
            os.set_inheritable(address.fd, False)
        except OSError:
            pass  # nothing is open there: opening the listener says so
    return passed, ""


def with_passed(settings: Settings, passed: Sequence[Address]) -> Settings:
    """`settings` with the service manager's sockets for an address, where they give none themselves."""
    return replace(settings, bind=tuple(passed)) if passed and not is_bind_given(settings) else settings


def is_bind_given(settings: Settings) -> bool:
    """Whether a flag, a variable or a file says where to listen."""
    origin = settings.origins.get("bind")
    return origin is not None and origin.is_given
