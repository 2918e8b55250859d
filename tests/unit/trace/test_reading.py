"""The reader against a plain one, on every real trace there is; and what bounds it."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import synthetic_trace
from profiler.errors import UnreadableError
from profiler.trace import slices
from profiler.trace.kineto import read_kineto
from tests.unit.trace.plain_reader import plain_rows, rows_of
from tests.unit.trace.trace_events import (
    CPU_TRACE,
    PUBLIC,
    PUBLIC_TRACES,
    RECORDINGS,
    event,
    kernel,
    operation,
    public_trace,
    timeline_of,
    trace_bytes,
)


def plainly(path: Path) -> dict[str, list[dict[str, Any]]]:
    return plain_rows(gzip.decompress(path.read_bytes()))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_trace_reads_as_a_plain_reader_reads_it(name):
    assert rows_of(public_trace(name)) == plainly(PUBLIC_TRACES / f"{name}.json.gz")


@pytest.mark.parametrize("path", [*RECORDINGS.glob("*.json.gz"), CPU_TRACE], ids=lambda path: path.name)
def test_every_recording_reads_as_a_plain_reader_reads_it(path):
    assert rows_of(read_kineto(path)) == plainly(path)


def ranks_of_one_job() -> Iterator[bytes]:
    path = PUBLIC_TRACES / "v100x8_dlrm.tar.gz"
    if not path.exists():
        pytest.skip("the public trace v100x8_dlrm is not on this machine; it is not part of the repository")
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and member.name.endswith((".json", ".json.gz")):
                yield file.read()


def test_every_rank_of_a_job_reads_as_a_plain_reader_reads_it():
    ranks = list(ranks_of_one_job())
    assert len(ranks) == 8
    for text in ranks:
        unpacked = gzip.decompress(text) if text.startswith(b"\x1f\x8b") else text
        assert rows_of(read_kineto(text)) == plain_rows(unpacked)


def test_a_trace_of_many_slices_reads_as_a_plain_reader_reads_it(tmp_path):
    path = tmp_path / "trace.json"
    synthetic_trace.write(path, 20_000)
    text = path.read_bytes()
    assert len(text) > 8 * slices.SLICE_BYTES
    assert rows_of(read_kineto(path)) == plain_rows(text)


def test_the_synthetic_trace_is_the_same_each_time(tmp_path):
    plain, zipped = tmp_path / "a.json", tmp_path / "b.json.gz"
    synthetic_trace.write(plain, 1_000)
    synthetic_trace.write(zipped, 1_000)
    assert plain.read_bytes() == gzip.decompress(zipped.read_bytes())
    assert len(json.loads(plain.read_bytes())["traceEvents"]) == 1_001  # with the annotation of its step


def test_reading_the_device_only_gives_the_same_activities_and_nothing_of_the_host():
    path = RECORDINGS / "decode_b1_eager.json.gz"
    whole, device_only = read_kineto(path), read_kineto(path, device_only=True)
    for column in ("start_ns", "end_ns", "kind", "device", "stream", "correlation", "bytes", "grid"):
        assert np.array_equal(getattr(whole.device, column), getattr(device_only.device, column))
    assert (len(device_only.host), len(device_only.operations), len(device_only.ranges)) == (0, 0, 0)
    assert (device_only.device.call == -1).all()


def test_a_small_gzip_that_holds_much_is_refused(tmp_path):
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(trace_bytes([kernel(0, 1)] * 50_000)))
    with pytest.raises(UnreadableError, match=r"bomb\.json\.gz holds more than 1000000 bytes of text"):
        read_kineto(path, max_bytes=1_000_000)
    assert len(read_kineto(path, max_bytes=100_000_000).device) == 50_000


def test_text_in_which_no_event_ends_is_held_to_a_bound(monkeypatch):
    monkeypatch.setattr(slices, "_LONGEST_BYTES", 3 << 20)
    endless = b'{"traceEvents": [' + b" " * (8 << 20) + b"]}"
    with pytest.raises(UnreadableError, match="3 MiB without the end of an event"):
        read_kineto(gzip.compress(endless))


def test_of_text_in_which_no_event_ends_little_more_is_read_than_the_bound(monkeypatch):
    monkeypatch.setattr(slices, "_LONGEST_BYTES", 4 << 20)
    stream = CountedStream(b"{" + b" " * (64 << 20))
    with pytest.raises(UnreadableError, match="4 MiB without the end of an event"):
        read_kineto(stream)
    assert stream.tell() < 5 << 20


def test_any_number_of_spaces_is_an_empty_text_and_takes_no_room():
    packed = gzip.compress(b" " * (64 << 20))
    tracemalloc.start()
    with pytest.raises(UnreadableError, match="the trace is empty"):
        read_kineto(packed)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 << 20


class CountedStream(io.RawIOBase):
    """A stream that still says how far it was read once it is closed."""

    def __init__(self, text: bytes) -> None:
        self._text = io.BytesIO(text)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._text.readinto(buffer)

    def tell(self) -> int:
        return self._text.tell()


def test_a_stream_is_read_as_a_file_is():
    path = RECORDINGS / "tiny_kernels.json.gz"
    assert rows_of(read_kineto(CountedStream(path.read_bytes()))) == plainly(path)


@pytest.mark.parametrize("kept", [9, 12])
def test_a_gzip_that_was_cut_off_before_any_text_is_damaged(kept):
    with pytest.raises(UnreadableError, match="the trace is a damaged gzip file"):
        read_kineto(gzip.compress(trace_bytes([kernel(0, 1)]))[:kept])


@pytest.mark.parametrize("at", [-6, -3, 40], ids=["checksum", "length", "text"])
def test_a_gzip_with_other_bytes_is_damaged(at):
    whole = bytearray(gzip.compress(trace_bytes([operation(f"aten::mm{number}", number, 1) for number in range(100)])))
    whole[at] ^= 0xFF
    with pytest.raises(UnreadableError, match="the trace is a damaged gzip file"):
        read_kineto(bytes(whole))


def test_zeros_behind_a_gzip_are_padding_and_other_bytes_are_damage():
    packed = gzip.compress(trace_bytes([kernel(0, 1)]))
    assert len(read_kineto(packed + bytes(1_000)).device) == 1
    with pytest.raises(UnreadableError, match="the trace is a damaged gzip file"):
        read_kineto(packed + b"more")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="this system names no open files")
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_a_pipe_reads_like_a_file(pack):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(pack(trace_bytes([kernel(0, 1), kernel(3, 1)])))
    try:
        assert len(read_kineto(f"/dev/fd/{reading}").device) == 2
    finally:
        os.close(reading)


def test_a_gzip_of_several_members_is_one_text():
    text = trace_bytes([kernel(0, 1), kernel(3, 1)])
    assert len(read_kineto(gzip.compress(text[:50]) + gzip.compress(text[50:])).device) == 2


def test_events_of_something_within_a_trace_are_not_its_own():
    nested = {"traceEvents": [kernel(0, 1, name="theirs")]}
    timeline = read_kineto(json.dumps({"other": nested, "traceEvents": [kernel(5, 1, name="ours")]}).encode())
    assert [timeline.names[name] for name in timeline.device.name] == ["ours"]


@pytest.mark.parametrize(
    ("flawed", "reason"),
    [
        (b'{"ph": "X", "cat": "kernel", "ts": 4e15, "dur": 4e15}', "its times lie beyond the year 2096"),
        (
            b'{"ph": "X", "cat": "kernel", "args": {"stream": "seven"}}',
            "Expected `int`, got `str` - at `event.args.stream`",
        ),
        (
            b'{"ph": "X", "cat": "kernel", "args": {"stream": 1e40}}',
            "Expected `int`, got `float` - at `event.args.stream`",
        ),
        (b'{"ph": "X", "cat": "kernel", "name": 5}', "Expected `str`, got `int` - at `event.name`"),
        (b"7", "Expected `object`, got `int`"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
        (b'{"args": ' + b"[" * 100_000, "maximum recursion depth exceeded"),
    ],
    ids=lambda value: value[:60].decode() if isinstance(value, bytes) else "",
)
def test_an_event_that_is_none_is_named_without_its_content(flawed, reason):
    with pytest.raises(UnreadableError) as caught:
        read_kineto(b'{"traceEvents": [' + flawed + b"]}")
    assert caught.value.message.startswith(f"the trace is not a PyTorch profiler trace: {reason}")
    assert "\n" not in caught.value.message
    assert "token" not in caught.value.message


def test_numbers_in_quotes_are_numbers():
    timeline = timeline_of(event("kernel", "gemm", "12.345", "1", stream="7", correlation="3"))
    assert timeline.device.start_ns.tolist() == [12_345]
    assert timeline.device.end_ns.tolist() == [13_345]
    assert (timeline.device.stream.tolist(), timeline.device.correlation.tolist()) == ([7], [3])


def test_events_in_any_order_are_sorted():
    assert timeline_of(kernel(9, 1), kernel(3, 1), kernel(5, 1)).device.start_ns.tolist() == [3_000, 5_000, 9_000]


UNTIMED = [b"NaN", b"-Infinity", b"nan", b"-inf", b'"NaN"', b'"soon"', b"null", b"1e300", b"[]", b"true"]


@pytest.mark.parametrize("field", ["ts", "dur"])
@pytest.mark.parametrize("value", UNTIMED, ids=bytes.decode)
def test_an_event_whose_time_is_no_number_is_left_out_and_counted(field, value):
    sound = json.dumps(kernel(5, 1)).encode()
    flawed = b'{"ph": "X", "cat": "kernel", "name": "k", "ts": 1, "%s": %s}' % (field.encode(), value)
    timeline = read_kineto(b'{"traceEvents": [' + flawed + b", " + sound + b"]}")
    assert timeline.device.start_ns.tolist() == [5_000]
    assert (timeline.flaws.timeless, timeline.flaws.events) == (1, 1)


def test_what_is_no_number_elsewhere_is_harmless():
    strange = b'{"traceEvents": [%s], "epoch": NaN, "baseTimeNanoseconds": 7, "x": [Infinity, {"NaN": -inf}]}'
    events = [
        b'{"ph": "M", "ts": NaN, "args": {"labels": NaN}}',
        b'{"ph": "X", "cat": "python_function", "name": "NaN, [inf], \\"nan", "ts": 1, "dur": 1, "x": NaN}',
        b'{"ph": "X", "cat": "cpu_op", "name": "a: NaN", "ts": 1, "dur": 1, "args": {"Input Dims": [[NaN]]}}',
        b'{"ph": "X", "cat": "kernel", "name": "k", "ts": 1, "dur": 1, "args": {"stream": 7, "blocks per SM": inf,'
        b' "bytes": NaN, "grid": [NaN, 1, 1]}}',
    ]
    timeline = read_kineto(strange % b", ".join(events))
    assert {"a: NaN", "k", 'NaN, [inf], "nan'} <= set(timeline.names)
    assert timeline.device.start_ns.tolist() == [1_007]
    assert (timeline.device.stream.tolist(), timeline.device.bytes.tolist()) == ([7], [-1])
    assert timeline.flaws.timeless == 0


@pytest.mark.parametrize("field", ["name", "args", "cat", "ph"])
def test_a_field_that_is_no_number_costs_its_event_and_no_other(field):
    sound = json.dumps(kernel(5, 1)).encode()
    flawed = b'{"ph": "X", "cat": "kernel", "name": "k", "ts": 1, "dur": 1, "%s": NaN}' % field.encode()
    assert read_kineto(b"[" + flawed + b", " + sound + b"]").device.start_ns.tolist() == [5_000]


@pytest.mark.parametrize("field", ["Input Dims", "Input type", "Concrete Inputs", "Input Strides"])
@pytest.mark.parametrize("value", [b"NaN", b"7", b"null"], ids=bytes.decode)
def test_inputs_that_are_no_list_are_none(field, value):
    text = b'{"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 1, "dur": 2, "args": {"%s": %s}}'
    operations = read_kineto(b"[" + text % (field.encode(), value) + b"]").operations
    assert (operations.shapes, operations.types, operations.concrete, operations.strides) == ([[]], [[]], [[]], [[]])


def test_a_long_trace_with_what_is_no_number_in_every_event_reads_like_one_without(tmp_path):
    path = tmp_path / "trace.json"
    synthetic_trace.write(path, 10_000)
    text = path.read_bytes()
    strange = text.replace(b'"est. achieved occupancy %": 6', b'"est. achieved occupancy %": NaN')
    assert strange.count(b"NaN") == 1_000
    assert rows_of(read_kineto(strange)) == rows_of(read_kineto(text))


@pytest.mark.parametrize("first", [b"[]", b"[%s]", b"null"], ids=["empty", "full", "none"])
@pytest.mark.parametrize("length", [1, 5_000], ids=["short", "long"])
def test_events_that_are_given_twice_are_said_to_be(first, length):
    events = b", ".join([json.dumps(kernel(5, 1)).encode()] * length)
    first = first.replace(b"%s", events)
    with pytest.raises(UnreadableError, match="it has `traceEvents` twice"):
        read_kineto(b'{"traceEvents": %s, "x": {"traceEvents": []}, "traceEvents": [%s]}' % (first, events))


def test_categories_are_known_in_either_case_wherever_they_stand_and_however_many_there_are():
    odd = [{"ph": "X", "cat": f"odd {number}", "ts": "no time"} for number in range(300)]
    last = {"args": {}, "dur": 1, "ts": 9, "name": "last", "cat": "Kernel", "ph": "X"}
    unfinished = [{**kernel(1, 1), "ph": "B"}, {"ph": "X"}, {"ph": "X", "cat": None}, {"ph": "X", "cat": ["kernel"]}]
    timeline = timeline_of(*odd, *unfinished, last, kernel(3, 1))
    assert timeline.device.start_ns.tolist() == [3_000, 9_000]
