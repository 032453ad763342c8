"""The number of CPUs, from the texts that the kernel shows of groups, mounts and quotas."""

from collections.abc import Mapping

import pytest

from dragoman.cpus import Cpus, available, count

V2_MOUNT = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "30 23 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:29 / /sys/fs/cgroup/cpuset rw shared:6 - cgroup cgroup rw,cpuset\n"
)
MACHINE = Cpus(16, "this machine")


def cpus(files: Mapping[str, str], affinity: int = 16, machine: int = 16) -> Cpus:
    return count(lambda path: files.get(path, ""), affinity=affinity, machine=machine)


def v2(group: str, quotas: Mapping[str, str], mounts: str = V2_MOUNT) -> dict[str, str]:
    return {
        "/proc/self/cgroup": f"0::{group}\n",
        "/proc/self/mountinfo": mounts,
        **{f"/sys/fs/cgroup{path}/cpu.max": quota for path, quota in quotas.items()},
    }


def v1(line: str, mounts: str, quotas: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    files = {"/proc/self/cgroup": f"5:cpuset:/other\n{line}\n1:name=systemd:/\n", "/proc/self/mountinfo": mounts}
    for path, (quota, period) in quotas.items():
        files[f"{path}/cpu.cfs_quota_us"], files[f"{path}/cpu.cfs_period_us"] = quota, period
    return files


def test_without_any_group_all_cpus_of_the_machine_are_there() -> None:
    assert cpus({}) == MACHINE
    assert str(MACHINE) == "16 CPUs of this machine"


def test_the_affinity_counts_where_it_is_less() -> None:
    assert cpus({}, affinity=3) == Cpus(3, "the process's affinity")


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("1000 100000", 1), ("25000 10000", 3)],
)
def test_a_quota_counts_and_a_part_of_a_cpu_is_a_whole_one(quota: str, expected: int) -> None:
    assert cpus(v2("/app", {"/app": quota})) == Cpus(expected, "the cgroup's quota")


@pytest.mark.parametrize("quota", ["max 100000", "max", "", "0 100000", "100000 0", "-1 100000", "many few"])
def test_what_is_no_quota_bounds_nothing(quota: str) -> None:
    assert cpus(v2("/app", {"/app": quota})) == MACHINE


def test_a_quota_above_the_affinity_bounds_nothing() -> None:
    assert cpus(v2("/", {"": "800000 100000"}), affinity=4) == Cpus(4, "the process's affinity")


def test_the_least_quota_of_nested_groups_binds() -> None:
    quotas = {"/kubepods/pod1/web": "max 100000", "/kubepods/pod1": "300000 100000", "/kubepods": "900000 100000"}
    assert cpus(v2("/kubepods/pod1/web", quotas)).number == 3


def test_a_container_sees_its_own_group_as_the_root() -> None:
    assert cpus(v2("/", {"": "200000 100000"})).number == 2


@pytest.mark.parametrize("group", ["/docker/4f2", "/elsewhere", "/../../docker/4f2"])
def test_a_container_that_is_told_the_hosts_path_finds_its_group_at_the_mount(group: str) -> None:
    mounts = V2_MOUNT.replace(" / /sys", " /docker/4f2 /sys")
    assert cpus(v2(group, {"": "200000 100000"}, mounts)).number == 2


def test_the_first_version_is_read_from_the_controllers_own_mount() -> None:
    quotas = {
        "/sys/fs/cgroup/cpu,cpuacct/docker/4f2": ("-1", "100000"),
        "/sys/fs/cgroup/cpu,cpuacct/docker": ("250000", "100000"),
    }
    assert cpus(v1("4:cpu,cpuacct:/docker/4f2", V1_MOUNTS, quotas)).number == 3


def test_the_first_version_in_a_container_finds_its_group_at_the_mount() -> None:
    mounts = V1_MOUNTS.replace(" / /sys/fs/cgroup/cpu,", " /docker/4f2 /sys/fs/cgroup/cpu,")
    quotas = {"/sys/fs/cgroup/cpu,cpuacct": ("100000", "100000")}
    assert cpus(v1("4:cpu,cpuacct:/docker/4f2", mounts, quotas)).number == 1


def test_both_versions_side_by_side_are_both_looked_at() -> None:
    files = v1("4:cpu:/a", V1_MOUNTS.replace("cpu,cpuacct", "cpu"), {"/sys/fs/cgroup/cpu/a": ("400000", "100000")})
    files["/proc/self/cgroup"] += "0::/a\n"
    files["/proc/self/mountinfo"] += V2_MOUNT.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    assert cpus(files).number == 4
    files["/sys/fs/cgroup/unified/a/cpu.max"] = "200000 100000"
    assert cpus(files).number == 2


@pytest.mark.parametrize("text", ["", "nonsense", "0:\n::\n:", "1 2 3\n - \n- - -", "\0"])
def test_texts_that_say_nothing_harm_nothing(text: str) -> None:
    assert cpus({"/proc/self/cgroup": text, "/proc/self/mountinfo": text}) == MACHINE


def test_this_very_process_has_at_least_one() -> None:
    assert available().number >= 1
