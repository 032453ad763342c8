"""Commands for a server that runs: `dragoman reload`, `stop`, `scale`, `reopen`, `status`."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.errors import OperatorError
from dragoman.supervisor.control import PREFIX, control_address, credentials_of
from dragoman.values import Address, printable

__all__ = ["COMMANDS", "ask", "status_text"]

COMMANDS: Mapping[str, str] = {
    "reload": "Read the settings again and replace each worker when its successor serves, as SIGHUP does.",
    "stop": "End after the requests under way, as SIGTERM does; --now at once.",
    "scale": "Set the number of workers, until a reload reads it from the settings again.",
    "reopen": "Open the log files again, as SIGUSR1 does.",
    "status": "Show the workers. Those of one generation were started by the same start or reload. Of memory that they"
    " share with others, own part counts their share (PSS).",
}


def ask(control_socket: str, bind: Sequence[Address], words: Sequence[str]) -> Mapping[str, Any]:
    """The server's answer to a command: ``{"ok": bool, "text": …}`` and what the command adds.

    control_socket, bind   the server's own settings, by which its socket is found
    Raises OperatorError where no server hears.
    """
    address = control_address(control_socket, bind)
    if not address:
        raise OperatorError(
            "--control-socket none: there is no socket to reach the server by; send signals to its process"
        )
    shown = printable(address.replace("\0", "@", 1))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(address)
            check_peer(sock, address)
            sock.sendall(json.dumps(list(words)).encode() + b"\n")
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        except OSError as error:
            others = ", ".join(servers())
            raise OperatorError(
                f"no server answers at its control socket {shown} ({error.strerror}); if one runs, give the --bind or"
                f" --control-socket of its start, as its user (this is user {os.getuid()}); with --workers 0 there is"
                " no such socket" + (f"; servers of this user are heard with --bind {others}" if others else "")
            ) from None
    if not answer:
        raise OperatorError(f"the server at {shown} gave no answer: it has ended, or belongs to another user")
    found: Mapping[str, Any] = json.loads(answer)
    return found


def check_peer(sock: socket.socket, address: str) -> None:
    """Raise OperatorError when another user listens there: an abstract name is whose who takes it first."""
    pid, uid = credentials_of(sock)
    # Root may command everybody's server, where it has been told the path of the socket.
    if uid in (0, os.geteuid()) or (os.geteuid() == 0 and not address.startswith("\0")):
        return
    shown = printable(address.replace("\0", "@", 1))
    who = f"process {pid}" if pid else "a process"
    raise OperatorError(
        f"{who} of user {uid} listens at the control socket {shown}, and is not believed: neither root nor this user"
        f" ({os.geteuid()}) runs it"
    )


def servers() -> list[str]:
    """The first addresses of this user's servers whose control socket has the automatic name (proc(5), net/unix)."""
    prefix = f"{PREFIX}{os.getuid()}-".replace("\0", "@", 1)
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            names = {line.split()[-1] for line in file if prefix in line}
    except OSError:
        return []
    return sorted(printable(name.removeprefix(prefix)) for name in names if name.startswith(prefix))


def status_text(answer: Mapping[str, Any]) -> str:
    """The answer to ``status`` as a table."""
    name = answer["name"] or "nothing yet"
    lines = [
        f"dragoman {answer['version']} serves {name} (pid {answer['pid']}), {answer['phase']}",
        *answer["listeners"],
        f"{'worker':>6}  {'pid':>7}  {'state':9} {'generation':>10}  {'age':>9}  {'memory':>10}  {'own part':>10}",
    ]
    lines += [
        f"{one['number']:>6}  {one['pid']:>7}  {one['state']:9} {one['generation']:>10}  {one['age_s']:>7} s"
        f"  {one['memory_bytes'] >> 20:>6} MiB  {one.get('pss_bytes', 0) >> 20:>6} MiB"
        for one in sorted(answer["workers"], key=lambda one: (one["number"], one["pid"]))
    ]
    return "\n".join(lines)
