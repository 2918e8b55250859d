"""Real traces, damaged on purpose: each damage is named, with what it does; what cannot carry a verdict gets none."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from profiler.report.vocabulary import VerdictState
from profiler.session.analyze import analyze_inputs
from profiler.session.trace_inputs import TraceInput
from profiler.trace.finding import Finding, Severity
from profiler.trace.integrity import check
from profiler.trace.kineto import read_kineto
from tests.unit.trace.trace_events import PUBLIC, PUBLIC_TRACES, RECORDINGS, call, frame, kernel, timeline_of

Event = dict[str, Any]
DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
US_PER_MS = 1e3
US_PER_HOUR = 3.6e9


@cache
def text_of(name: str) -> str:
    path = RECORDINGS / f"{name}.json.gz"
    if not path.exists():
        path = PUBLIC_TRACES / f"{name}.json.gz"
    if not path.exists():
        pytest.skip(f"the public trace {name} is not on this machine; it is not part of the repository")
    return gzip.decompress(path.read_bytes()).decode()


def damaged(name: str, damage: Callable[[list[Event]], object]) -> bytes:
    trace = json.loads(text_of(name))
    damage(trace["traceEvents"])
    return json.dumps(trace).encode()


def findings(data: bytes) -> dict[str, Finding]:
    return {each.code: each for each in check(read_kineto(data))}


def state(data: bytes) -> tuple[VerdictState, str]:
    (rank,) = analyze_inputs([TraceInput("damaged.json", data)]).ranks
    assert sum(part.ns for part in rank.parts) == rank.span_ns == rank.busy_ns + rank.idle_ns
    return rank.verdict.state, " ".join(rank.verdict.evidence)


def on_device(events: list[Event]) -> Iterator[Event]:
    return (event for event in events if event.get("cat") in DEVICE and event.get("ph") == "X")


def later(event: Event, microseconds: float) -> None:
    event["ts"] = float(event["ts"]) + microseconds


def middle_of(events: list[Event]) -> float:
    times = sorted(float(event["ts"]) for event in on_device(events))
    return times[len(times) // 2]


def test_a_device_clock_that_runs_ahead_is_seen_by_kernels_before_their_launch() -> None:
    def ahead(events: list[Event]) -> None:
        for event in on_device(events):
            later(event, -0.5 * US_PER_MS)

    found = findings(damaged("tiny_kernels", ahead))["clocks_disagree"]
    assert found.count == found.of
    assert found.severity is Severity.FATAL  # half a millisecond a kernel, of 18 us from one to the next
    assert "by up to 0.49" in found.message


def test_a_few_kernels_before_their_launch_lower_the_confidence_by_what_is_in_doubt() -> None:
    def early(events: list[Event]) -> None:
        for event in list(on_device(events))[100:110]:
            later(event, -50)

    found = findings(damaged("tiny_kernels", early))["clocks_disagree"]
    assert (found.count, found.of, found.severity) == (10, 1000, Severity.WARNING)
    assert 0 < found.lost_ratio < 10 * 50e-3 / 18.5


def test_a_device_clock_that_is_behind_is_seen_by_kernels_that_outlast_the_wait_for_them() -> None:
    def behind(events: list[Event]) -> None:
        for event in on_device(events):
            later(event, 3 * US_PER_MS)

    data = damaged("tiny_kernels", behind)
    found = findings(data)["clocks_disagree"]
    assert 0 < found.count < found.of
    assert found.severity is Severity.FATAL  # it is 2.9 of 18.5 ms
    assert state(data)[0] is VerdictState.REFUSED


def test_a_step_in_the_offset_of_the_clocks_is_told_with_its_time() -> None:
    def step(events: list[Event]) -> None:
        middle = middle_of(events)
        for event in on_device(events):
            if float(event["ts"]) >= middle:
                later(event, -2 * US_PER_MS)

    found = findings(damaged("sync_every_op", step))["clocks_disagree"]
    assert found.of / 3 < found.count <= found.of / 2 + 1
    assert "activities from " in found.message
    assert "ms on start before they were launched" in found.message


def test_a_step_forward_is_seen_by_a_device_that_stands_still_with_work_queued() -> None:
    def step(events: list[Event]) -> None:
        middle = middle_of(events)
        for event in on_device(events):
            if float(event["ts"]) >= middle:
                later(event, 400 * US_PER_MS)

    data = damaged("prefill_b1_8192", step)
    found = findings(data)["stopped_with_work_queued"]
    assert found.count == 1
    assert found.severity is Severity.FATAL
    assert "400." in found.message
    refused, why = state(data)
    assert refused is VerdictState.REFUSED
    assert "its clock jumped" in why


@pytest.mark.parametrize("hours", [-5, 1, 3])
@pytest.mark.parametrize("category", ["kernel", "cpu_op"])
def test_an_event_hours_away_is_a_clock_that_jumped(hours: float, category: str) -> None:
    def away(events: list[Event]) -> None:
        rows = [event for event in events if event.get("cat") == category]
        later(rows[len(rows) // 2], hours * US_PER_HOUR)

    data = damaged("decode_b1_graph_body", away)
    found = findings(data)["clock_jump"]
    assert (found.count, found.severity) == (1, Severity.FATAL)
    assert f"for {abs(hours)} {'hour' if hours == 1 else 'hours'} neither" in found.message
    assert state(data)[0] is VerdictState.REFUSED


def test_a_clock_that_is_hours_off_is_told_without_exponents() -> None:
    def hour_later(events: list[Event]) -> None:
        for event in list(on_device(events))[8:]:
            later(event, US_PER_HOUR)

    data = damaged("copy_stream", hour_later)
    told = findings(data)["clocks_disagree"].message
    assert "by up to 3,600,000 ms" in told
    assert "e+06" not in told


def test_few_negative_durations_lower_the_confidence_and_many_leave_no_verdict() -> None:
    def negative(every: int) -> Callable[[list[Event]], None]:
        def damage(events: list[Event]) -> None:
            for event in list(on_device(events))[::every]:
                event["dur"] = -float(event["dur"])

        return damage

    few, many = (findings(damaged("copy_stream", negative(every)))["negative_durations"] for every in (16, 1))
    assert (few.count, few.severity) == (1, Severity.WARNING)
    assert few.lost_ratio == few.count / few.of
    assert (many.count, many.severity) == (16, Severity.FATAL)
    assert few.effect == "they count as no time"


def test_kernels_of_which_most_last_nothing_carry_no_verdict() -> None:
    def at_once(every: int) -> Callable[[list[Event]], None]:
        def damage(events: list[Event]) -> None:
            for event in [each for each in on_device(events) if each["cat"] == "kernel"][::every]:
                event["dur"] = 0

        return damage

    few, all_of_them = (damaged("gemm_large", at_once(every)) for every in (4, 1))
    assert findings(few)["empty_kernels"].severity is Severity.NOTE
    assert state(few)[0] is not VerdictState.REFUSED
    assert findings(all_of_them)["empty_kernels"].effect == "their time counts as idle"
    refused, why = state(all_of_them)
    assert refused is VerdictState.REFUSED
    assert "kernels last 0 ns: how long they ran was not recorded" in why


def test_durations_that_overlap_on_one_stream_are_counted_with_their_time() -> None:
    def longer(events: list[Event]) -> None:
        for event in on_device(events):
            event["dur"] = float(event["dur"]) * 2

    found = findings(damaged("gemm_large", longer))["overlapping_kernels"]
    assert found.severity is Severity.WARNING
    assert 0.4 < found.lost_ratio < 0.5


def test_an_event_without_a_duration_is_left_out_and_lowers_the_confidence_by_more_than_nothing() -> None:
    def endless(events: list[Event]) -> None:
        del next(event for event in on_device(events) if event["cat"] == "kernel")["dur"]

    data = damaged("decode_b1_graph_body", endless)
    assert findings(data)["events_without_time"].count == 1
    (rank,) = analyze_inputs([TraceInput("damaged.json", data)]).ranks
    told = next(each for each in rank.integrity if each.code == "events_without_time")
    assert told.effect == "they were left out; the confidence of the verdict is less than 1% lower"
    assert "empty_kernels" not in {each.code for each in rank.integrity}


def test_events_without_times_are_left_out() -> None:
    def timeless(events: list[Event]) -> None:
        for event in list(on_device(events))[:2]:
            del event["ts"]

    found = findings(damaged("copy_stream", timeless))["events_without_time"]
    assert (found.count, found.severity) == (2, Severity.WARNING)


def test_activities_that_stand_there_twice_are_counted() -> None:
    data = damaged("decode_b1_eager", lambda events: events.extend(list(on_device(events))))
    found = findings(data)["duplicate_events"]
    assert found.count * 2 == found.of
    assert found.severity is Severity.FATAL


def test_launches_that_share_a_number_leave_nobody_to_know_whose_kernel_it_is() -> None:
    def renumbered(events: list[Event]) -> None:
        launches = [event for event in events if event.get("name") == "cudaLaunchKernel"]
        numbers = {launch["args"]["correlation"]: index % 20 + 1 for index, launch in enumerate(launches)}
        for event in events:
            if event.get("args", {}).get("correlation") in numbers:
                event["args"]["correlation"] = numbers[event["args"]["correlation"]]

    found = findings(damaged("tiny_kernels", renumbered))["shared_correlations"]
    assert (found.count, found.severity) == (1000, Severity.FATAL)


def test_a_replay_of_which_only_the_beginning_was_recorded_is_counted() -> None:
    def shortened(events: list[Event]) -> None:
        first = min((event for event in events if "GraphLaunch" in event["name"]), key=lambda event: float(event["ts"]))
        mine = [event for event in on_device(events) if event["args"]["correlation"] == first["args"]["correlation"]]
        mine.sort(key=lambda event: float(event["ts"]))
        for event in mine[len(mine) // 4 :]:
            events.remove(event)

    data = damaged("decode_b16_graph", shortened)
    found = findings(data)["replays_cut_short"]
    assert (found.count, found.of, found.severity) == (1, 2, Severity.FATAL)
    assert "1293 may not have been recorded" in found.message
    assert state(data)[0] is VerdictState.REFUSED


@pytest.mark.parametrize("name", ["h100_owlv2_large", "a100_hta_trace_diff_control", "decode_b1_eager"])
def test_a_trace_that_was_cut_off_is_accounted_for_and_gets_no_verdict(name: str) -> None:
    text = text_of(name)
    data = text[: int(0.95 * len(text))].encode()
    found = findings(data)["cut_off"]
    assert found.severity is Severity.FATAL
    refused, why = state(data)
    assert refused is VerdictState.REFUSED
    assert "cut off" in why


def test_a_trace_that_lost_only_what_stands_behind_its_events_keeps_its_verdict() -> None:
    text = text_of("tiny_kernels")
    data = text[: text.rindex("]") + 1].encode()
    assert findings(data)["cut_off"].severity is Severity.NOTE
    assert state(data)[0] is VerdictState.CLEAR


def test_every_code_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
    sources = (Path(__file__).parents[3] / "profiler" / "trace").glob("*.py")
    codes = {code for path in sources for code in re.findall(r"\bFinding\(\s*\"(\w+)\"", path.read_text("utf-8"))}
    assert len(codes) >= 17
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []


KNOWN = {"under_recorded", "kernels_without_launch", "launches_without_activity", "missing_shapes", "empty_kernels"}


@pytest.mark.parametrize("name", [*PUBLIC, *sorted(path.name.partition(".")[0] for path in RECORDINGS.glob("*.gz"))])
def test_no_trace_that_was_left_alone_has_any_of_these(name: str) -> None:
    assert findings(text_of(name).encode()).keys() <= KNOWN | {"overlapping_kernels", "coarse_timestamps"}


def test_files_that_were_joined_are_seen_whatever_the_order_of_their_events() -> None:
    def joined(events: list[Event]) -> None:
        kernels = list(on_device(events))
        events[:] = [event for event in events if event not in kernels] + kernels + kernels

    found = findings(damaged("tiny_kernels", joined))["duplicate_events"]
    assert found.count * 2 == found.of


def test_graphs_that_begin_alike_are_graphs_of_their_own() -> None:
    events: list[Event] = []
    for replay in range(6):
        at = 1_000 * replay
        names = ["down", "norm"] if replay % 2 else ["down", "norm", "qkv", "rope"]
        events.append(call("cudaGraphLaunch", at, 5, replay + 1))
        events += [kernel(at + 10 + 10 * place, 9, replay + 1, name=name) for place, name in enumerate(names)]
    assert "replays_cut_short" not in {finding.code for finding in check(timeline_of(*events))}


def test_python_functions_without_a_time_are_no_large_part_of_a_trace_that_has_many() -> None:
    frames = [frame(f"m.py({line}): f", line, 0.5) for line in range(100)]
    for lost in frames[:3]:
        lost["ts"] = "never"
    timeline = timeline_of(*frames, call("cudaLaunchKernel", 0, 2, 1), kernel(5, 5, 1))
    found = {finding.code: finding for finding in check(timeline)}["events_without_time"]
    assert (found.count, found.severity) == (3, Severity.WARNING)
