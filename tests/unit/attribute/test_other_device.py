"""Another device's speeds: datasheets, and the efficiency that was measured on one of the two."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from profiler.attribute.other_device import DeviceSpeeds, device_speeds
from profiler.catalogue.datasheet import Datasheet, find_datasheet
from profiler.report.ceilings import Ceiling
from profiler.report.vocabulary import Resource, Tier
from profiler.report.whatif import SpeedChange


def sheet(name: str) -> Datasheet:
    found = find_datasheet(name)
    assert found is not None
    return found


def between(source: str, target: str, dtype: str | None = "bfloat16", **known: object) -> DeviceSpeeds:
    return device_speeds(sheet(source), sheet(target), dtype=dtype, **known)  # type: ignore[arg-type]


def change(found: DeviceSpeeds, resource: Resource) -> SpeedChange:
    return next(change for change in found.changes if change.resource is resource)


def ceilings(**values: float) -> Sequence[Ceiling]:
    names = {"pinned": "h2d.pinned", "pageable": "h2d.pageable"}
    return [
        Ceiling(
            name=names.get(name, name),
            unit="us" if name == "kernel" else "GB/s",
            value=value,
            low=value,
            high=value,
            datasheet=None,
            tier=Tier.TIMELINE,
        )
        for name, value in values.items()
    ]


def test_an_h200_is_an_h100_with_faster_memory() -> None:
    found = between("h100-sxm", "h200")
    factors = {change.resource: change.factor for change in found.changes}
    assert factors.pop(Resource.DRAM) == pytest.approx(1.432, abs=0.001)
    assert factors == pytest.approx(dict.fromkeys(factors, 1.0), rel=0.001)
    assert found.doubts == []


def test_an_a100_is_slower_in_everything_but_its_host_and_that_is_said_to_be_doubtful() -> None:
    found = between("h100-sxm", "a100-sxm-80gb")
    factors = {change.resource: change.factor for change in found.changes}
    assert factors[Resource.TENSOR] == pytest.approx(312 / 989.4)
    assert factors[Resource.ISSUE] == pytest.approx(108 * 1.41 / (132 * 1.98))
    assert factors[Resource.LATENCY] == pytest.approx(1.41 / 1.98)
    assert factors[Resource.PCIE] == pytest.approx(0.5, rel=1e-4)
    assert factors[Resource.HOST] == 1
    doubts = " ".join(found.doubts)
    for word in ("another architecture (sm_80, not sm_90)", "108 multiprocessors, not 132", "40 MiB of L2, not 50"):
        assert word in doubts


@pytest.mark.parametrize("resource", list(Resource)[:4])
def test_going_there_and_back_again_changes_nothing(resource: Resource) -> None:
    there, back = between("a100-sxm-80gb", "h100-sxm"), between("h100-sxm", "a100-sxm-80gb")
    assert change(there, resource).factor * change(back, resource).factor == pytest.approx(1)


def test_an_expected_ceiling_is_the_datasheet_times_the_measured_efficiency() -> None:
    found = between("h100-sxm", "h200", ceilings=ceilings(read=3050.0, kernel=1.1))
    memory = change(found, Resource.DRAM)
    assert memory.expected == pytest.approx(3050 / 3352 * 4800)
    assert (memory.ceiling, memory.unit, memory.measured, memory.tier) == ("read", "GB/s", 3050, Tier.DATASHEET)


def test_a_slower_clock_makes_the_fixed_cost_of_a_kernel_longer() -> None:
    found = change(between("h100-sxm", "a100-sxm-80gb", ceilings=ceilings(kernel=1.1)), Resource.LATENCY)
    assert found.expected == pytest.approx(1.1 * 1.98 / 1.41)


def test_every_number_that_follows_from_a_datasheet_says_so() -> None:
    assert {change.tier for change in between("l4", "b200").changes} == {Tier.DATASHEET}


def test_a_number_format_that_a_device_lacks_is_replaced_and_that_is_said() -> None:
    found = between("h100-sxm", "v100-sxm-16gb")
    assert change(found, Resource.TENSOR).factor == pytest.approx(125 / 989.4, rel=0.01)
    assert any("no speed in bfloat16 is stated for NVIDIA V100" in doubt for doubt in found.doubts)


def test_float32_is_compared_in_float32() -> None:
    assert change(between("h100-sxm", "a100-sxm-80gb", "float32"), Resource.TENSOR).factor == pytest.approx(19.5 / 66.9)


def test_an_unknown_number_format_is_said_to_be_one() -> None:
    assert any("does not say which number format ran" in doubt for doubt in between("a10", "l4", None).doubts)


def test_an_unknown_clock_is_said_to_be_one() -> None:
    assert any("no clock is stated for NVIDIA B200" in doubt for doubt in between("h100-sxm", "b200").doubts)


def test_a_faster_link_does_not_help_pageable_copies_and_a_slower_one_hurts() -> None:
    found = between("a100-sxm-80gb", "h100-sxm", pageable=True)
    assert change(found, Resource.PCIE).factor == 1
    assert any("pageable" in doubt for doubt in found.doubts)
    slower = change(between("h100-sxm", "a100-sxm-80gb", pageable=True), Resource.PCIE)
    assert slower.factor == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize(("staged", "expected"), [(7.84, 7.84), (27.0, 27.0), (40.0, 27.2), (54.4, 27.2)])
def test_a_slower_link_hurts_pageable_copies_only_where_it_is_slower_than_the_host(
    staged: float, expected: float
) -> None:
    """PCIe 4.0 carries 27.2 GB/s where PCIe 5.0 was measured to carry 54.4."""
    known = ceilings(pinned=54.4, pageable=staged)
    found = change(between("h100-sxm", "a100-sxm-80gb", pageable=True, ceilings=known), Resource.PCIE)
    assert found.expected == pytest.approx(expected, rel=1e-3)


def test_what_will_not_fit_is_said_first() -> None:
    assert "will not fit" in between("h100-sxm", "t4", needed_bytes=17e9 + 1e9).doubts[0]
    assert not any("will not fit" in doubt for doubt in between("h100-sxm", "t4", needed_bytes=8e9).doubts)


def test_the_same_device_changes_nothing_and_says_so() -> None:
    found = between("h100-sxm", "h100-sxm")
    assert {change.factor for change in found.changes} == {1.0}
    assert found.doubts == ["NVIDIA H100 SXM5 80GB is the device of the report: nothing changes"]
