"""Many traces: by several processes the same answer as by one, and none of them costs more than itself."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path

import msgspec
import psutil
import pytest

from profiler.errors import InterruptedByUser, UnreadableError, UnsupportedError
from profiler.report.analysis import Analysis
from profiler.session.analyze import analyze, analyze_inputs
from profiler.session.ray_map import map_on_ray
from profiler.session.trace_inputs import TraceInput, trace_inputs
from profiler.session.trace_map import Failure, Outcome, map_traces
from tests.unit.trace.trace_events import RECORDINGS

NAMES = ("tiny_kernels", "slow_host", "h2d_pageable", "copy_stream", "gemm_large", "stream_imbalance")
FILES = [str(RECORDINGS / f"{name}.json.gz") for name in NAMES]


def size_of(name: str, source: Path | bytes) -> int:
    """Work whose outcome is known, and that does to its process what the name says."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "gone":
        os._exit(3)
    if name == "broken":
        raise ZeroDivisionError("of a bug")
    if name == "unreadable":
        raise UnreadableError("unreadable is no trace", "another one")
    return len(data)


def process_of(name: str, source: Path | bytes) -> int:
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


def test_an_archive_is_unpacked_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ranks.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for number in range(40):
            member = tarfile.TarInfo(f"{number}.json")
            member.size = 4 << 20
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    tracemalloc.start()
    sizes = by_number(map_traces(trace_inputs([str(path)]), size_of, jobs=2))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sizes == [4 << 20] * 40
    assert peak_bytes < 80 << 20  # of 160: a member is unpacked, copied and sent


def test_a_script_without_a_guard_reads_many_traces(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"from profiler import analyze\nprint(len(analyze(*{FILES!r}, jobs=2).ranks))\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{len(FILES)}\n", "")


def test_work_may_carry_what_it_needs() -> None:
    found = by_number(map_traces(given("a", "b"), partial(scaled, factor=3), jobs=2))
    assert found == [3, 3]


def scaled(name: str, source: Path | bytes, factor: int) -> int:
    return factor * size_of(name, source)


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UnsupportedError, match=r"Ray, which is not installed; try: pip install '.*\[ray\]'"):
        list(map_on_ray(given("a"), size_of, "auto"))
