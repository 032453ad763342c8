"""What the control group says of kills for want of memory."""

import signal

from dragoman.supervisor.memory import KernelKills, proportional_bytes

KILLED = -signal.SIGKILL
MOUNT = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"
MIB = 1 << 20


class Machine(dict[str, str]):
    """Its files."""

    def read(self, path: str) -> str:
        return self.get(path, "")


def v2() -> Machine:
    return Machine(
        {
            "/proc/self/cgroup": "0::/shop",
            "/proc/self/mountinfo": MOUNT,
            "/sys/fs/cgroup/shop/memory.events": "low 0\noom 5\noom_kill 5\noom_group_kill 0",
            "/sys/fs/cgroup/shop/memory.max": "max",
            "/sys/fs/cgroup/memory.max": str(200 * MIB),
        }
    )


def test_a_kill_of_the_kernel_is_told_with_use_and_limit() -> None:
    machine = v2()
    kills = KernelKills(machine.read)
    machine["/sys/fs/cgroup/shop/memory.events"] = "oom_kill 6"
    assert kills.cause_of(KILLED, 180 * MIB) == (
        "was killed by the kernel because memory ran out: it had used up to 180 MiB of the 200 MiB that its control"
        " group may have"
    )
    # The next one was somebody's.
    assert "by somebody" in kills.cause_of(KILLED, 180 * MIB)


def test_two_kills_at_one_time_are_both_the_kernels() -> None:
    machine = v2()
    kills = KernelKills(machine.read)
    machine["/sys/fs/cgroup/shop/memory.events"] = "oom_kill 7"
    assert all("the kernel because" in kills.cause_of(KILLED, MIB) for _ in range(2))
    assert "by somebody" in kills.cause_of(KILLED, MIB)


def test_kills_before_a_worker_starts_are_not_its_own() -> None:
    machine = v2()
    kills = KernelKills(machine.read)
    machine["/sys/fs/cgroup/shop/memory.events"] = "oom_kill 7"
    kills.forget()
    assert "by somebody" in kills.cause_of(KILLED, MIB)


def test_version_1_counts_in_another_file() -> None:
    machine = Machine(
        {
            "/proc/self/cgroup": "4:memory:/shop\n3:cpu:/",
            "/proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
            "/sys/fs/cgroup/memory/shop/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0",
            "/sys/fs/cgroup/memory/shop/memory.limit_in_bytes": str(64 * MIB),
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        }
    )
    kills = KernelKills(machine.read)
    machine["/sys/fs/cgroup/memory/shop/memory.oom_control"] = "oom_kill_disable 0\nunder_oom 0\noom_kill 1"
    assert "60 MiB of the 64 MiB" in kills.cause_of(KILLED, 60 * MIB)


def test_where_nobody_counts_both_are_possible() -> None:
    assert "by somebody, or by the kernel" in KernelKills(Machine().read).cause_of(KILLED, MIB)
    assert KernelKills(v2().read).cause_of(3, MIB) == "ended with status 3"


def test_the_part_of_what_is_shared_is_read() -> None:
    machine = Machine({"/proc/7/smaps_rollup": "0-f ---p 00000000 00:00 0 [rollup]\nRss: 90 kB\nPss:   45 kB"})
    assert proportional_bytes(7, machine.read) == 45 * 1024
    assert proportional_bytes(8, machine.read) == 0
