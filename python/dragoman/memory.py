"""How much memory a worker holds for clients where nobody has said it: a share of what the machine lets it have."""

from dragoman.cpus import Read, directories, read_text

__all__ = ["available", "share"]

# The application has the most of it: what is held for clients is a fraction, of which each worker has its part.
FRACTION = 4
LEAST_BYTES = 32 << 20
# Beyond this more memory serves no client better: what does not fit is slow, and the slowest give way.
MOST_BYTES = 512 << 20


def share(workers: int, available_bytes: int) -> int:
    """Bytes for one of `workers`: a quarter of the memory between them, from 32 MiB to 512 MiB."""
    return min(max(available_bytes // FRACTION // max(workers, 1), LEAST_BYTES), MOST_BYTES)


def available(read: Read = read_text) -> int:
    """The memory that this process may use, in bytes: the least of its cgroups' limits and the machine's.

    read   path to the text of that file, ``""`` where it cannot be read
    Source: cgroups(7); memory.max of cgroup v2, memory.limit_in_bytes of v1; proc_meminfo(5).
    """
    found = []
    for directory, is_v2 in directories(read("/proc/self/cgroup"), read("/proc/self/mountinfo"), "memory"):
        limit = read(f"{directory}/memory.max" if is_v2 else f"{directory}/memory.limit_in_bytes").strip()
        # "max" (v2) is a group without a limit; without one v1 shows a number above any machine's memory.
        if limit.isdecimal():
            found.append(int(limit))
    for line in read("/proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        amount = value.split()
        if name == "MemTotal" and amount and amount[0].isdecimal():
            found.append(int(amount[0]) << 10)
    return min(found, default=MOST_BYTES * FRACTION)
