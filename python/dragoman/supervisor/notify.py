"""Tells the service manager how the service is doing: the protocol of sd_notify(3), without its library."""

import os
import re
import socket
import time
from collections.abc import MutableMapping

from dragoman.values import printable

__all__ = ["Notifier"]

# A manager that is busy has a full queue; one that hangs must not hold up the server.
PATIENCE_S = 1.0


class Notifier:
    """What speaks to the service manager, or to nobody where the environment names none.

    The variables are taken out of `environment`: processes that the application starts are not to speak for the
    service. Every method returns whether the message was taken; one that is not taken changes nothing.

    ``watchdog_s``: the manager ends the service when it is silent for long; `watchdog` is to be called this often. None
    where the manager does not ask for it.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self.address = environment.pop("NOTIFY_SOCKET", "")
        usec, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        # sd_watchdog_enabled(3): without WATCHDOG_PID every process of the service is meant, and half of the time is
        # what it recommends.
        is_asked = self.address != "" and re.fullmatch(r"[1-9][0-9]{0,14}", usec) and pid in ("", str(os.getpid()))
        self.watchdog_s: float | None = int(usec) / 1e6 / 2 if is_asked else None

    def ready(self, status: str) -> bool:
        """The service runs, or a reload has ended; `status` is a line for ``systemctl status``."""
        return self.send("READY=1", status_line(status))

    def reloading(self) -> bool:
        """A reload has begun; `ready` is to follow, however it ends."""
        # systemd.service(5), Type=notify-reload: the time tells this reload from an earlier one's message.
        now_usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self.send("RELOADING=1", f"MONOTONIC_USEC={now_usec}", status_line("reloading"))

    def stopping(self) -> bool:
        """The end has begun."""
        return self.send("STOPPING=1", status_line("finishing the requests under way"))

    def status(self, text: str) -> bool:
        """A line for ``systemctl status``."""
        return self.send(status_line(text))

    def main_pid(self, pid: int) -> bool:
        """Process `pid` is the service from now on. Only the one that was it until now is believed."""
        return self.send(f"MAINPID={pid}")

    def watchdog(self) -> bool:
        """The service lives; to be said every `watchdog_s`."""
        return self.send("WATCHDOG=1")

    def keep_watch(self) -> None:
        """Say so for ever, for a thread of its own; returns at once where the manager does not ask for it.

        The thread needs the interpreter lock for it: a process in which nothing runs any more falls silent.
        """
        while self.watchdog_s is not None:
            self.watchdog()
            time.sleep(self.watchdog_s)

    def send(self, *assignments: str) -> bool:
        # "@" stands for the NUL that begins an abstract name (sd_notify(3), NOTIFY_SOCKET).
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        if not address.startswith(("/", "\0")):
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(PATIENCE_S)
                sock.sendto("\n".join(assignments).encode("utf-8", "backslashreplace"), address)
        except OSError:
            return False
        return True


def status_line(text: str) -> str:
    # A line end in it would begin another assignment.
    return f"STATUS={printable(text)}"
