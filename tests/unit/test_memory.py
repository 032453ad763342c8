"""The memory that is held for clients, from the texts that the kernel shows of groups, mounts and the machine."""

from collections.abc import Mapping

import pytest

from dragoman import memory

MIB = 1 << 20
MOUNTS = "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1_MOUNTS = "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
MACHINE = {"/proc/meminfo": "MemTotal:       16777216 kB\nMemFree:        1024 kB\n"}


def bytes_of(files: Mapping[str, str]) -> int:
    return memory.available(lambda path: files.get(path, ""))


def test_without_a_limit_the_machine_counts() -> None:
    assert bytes_of(MACHINE) == 16384 * MIB
    assert bytes_of({}) > 0


def test_the_least_limit_of_the_groups_counts() -> None:
    files = {
        **MACHINE,
        "/proc/self/cgroup": "0::/shop/web\n",
        "/proc/self/mountinfo": MOUNTS,
        "/sys/fs/cgroup/shop/web/memory.max": "max\n",
        "/sys/fs/cgroup/shop/memory.max": "536870912\n",
    }
    assert bytes_of(files) == 512 * MIB


def test_a_limit_of_version_1_counts_and_its_word_for_none_does_not() -> None:
    files = {**MACHINE, "/proc/self/cgroup": "7:memory:/\n", "/proc/self/mountinfo": V1_MOUNTS}
    where = "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert bytes_of({**files, where: "268435456"}) == 256 * MIB
    assert bytes_of({**files, where: "9223372036854771712"}) == 16384 * MIB


@pytest.mark.parametrize(
    ("workers", "available", "held"),
    [(0, 1024, 256), (1, 1024, 256), (4, 1024, 64), (64, 1024, 32), (1, 64, 32), (2, 65536, 512)],
)
def test_workers_share_a_quarter_within_bounds(workers: int, available: int, held: int) -> None:
    assert memory.share(workers, available * MIB) == held * MIB
