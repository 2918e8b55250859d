"""Which sizes a sweep measures."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from profiler.session.sweep_grid import Size, SweepGrid, grid_of

SIZES = st.lists(st.integers(1, 100_000), min_size=1, max_size=8, unique=True).map(lambda values: tuple(sorted(values)))


def test_what_is_asked_for_is_swept_in_order_and_once() -> None:
    grid = grid_of("decode", 4096, [32, 1, 8, 8], [1024, 128])
    assert grid == SweepGrid((1, 8, 32), (128, 1024))
    assert grid.sizes()[:3] == [Size(1, 128), Size(1, 1024), Size(8, 128)]


def test_the_usual_lengths_end_where_the_model_has_no_more_positions() -> None:
    assert grid_of("prefill", 100_000).lengths == (32, 128, 512, 2048, 8192)
    assert grid_of("prefill", 4087).lengths == (32, 128, 512, 2048, 4087)
    assert grid_of("prefill", 2100).lengths == (32, 128, 512, 2048)  # so little more is not worth a point
    assert grid_of("prefill", 20).lengths == (20,)
    assert grid_of("decode", None).lengths == (128, 1024, 4096)


def test_what_is_held_out_lies_in_the_middle_of_cells_on_the_diagonal() -> None:
    assert SweepGrid((1, 4, 16), (32, 128, 512)).between() == [Size(2, 64), Size(8, 256)]
    assert SweepGrid((1,), (100, 400, 1600)).between() == [Size(1, 200), Size(1, 800)]
    assert SweepGrid((1, 4, 16), (100,)).between() == [Size(2, 100), Size(8, 100)]


def test_a_single_point_has_nothing_between() -> None:
    assert SweepGrid((4,), (128,)).between() == []
    assert SweepGrid((1, 2), ()).between() == []


@given(SIZES, SIZES)
def test_nothing_that_is_held_out_is_a_point_or_lies_outside(
    batches: tuple[int, ...], lengths: tuple[int, ...]
) -> None:
    grid = SweepGrid(batches, lengths)
    for size in grid.between():
        assert size not in grid.sizes()
        assert batches[0] <= size.batch_size <= batches[-1]
        assert lengths[0] <= size.tokens <= lengths[-1]


@given(SIZES, SIZES)
def test_every_gap_between_lengths_is_tested_where_it_has_a_middle(
    batches: tuple[int, ...], lengths: tuple[int, ...]
) -> None:
    tested = {size.tokens for size in SweepGrid(batches, lengths).between()}
    for low, high in pairwise(lengths):
        assert high - low < 3 or any(low < tokens < high for tokens in tested)
