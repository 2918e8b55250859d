"""The account of a trace, held against an independent union of its intervals."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.trace.accounting import COMPUTE, HOST_COPIES, Accounting, account, exclusive_ns, idle_gaps
from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Activity, DeviceEvents
from tests.unit.trace.trace_events import PUBLIC, RECORDINGS, copy, kernel, public_trace, timeline_of


def sweep(device: DeviceEvents) -> dict[frozenset[Activity], int]:
    """Nanoseconds under each set of kinds, by counting at every edge: slow, plain, and by nobody else's code."""
    edges: list[tuple[int, int, Activity]] = []
    for start, end, kind in zip(device.start_ns.tolist(), device.end_ns.tolist(), device.kind.tolist(), strict=True):
        edges += [(start, 1, Activity(kind)), (end, -1, Activity(kind))]
    edges.sort(key=lambda edge: edge[0])
    running = dict.fromkeys(Activity, 0)
    found: dict[frozenset[Activity], int] = {}
    for (time, change, kind), following in itertools.pairwise([*edges, edges[-1]]):
        running[kind] += change
        under = frozenset(kind for kind, number in running.items() if number)
        found[under] = found.get(under, 0) + following[0] - time
    return found


def assert_agrees(told: Accounting, device: DeviceEvents) -> None:
    under = sweep(device)

    def time(*kinds: Activity, beside: tuple[Activity, ...] = tuple(Activity)) -> int:
        return sum(ns for here, ns in under.items() if here & set(kinds) and here & set(beside))

    def exposed(*kinds: Activity) -> int:
        return sum(ns for here, ns in under.items() if here and here <= set(kinds))

    assert told.span_ns == sum(under.values()) == int(device.end_ns.max() - device.start_ns.min())
    assert told.idle_ns == under.get(frozenset(), 0)
    assert told.busy_ns == told.span_ns - told.idle_ns
    assert told.compute_ns == time(*COMPUTE)
    assert (told.copy_ns, told.exposed_copy_ns) == (time(*HOST_COPIES), exposed(*HOST_COPIES))
    assert told.copy_compute_ns == time(*HOST_COPIES, beside=COMPUTE)
    assert told.collective_ns == time(Activity.COLLECTIVE)
    assert told.exposed_collective_ns == exposed(Activity.COLLECTIVE)
    assert told.collective_compute_ns == time(Activity.COLLECTIVE, beside=COMPUTE)
    own = exclusive_ns(device)
    assert int(own.sum()) == told.busy_ns
    assert (own >= 0).all()
    assert (own <= device.end_ns - device.start_ns).all()
    assert int(own[np.isin(device.kind, COMPUTE)].sum()) == told.compute_ns
    gaps, _ = idle_gaps(device)
    assert int((gaps[:, 1] - gaps[:, 0]).sum()) == told.idle_ns


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_trace_is_accounted_to_the_nanosecond(name: str) -> None:
    device = public_trace(name).device
    assert_agrees(account(device), device)


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json.gz")), ids=lambda path: path.name.partition(".")[0])
def test_a_recording_is_accounted_to_the_nanosecond(path: Path) -> None:
    device = read_kineto(path).device
    assert_agrees(account(device), device)


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 25), st.sampled_from(list(Activity)), st.integers(0, 2)),
        min_size=1,
        max_size=24,
    )
)
def test_whatever_overlaps_is_accounted_to_the_nanosecond(rows: list[tuple[int, int, Activity, int]]) -> None:
    assert_agrees(account(events(rows)), events(rows))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)), min_size=1, max_size=24))
def test_every_gap_is_ended_by_the_row_that_starts_then(rows: list[tuple[int, int]]) -> None:
    device = events([(start, length, Activity.KERNEL, 0) for start, length in rows])
    gaps, ended_by = idle_gaps(device)
    assert device.start_ns[ended_by].tolist() == gaps[:, 1].tolist()


def events(rows: list[tuple[int, int, Activity, int]]) -> DeviceEvents:
    rows = sorted(rows)
    start, length, kind, stream = np.array(rows, np.int64).T.copy()
    none = np.full(len(rows), -1, np.int64)
    three = np.full((len(rows), 3), -1, np.int64)
    return DeviceEvents(
        start_ns=start,
        end_ns=start + length,
        kind=kind,
        name=none,
        device=np.zeros(len(rows), np.int64),
        stream=stream,
        correlation=none,
        bytes=none,
        pageable=np.zeros(len(rows), np.bool_),
        grid=three,
        block=three,
        registers=none,
        shared_bytes=none,
        call=none,
        operation=none,
        group=none,
    )


def test_kernels_that_run_at_once_share_the_time_and_sum_to_more_in_durations() -> None:
    device = timeline_of(kernel(0, 10, stream=7), kernel(5, 10, stream=8)).device
    told = account(device)
    assert (told.busy_ns, told.kernel_ns) == (15_000, 20_000)
    assert exclusive_ns(device).tolist() == [7_500, 7_500]
    assert [(stream.stream, stream.busy_ns, stream.kernels) for stream in told.streams] == [
        (7, 10_000, 1),
        (8, 10_000, 1),
    ]


def test_what_does_not_divide_is_not_lost() -> None:
    device = timeline_of(kernel(0, 0.1, stream=7), kernel(0, 0.1, stream=8), kernel(0, 0.1, stream=9)).device
    assert sorted(exclusive_ns(device).tolist()) == [33, 33, 34]


def test_a_copy_is_exposed_where_nothing_else_runs() -> None:
    device = timeline_of(kernel(0, 10), copy("Memcpy HtoD (Pinned -> Device)", 6, 10, stream=8)).device
    told = account(device)
    assert (told.copy_ns, told.copy_compute_ns, told.exposed_copy_ns) == (10_000, 4_000, 6_000)


def test_a_trace_without_a_device_accounts_for_nothing() -> None:
    told = account(timeline_of().device)
    assert (told.span_ns, told.busy_ns, told.idle_ns, told.streams) == (0, 0, 0, [])


@pytest.mark.parametrize(
    ("name", "idle_percent"),
    [
        ("h100_bert_small", "92"),
        ("v100_hta_trace_diff_test", "3.66"),
        ("mi300_vllm_decode_graph", "0.24"),
    ],
)
def test_the_known_idle_parts_hold(name: str, idle_percent: str) -> None:
    told = account(public_trace(name).device)
    decimals = len(idle_percent.partition(".")[2])
    assert f"{100 * told.idle_ns / told.span_ns:.{decimals}f}" == idle_percent


def test_the_known_times_hold_although_a_third_of_the_launches_is_missing() -> None:
    told = account(public_trace("h100_qwen1.5_0.5b").device)
    assert (round(told.idle_ns, -2), round(told.kernel_ns, -2)) == (4_005_500, 45_432_700)


def test_nanoseconds_are_kept_where_a_trace_has_them() -> None:
    device = public_trace("hta_ns_resolution").device
    assert np.gcd.reduce(device.end_ns - device.start_ns) == 1
    assert account(device).idle_ns % 1_000 != 0
