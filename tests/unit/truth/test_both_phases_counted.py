"""A report of an 8B model on an H100 in which prefill and decode were both counted, matrix pipes and all."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from profiler.report.counters import CountedKernel, Counters
from profiler.report.records import Phase
from profiler.report.store import load_report

REPORT = Path(__file__).parents[2] / "data" / "truth" / "counted_whole_report_h100.json.gz"


@cache
def phases() -> dict[str, Phase]:
    return {phase.name: phase for phase in load_report(REPORT).phases}


def counters_of(name: str) -> Counters:
    found = phases()[name].counters
    assert found is not None
    return found


def tensor_ratio(kernel: CountedKernel) -> float:
    assert kernel.tensor_active_ratio is not None
    return kernel.tensor_active_ratio.value


@pytest.mark.parametrize("name", ["prefill", "decode"])
def test_every_counter_was_read_and_the_kernels_account_for_the_bytes(name: str) -> None:
    counted = counters_of(name)
    assert None not in (counted.tensor_active_ratio, counted.issue_active_ratio, counted.pcie_read_bytes)
    assert counted.explained_ratio == pytest.approx(1, abs=0.01)
    assert counted.marker_misfit < 0.1


def test_a_decode_step_reads_what_the_architecture_calls_for() -> None:
    assert counters_of("decode").read_bytes == pytest.approx(phases()["decode"].bytes, rel=0.01)


def test_a_prefill_reads_its_weights_once_and_some_of_them_again() -> None:
    assert 1.0 < counters_of("prefill").read_bytes / (phases()["prefill"].bytes or 0.0) < 1.2


def test_large_products_keep_the_matrix_pipes_busy_and_other_kernels_leave_them_alone() -> None:
    kernels = counters_of("prefill").kernels
    large = [kernel for kernel in kernels if kernel.name.startswith("nvjet") and kernel.us > 50 and kernel.calls > 1]
    others = [kernel for kernel in kernels if "elementwise" in kernel.name and kernel.us > 7]
    assert min(map(tensor_ratio, large)) > 0.7
    assert max(map(tensor_ratio, others)) < 0.1


def test_a_product_with_one_row_waits_for_its_weights_with_idle_pipes() -> None:
    kernels = [kernel for kernel in counters_of("decode").kernels if kernel.name.startswith("nvjet")]
    assert max(map(tensor_ratio, kernels)) < 0.05
