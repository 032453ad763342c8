"""How many descriptors a server holds, apart from those that come and go with its threads."""

from __future__ import annotations

import os

ALARM = "anon_inode:[eventfd]"


def descriptors(pid: int) -> int:
    """Open descriptors of the process. A thread that has waited for a peer keeps the alarm of its wait (an eventfd) for
    the next one: of those only what there is beyond one for each thread counts.
    """
    alarms = others = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            is_alarm = os.readlink(f"/proc/{pid}/fd/{name}") == ALARM
        except FileNotFoundError:
            continue
        alarms, others = alarms + is_alarm, others + (not is_alarm)
    return others + max(0, alarms - len(os.listdir(f"/proc/{pid}/task")))
