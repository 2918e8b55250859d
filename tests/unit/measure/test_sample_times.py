"""Times of samples that came without them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiler.measure.counters.sample_times import mend

EPOCH_NS = 1_795_338_352_747_043_203  # as large as they are: floats of these lose hundreds of nanoseconds


def samples(count: int, length: int = 20_000) -> tuple[list[int], list[int]]:
    edges = [EPOCH_NS + row * length for row in range(count + 1)]
    return edges[:-1], edges[1:]


def without(times: list[int], first: int, last: int) -> list[int]:
    return [*times[:first], *[0] * (last - first), *times[last:]]


def test_samples_that_have_times_keep_them() -> None:
    start, end = samples(10)
    times = mend(start, end)
    assert (times.start_ns, times.end_ns, times.mended, times.lost) == (start, end, 0, 0)


@given(st.data())
def test_a_stretch_without_times_lies_where_its_neighbours_leave_room(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 60))
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first + 1, count)) if first else data.draw(st.integers(1, count - 1))
    start, end = samples(count)
    times = mend(without(start, first, last), without(end, first, last))
    assert (times.start_ns, times.end_ns, times.mended) == (start, end, last - first)


def test_an_interval_that_is_a_little_off_is_spread_over_the_stretch() -> None:
    start, end = samples(3000, length=20_001)
    stretched = [*start[:1500], *(time + 4_000 for time in start[1500:])]  # the clock ran on by a fifth of a sample
    ends = [*stretched[1:], end[-1] + 4_000]
    times = mend(without(stretched, 500, 1500), without(ends, 500, 1500))
    assert times.lost == 0
    assert times.start_ns[1500] == times.end_ns[1499] == stretched[1500]
    assert all(20_001 <= last - first <= 20_006 for first, last in zip(times.start_ns, times.end_ns, strict=True))


def test_a_stretch_from_which_samples_are_missing_is_lost() -> None:
    start, end = samples(100)
    kept = [*range(60), *range(62, 100)]  # two are gone among those without times
    start = without([start[row] for row in kept], 50, 70)
    end = without([end[row] for row in kept], 50, 70)
    times = mend(start, end)
    assert (times.mended, times.lost, times.kept) == (0, 20, [*range(50), *range(70, 98)])


def test_nothing_follows_where_no_sample_has_times() -> None:
    times = mend([0] * 5, [0] * 5)
    assert (times.kept, times.lost) == ([], 5)
