"""What /proc tells of other processes: whether one runs, who its parent is, which clients' connections it holds."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LISTENING = "0A"
"""The state of a listener in /proc/net/tcp (TCP_LISTEN of net/tcp_states.h)."""


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name, which may hold blanks; [0] is the state, [1] the parent.

    Raises OSError when there is no such process.
    """
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def is_running(pid: int) -> bool:
    """Whether the process is there and has not ended; one that only waits to be reaped has."""
    try:
        return stat_fields(pid)[0] not in "ZX"
    except OSError:
        return False


def is_stopped(pid: int) -> bool:
    """Whether SIGSTOP has taken effect in the process."""
    with contextlib.suppress(OSError):
        return stat_fields(pid)[0] == "T"
    return False


def client_ports(pid: int, port: int) -> frozenset[int]:
    """Ports of the clients whose connections to our `port` the process has accepted and holds now.

    A connection that still waits in a listener's queue has no inode (proc(5), /proc/net/tcp) and is nobody's.
    """
    held = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            kind, _, inode = os.readlink(f"/proc/{pid}/fd/{fd}").partition(":")
            if kind == "socket":
                held.add(inode.strip("[]"))
    ports = set()
    for row in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        (_, local), (_, remote) = fields[1].split(":"), fields[2].split(":")
        if int(local, 16) == port and fields[3] != LISTENING and fields[9] in held:
            ports.add(int(remote, 16))
    return frozenset(ports)
