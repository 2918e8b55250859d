"""Why nobody knows what limits a kernel: what stands between it and an operation with shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from profiler.attribute.unknown_kernels import UnknownKernels, WhyUnknown, reasons
from tests.unit.trace.trace_events import call, kernel, operation, public_trace, recording, timeline_of

SHAPES = {"Input Dims": [[64, 64]], "Input type": ["float"]}


def launched_in(name: str, launch: str = "cudaLaunchKernel", **arguments: Any) -> list[dict[str, Any]]:
    """An operation that launches one kernel."""
    return [operation(name, 0, 100, **arguments), call(launch, 10, 5, 1), kernel(50, 10, 1)]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (launched_in("my::op", "cudaGraphLaunch"), WhyUnknown.REPLAYED),
        (launched_in("CompiledFunction"), WhyUnknown.COMPILED),
        ([operation("Torch-Compiled Region: 0/0", 0, 200), *launched_in("my::op")], WhyUnknown.COMPILED),
        ([call("cuLaunchKernel", 10, 5, 1), kernel(50, 10, 1, name="triton_poi_fused_0")], WhyUnknown.COMPILED),
        ([operation("my::op", 0, 100), kernel(50, 10, 1)], WhyUnknown.NO_LAUNCH),
        ([call("cudaLaunchKernel", 10, 5, 1), kernel(50, 10, 1)], WhyUnknown.NO_OPERATION),
        (launched_in("aten::mm"), WhyUnknown.NO_SHAPES),
        (launched_in("my::op", **SHAPES), WhyUnknown.NO_RULE),
    ],
)
def test_a_kernel_is_unknown_for_what_hides_its_operation(events: list[dict[str, Any]], why: WhyUnknown) -> None:
    timeline = timeline_of(*events)
    assert UnknownKernels(timeline).why(0) is why


def test_what_is_in_doubt_though_its_work_is_known_comes_first() -> None:
    timeline = timeline_of(*launched_in("aten::special_i0e", **SHAPES))
    assert UnknownKernels(timeline).why(0, in_doubt=True) is WhyUnknown.IN_DOUBT


def test_reasons_come_by_their_time_and_hold_all_of_it_but_trifles() -> None:
    timeline = public_trace("v100_hta_trace_diff_test")
    rows = np.arange(len(timeline.device))
    own_ns = timeline.device.end_ns - timeline.device.start_ns
    found = reasons(timeline, rows, own_ns, np.zeros(len(rows), np.bool_))
    spent = [reason.ns for reason in found]
    assert spent == sorted(spent, reverse=True)
    assert 0.6 * own_ns.sum() < sum(spent) <= own_ns.sum()


def test_every_kernel_of_a_replayed_graph_is_replayed() -> None:
    timeline = recording("decode_b16_graph")
    rows = np.flatnonzero(timeline.device.kind == 0)
    told = UnknownKernels(timeline).of(rows, np.zeros(len(rows), np.bool_))
    assert set(told) == {WhyUnknown.REPLAYED}


def test_every_reason_has_its_next_step() -> None:
    assert all(why.next_step for why in WhyUnknown)
