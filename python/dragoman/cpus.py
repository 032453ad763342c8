"""How many CPUs this process may use: the least of its cgroups' quotas and its affinity, not the host's count."""

import math
import os
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Cpus", "Read", "available", "count", "directories", "read_text"]

Read = Callable[[str], str]


class Cpus(NamedTuple):
    """A number of CPUs, at least 1, and in words what sets it: ``"the cgroup's quota"``."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"{self.number} CPU{'s' if self.number != 1 else ''} of {self.reason}"


def available() -> Cpus:
    """The CPUs of this process, now."""
    return count(read_text, affinity=len(os.sched_getaffinity(0)), machine=os.cpu_count() or 1)


def count(read: Read, *, affinity: int, machine: int) -> Cpus:
    """The CPUs that a process may use.

    read       path to the text of that file, ``""`` where it cannot be read
    affinity   CPUs that sched_getaffinity(2) allows
    machine    CPUs of the host
    A quota of part of a CPU counts as a whole one: 1.5 CPUs keep two workers busy.
    """
    quotas = [quota for quota in quotas_of(read) if quota > 0]
    of_quota = math.ceil(min(quotas)) if quotas else None
    if of_quota is not None and of_quota < affinity:
        return Cpus(max(1, of_quota), "the cgroup's quota")
    if affinity < machine:
        return Cpus(max(1, affinity), "the process's affinity")
    return Cpus(max(1, affinity), "this machine")


def quotas_of(read: Read) -> Iterator[float]:
    """The quotas, in CPUs, of the process's groups and of all groups above them: each of them binds."""
    for directory, is_v2 in directories(read("/proc/self/cgroup"), read("/proc/self/mountinfo")):
        if is_v2:
            quota, _, period = read(f"{directory}/cpu.max").partition(" ")
        else:
            quota, period = read(f"{directory}/cpu.cfs_quota_us"), read(f"{directory}/cpu.cfs_period_us")
        # "max 100000" (v2) and "-1" (v1) are groups without a quota.
        if quota.strip().isdecimal() and period.strip().isdecimal() and int(period) > 0:
            yield int(quota) / int(period)


def directories(groups: str, mounts: str, controller: str = "cpu") -> Iterator[tuple[str, bool]]:
    """Where a controller's files of the process lie, from its own group up to the mount; whether they are v2's.

    groups   the text of /proc/self/cgroup: ``"0::/app.slice"`` (v2), ``"4:cpu,cpuacct:/docker/4f2"`` (v1)
    mounts   the text of /proc/self/mountinfo
    Source: cgroups(7), "/proc files"; proc_pid_mountinfo(5).
    """
    paths = {}
    for line in groups.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            paths["cgroup2"] = path
        elif controller in controllers.split(","):
            paths["cgroup"] = path
    for line in mounts.splitlines():
        # Optional fields end with a lone hyphen; behind it stand type, source and the super block's options.
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3 or kind[0] not in paths:
            continue
        if kind[0] == "cgroup" and controller not in kind[2].split(","):
            continue
        root, mounted = fields[3], fields[4]
        yield from ((one, kind[0] == "cgroup2") for one in upwards(mounted, below(root, paths[kind[0]])))


def below(root: str, path: str) -> str:
    """`path` as it is seen below a mount whose root is `root`; that root itself where it lies elsewhere.

    A container sees its own group mounted, and may be told the host's path of it, or one with ``..``.
    """
    if root != "/" and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
    elif root != "/" or path.startswith("/.."):
        path = "/"
    return posixpath.normpath(path or "/")


def upwards(mounted: str, path: str) -> Iterator[str]:
    while path not in ("/", "."):
        yield mounted + path
        path = posixpath.dirname(path)
    yield mounted


def read_text(path: str) -> str:
    """The text of the file at `path` without blanks around it; ``""`` where it cannot be read."""
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
