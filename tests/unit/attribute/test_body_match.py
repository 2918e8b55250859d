"""Kernels of a graph replay find their operations in the same step launched op by op."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from profiler.attribute.body_match import common_subsequence, match_body, transfer
from profiler.attribute.kernel_work import kernels_work
from profiler.report.vocabulary import Cause
from profiler.trace.timeline import Activity, Ints, Timeline
from tests.unit.attribute.recorded_steps import recorded_step, token_shape

BATCHES = [1, 16, 64, 256]


def _keep(timeline: Timeline, rows: Ints) -> Timeline:
    """The timeline with only these device rows."""
    device = timeline.device
    columns = {name: getattr(device, name) for name in device.__slots__}
    kept: dict[str, Any] = {name: column[rows] for name, column in columns.items() if isinstance(column, np.ndarray)}
    return replace(timeline, device=replace(device, **kept))


def _on_stream(timeline: Timeline, stream: Ints) -> Timeline:
    return replace(timeline, device=replace(timeline.device, stream=stream))


def _names(timeline: Timeline, rows: Ints) -> list[str]:
    return [timeline.name_of(timeline.device.name, row) for row in rows]


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("batch", BATCHES)
def test_every_recorded_replay_kernel_finds_its_own(batch: int, step: int) -> None:
    replay, body = recorded_step(f"decode_b{batch}_graph", step), recorded_step(f"decode_b{batch}_graph_body")
    matches = match_body(replay, body)
    assert (matches >= 0).all()
    assert len(set(matches.tolist())) == len(matches)
    assert _names(replay, np.arange(len(matches))) == _names(body, matches)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_replay_has_the_work_of_its_body(batch: int) -> None:
    replay, body = recorded_step(f"decode_b{batch}_graph"), recorded_step(f"decode_b{batch}_graph_body")
    shape = token_shape(f"decode_b{batch}_graph")
    known = kernels_work(body, shape)
    work = transfer(kernels_work(replay, shape), known, match_body(replay, body))
    for column in ("bytes", "flops", "weights_bytes", "kv_cache_bytes"):
        assert np.nansum(getattr(work, column)) == pytest.approx(np.nansum(getattr(known, column)))
    assert None not in work.operation


def test_a_copy_within_the_device_finds_its_bytes_though_a_replay_does_it_with_a_kernel_of_another_name() -> None:
    replay, body = recorded_step("decode_b1_graph"), recorded_step("decode_b1_graph_body")
    row = 7
    theirs = int(match_body(replay, body)[row])
    copied, launched = _with_copy(replay, row, bytes_=-1), _with_copy(body, theirs, bytes_=1000)
    copied.device.grid[row] = (264, 1, 1)
    matches = match_body(copied, launched)
    assert matches[row] == theirs
    shape = token_shape("decode_b1_graph")
    work = transfer(kernels_work(copied, shape), kernels_work(launched, shape), matches)
    assert (work.read_bytes[row], work.write_bytes[row], work.cause[row]) == (1000, 1000, Cause.MEMORY_COPY)


def _with_copy(timeline: Timeline, row: int, bytes_: int) -> Timeline:
    """The timeline with a copy within the device in place of this row."""
    device = timeline.device
    kind, sizes = device.kind.copy(), device.bytes.copy()
    kind[row], sizes[row] = Activity.D2D, bytes_
    return replace(timeline, device=replace(device, kind=kind, bytes=sizes, grid=device.grid.copy()))


def test_a_replay_within_a_compiled_function_has_the_work_of_its_body_too() -> None:
    replay, body = recorded_step("decode_b1_graph"), recorded_step("decode_b1_graph_body")
    known = kernels_work(body, token_shape("decode_b1_graph"))
    own = kernels_work(replay)
    region = replace(own, operation=["Torch-Compiled Region: 0/1"] * len(own))
    work = transfer(region, known, match_body(replay, body))
    assert np.nansum(work.bytes) == pytest.approx(np.nansum(known.bytes))


def test_missing_and_extra_kernels_cost_only_themselves() -> None:
    replay, body = recorded_step("decode_b16_graph"), recorded_step("decode_b16_graph_body")
    whole = match_body(replay, body)
    missing, extra = np.arange(40, len(whole), 97), np.arange(11, len(whole), 101)
    ours = np.setdiff1d(np.arange(len(whole)), missing)
    theirs = np.setdiff1d(np.arange(len(body.device)), extra)
    matches = match_body(_keep(replay, ours), _keep(body, theirs))
    expected = np.where(np.isin(whole[ours], extra), -1, whole[ours])
    found = np.where(matches >= 0, theirs[matches], -1)
    # Of neighbours of one name and grid, which one is missing cannot be told.
    assert (found == expected).mean() > 0.98
    assert (found >= 0).sum() >= len(whole) - len(missing) - len(extra)
    matched = np.flatnonzero(found >= 0)
    assert _names(replay, ours[matched]) == _names(body, found[matched])


def test_another_choice_of_kernel_stays_unmatched_and_unknown() -> None:
    replay, body = recorded_step("decode_b16_graph"), recorded_step("decode_b16_graph_body")
    chosen = next(row for row in range(len(replay.device)) if "nvjet" in replay.name_of(replay.device.name, row))
    name = replay.device.name.copy()
    name[chosen] = len(replay.names)
    other = replace(replay, names=[*replay.names, "nvjet_of_another_run"], device=replace(replay.device, name=name))
    matches = match_body(other, body)
    assert np.flatnonzero(matches < 0).tolist() == [chosen]
    work = transfer(kernels_work(other), kernels_work(body), matches)
    assert np.isnan(work.bytes[chosen])
    assert work.operation[chosen] is None


def test_streams_that_were_numbered_anew_belong_together_by_what_they_run() -> None:
    replay, body = recorded_step("decode_b16_graph"), recorded_step("decode_b16_graph_body")
    branch = np.arange(len(replay.device)) % 5 == 0
    forked = match_body(_on_stream(replay, np.where(branch, 31, 30)), _on_stream(body, np.where(branch, 7, 9)))
    assert forked.tolist() == match_body(replay, body).tolist()


def test_a_body_on_one_stream_serves_a_replay_on_several() -> None:
    replay, body = recorded_step("decode_b16_graph"), recorded_step("decode_b16_graph_body")
    branch = np.arange(len(replay.device)) % 5 == 0
    assert (match_body(_on_stream(replay, np.where(branch, 31, 30)), body) >= 0).all()


def test_a_replay_keeps_the_operations_that_it_knows_itself() -> None:
    body = recorded_step("decode_b1_graph_body")
    own = kernels_work(body)
    backwards = np.arange(len(own))[::-1]
    assert transfer(own, own, backwards).operation == own.operation


def test_nothing_matches_an_empty_body() -> None:
    replay = recorded_step("decode_b1_graph")
    empty = _keep(recorded_step("decode_b1_graph_body"), np.array([], np.int64))
    assert (match_body(replay, empty) == -1).all()


def _longest(left: str, right: str) -> int:
    """By the textbook table."""
    row = [0] * (len(right) + 1)
    for token in left:
        before = row[:]
        for position, other in enumerate(right):
            row[position + 1] = before[position] + 1 if token == other else max(row[position], before[position + 1])
    return row[-1]


@settings(max_examples=300, deadline=None)
@given(st.text("abcd", max_size=12), st.text("abcde", max_size=12))
def test_a_common_subsequence_is_common_ascending_and_longest(left: str, right: str) -> None:
    pairs = common_subsequence(left, right)
    assert all(left[x] == right[y] for x, y in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))
    assert len(pairs) == _longest(left, right)
