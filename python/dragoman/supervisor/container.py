"""Sees whether process 1 of a container would pass the signal on that stops it."""

import os
import signal

__all__ = ["deaf_parent"]


def deaf_parent() -> str:
    """A warning when our parent is a process 1 to which SIGTERM means nothing, such as ``sh -c``; else ""."""
    if os.getppid() != 1:
        return ""
    try:
        with open("/proc/1/status", encoding="utf-8", errors="replace") as file:
            return warning_of(file.read())
    except OSError:
        return ""  # it may not be looked at


def warning_of(status: str) -> str:
    """The warning for the process whose /proc/PID/status holds `status`; "" when it hears SIGTERM."""
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    # pid_namespaces(7): process 1 gets only the signals that it has a handler for; signalfd and sigwait go with a mask.
    heard = int(fields.get("SigCgt", "0"), 16) | int(fields.get("SigBlk", "0"), 16)
    if heard & 1 << (signal.SIGTERM - 1):
        return ""
    return (
        f"process 1 is {fields.get('Name', 'a program')}, which passes no SIGTERM on to this server, so that a stop of"
        ' the container will be a kill; let it start the server by "exec dragoman ..."'
    )
