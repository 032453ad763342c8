"""What the supervisor does when something happens: a table from (phase, event) to the next phase and its actions.

Which workers there are to be is the fleet's to say (`fleet.py`); this is about the run as a whole.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

__all__ = ["BOOT_TRIES", "PLAN", "SIGNALS", "Action", "Event", "Phase", "Step", "backoff_s", "step"]

# A worker that has lived this long did not die of its start.
SETTLED_S = 10.0
BACKOFF_LEAST_S = 0.1
BACKOFF_MOST_S = 10.0
# Fresh starts in a row that may fail before the supervisor gives up, as long as no worker serves.
BOOT_TRIES = 3


class Phase(Enum):
    """Where a supervisor is in its life."""

    SERVING = auto()
    DRAINING = auto()
    STOPPING = auto()
    ENDED = auto()


class Event(Enum):
    """What can happen to a supervisor."""

    TERM = auto()
    INT = auto()
    QUIT = auto()
    RELOAD = auto()  # SIGHUP
    REOPEN = auto()  # SIGUSR1
    UPGRADE = auto()  # SIGUSR2
    MORE = auto()  # SIGTTIN
    FEWER = auto()  # SIGTTOU
    DISMISS = auto()  # SIGWINCH
    WORKER_DIED = auto()  # after it was ready
    WORKER_UNBOOTABLE = auto()  # before it was ready
    BOOT_HOPELESS = auto()  # the same BOOT_TRIES times in a row, and no worker serves
    BOOT_AWAITS_CHANGE = auto()  # no worker serves or can start, and the application's files are watched
    DEADLINE = auto()  # of the phase
    ALL_GONE = auto()  # no worker is left


class Action(Enum):
    """What a supervisor can do."""

    TERM_WORKERS = auto()
    INT_WORKERS = auto()
    KILL_WORKERS = auto()
    CLOSE_LISTENERS = auto()  # our copies: the kernel goes on listening until the last worker has closed its own
    RELOAD = auto()  # read the settings again; a new generation of workers follows, one after the other
    REOPEN_LOGS = auto()
    UPGRADE = auto()  # start a supervisor of its own program, with our sockets
    ADD_WORKER = auto()
    DROP_WORKER = auto()  # but not the last
    DROP_WORKERS = auto()  # all of them, if a new supervisor is there; this one stays
    REST = auto()  # nobody starts in the dead one's place before its back-off is over
    HOLD = auto()  # nobody starts in the dead one's place before a file changes
    FAIL = auto()  # the exit status becomes that of an application that cannot be served


class Step(NamedTuple):
    """The phase that follows, and what is done on the way, in this order."""

    phase: Phase
    actions: tuple[Action, ...] = ()


PLAN: Mapping[tuple[Phase, Event], Step] = {
    (Phase.SERVING, Event.TERM): Step(Phase.DRAINING, (Action.TERM_WORKERS, Action.CLOSE_LISTENERS)),
    (Phase.SERVING, Event.INT): Step(Phase.STOPPING, (Action.INT_WORKERS,)),
    (Phase.SERVING, Event.QUIT): Step(Phase.STOPPING, (Action.INT_WORKERS,)),
    (Phase.SERVING, Event.RELOAD): Step(Phase.SERVING, (Action.RELOAD,)),
    (Phase.SERVING, Event.REOPEN): Step(Phase.SERVING, (Action.REOPEN_LOGS,)),
    (Phase.SERVING, Event.UPGRADE): Step(Phase.SERVING, (Action.UPGRADE,)),
    (Phase.SERVING, Event.MORE): Step(Phase.SERVING, (Action.ADD_WORKER,)),
    (Phase.SERVING, Event.FEWER): Step(Phase.SERVING, (Action.DROP_WORKER,)),
    (Phase.SERVING, Event.DISMISS): Step(Phase.SERVING, (Action.DROP_WORKERS,)),
    (Phase.SERVING, Event.WORKER_DIED): Step(Phase.SERVING, (Action.REST,)),
    (Phase.SERVING, Event.WORKER_UNBOOTABLE): Step(Phase.SERVING, (Action.REST,)),
    (Phase.SERVING, Event.BOOT_HOPELESS): Step(Phase.STOPPING, (Action.FAIL, Action.INT_WORKERS)),
    (Phase.SERVING, Event.BOOT_AWAITS_CHANGE): Step(Phase.SERVING, (Action.HOLD,)),
    # All workers dead and waiting for their back-off, or dismissed, is a moment of serving, not its end.
    (Phase.SERVING, Event.ALL_GONE): Step(Phase.SERVING),
    (Phase.DRAINING, Event.TERM): Step(Phase.DRAINING),
    (Phase.DRAINING, Event.INT): Step(Phase.STOPPING, (Action.INT_WORKERS,)),
    (Phase.DRAINING, Event.QUIT): Step(Phase.STOPPING, (Action.INT_WORKERS,)),
    (Phase.DRAINING, Event.RELOAD): Step(Phase.DRAINING),
    (Phase.DRAINING, Event.REOPEN): Step(Phase.DRAINING, (Action.REOPEN_LOGS,)),
    (Phase.DRAINING, Event.UPGRADE): Step(Phase.DRAINING),
    (Phase.DRAINING, Event.MORE): Step(Phase.DRAINING),
    (Phase.DRAINING, Event.FEWER): Step(Phase.DRAINING),
    (Phase.DRAINING, Event.DISMISS): Step(Phase.DRAINING),
    (Phase.DRAINING, Event.WORKER_DIED): Step(Phase.DRAINING),
    (Phase.DRAINING, Event.WORKER_UNBOOTABLE): Step(Phase.DRAINING),
    # Workers keep the graceful timeout themselves; one that is past it hangs where no signal handler runs.
    (Phase.DRAINING, Event.DEADLINE): Step(Phase.STOPPING, (Action.KILL_WORKERS,)),
    (Phase.DRAINING, Event.ALL_GONE): Step(Phase.ENDED),
    (Phase.STOPPING, Event.TERM): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.INT): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.QUIT): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.RELOAD): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.REOPEN): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.UPGRADE): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.MORE): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.FEWER): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.DISMISS): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.WORKER_DIED): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.WORKER_UNBOOTABLE): Step(Phase.STOPPING),
    (Phase.STOPPING, Event.DEADLINE): Step(Phase.STOPPING, (Action.KILL_WORKERS,)),
    (Phase.STOPPING, Event.ALL_GONE): Step(Phase.ENDED),
}


class SignalRow(NamedTuple):
    """One signal: the event that it is to a supervisor, and what it does, in words, for docs/signals.md."""

    name: str
    event: Event
    supervisor: str
    worker: str
    alone: str  # a process with --workers 0


# fmt: off
SIGNALS: tuple[SignalRow, ...] = (
    SignalRow(
        "SIGTERM", Event.TERM,
        "Every worker finishes what it has begun and leaves; connections that wait to be accepted are answered"
        " too, then the server accepts no more."
        " Workers that take longer than `--graceful-timeout` cut what is left and name it.",
        "Finishes what it has begun, and ends. Its supervisor starts another one in its place.",
        "Finishes what it has begun, and ends.",
    ),
    SignalRow(
        "SIGINT", Event.INT,
        "Every worker ends at once, also while they finish after SIGTERM. Ctrl-C sends it.",
        "Ends at once.", "Ends at once.",
    ),
    SignalRow("SIGQUIT", Event.QUIT, "As SIGINT.", "Ends at once.", "Ends at once."),
    SignalRow(
        "SIGHUP", Event.RELOAD,
        "Reads the settings again and replaces the workers one after the other: each leaves when its successor serves."
        " If the first successor cannot start, the workers of before go on, with the settings, sockets and logs of"
        " before, and the log says why. What takes a new start: `--workers 0`, and `--control-socket` from or to none.",
        "Nothing.", "Ends, as every program does whose terminal is gone.",
    ),
    SignalRow(
        "SIGUSR1", Event.REOPEN,
        "Opens its log files again, and lets the workers do so.",
        "Opens its log files again.", "Opens its log files again.",
    ),
    SignalRow(
        "SIGUSR2", Event.UPGRADE,
        "Starts the program that is installed now, with the sockets of this one. When it serves, it ends this one as"
        " SIGTERM does, and takes the pid file over (FILE.2 until then); if it fails, this one goes on, and the log"
        " says so. TERM, INT or QUIT to this one before then end both; if this one is killed, the new one goes on.",
        "Nothing.", "Ends.",
    ),
    SignalRow("SIGTTIN", Event.MORE, "One worker more.", "Nothing.", "As the system has it."),
    SignalRow("SIGTTOU", Event.FEWER, "One worker less, but not the last.", "Nothing.", "As the system has it."),
    SignalRow(
        "SIGWINCH", Event.DISMISS,
        "All workers leave and the supervisor stays, while a new supervisor is there (SIGUSR2); else nothing.",
        "Nothing.", "Nothing.",
    ),
)
# fmt: on


def step(phase: Phase, event: Event) -> Step:
    """The row of the table; what is not in it changes nothing."""
    return PLAN.get((phase, event), Step(phase))


def backoff_s(deaths_in_a_row: int) -> float:
    """Seconds to wait before the replacement of a worker starts.

    deaths_in_a_row   of workers in this place that lived shorter than SETTLED_S, >= 0
    Doubles from BACKOFF_LEAST_S to BACKOFF_MOST_S: a first death is mended within 0.1 s, and an application that
    cannot start does not eat the machine.
    """
    return min(BACKOFF_LEAST_S * 2.0 ** min(max(deaths_in_a_row - 1, 0), 16), BACKOFF_MOST_S)
