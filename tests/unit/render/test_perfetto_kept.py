"""A result without its trace is for Perfetto, too: steps of a profile, requests of a serving loop, all as kept."""

from __future__ import annotations

import io
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from msgspec.structs import replace

from profiler.errors import UnreadableError, UsageError
from profiler.render.perfetto import PerfettoFile
from profiler.render.perfetto_kept import write_kept
from profiler.render.words import CAUSES
from profiler.report.endpoint import Ending, Endpoint
from profiler.report.kinds import Result, load_result
from profiler.report.records import Report
from profiler.report.simulation import Simulation
from tests.perfetto_picture import Picture, parsed
from tests.results import DATA, PATHS, result, with_text

PROFILES = ("own/smollm135m-eager", "own/smollm135m-graph", "own/llama8b-offload")


def written(of: Result) -> bytes:
    file = io.BytesIO()
    write_kept(PerfettoFile(file), of)
    return file.getvalue()


@cache
def profile(name: str) -> Report:
    found = load_result(DATA / f"{name}.json.gz")
    assert isinstance(found, Report)
    return found


@cache
def picture(name: str) -> Picture:
    return Picture(written(profile(name)))


@cache
def simulation() -> Simulation:
    found = result("simulate")
    assert isinstance(found, Simulation)
    return found


@cache
def endpoint() -> Endpoint:
    found = result("endpoint")
    assert isinstance(found, Endpoint)
    return found


def of_track(drawn: Picture, ending: str) -> list[tuple[str, int, int]]:
    return [each for path, found in drawn.slices.items() if path.endswith(ending) for each in found]


@pytest.mark.parametrize("name", PROFILES)
def test_each_activity_that_a_report_keeps_is_a_slice_of_its_stream(name: str) -> None:
    kept: Counter[tuple[str, int]] = Counter()
    for phase in profile(name).phases:
        if phase.timeline is not None:
            device = phase.timeline.device
            kept.update(
                (phase.timeline.names[row], round(us * 1e3))
                for row, us in zip(device.name, device.duration_us, strict=True)
            )
    drawn = Counter(
        (kernel, end - begin)
        for path, found in picture(name).slices.items()
        if "/stream " in path
        for kernel, begin, end in found
    )
    assert drawn == kept


@pytest.mark.parametrize("name", PROFILES)
def test_phases_follow_one_another_and_hold_their_parts(name: str) -> None:
    drawn = picture(name)
    phases = sorted(of_track(drawn, "/phases"), key=lambda phase: phase[1])
    kept = [phase.name for phase in profile(name).phases if phase.timeline is not None]
    assert [phase.partition(":")[0] for phase, *_ in phases] == kept
    assert all(before[2] < after[1] for before, after in pairwise(phases))
    for path, found in drawn.slices.items():
        if "/parts/" in path:
            assert all(any(begin <= start and end <= stop for _, begin, stop in phases) for _, start, end in found)
    parts_ns = sum(end - begin for _, begin, end in of_track(drawn, "/parts/nothing on the device"))
    assert 0 < parts_ns < sum(end - begin for _, begin, end in phases)


def test_a_cause_lasts_as_long_as_its_activities_where_none_overlap() -> None:
    device = [phase.timeline.device for phase in profile("own/smollm135m-graph").phases if phase.timeline is not None]
    weights = sum(
        round(us * 1e3)
        for rows in device
        for us, cause in zip(rows.duration_us, rows.cause, strict=True)
        if CAUSES[cause] == "reading the weights"
    )
    assert picture("own/smollm135m-graph").total_ns("/parts/reading the weights") == pytest.approx(weights, rel=1e-4)


@pytest.mark.parametrize("name", PROFILES)
def test_each_call_of_the_host_is_a_slice_and_what_it_waits_for_another(name: str) -> None:
    hosts = [phase.timeline.host for phase in profile(name).phases if phase.timeline is not None]
    drawn = Counter(
        called for path, found in picture(name).slices.items() if "/host thread " in path for called, *_ in found
    )
    blocked = drawn.pop("blocked")
    assert drawn == Counter(kind for host in hosts for kind in host.kind)
    assert 0 < blocked <= sum(bool(rows) for host in hosts for rows in host.waits_for)


def test_what_a_cpu_computes_is_drawn_once_and_at_the_pace_at_which_it_was_traced() -> None:
    report = profile("report_versions/profile-1.4")
    drawn = picture("report_versions/profile-1.4")
    assert not [path for path in drawn.slices if "/host thread " in path]
    for phase in report.phases:
        if phase.timeline is not None:
            us = phase.timeline.traced_wall_us / phase.timeline.pace_ratio
            (step,) = [each for each in of_track(drawn, "/phases") if each[0].startswith(phase.name)]
            assert step[2] - step[1] == pytest.approx(us * 1e3, rel=0.01)
    assert {phase.timeline.pace_ratio for phase in report.phases if phase.timeline is not None} != {1.0}


def test_calls_of_a_thread_follow_each_other() -> None:
    for name in PROFILES:
        for (path, _), found in picture(name).on_track.items():
            if "/host thread " in path:
                ordered = sorted((begin, end) for _, begin, end in found)
                assert all(before[1] <= after[0] for before, after in pairwise(ordered))


def test_a_step_whose_columns_do_not_fit_each_other_is_refused() -> None:
    whole = profile("own/smollm135m-graph")
    for phase in whole.phases:
        if phase.timeline is not None:
            host = replace(phase.timeline.host, start_us=[*phase.timeline.host.start_us, 0.0])
            damaged = replace(phase, timeline=replace(phase.timeline, host=host))
            with pytest.raises(UnreadableError, match="kept step is damaged"):
                written(replace(whole, phases=[damaged]))


def test_a_step_that_began_before_its_host_did_has_no_time_before_zero() -> None:
    whole = profile("own/smollm135m-eager")
    (timeline,) = [phase.timeline for phase in whole.phases if phase.name == "decode"]
    assert timeline is not None
    device = replace(timeline.device, start_us=[us - 500 for us in timeline.device.start_us])
    (phase,) = [each for each in whole.phases if each.name == "decode"]
    early = replace(phase, timeline=replace(timeline, device=device))
    packets = parsed(written(replace(whole, phases=[early]))).packet
    assert max(packet.timestamp for packet in packets) < 10 * timeline.traced_wall_us * 1e3


def test_a_launch_is_joined_to_the_first_activity_of_it() -> None:
    flows: dict[int, list[int]] = {}
    for packet in parsed(written(profile("own/smollm135m-graph"))).packet:
        for flow in packet.track_event.flow_ids:
            flows.setdefault(flow, []).append(packet.timestamp)
    assert {len(ends) for ends in flows.values()} == {2}
    assert all(launch <= activity for launch, activity in flows.values())


def test_each_request_of_a_simulation_lasts_as_long_as_it_took_and_its_parts_fill_it() -> None:
    drawn = Picture(written(simulation()))
    for policy in simulation().policies:
        group = f"policy {policy.policy}/requests/"
        found = [each for (path, _), each in drawn.on_track.items() if path.startswith(group)]
        for request in policy.requests:
            begin = round(request.arrival_ms * 1e6)
            (track,) = [each for each in found if (f"request {request.request}", begin, begin + request.e2e_ns) in each]
            inside = [
                (name, stop - start) for name, start, stop in track if _within(start, stop, begin, request.e2e_ns)
            ]
            parts = {"queue": request.queue_ns, "prefill": request.prefill_ns, "decode": request.decode_ns}
            assert dict(inside) == {f"request {request.request}": request.e2e_ns} | {
                name: ns for name, ns in parts.items() if ns and not request.preempted_ms
            }


def test_parts_of_a_request_that_was_preempted_are_not_drawn_as_if_they_followed_each_other() -> None:
    whole = simulation()
    policy = whole.policies[0]
    preempted = replace(policy, requests=[replace(policy.requests[0], preempted_ms=1.0)])
    drawn = of_track(Picture(written(replace(whole, policies=[preempted]))), "/at once")
    assert [name for name, *_ in drawn] == [f"request {policy.requests[0].request}"]


def _within(start: int, stop: int, begin: int, lasts: int) -> bool:
    return begin <= start and stop <= begin + lasts


def test_slots_of_a_simulation_are_tracks_and_so_is_the_queue() -> None:
    drawn = Picture(written(simulation()))
    for policy in simulation().policies:
        for row in policy.timeline.rows:
            track = drawn.slices[f"policy {policy.policy}/slots/replica {row.replica} slot {row.slot}"]
            assert sorted(name for name, *_ in track) == sorted(f"{span.state} {span.request}" for span in row.spans)
        waiting = drawn.numbers[f"policy {policy.policy}/bottleneck/counters/waiting"]
        assert [number for _, number in waiting] == policy.timeline.waiting


def test_requests_of_a_live_server_hold_what_each_waited_for() -> None:
    answer = endpoint()
    drawn = Picture(written(answer))
    requests = [
        each for path, found in drawn.slices.items() if "/requests/" in path for each in found if "request" in each[0]
    ]
    assert len(requests) == len(answer.requests)
    lengths = {name.partition(":")[0]: end - begin for name, begin, end in requests}
    for request in answer.requests:
        waited = round(request.client_queue_ms * 1e6)
        assert lengths[f"request {request.request}"] == waited + (request.e2e_ns or 0)
    decode = sum(end - begin for name, begin, end in of_track(drawn, "/at once") if name == "decode")
    assert decode == sum(request.decode_ns or 0 for request in answer.requests)


def test_a_request_that_failed_says_how() -> None:
    answer = endpoint()
    parts = dict.fromkeys(("network_ns", "queue_ns", "prefill_ns", "decode_ns", "e2e_ns"))
    failed = replace(answer.requests[0], ending=Ending.TIMEOUT, **parts)
    names = {name for name, *_ in of_track(Picture(written(replace(answer, requests=[failed]))), "/at once")}
    assert f"request {failed.request}: timed out" in names


@pytest.mark.parametrize("kind", ["simulate", "endpoint", "endpoint-gpu"])
def test_requests_at_the_same_time_never_share_a_track(kind: str) -> None:
    for (path, _), found in Picture(written(result(kind))).on_track.items():
        if "/requests/" in path:
            ordered = sorted((begin, end) for name, begin, end in found if name.startswith("request"))
            assert all(before[1] <= after[0] for before, after in pairwise(ordered))


@pytest.mark.parametrize("kind", ["profile", "simulate", "endpoint", "endpoint-gpu"])
def test_text_from_elsewhere_stays_text(kind: str) -> None:
    evil = "</script>\x1b[31m::error::\r\n\x00[x](javascript:y)\ud7ff" + "name" * 250_000
    changed = with_text(result(kind), lambda place, text: evil if place.endswith((".model", ".tenant")) else text)
    assert len(parsed(written(changed)).packet) == len(parsed(written(result(kind))).packet)


@pytest.mark.parametrize("kind", ["analyze", "analyze-comparison", "whatif", "check", "compare", "history"])
def test_what_keeps_no_times_is_refused_in_one_line(kind: str) -> None:
    with pytest.raises(UsageError, match=r"an analysis keeps no events|has no times to draw"):
        written(load_result(PATHS[kind]))


def test_a_report_without_a_step_says_so() -> None:
    whole = profile("own/smollm135m-graph")
    without = replace(whole, phases=[replace(phase, timeline=None) for phase in whole.phases])
    with pytest.raises(UnreadableError, match="keeps no step"):
        written(without)
