"""A trace for Perfetto is what Perfetto's published schema says, and holds what was found, where it was."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as published

from profiler.render.words import PARTS
from profiler.report.part_name import PartName
from profiler.report.store import load_report
from profiler.session.analyze import analyze
from profiler.session.perfetto import write_perfetto
from profiler.trace import perfetto as schema
from tests.perfetto_picture import BEGIN, COUNTER, END, Picture, parsed
from tests.unit.trace.trace_events import RECORDINGS

OWN = Path(__file__).parents[2] / "data/own"


@cache
def of_trace(name: str) -> bytes:
    trace = RECORDINGS / f"{name}.json.gz"
    return written(analyze(trace), trace)


def written(result: Any, trace: Path) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.pftrace")
        write_perfetto(result, str(trace), path)
        return path.read_bytes()


@pytest.mark.parametrize("field", [*schema.Packet, *schema.Track, *schema.TrackEvent], ids=str)
def test_fields_have_the_numbers_of_the_published_schema(field: Any) -> None:
    message, name = {
        schema.Packet: (published.TracePacket, {"SEQUENCE": "trusted_packet_sequence_id", "INTERNED": "interned_data"}),
        schema.Track: (published.TrackDescriptor, {"PARENT": "parent_uuid", "ORDER_RANK": "sibling_order_rank"}),
        schema.TrackEvent: (
            published.TrackEvent,
            {
                "ANNOTATIONS": "debug_annotations",
                "TRACK": "track_uuid",
                "COUNTER": "double_counter_value",
                "FLOWS": "flow_ids",
            },
        ),
    }[type(field)]
    assert message.DESCRIPTOR.fields_by_name[name.get(field.name, field.name.lower())].number == field


def test_event_types_are_those_of_the_published_schema() -> None:
    assert {kind.name: int(kind) for kind in schema.EventType} == {
        "BEGIN": BEGIN,
        "END": END,
        "COUNTER": COUNTER,
        "INSTANT": published.TrackEvent.Type.Value("TYPE_INSTANT"),
    }


@pytest.mark.parametrize("name", ["sync_every_op", "stream_imbalance", "h2d_pageable", "decode_offload_4layers"])
def test_idle_parts_are_as_long_as_the_analysis_says(name: str) -> None:
    picture = Picture(of_trace(name))
    (rank,) = analyze(RECORDINGS / f"{name}.json.gz").ranks
    for part in PartName:
        if part.is_idle:
            expected = sum(each.ns for each in rank.parts if each.part is part)
            assert picture.total_ns(f"/parts/{PARTS[part]}") == expected


def test_every_part_of_the_analysis_has_a_track_and_the_verdict_lasts_as_long_as_the_span() -> None:
    picture = Picture(of_trace("decode_offload_4layers"))
    (rank,) = analyze(RECORDINGS / "decode_offload_4layers.json.gz").ranks
    tracks = {path.rpartition("/parts/")[2] for path in picture.slices if "/parts/" in path}
    assert tracks == {PARTS[part.part] for part in rank.parts}
    assert picture.total_ns("/verdict") == rank.span_ns


def test_each_kernel_is_a_slice_of_its_stream() -> None:
    picture = Picture(of_trace("tiny_kernels"))
    kernels = [each for path, found in picture.slices.items() if "GPU 0 stream" in path for each in found]
    (rank,) = analyze(RECORDINGS / "tiny_kernels.json.gz").ranks
    assert sum(end - begin for _, begin, end in kernels) >= rank.kernel_ns
    assert len(kernels) == sum(stream.kernels + stream.copies for stream in rank.streams)


def test_launch_and_kernel_are_joined_by_an_arrow() -> None:
    flows = Counter(flow for packet in parsed(of_trace("tiny_kernels")).packet for flow in packet.track_event.flow_ids)
    assert Counter(flows.values()).most_common(1)[0][0] == 2


def test_what_overlaps_without_nesting_has_a_track_of_its_own(tmp_path: Path) -> None:
    from tests.unit.trace.trace_events import call, kernel, trace_bytes

    events = [call("cudaLaunchKernel", 0, 2, 1), call("cudaLaunchKernel", 3, 2, 2)]
    events += [kernel(10, 20, 1, name="first"), kernel(25, 20, 2, name="second")]
    trace = tmp_path / "trace.json"
    trace.write_bytes(trace_bytes(events))
    slices = Picture(written(analyze(trace), trace)).slices
    found = {path.rpartition("stream")[2].partition("/")[2]: each for path, each in slices.items() if "stream" in path}
    assert [name for name, *_ in found[""]] == ["first"]
    assert [name for name, *_ in found["overlapping"]] == ["second"]


@cache
def of_report(mode: str) -> Picture:
    report = load_report(OWN / f"smollm135m-{mode}.json.gz")
    return Picture(written(report, OWN / f"smollm135m-{mode}-trace.json.gz"))


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_profiled_report_has_its_phases_causes_and_telemetry_in_the_trace(mode: str) -> None:
    picture = of_report(mode)
    report = load_report(OWN / f"smollm135m-{mode}.json.gz")
    phases = {
        name.partition(":")[0] for path, each in picture.slices.items() if path.endswith("/phases") for name, *_ in each
    }
    assert phases == {phase.name for phase in report.phases if phase.timeline is not None}
    sampled = {
        (series.name, series.unit)
        for phase in report.phases
        if phase.telemetry is not None
        for series in phase.telemetry.series
        if series.value is not None
    }
    shown = {path.rpartition("/counters/")[2]: picture.units[path] for path in picture.numbers}
    assert set(shown.items()) == sampled
    parts = [path for path in picture.slices if "/parts/" in path]
    busy = {path.rpartition("/")[2] for path in parts}
    assert "reading the weights" in busy
    assert "nothing on the device" in busy


def test_a_part_lies_within_the_step_that_was_judged() -> None:
    picture = of_report("eager")
    steps = [
        (begin, end) for path, each in picture.slices.items() if path.endswith("/phases") for _, begin, end in each
    ]
    for path, each in picture.slices.items():
        if "/parts/" in path:
            assert all(any(begin <= start and stop <= end for begin, end in steps) for _, start, stop in each)


def test_what_is_written_is_read_as_packets_of_one_sequence_after_the_other() -> None:
    sequences = [packet.trusted_packet_sequence_id for packet in parsed(of_trace("sync_every_op")).packet]
    assert sequences[0] == 0
    assert set(sequences[1:]) == {1}
