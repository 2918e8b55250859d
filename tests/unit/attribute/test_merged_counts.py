"""Bytes of one recording and busy units of another, of the same phase."""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
from msgspec.structs import replace

from profiler.attribute.counted import Counted, count_kernels
from profiler.attribute.merged_counts import with_units
from profiler.measure.counters.source import Counter
from tests.unit.attribute.counted_recordings import counted_recording
from tests.unit.attribute.counter_samples import MARKER_BYTES, MARKER_COPIES, STEP, counted_run


@cache
def traffic() -> Counted:
    """Finely sampled, DRAM only."""
    timeline, recording = counted_run(iterations=(150,))
    values = {counter: recording.values[counter] for counter in (Counter.DRAM_READ, Counter.DRAM_WRITE)}
    recording = msgspec.structs.replace(recording, values=values)
    return count_kernels(timeline, recording, marker_bytes=MARKER_BYTES, marker_copies=MARKER_COPIES, iterations=[150])


@cache
def units() -> Counted:
    """Everything, more coarsely, in other iterations."""
    timeline, recording = counted_run(iterations=(600,), sample_us=50.0, seed=1)
    return count_kernels(timeline, recording, marker_bytes=MARKER_BYTES, marker_copies=MARKER_COPIES, iterations=[600])


def test_bytes_stay_those_of_the_fine_recording() -> None:
    merged = with_units(traffic(), units())
    for before, after in zip(traffic().kernels, merged.kernels, strict=True):
        for counter in (Counter.DRAM_READ, Counter.DRAM_WRITE):
            assert after.each[counter] == before.each[counter]
    assert merged.whole[Counter.DRAM_READ] == traffic().whole[Counter.DRAM_READ]
    assert (merged.sample_us, merged.unit_sample_us) == (traffic().sample_us, units().sample_us)


def test_each_kernel_gets_how_busy_the_other_recording_saw_it() -> None:
    found = {kernel.key[0]: kernel for kernel in with_units(traffic(), units()).kernels}
    assert found["up"].each[Counter.TENSOR_ACTIVE].value == pytest.approx(0.12, abs=0.01)
    assert found["norm"].each[Counter.TENSOR_ACTIVE].value == pytest.approx(0.0, abs=0.02)
    expected = sum(made.tensor * made.us for made in STEP) / sum(made.us + 1.0 for made in STEP)
    whole = with_units(traffic(), units()).whole[Counter.TENSOR_ACTIVE]
    assert whole == pytest.approx(expected, abs=0.005)


def test_an_h100s_kernels_keep_their_units_busy_alike_in_samples_of_20_and_50_us() -> None:
    recorded = counted_recording("decode_4_layers_eager")
    fine, coarse = (recorded.units_every(sample_ns).count() for sample_ns in (20_000, 50_000))
    merged = with_units(recorded.count(), coarse)
    assert (merged.sample_us, merged.unit_sample_us) == pytest.approx((20.0, 50.0), rel=0.001)
    for counter in (Counter.TENSOR_ACTIVE, Counter.ISSUE_ACTIVE):
        assert merged.whole[counter] == pytest.approx(fine.whole[counter], rel=0.01)
        for one, other in zip(fine.kernels, merged.kernels, strict=True):
            if one.us > 5:
                assert other.each[counter].value == pytest.approx(one.each[counter].value, abs=0.015)


def test_products_of_one_row_use_the_matrix_pipes_a_little_and_elementwise_kernels_do_not() -> None:
    recorded = counted_recording("decode_4_layers_eager")
    merged = with_units(recorded.count(), recorded.units_every(50_000).count())
    for kernel in merged.kernels:
        tensor = merged.active_ratio(kernel, Counter.TENSOR_ACTIVE)
        assert tensor is not None
        if kernel.key[0].startswith("nvjet") and kernel.us > 10:
            assert 0.01 < tensor < 0.05
        elif "elementwise" in kernel.key[0]:
            assert tensor < 0.05


def test_a_kernel_that_only_one_recording_saw_stays_as_it_was() -> None:
    without = replace(units(), kernels=[kernel for kernel in units().kernels if kernel.key[0] != "up"])
    found = {kernel.key[0]: kernel for kernel in with_units(traffic(), without).kernels}
    assert Counter.TENSOR_ACTIVE not in found["up"].each
    assert Counter.TENSOR_ACTIVE in found["qkv"].each


def test_the_series_has_one_value_of_each_counter_a_sample() -> None:
    series = with_units(traffic(), units()).series
    assert series.start_us == traffic().series.start_us
    assert {len(column) for column in series.rates.values()} == {len(series.start_us)}
    assert set(series.rates[Counter.TENSOR_ACTIVE]) <= set(units().series.rates[Counter.TENSOR_ACTIVE])
