"""Traces as they are read: their times, their columns, and what is no trace."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from profiler.errors import UnreadableError
from profiler.trace import intervals
from profiler.trace.decimals import nanoseconds
from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Activity, Timeline
from tests.unit.trace.trace_events import (
    RECORDINGS,
    kernel,
    operation,
    public_trace,
    recording,
    trace_bytes,
)


def idle_ns(timeline: Timeline) -> tuple[int, int]:
    """Idle time and span, from the first start on the device to the last end."""
    device = timeline.device
    span = int(device.end_ns.max() - device.start_ns.min())
    return span - intervals.total(intervals.from_columns(device.start_ns, device.end_ns)), span


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1712195495706040.241", 1_712_195_495_706_040_241),
        (b"4468527965918.1", 4_468_527_965_918_100),
        (b"1661203463017108", 1_661_203_463_017_108_000),
        (b"0.0004", 0),
        (b"1428625768355.42499995", 1_428_625_768_355_425),
        (b"1.28e2", 128_000),
        (b"-3", -3000),
    ],
)
def test_microseconds_become_exact_nanoseconds(text, expected):
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    ("name", "percent"),
    [
        ("h100_bert_small", 92.08),
        ("v100_hta_trace_diff_test", 3.66),
        ("mi300_vllm_decode_graph", 0.24),
    ],
)
def test_idle_time_of_public_traces_is_what_it_is_known_to_be(name, percent):
    idle, span = idle_ns(public_trace(name))
    assert 100 * idle / span == pytest.approx(percent, abs=0.005)


def test_kernels_without_a_launch_record_are_kept():
    timeline = public_trace("h100_qwen1.5_0.5b")
    kernels = timeline.device.kind == Activity.KERNEL
    assert kernels.sum() == 1465
    assert (timeline.device.call[kernels] < 0).sum() == 436
    assert (timeline.device.end_ns - timeline.device.start_ns)[kernels].sum() == pytest.approx(45_432.7e3, abs=50)
    assert idle_ns(timeline)[0] == pytest.approx(4_005.5e3, abs=50)


def test_times_keep_their_nanoseconds_since_the_epoch():
    device = public_trace("hta_ns_resolution").device
    assert device.start_ns.min() > 1_712_195_495_000_000_000
    assert np.gcd.reduce(device.start_ns - device.start_ns[0]) == 1


def test_the_schema_before_torch_1_11_reads_like_the_new_one():
    timeline = public_trace("v100_resnet50_workers0")
    assert (timeline.device.kind == Activity.KERNEL).sum() == 8772
    assert (timeline.device.kind == Activity.MEMSET).sum() == 312
    assert (timeline.device.call >= 0).all()
    assert (timeline.device.operation >= 0).all()
    assert "ProfilerStep#5" in {timeline.names[name] for name in timeline.ranges.name}


def test_the_index_and_the_traces_name_the_same_recordings():
    index = json.loads((RECORDINGS / "index_h100.json").read_text())
    assert {entry["name"] for entry in index["recordings"]} == {
        path.name.partition(".")[0] for path in RECORDINGS.glob("*.json.gz")
    }


def test_columns_carry_what_the_trace_says_of_a_kernel():
    timeline = recording("stream_imbalance")
    device = timeline.device
    (row,) = np.flatnonzero((device.correlation == 8294519) & (device.kind == Activity.KERNEL))
    assert timeline.name_of(device.name, row).startswith("nvjet_sm90_tst_320x128_64x3")
    assert device.grid[row].tolist() == [2, 66, 1]
    assert device.block[row].tolist() == [384, 1, 1]
    assert (device.registers[row], device.shared_bytes[row], device.stream[row]) == (168, 188_636, 33)
    assert timeline.name_of(timeline.host.name, device.call[row]) == "cuLaunchKernelEx"
    assert timeline.name_of(timeline.operations.name, device.operation[row]) == "aten::mm"
    assert timeline.operations.shapes[device.operation[row]] == [[8192, 8192], [8192, 8192]]
    assert timeline.operations.strides[device.operation[row]] == [[8192, 1], [8192, 1]]


def test_the_tracers_own_time_on_the_host_is_known():
    overhead = recording("decode_b1_graph").overhead
    assert (overhead[:, 1] - overhead[:, 0]).tolist() == [3_866_532]


def test_times_are_unix_nanoseconds_where_the_trace_has_its_base():
    data = trace_bytes([kernel(4_468_527_975_634.783, 2.816)], baseTimeNanoseconds=1_790_857_026_000_000_000)
    device = read_kineto(data).device
    assert device.start_ns.tolist() == [1_795_325_553_975_634_783]
    assert device.end_ns.tolist() == [1_795_325_553_975_637_599]


def test_nothing_but_columns_and_device_numbers_leaves_the_reader():
    data = trace_bytes(
        [kernel(0, 1), operation("aten::mm", 0, 1, env="HF_TOKEN=secret")],
        deviceProperties=[{"id": 0, "name": "NVIDIA H100", "numSms": 132, "env": "HF_TOKEN=secret"}],
        host_name="somewhere",
        env={"HF_TOKEN": "secret"},
    )
    timeline = read_kineto(data)
    assert timeline.device_properties == [{"id": 0, "name": "NVIDIA H100", "numSms": 132}]
    assert "secret" not in repr(timeline)
    assert "somewhere" not in repr(timeline)


def test_a_plain_file_a_gzipped_file_and_bare_events_read_alike(tmp_path):
    events = [kernel(0, 1.5), kernel(3, 1)]
    plain, zipped, bare = tmp_path / "a.json", tmp_path / "b.json.gz", tmp_path / "c.json"
    plain.write_bytes(trace_bytes(events))
    zipped.write_bytes(gzip.compress(trace_bytes(events)))
    bare.write_text(json.dumps(events))
    for path in (plain, zipped, bare):
        assert read_kineto(path).device.end_ns.tolist() == [1500, 4000]


def test_a_trace_without_events_is_an_empty_timeline():
    timeline = read_kineto(trace_bytes([]))
    assert (len(timeline.device), len(timeline.host), len(timeline.operations), len(timeline.ranges)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"not json", "is not a PyTorch profiler trace"),
        (b'{"schema_version": "1.0"}', "is not a PyTorch profiler trace"),
        (b'{"traceEvents": [{"ph": "X"', "is not a PyTorch profiler trace"),
        (b'{"traceEvents": [{"ph": "X", "cat": "kernel", "args": {"grid": [1]}}]}', "is not a PyTorch profiler trace"),
        (gzip.compress(b'{"traceEvents": []}')[:-12], "is not a PyTorch profiler trace"),
        (gzip.compress(b'{"traceEvents": []}')[:5], "is a damaged gzip file"),
        (gzip.compress(b'{"traceEvents": []}')[:-5] + b"wrong", "is a damaged gzip file"),
        (b'{"traceEvents": [{"ph": "X", "cat": "kernel", "name": "\xff"}]}', "is not a PyTorch profiler trace"),
    ],
)
def test_what_is_no_trace_is_said_in_one_line(tmp_path, content, reason):
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    with pytest.raises(UnreadableError) as caught:
        read_kineto(path)
    assert caught.value.message.startswith(f"{path} {reason}")
    assert "\n" not in caught.value.message


def test_a_file_that_is_not_there_is_said_in_one_line(tmp_path):
    with pytest.raises(UnreadableError, match=r"cannot read .*missing\.json: No such file or directory"):
        read_kineto(tmp_path / "missing.json")
