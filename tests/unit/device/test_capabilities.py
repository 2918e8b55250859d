"""What the doctor says: what can be measured, why not more, and what to do about it."""

from __future__ import annotations

from dataclasses import replace

import pynvml
import pytest

from profiler.device.capabilities import (
    Findings,
    ask_gpu,
    counters_for_admins_only,
    has_administrator_rights,
    look,
    survey,
)
from profiler.device.cpu import CpuDevice
from profiler.device.driver import Driver, DriverUnavailable
from profiler.report.vocabulary import Tier
from tests.fakes import H100_UUID, FakeDriverLibrary, FakeGpu

DRIVER_READINGS = {"NVML", "GPM", "clocks", "clock-event reasons", "power", "energy", "PCIe counters"}


def findings(**changes) -> Findings:
    """A machine with an H100 where everything works."""
    everything = Findings(
        device_kind="cuda",
        compute_capability=(9, 0),
        driver_reason=None,
        gpu_reasons=ask_gpu(Driver.open(FakeDriverLibrary()), H100_UUID),
        activities=frozenset({"CPU", "CUDA"}),
        cupti_reason=None,
        counters_for_admins_only=False,
        may_read_counters=False,
        pinned_memory_reason=None,
        disk_counters_reason=None,
    )
    return replace(everything, **changes)


def capability(name: str, **changes):
    return next(found for found in survey(findings(**changes)) if found.name == name)


def test_where_everything_works_there_is_nothing_to_do():
    found = survey(findings())
    assert all(line.available and line.good_for and not line.remedy for line in found)
    assert {line.name for line in found} >= DRIVER_READINGS
    assert {line.tier for line in found} == {Tier.DRIVER, Tier.TIMELINE, Tier.COUNTER, Tier.HOST}


@pytest.mark.parametrize(
    "changes",
    [
        {"driver_reason": "NVML Shared Library Not Found", "gpu_reasons": {}},
        {"device_kind": "cpu", "compute_capability": None, "gpu_reasons": {}},
        {"device_kind": "cpu", "compute_capability": None, "gpu_reasons": {}, "driver_reason": "gone"},
        {"activities": frozenset()},
        {"cupti_reason": "cupti-python is not installed"},
        {"compute_capability": (7, 0)},
        {"counters_for_admins_only": True},
        {"pinned_memory_reason": "limit"},
        {"disk_counters_reason": "limit"},
    ],
)
def test_whatever_cannot_be_measured_says_why_and_what_to_do(changes):
    unavailable = [line for line in survey(findings(**changes)) if not line.available]
    assert unavailable
    assert all(line.reason and line.remedy and line.good_for for line in unavailable)


def test_without_a_driver_only_the_drivers_readings_are_gone():
    found = survey(findings(driver_reason="NVML Shared Library Not Found", gpu_reasons={}))
    assert {line.name for line in found if not line.available} == DRIVER_READINGS


def test_a_driver_that_refuses_one_query_loses_one_line():
    library = FakeDriverLibrary()
    library.refuse("nvmlDeviceGetTotalEnergyConsumption", pynvml.NVML_ERROR_NO_PERMISSION)
    reasons = ask_gpu(Driver.open(library), H100_UUID)
    assert {name for name, reason in reasons.items() if reason} == {"energy"}
    energy = capability("energy", gpu_reasons=reasons)
    assert (energy.available, energy.reason) == (False, "Insufficient Permissions")


def test_a_gpu_without_gpm_is_told_apart_from_a_driver_that_lacks_the_query():
    without = ask_gpu(Driver.open(FakeDriverLibrary(FakeGpu(gpm_supported=False))), H100_UUID)["GPM"]
    library = FakeDriverLibrary()
    library.lack("nvmlGpmQueryDeviceSupport")
    older = ask_gpu(Driver.open(library), H100_UUID)["GPM"]
    assert without == "this GPU has no GPM counters"
    assert "no such query" in older


def test_a_gpu_that_the_driver_does_not_know_loses_every_reading_with_the_reason():
    reasons = ask_gpu(Driver.open(FakeDriverLibrary()), "00000000-0000-0000-0000-000000000000")
    assert set(reasons) == DRIVER_READINGS
    assert set(reasons.values()) == {"Not Found"}


def test_counters_kept_for_administrators_are_open_to_one():
    assert not capability("hardware counters", counters_for_admins_only=True).available
    assert capability("hardware counters", counters_for_admins_only=True, may_read_counters=True).available


def test_a_driver_that_does_not_say_who_may_read_counters_may_refuse_them():
    unsure = capability("hardware counters", counters_for_admins_only=None)
    assert unsure.available
    assert "may refuse" in unsure.reason


def test_a_gpu_machine_with_a_cpu_build_of_torch_is_told_to_change_torch():
    line = capability("kernel tracing", device_kind="cpu", compute_capability=None, gpu_reasons={})
    assert "CUDA build of torch" in line.remedy


def test_the_drivers_params_say_who_may_read_counters():
    assert counters_for_admins_only("EnableMSI: 1\nRmProfilingAdminOnly: 1\n") is True
    assert counters_for_admins_only("RmProfilingAdminOnly: 0\n") is False
    assert counters_for_admins_only("EnableMSI: 1\n") is None
    assert counters_for_admins_only(None) is None


def test_administrator_rights_are_read_from_the_capabilities_not_the_user():
    all_of_root = "Name:\tpython\nCapEff:\t000001ffffffffff\n"
    root_in_docker = "CapEff:\t00000000a80425fb\n"
    perfmon_only = "CapEff:\t0000004000000000\n"
    assert has_administrator_rights(all_of_root)
    assert not has_administrator_rights(root_in_docker)
    assert has_administrator_rights(perfmon_only)
    assert not has_administrator_rights(None)


def test_a_machine_without_a_gpu_can_be_looked_at():
    found = look(CpuDevice(), DriverUnavailable("NVML Shared Library Not Found"))
    lines = {line.name: line for line in survey(found)}
    assert lines["operation tracing"].available
    assert lines["host counters"].available
    assert not lines["kernel tracing"].available
    assert lines["GPM"].reason == "NVML Shared Library Not Found"
