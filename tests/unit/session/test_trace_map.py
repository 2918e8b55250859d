"""Many traces: by several processes the same answer as by one, and none of them costs more than itself."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from profiler.device.host_memory import host_memory
from profiler.errors import InterruptedByUser, UnreadableError, UnsupportedError
from profiler.report.analysis import Analysis
from profiler.session.analyze import analyze, analyze_inputs
from profiler.session.ray_map import map_on_ray
from profiler.session.trace_inputs import TraceInput, trace_inputs
from profiler.session.trace_map import Failure, Outcome, _most_jobs, map_traces
from profiler.trace.trace_file import TraceSource, chunks
from tests.unit.trace.trace_events import RECORDINGS

NAMES = ("tiny_kernels", "slow_host", "h2d_pageable", "copy_stream", "gemm_large", "stream_imbalance")
FILES = [str(RECORDINGS / f"{name}.json.gz") for name in NAMES]


def size_of(name: str, source: TraceSource) -> int:
    """Work whose outcome is known, and that does to its process what the name says."""
    size_bytes = sum(map(len, chunks(source, name)))
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "gone":
        os._exit(3)
    if name == "broken":
        raise ZeroDivisionError("of a bug")
    if name == "unreadable":
        raise UnreadableError("unreadable is no trace", "another one")
    return size_bytes


def process_of(name: str, source: TraceSource) -> int:
    return os.getpid()


def given(*names: str) -> list[TraceInput]:
    return [TraceInput(name, name.encode()) for name in names]


def by_number(outcomes: Iterator[Outcome[int]]) -> list[int | Failure]:
    return [each.result for each in sorted(outcomes, key=lambda each: each.number)]


def test_two_processes_give_the_same_answer_as_one_in_the_order_of_the_inputs() -> None:
    alone, together = (analyze(*FILES, jobs=jobs) for jobs in (1, 2))
    assert [Path(rank.name).name for rank in together.ranks] == [f"{name}.json.gz" for name in NAMES]
    assert msgspec.json.encode(together) == msgspec.json.encode(alone)


def test_what_goes_wrong_with_one_trace_is_said_of_it_and_costs_no_other() -> None:
    inputs = given("a", "killed", "bb", "gone", "ccc", "broken", "dddd", "unreadable", "eeeee")
    inputs.append(TraceInput("nowhere", UnreadableError("nowhere is not there", "somewhere")))
    found = by_number(map_traces(inputs, size_of, jobs=2))
    assert found[::2] == [1, 2, 3, 4, 5]
    reasons = [each.reason for each in found[1::2] if isinstance(each, Failure)]
    assert reasons == [
        "killed: the process that read it was killed, as the system does when memory runs out",
        "gone: the process that read it ended with exit code 3",
        "broken: ZeroDivisionError: of a bug",
        "unreadable is no trace",
        "nowhere is not there",
    ]


def test_that_there_is_no_more_may_show_when_all_processes_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_ready(
        connections: list[Connection[object, object]], timeout: float | None = None
    ) -> list[Connection[object, object]]:
        return [each for each in connections if wait([each], timeout)]

    monkeypatch.setattr("multiprocessing.connection.wait", all_ready)
    assert by_number(map_traces(given("a", "bb"), size_of, jobs=2)) == [1, 2]


def test_no_process_outlives_the_work() -> None:
    list(map_traces(given("a", "b", "c"), size_of, jobs=3))
    assert not psutil.Process().children()


def test_an_interrupt_keeps_what_was_read_and_leaves_no_process() -> None:
    def inputs() -> Iterator[TraceInput]:
        yield from (TraceInput(file, Path(file)) for file in FILES[:3])
        raise KeyboardInterrupt

    with pytest.raises(InterruptedByUser) as interrupt:
        analyze_inputs(inputs(), jobs=2)
    partial_answer = interrupt.value.partial
    assert isinstance(partial_answer, Analysis)
    assert not partial_answer.complete
    assert {rank.name for rank in partial_answer.ranks} <= set(FILES[:3])
    assert partial_answer.ranks
    assert not psutil.Process().children()


def test_a_few_small_traces_start_no_process() -> None:
    assert set(by_number(map_traces(given("a", "b"), process_of))) == {os.getpid()}


def test_traces_that_are_worth_it_are_read_by_as_many_processes_as_there_are_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("profiler.session.trace_map._most_jobs", lambda: 2)
    large = [TraceInput(f"{number}", bytes(5 << 20)) for number in range(4)]
    found = set(by_number(map_traces(large, process_of)))
    assert os.getpid() not in found
    assert len(found) == 2


def test_one_trace_is_read_here_however_large() -> None:
    assert by_number(map_traces([TraceInput("a", bytes(20 << 20))], process_of)) == [os.getpid()]


def ranks(folder: Path, sizes_bytes: Sequence[int]) -> str:
    """An archive of members of these lengths."""
    path = folder / "ranks.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for number, size_bytes in enumerate(sizes_bytes):
            member = tarfile.TarInfo(f"{number}.json")
            member.size = size_bytes
            archive.addfile(member, io.BytesIO(bytes(size_bytes)))
    return str(path)


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.parametrize("jobs", [1, 2, None])
def test_of_a_long_member_and_of_many_this_process_holds_little(
    tmp_path: Path, unpacked: Path, jobs: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.session.trace_map._most_jobs", lambda: 2)
    sizes_bytes = [64 << 20, 1, 64 << 20, *[3 << 20] * 20, 64 << 20]
    path = ranks(tmp_path, sizes_bytes)
    tracemalloc.start()
    found = by_number(map_traces(trace_inputs([path]), size_of, jobs))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == sizes_bytes
    assert peak_bytes < 40 << 20
    assert not list(unpacked.iterdir())


def test_one_trace_from_a_stream_is_read_here_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no such folder"))
    assert by_number(map_traces(trace_inputs([ranks(tmp_path, [20 << 20])]), process_of)) == [os.getpid()]
    piped = trace_inputs(["-"], stdin=io.BytesIO(bytes(20 << 20)))
    assert by_number(map_traces(piped, process_of, jobs=2)) == [os.getpid()]


def test_where_there_is_no_room_to_unpack_it_is_said_of_each_trace(
    tmp_path: Path, unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    path = ranks(tmp_path, [1, 8 << 20, 2])
    first, failure, last = by_number(map_traces(trace_inputs([path]), size_of, jobs=2))
    assert (first, last) == (1, 2)
    assert failure == Failure(
        f"no room to unpack {path}:1.json: No space left on device", "TMPDIR=FOLDER, one with more room"
    )
    assert not list(unpacked.iterdir())


@pytest.mark.parametrize("jobs", [2, None])
def test_an_interrupt_removes_what_was_unpacked(tmp_path: Path, unpacked: Path, jobs: int | None) -> None:
    seen: list[Path] = []

    def inputs() -> Iterator[TraceInput]:
        yield from trace_inputs([ranks(tmp_path, [8 << 20] * 2)])
        seen.extend(unpacked.rglob("*"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(map_traces(inputs(), size_of, jobs))
    assert len(seen) == 2  # a folder and one of the members: the first is read as it comes
    assert not list(unpacked.iterdir())


def test_an_interrupt_while_unpacking_leaves_nothing(
    tmp_path: Path, unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        assert [each for each in unpacked.rglob("*") if each.is_file()]
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(map_traces(trace_inputs([ranks(tmp_path, [8 << 20] * 2)]), size_of, jobs=2))
    assert not list(unpacked.iterdir())


class Starts:
    """Starts processes, of which only the ones with these numbers may be had."""

    def __init__(self, allowed: Callable[[int], bool]) -> None:
        self.asked = 0
        self._allowed = allowed
        self._start = subprocess.Popen

    def __call__(self, *arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        self.asked += 1
        if not self._allowed(self.asked):
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return self._start(*arguments, **options)


@pytest.mark.parametrize(("most", "asked"), [(0, 12), (1, 2), (2, 3)])
def test_where_no_more_processes_are_to_be_had_those_that_there_are_read_on(
    most: int, asked: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unpacked: Path
) -> None:
    starts = Starts(lambda number: number <= most)
    monkeypatch.setattr("subprocess.Popen", starts)
    before = psutil.Process().num_fds()
    inputs = [*(TraceInput(f"{number}", bytes(number)) for number in range(10))]
    archived = trace_inputs([ranks(tmp_path, [8 << 20] * 2)])
    found = list(map_traces(chain(inputs, archived), process_of, jobs=4))
    assert sorted(each.number for each in found) == list(range(12))
    processes = {each.result for each in found}
    assert (os.getpid() in processes, len(processes)) == (not most, max(most, 1))
    assert starts.asked == asked
    assert psutil.Process().num_fds() == before
    assert not list(unpacked.iterdir())


@pytest.mark.parametrize(("free_gib", "jobs"), [(500, 64), (3.5, 3), (0.2, 1)])
def test_no_more_processes_are_started_than_the_memory_of_a_container_allows(
    free_gib: float, jobs: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "memory.max").write_text(f"{600 << 30}")
    (tmp_path / "memory.current").write_text(f"{int((600 - free_gib) * 2**30)}")
    left = host_memory(600 << 30, tmp_path / "cgroup", tmp_path)
    monkeypatch.setattr("profiler.device.host_memory.host_memory", lambda: left)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64))
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert _most_jobs() == jobs


def test_a_script_without_a_guard_reads_many_traces(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"from profiler import analyze\nprint(len(analyze(*{FILES!r}, jobs=2).ranks))\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{len(FILES)}\n", "")


def test_for_a_single_trace_nothing_is_imported_that_only_several_need() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "profiler", "analyze", FILES[0], "--parts-only"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "profiler.session.trace_map" in imported
    assert not imported & {"tempfile", "shutil", "tarfile", "psutil", "multiprocessing", "profiler.device.host_memory"}


def test_work_may_carry_what_it_needs() -> None:
    found = by_number(map_traces(given("a", "b"), partial(scaled, factor=3), jobs=2))
    assert found == [3, 3]


def scaled(name: str, source: TraceSource, factor: int) -> int:
    return factor * size_of(name, source)


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UnsupportedError, match=r"Ray, which is not installed; try: pip install '.*\[ray\]'"):
        list(map_on_ray(given("a"), size_of, "auto"))
