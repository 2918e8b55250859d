"""A container's memory limit counts as what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.device.host_memory import HostMemory, host_memory

GIB = 2**30
MACHINE = 500 * GIB
UNLIMITED_V1 = 2**63 - 4096


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(f"{text}\n")


def found(tmp_path: Path, membership: str) -> HostMemory:
    (tmp_path / "cgroup").write_text(membership)
    return host_memory(MACHINE, tmp_path / "cgroup", tmp_path / "fs")


def test_without_control_groups_the_machine_s_free_memory_counts(tmp_path: Path) -> None:
    assert host_memory(MACHINE, tmp_path / "none", tmp_path / "fs") == HostMemory(MACHINE, None)


def test_a_container_of_version_2_leaves_what_it_does_not_use_or_could_give_up(tmp_path: Path) -> None:
    stat = f"anon {2 * GIB}\nactive_file {GIB}\ninactive_file {3 * GIB}"
    group(tmp_path / "fs", memory_max=8 * GIB, memory_current=6 * GIB, memory_stat=stat)
    assert found(tmp_path, "0::/\n") == HostMemory(5 * GIB, 8 * GIB)


def test_a_group_without_a_limit_limits_nothing(tmp_path: Path) -> None:
    group(tmp_path / "fs", memory_max="max", memory_current=6 * GIB)
    assert found(tmp_path, "0::/\n") == HostMemory(MACHINE, None)


def test_the_tightest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    group(tmp_path / "fs/pod/container", memory_max="max", memory_current=GIB)
    group(tmp_path / "fs/pod", memory_max=8 * GIB, memory_current=2 * GIB)
    group(tmp_path / "fs", memory_max=64 * GIB, memory_current=3 * GIB)
    assert found(tmp_path, "0::/pod/container\n") == HostMemory(6 * GIB, 8 * GIB)


def test_a_container_of_version_1_has_its_limit_too(tmp_path: Path) -> None:
    files = {"memory_limit_in_bytes": 8 * GIB, "memory_usage_in_bytes": 4 * GIB}
    group(tmp_path / "fs/memory", **files, memory_stat=f"cache 0\ntotal_inactive_file {GIB}")
    membership = "12:cpu,cpuacct:/docker/ab12\n4:memory:/docker/ab12\n0::/\n"  # a path that only the host can see
    assert found(tmp_path, membership) == HostMemory(5 * GIB, 8 * GIB)


def test_version_1_says_no_limit_with_a_number_beyond_all_memory(tmp_path: Path) -> None:
    group(tmp_path / "fs/memory", memory_limit_in_bytes=UNLIMITED_V1, memory_usage_in_bytes=4 * GIB)
    assert found(tmp_path, "4:memory:/\n") == HostMemory(MACHINE, None)


def test_a_group_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    group(tmp_path / "fs", memory_max=GIB, memory_current=2 * GIB)
    assert found(tmp_path, "0::/\n") == HostMemory(0, GIB)


@pytest.mark.parametrize("text", ["", "nonsense", "12:memory"])
def test_a_membership_that_cannot_be_read_limits_nothing(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == HostMemory(MACHINE, None)


def test_this_machine_has_free_memory() -> None:
    assert host_memory().free_bytes > 0
