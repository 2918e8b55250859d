"""What the device of a trace reaches: by a report of such a device, else by its datasheet, else it is not known."""

from __future__ import annotations

import pytest

from profiler.attribute.trace_ceilings import GEMM_EFFICIENCY, READ_EFFICIENCY, ceilings_of
from profiler.catalogue.datasheet import find_datasheet
from profiler.report.ceilings import Ceilings

H100 = {"id": 0, "name": "NVIDIA H100 80GB HBM3", "numSms": 132, "maxThreadsPerMultiprocessor": 2048, "computeMajor": 9}


def test_a_datasheet_is_taken_at_what_devices_were_measured_to_reach_of_theirs() -> None:
    found, sheet = ceilings_of([H100]), find_datasheet("h100-sxm")
    assert sheet is not None
    assert found.peaks.dram_bytes_per_s == pytest.approx(READ_EFFICIENCY * sheet.memory_bandwidth_bytes_per_s)
    peak = sheet.flops_per_s["bfloat16"]
    assert peak is not None
    assert found.gemm_flops_per_s["gemm.bfloat16"] == pytest.approx(GEMM_EFFICIENCY * peak)
    # An H100 was measured to read at 3.08 TB/s and to multiply at 796 TFLOP/s.
    assert found.peaks.dram_bytes_per_s == pytest.approx(3.08e12, rel=0.03)
    assert found.gemm_flops_per_s["gemm.bfloat16"] == pytest.approx(796e12, rel=0.03)


def test_the_size_of_the_device_is_that_of_the_trace() -> None:
    peaks = ceilings_of([{**H100, "numSms": 66}]).peaks
    assert (peaks.sm_count, peaks.threads_per_sm, peaks.l2_bytes) == (66, 2048, 52_428_800)


def test_the_device_is_the_one_that_worked() -> None:
    other = {"id": 1, "name": "Tesla T4"}
    assert ceilings_of([H100, other], device=1).device == "Tesla T4"
    assert ceilings_of([H100, other], device=7).device == H100["name"]


@pytest.mark.parametrize("properties", [[], [{"name": ""}], [{"name": 5}], [{"name": "Some GPU", "numSms": "many"}]])
def test_a_device_that_nobody_knows_has_no_ceilings_and_says_why(properties: list[dict[str, object]]) -> None:
    found = ceilings_of(properties)
    assert found.peaks.dram_bytes_per_s is None
    assert not any(found.gemm_flops_per_s.values())
    assert "--ceilings" in found.note
    name = "Some GPU" if properties and properties[0]["name"] == "Some GPU" else None
    assert found.missing == (f"there is no datasheet of {name}" if name else "the trace does not name its device")


def test_why_the_bandwidth_is_missing_is_said_where_it_is_and_nowhere_else() -> None:
    assert ceilings_of([H100]).missing == ""
    unread = Ceilings(device="NVIDIA H100 80GB HBM3", measured_at=None, from_cache=False, ceilings=[])
    assert ceilings_of([H100], 0, unread).missing == "the bandwidth of NVIDIA H100 80GB HBM3 was not measured"


def test_a_board_of_a_known_card_has_its_datasheet_and_one_of_which_less_is_known_has_none() -> None:
    board, card, other = (
        ceilings_of([{"id": 0, "name": name}]).peaks.dram_bytes_per_s
        for name in ("NVIDIA A100-PG509-200", "NVIDIA A100-SXM4-40GB", "Tesla V100-DGXS-32GB")
    )
    assert board == card
    assert (board is None, other) == (False, None)


def test_ceilings_of_another_device_are_not_used_and_that_is_said() -> None:
    measured = Ceilings(device="Intel Xeon", measured_at=None, from_cache=False, ceilings=[])
    found = ceilings_of([H100], 0, measured)
    assert "of Intel Xeon: not used" in found.note
    assert found.peaks == ceilings_of([H100], 0).peaks


@pytest.mark.parametrize("properties", [[], [{"id": 0, "name": ""}], [{"id": 0, "name": "AMD Radeon Graphics"}]])
def test_a_device_that_the_trace_does_not_name_is_the_one_that_the_user_names(
    properties: list[dict[str, object]],
) -> None:
    sheet = find_datasheet("mi300x")
    assert sheet is not None
    found = ceilings_of(properties, 0, named=sheet)
    assert found.peaks.dram_bytes_per_s == pytest.approx(READ_EFFICIENCY * sheet.memory_bandwidth_bytes_per_s)
    assert found.device == (properties[0]["name"] if properties and properties[0]["name"] else sheet.name)
    assert "as named by --device" in found.note


def test_what_the_trace_says_of_its_device_counts_for_more_than_what_the_user_says() -> None:
    found = ceilings_of([H100], 0, named=find_datasheet("mi300x"))
    assert (found.device, found.peaks) == (H100["name"], ceilings_of([H100]).peaks)
    assert "--device AMD Instinct MI300X is not used" in found.note
