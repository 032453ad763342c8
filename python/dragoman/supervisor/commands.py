"""What the control socket's commands do to a supervisor, and what `status` says of it."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dragoman.supervisor.control import Reply
from dragoman.supervisor.memory import proportional_bytes
from dragoman.supervisor.plan import Event, Phase
from dragoman.supervisor.process import resident_bytes
from dragoman.values import counted

if TYPE_CHECKING:
    from dragoman.supervisor.parent import Supervisor

__all__ = ["carry_out"]

MOST_WORKERS = 1024
# The beginning of what is told of a reload that fails, as the log has it.
KEPT = "not reloaded, what serves goes on"


def carry_out(supervisor: "Supervisor", words: Sequence[str], reply: Reply) -> None:
    """Do what the words say; `reply` is called once, now or when it is done."""
    if supervisor.phase is not Phase.SERVING and words[0] != "status":
        reply({"ok": False, "text": "the server is being stopped"})
        return
    match words:
        case ["reload" | "scale", *_] if supervisor.succession.pid:
            reply({"ok": False, "text": f"process {supervisor.succession.pid} is taking over"})
        case ["reload"]:
            cause = supervisor.reload()
            begun = "reloading; the log says how it ends, --wait waits for that"
            reply({"ok": not cause, "text": f"{KEPT}: {cause}" if cause else begun})
        case ["reload", "--wait"]:
            supervisor.reload(
                lambda cause: reply({"ok": not cause, "text": f"{KEPT}: {cause}" if cause else "reloaded"})
            )
        case ["stop"] | ["stop", "--now"]:
            supervisor.happen(Event.INT if words[1:] else Event.TERM)
            reply({"ok": True, "text": "stopping"})
        case ["scale", count] if len(count) <= 4 and count.isdecimal() and 1 <= int(count) <= MOST_WORKERS:
            supervisor.scale(int(count))
            reply({"ok": True, "text": f"{counted(int(count), 'worker')} from now on"})
        case ["scale", *_]:
            reply({"ok": False, "text": f"want a whole number from 1 to {MOST_WORKERS}"})
        case ["reopen"]:
            supervisor.happen(Event.REOPEN)
            reply({"ok": True, "text": "the logs are open again"})
        case ["status"]:
            reply({"ok": True, **status(supervisor)})
        case _:
            reply({"ok": False, "text": f"no command of this server: {' '.join(words)}"})


def status(supervisor: "Supervisor") -> Mapping[str, Any]:
    """The run and its workers."""
    now = time.monotonic()
    workers = []
    for one in supervisor.processes.values():
        member = supervisor.fleet.members[one.key]
        workers.append(
            {
                "number": one.number,
                "pid": one.pid,
                "state": member.state.name.lower(),
                "generation": member.generation,
                "age_s": round(now - one.started_at, 1),
                "memory_bytes": resident_bytes(one.pid),
                "pss_bytes": proportional_bytes(one.pid),
            }
        )
    phase = supervisor.phase.name.lower()
    return {**supervisor.host.status(), "pid": os.getpid(), "phase": phase, "workers": workers}
