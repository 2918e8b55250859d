"""What a trace is judged with: ceilings of the right direction, and a body that may be empty."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from msgspec.structs import replace

from profiler.measure.plan import Plan
from profiler.progress import SilentProgress
from profiler.report.ceilings import Ceilings
from profiler.report.records import Copies
from profiler.session.bench import Bench
from profiler.session.judged_trace import _pageable_over_pinned
from tests.unit.measure.stand_ins import FakeClock, FakeSampler
from tests.unit.session.machines import FakeGpuDevice, ceilings_of
from tests.unit.session.recorded import recorded_phase


def bench(**ceilings: float) -> Bench:
    """Ceilings in GB/s; a point in their names is written as an underscore."""
    device = FakeGpuDevice()
    known = ceilings_of(device.properties)
    named = [replace(c, value=ceilings.get(c.name.replace(".", "_"), c.value)) for c in known.ceilings]
    measured = Ceilings(device=known.device, measured_at=None, from_cache=False, ceilings=named)
    return Bench(device, measured, FakeSampler(FakeClock()), time.monotonic_ns, Plan.quick(), SilentProgress())


def copies(direction: str, gb_per_s: float, busy_ms: float = 1.0, memory: str = "pageable") -> Copies:
    return Copies(
        direction=direction, memory=memory, bytes=1, copies=1, busy_ms=busy_ms, exposed_ms=0.0, gb_per_s=gb_per_s
    )


@pytest.mark.parametrize(("direction", "times"), [("h2d", 5.0), ("d2h", 2.0)])
def test_pinned_memory_is_as_much_faster_as_it_is_in_the_copy_s_direction(direction: str, times: float) -> None:
    found = _pageable_over_pinned([copies(direction, 10.0)], bench(h2d_pinned=50.0, d2h_pinned=20.0))
    assert found == pytest.approx(times)


def test_of_copies_both_ways_the_longer_one_counts() -> None:
    both = [copies("h2d", 10.0, busy_ms=1.0), copies("d2h", 10.0, busy_ms=2.0)]
    assert _pageable_over_pinned(both, bench(h2d_pinned=50.0, d2h_pinned=20.0)) == pytest.approx(2.0)


def test_pinned_copies_have_nothing_to_gain() -> None:
    assert _pageable_over_pinned([copies("h2d", 10.0, memory="pinned")], bench()) is None


def without_steps(trace: bytes) -> bytes:
    whole = json.loads(gzip.decompress(trace))
    whole["traceEvents"] = [event for event in whole["traceEvents"] if event.get("cat") != "user_annotation"]
    return gzip.compress(json.dumps(whole).encode())


def test_a_body_that_holds_no_step_leaves_kernels_without_work_and_the_run_goes_on() -> None:
    phase = recorded_phase("decode_b1_graph", edited_body=without_steps)
    assert phase.parts
    assert "unknown_kernels" in {warning.code for warning in phase.warnings}
