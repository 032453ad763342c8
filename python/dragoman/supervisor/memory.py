"""What memory workers use, and whether the kernel has killed for want of it, by /proc and the control group."""

import signal
from collections.abc import Callable, Iterator

from dragoman.cpus import directories, read_text
from dragoman.supervisor.process import cause_of, signal_of

__all__ = ["KernelKills", "proportional_bytes"]

Read = Callable[[str], str]
MIB = 1 << 20


def proportional_bytes(pid: int, read: Read = read_text) -> int:
    """The process's memory, of what several share its part (PSS: proc_pid_smaps(5)); 0 where that cannot be read."""
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        name, _, rest = line.partition(":")
        if name == "Pss":
            return int(rest.split()[0]) * 1024
    return 0


class KernelKills:
    """Tells the kills of the kernel's, for want of memory, from those of others.

    The group of this process counts them: its workers are in it. Source: cgroups v2, memory.events; v1,
    memory.oom_control.
    """

    def __init__(self, read: Read = read_text) -> None:
        self.read = read
        groups, mounts = read("/proc/self/cgroup"), read("/proc/self/mountinfo")
        # From the group of this process up: a limit binds whatever lies below it.
        self.directories = [path for path, _ in directories(groups, mounts, "memory")]
        self.seen = self.count()

    def count(self) -> int | None:
        """How many processes of the group the kernel has killed so far; None where nobody says so."""
        for directory in self.directories[:1]:
            for name in ("memory.events", "memory.oom_control"):
                for line in self.read(f"{directory}/{name}").splitlines():
                    key, _, value = line.partition(" ")
                    if key == "oom_kill" and value.isdecimal():
                        return int(value)
        return None

    def forget(self) -> None:
        """What has been killed so far was no worker."""
        self.seen = self.count()

    def cause_of(self, exit_code: int, peak_bytes: int) -> str:
        """How a worker has ended, in words, after `process.cause_of`; peak_bytes: the most that it has used."""
        if exit_code != -signal.SIGKILL or self.seen is None or (now := self.count()) is None:
            return cause_of(exit_code)
        if now <= self.seen:
            return f"{signal_of(exit_code)} (by somebody: the kernel has killed nothing here for want of memory)"
        # Several may have ended at one time.
        self.seen += 1
        limit = min(self.limits(), default=0)
        where = f" of the {limit // MIB} MiB that its control group may have" if limit else ""
        return f"was killed by the kernel because memory ran out: it had used up to {peak_bytes // MIB} MiB{where}"

    def limits(self) -> Iterator[int]:
        """The limits of the group and of those above it, in bytes."""
        for directory in self.directories:
            for name in ("memory.max", "memory.limit_in_bytes"):
                value = self.read(f"{directory}/{name}")
                # "max" (v2), and a number near 2**63 (v1), are groups without a limit.
                if value.isdecimal() and int(value) < 1 << 62:
                    yield int(value)
