"""The host's processor as a device."""

from __future__ import annotations

import psutil

from profiler.device.cpu import CpuDevice, cpu_cores, cpu_model, last_level_cache_bytes


def test_a_cpu_is_the_same_device_each_time_and_has_no_clock_of_its_own():
    first, second = CpuDevice(), CpuDevice()
    assert first.properties == second.properties
    assert first.properties.uuid.startswith("cpu-")
    assert first.stopwatch() is None
    assert 0 < first.free_bytes() <= first.properties.memory_bytes == psutil.virtual_memory().total


def test_another_number_of_cores_is_another_device(monkeypatch):
    before = CpuDevice().properties.uuid
    monkeypatch.setattr("profiler.device.cpu.cpu_cores", lambda: cpu_cores() + 1)
    assert CpuDevice().properties.uuid != before


def test_the_model_is_read_from_cpuinfo_with_its_spaces_tidied(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: AMD EPYC 7742   64-Core Processor\nmodel name\t: other\n")
    assert cpu_model(cpuinfo) == "AMD EPYC 7742 64-Core Processor"


def test_a_processor_without_a_name_is_named_by_its_architecture(tmp_path):
    assert cpu_model(tmp_path / "absent")


def test_the_last_level_cache_is_the_largest_and_unreadable_ones_are_passed_over(tmp_path):
    for index, text in enumerate(("48K", "2048K", "491520K\n", "nonsense")):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        (folder / "size").write_text(text)
    assert last_level_cache_bytes(tmp_path) == 480 * 2**20
    assert last_level_cache_bytes(tmp_path / "absent") is None
