"""FLOPs and bytes summed over a trace say over how much of it."""

from __future__ import annotations

import time

import numpy as np

from profiler.attribute.kernel_work import KernelWork
from profiler.attribute.rates import NeededWork
from profiler.measure.plan import Plan
from profiler.progress import SilentProgress
from profiler.session.bench import Bench, PhasePlan
from profiler.session.marked import NamedPhase
from profiler.session.needed import needed_of, rates_of
from tests.unit.measure.stand_ins import FakeClock, FakeSampler
from tests.unit.session.machines import FakeGpuDevice, ceilings_of

NAN = float("nan")


def plan(dtype: str = "", needed: NeededWork | None = None) -> PhasePlan:
    return PhasePlan(NamedPhase("decode"), dtype, "eager", "none", needed, "summed over the traced operations")


def traced(flops: list[float], moved: list[float], data_types: list[str | None]) -> KernelWork:
    nothing = [None] * len(flops)
    return KernelWork(
        *(np.array(column) for column in (moved, moved, moved, moved, moved, flops, moved)),
        nothing,
        nothing,
        data_types,
        nothing,
        nothing,
        nothing,
    )


def bench() -> Bench:
    device = FakeGpuDevice()
    ceilings = ceilings_of(device.properties)
    return Bench(device, ceilings, FakeSampler(FakeClock()), time.monotonic_ns, Plan.quick(), SilentProgress())


MIXED = traced([6e12, 1e12, NAN, 0.0], [1e9, NAN, NAN, 3e9], ["bfloat16", "float32", None, None])


def test_a_sum_over_part_of_the_kernels_says_over_which_part() -> None:
    needed = needed_of(plan(), MIXED)
    assert (needed.work.flops, needed.work.bytes) == (7e12, 4e9)
    note = "summed over the traced operations; known for 3 of 4 kernels and copies"
    assert needed.sources["flops"].note == note
    assert needed.sources["bytes"].note == note.replace("3 of 4", "2 of 4")


def test_a_sum_over_all_of_them_says_no_more_than_what_it_is() -> None:
    needed = needed_of(plan(), traced([1e12], [1e9], ["float32"]))
    assert needed.sources["flops"].note == "summed over the traced operations"


def test_rates_of_a_partial_sum_carry_the_same_remark() -> None:
    rates = rates_of(bench(), plan(), 10.0, MIXED)
    assert rates.sources["mfu"].note == ("of the measured GEMM ceiling; flops known for 3 of 4 kernels and copies")
    assert rates.mfu == 7e12 / 796e12 / 0.010


def test_the_ceiling_is_that_of_the_format_of_most_flops_unless_the_model_has_one() -> None:
    assert needed_of(plan(), MIXED).dtype == "bfloat16"
    assert needed_of(plan("unknown"), MIXED).dtype == "bfloat16"
    assert needed_of(plan("float16"), MIXED).dtype == "float16"


def test_what_the_architecture_says_is_no_sum() -> None:
    needed = needed_of(plan("bfloat16", NeededWork(1.0, 2.0, 3.0)), MIXED)
    assert (needed.work.flops, needed.work.bytes) == (1.0, 5.0)
    assert needed.partly == {}
