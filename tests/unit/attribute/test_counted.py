from __future__ import annotations

from typing import Any

import msgspec
import pytest

from profiler.attribute.counted import Counted, CountedKernel, CountersUnusable, count_kernels
from profiler.measure.counters.source import Counter, CounterRecording
from profiler.trace.timeline import Timeline
from tests.unit.attribute.counter_samples import MARKER_BYTES, MARKER_COPIES, STEP, Made, counted_run


def count(timeline: Timeline, recording: CounterRecording, iterations: list[int]) -> Counted:
    return count_kernels(
        timeline, recording, marker_bytes=MARKER_BYTES, marker_copies=MARKER_COPIES, iterations=iterations
    )


def kernels(counted: Counted) -> dict[str, CountedKernel]:
    return {kernel.key[0]: kernel for kernel in counted.kernels}


@pytest.fixture(scope="module")
def counted() -> Counted:
    return count(*counted_run(iterations=(80,)), [80])


def test_kernels_shorter_than_a_sample_get_the_bytes_that_they_moved(counted: Counted) -> None:
    found = kernels(counted)
    assert counted.sample_us > 20 > found["qkv"].us
    for made in STEP:
        read = found[made.name].each[Counter.DRAM_READ]
        assert read.value == pytest.approx(made.read, abs=max(4 * read.error, 0.01 * made.read))
        assert read.error < 3e5  # a tenth of a microsecond's worth at 3 TB/s


def test_a_kernel_that_only_writes_is_not_said_to_read(counted: Counted) -> None:
    act = kernels(counted)["act"]
    assert act.each[Counter.DRAM_WRITE].value == pytest.approx(5e6, rel=0.02)
    assert act.each[Counter.DRAM_READ].value < 3 * act.each[Counter.DRAM_READ].error + 1


def test_an_active_unit_is_a_part_of_its_kernels_time(counted: Counted) -> None:
    found = kernels(counted)
    assert found["up"].each[Counter.TENSOR_ACTIVE].value == pytest.approx(0.12, abs=0.005)
    assert found["act"].each[Counter.TENSOR_ACTIVE].value == pytest.approx(0.0, abs=0.02)


def test_calls_of_one_kernel_at_two_places_are_one_kernel_with_two_calls(counted: Counted) -> None:
    assert kernels(counted)["norm"].calls == 2
    assert counted.kernels[0].key[0] == "up"


def test_the_bytes_of_an_iteration_are_what_all_samples_counted(counted: Counted) -> None:
    assert counted.iterations == 79  # the first is the marker's aftermath
    assert counted.whole[Counter.DRAM_READ] == pytest.approx(sum(made.read for made in STEP), rel=0.002)
    assert counted.explained_ratio == pytest.approx(1.0, abs=0.01)


def test_iterations_between_several_markers_are_taken_together() -> None:
    counted = count(*counted_run(iterations=(40, 40, 40)), [40, 40, 40])
    assert counted.iterations == 117
    assert counted.whole[Counter.DRAM_READ] == pytest.approx(sum(made.read for made in STEP), rel=0.005)


def test_a_phase_with_one_iteration_between_markers_is_counted_too() -> None:
    prefill = tuple(STEP) * 30
    counted = count(*counted_run(prefill, iterations=(1,) * 8), [1] * 8)
    assert counted.iterations == 8
    assert counted.whole[Counter.DRAM_READ] == pytest.approx(sum(made.read for made in prefill), rel=0.005)
    assert kernels(counted)["up"].calls == 30
    assert kernels(counted)["up"].each[Counter.DRAM_READ].value == pytest.approx(117.5e6, rel=0.01)


def test_samples_of_50_us_tell_the_units_of_kernels_shorter_than_that() -> None:
    counted = count(*counted_run(iterations=(600,), sample_us=50.0), [600])
    for made in STEP:
        tensor = kernels(counted)[made.name].each[Counter.TENSOR_ACTIVE]
        assert tensor.value == pytest.approx(made.tensor, abs=max(4 * tensor.error, 0.005))
        assert tensor.error < 0.03


def test_samples_that_are_missing_in_between_make_the_counters_unusable() -> None:
    timeline, recording = counted_run(iterations=(60,))
    middle = len(recording) // 2

    def holed(column: list[Any]) -> list[Any]:
        return column[:middle] + column[middle + 3 :]

    holes = CounterRecording(
        start_ns=holed(recording.start_ns),
        end_ns=holed(recording.end_ns),
        values={counter: holed(column) for counter, column in recording.values.items()},
        failure="3 samples have no length",
    )
    with pytest.raises(CountersUnusable, match="3 samples have no length"):
        count(timeline, holes, [60])


def test_more_iterations_make_a_smaller_error() -> None:
    few = kernels(count(*counted_run(iterations=(60,)), [60]))["qkv"].each[Counter.DRAM_READ]
    many = kernels(count(*counted_run(iterations=(480,)), [480]))["qkv"].each[Counter.DRAM_READ]
    assert many.error < few.error


def test_a_marker_that_the_trace_lost_makes_the_counters_unusable() -> None:
    timeline, recording = counted_run(iterations=(30,))
    with pytest.raises(CountersUnusable, match="2 of 4 markers"):
        count(timeline, recording, [15, 15])


def test_samples_of_something_else_are_refused() -> None:
    timeline, _ = counted_run(iterations=(30,))
    _, recording = counted_run((Made("other", 400.0, 1e9),), iterations=(5,), seed=1)
    half = len(recording) // 2
    without_markers = CounterRecording(
        start_ns=recording.start_ns[:half],
        end_ns=recording.end_ns[:half],
        values={counter: [7e6] * half for counter in recording.values},
    )
    with pytest.raises(CountersUnusable, match="marker"):
        count(timeline, without_markers, [30])


def test_bytes_that_no_kernel_of_the_trace_moved_are_refused() -> None:
    timeline, recording = counted_run(iterations=(40,))
    device = timeline.device
    read = recording.values[Counter.DRAM_READ]
    quiet = [0.0 if value < 2e6 else value for value in read]
    shifted = quiet[:60] + [value + 2e7 for value in quiet[60:-60]] + quiet[-60:]
    assert len(device)
    foreign = msgspec.structs.replace(recording, values=recording.values | {Counter.DRAM_READ: shifted})
    with pytest.raises(CountersUnusable):
        count(timeline, foreign, [40])


def test_too_short_a_run_is_refused_with_the_number_of_samples() -> None:
    with pytest.raises(CountersUnusable, match="only 35 samples"):
        count(*counted_run(iterations=(10,)), [10])


def test_samples_that_end_before_the_second_marker_say_why_they_ended() -> None:
    timeline, recording = counted_run(iterations=(60,))
    cut = len(recording) // 2
    ended = CounterRecording(
        start_ns=recording.start_ns[:cut],
        end_ns=recording.end_ns[:cut],
        values={counter: column[:cut] for counter, column in recording.values.items()},
        failure="the buffer ran over",
    )
    with pytest.raises(CountersUnusable, match="the buffer ran over"):
        count(timeline, ended, [60])


def test_a_recording_that_failed_says_why() -> None:
    timeline, _ = counted_run(iterations=(30,))
    with pytest.raises(CountersUnusable, match="no driver"):
        count(timeline, CounterRecording(failure="no driver"), [30])
