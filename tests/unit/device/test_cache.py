"""Ceilings are measured once for each device, driver and torch."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import msgspec
import pytest

from profiler.device.cache import cache_folder, file_name, load_or_measure
from profiler.device.ceilings import UNITS, measure_ceilings
from profiler.device.cpu import CpuDevice

TORCH = "2.13.0+cpu"


class Bench:
    """Counts how often it is asked to measure."""

    def __init__(self, probes=None) -> None:
        self.times = 0
        self.probes = probes or {name: lambda: 10.0 for name in UNITS}

    def __call__(self, device, *, now, gpu, progress):
        self.times += 1
        return measure_ceilings(device, now=now, gpu=gpu, progress=progress, probes=self.probes)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def load(folder: Path, bench: Bench, **changes):
    arguments = {
        "device": CpuDevice(),
        "torch_version": TORCH,
        "now": lambda: datetime(2026, 1, 2, tzinfo=UTC),
        "folder": folder,
        "measure": bench,
        "watch_others": lambda: lambda: 0.1,
        "warn": lambda warning: pytest.fail(warning.message),
    }
    arguments |= changes
    return load_or_measure(arguments.pop("device"), **arguments)


def test_ceilings_are_measured_once_and_then_come_from_the_cache(tmp_path, bench):
    first, second = load(tmp_path, bench), load(tmp_path, bench)
    assert bench.times == 1
    assert (first.from_cache, second.from_cache) == (False, True)
    assert msgspec.structs.replace(second, from_cache=False) == first


def test_remeasure_measures_again_and_replaces_the_cache(tmp_path, bench):
    load(tmp_path, bench)
    better = Bench({name: lambda: 20.0 for name in UNITS})
    assert not load(tmp_path, better, remeasure=True).from_cache
    assert load(tmp_path, bench).ceilings[0].value == 20.0
    assert (bench.times, better.times) == (1, 1)


@pytest.mark.parametrize("change", [{"torch_version": "2.12.0"}, {"device": "another driver"}])
def test_another_torch_or_driver_is_measured_anew(tmp_path, bench, change):
    if "device" in change:
        device = CpuDevice()
        device._properties = _with_driver(device._properties, "999.1")
        change = {"device": device}
    load(tmp_path, bench)
    load(tmp_path, bench, **change)
    assert bench.times == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"version": 1}'])
def test_a_corrupt_file_is_measured_anew_and_mended(tmp_path, bench, content):
    path = tmp_path / file_name(CpuDevice().properties, TORCH)
    path.write_bytes(content)
    assert not load(tmp_path, bench).from_cache
    assert load(tmp_path, bench).from_cache


@pytest.mark.parametrize(("key", "value"), [("version", 0), ("uuid", "GPU-other"), ("torch", "1.0"), ("driver", "1")])
def test_a_file_of_another_version_or_for_something_else_is_measured_anew(tmp_path, bench, key, value):
    load(tmp_path, bench)
    path = tmp_path / file_name(CpuDevice().properties, TORCH)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {key: value}))
    assert not load(tmp_path, bench).from_cache
    assert bench.times == 2


def test_a_measurement_with_a_hole_is_used_but_not_kept(tmp_path):
    def out_of_memory():
        raise RuntimeError("out of memory")

    holed = Bench({name: lambda: 10.0 for name in UNITS} | {"copy": out_of_memory})
    assert next(ceiling for ceiling in load(tmp_path, holed).ceilings if ceiling.name == "copy").value is None
    load(tmp_path, holed)
    assert holed.times == 2
    assert list(tmp_path.iterdir()) == []


def swinging(first: float, second: float):
    values = cycle((first, second))
    return lambda: next(values)


@pytest.mark.parametrize("name", ["read", "copy"])
def test_a_bandwidth_measured_beside_other_work_is_used_and_warned_of_but_not_kept(tmp_path, name):
    busy, warnings = Bench({each: lambda: 10.0 for each in UNITS} | {name: swinging(5.0, 8.0)}), []
    found = load(tmp_path, busy, warn=warnings.append)
    assert next(ceiling for ceiling in found.ceilings if ceiling.name == name).value in (5.0, 8.0)
    assert [warning.code for warning in warnings] == ["ceiling_unsteady"]
    assert f"the {name} ceiling went from 5 to 8 GB/s" in warnings[0].message
    assert "`bottleneck calibrate`" in warnings[0].message
    assert list(tmp_path.iterdir()) == []


def test_a_cpus_ceilings_beside_other_processes_are_warned_of_and_the_next_run_measures_anew(tmp_path, bench):
    warnings = []
    shared = {"watch_others": lambda: lambda: 1.6, "warn": warnings.append}
    assert not load(tmp_path, bench, **shared).from_cache
    assert [warning.code for warning in warnings] == ["ceilings_shared"]
    assert "1.6 CPU cores" in warnings[0].message
    assert "stop what else runs here" in warnings[0].message
    assert not load(tmp_path, bench).from_cache
    assert load(tmp_path, bench).from_cache


def test_a_calibration_beside_other_processes_does_not_replace_the_good_ceilings(tmp_path, bench):
    load(tmp_path, bench)
    poor = Bench({name: lambda: 4.0 for name in UNITS})
    load(tmp_path, poor, remeasure=True, watch_others=lambda: lambda: 1.6, warn=lambda warning: None)
    assert load(tmp_path, bench).ceilings[0].value == 10.0


def test_repeats_that_differ_as_a_quiet_machines_do_are_kept(tmp_path):
    bench = Bench({name: lambda: 10.0 for name in UNITS} | {"read": swinging(12.2, 14.0), "launch": swinging(2.0, 9.0)})
    load(tmp_path, bench)
    assert load(tmp_path, bench).from_cache


def test_a_bandwidth_that_was_kept_though_it_swung_is_measured_anew(tmp_path, bench):
    load(tmp_path, bench)
    path = tmp_path / file_name(CpuDevice().properties, TORCH)
    kept = json.loads(path.read_bytes())
    kept["ceilings"]["ceilings"][0] |= {"low": 5.0, "high": 8.0}
    path.write_text(json.dumps(kept))
    assert not load(tmp_path, bench).from_cache


def test_an_unwritable_cache_costs_a_warning_and_never_the_run(tmp_path, bench):
    in_the_way = tmp_path / "bottleneck"
    in_the_way.write_text("a file where the folder should be")
    warnings = []
    ceilings = load(in_the_way / "ceilings", bench, warn=warnings.append)
    assert ceilings.ceilings[0].value == 10.0
    assert [warning.code for warning in warnings] == ["ceilings_not_cached"]
    assert "Not a directory" in warnings[0].message
    assert str(tmp_path) not in warnings[0].message


def test_a_full_disk_costs_a_warning_and_never_the_run(tmp_path, bench, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    warnings = []
    assert load(tmp_path, bench, warn=warnings.append).ceilings[0].value == 10.0
    assert "No space left on device" in warnings[0].message
    assert list(tmp_path.iterdir()) == []


def test_the_cache_lies_where_the_xdg_specification_says(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/bottleneck/ceilings")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/bottleneck/ceilings")


def test_a_file_name_holds_nothing_that_could_leave_the_folder():
    device = CpuDevice()
    device._properties = _with_driver(device._properties, "../../etc/passwd")
    assert "/" not in file_name(device.properties, "2.13/evil")


def _with_driver(properties, driver):
    return replace(properties, driver=driver)
