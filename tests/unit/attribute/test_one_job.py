"""Traces are held against each other as ranks of one job only where nothing tells that they are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.report.analysis import Job
from profiler.session.analyze import analyze, analyze_inputs
from profiler.session.trace_inputs import TraceInput
from profiler.trace.narrowing import Narrowing
from tests.unit.session.test_analyze import PUBLIC
from tests.unit.trace.side_by_side import side_by_side
from tests.unit.trace.trace_events import RECORDINGS, Event, call, kernel, trace_bytes

COLLECTIVE = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL"
UNIX_MS = 1_700_000_000_000


def rank(first_us: float = 0.0, kernels: int = 20, late_us: float = 0.0, meets: bool = True) -> list[Event]:
    """A rank that computes, and then meets the others in a collective that ends at once."""
    events: list[Event] = []
    for number in range(kernels):
        at = first_us + 100 * number
        events += [call("cudaLaunchKernel", at, 5, number + 1), kernel(at + 10, 80, number + 1)]
    at = first_us + 100 * kernels + late_us
    end = first_us + 100 * kernels + 5_000
    last = kernel(at, end - at, 900, name=COLLECTIVE) if meets else kernel(at, 50, 900)
    return [*events, call("cudaLaunchKernel", at - 20, 5, 900), last]


def job_of_files(*files: bytes, narrowing: Narrowing | None = None) -> Job:
    inputs = [TraceInput(f"{number}.json", data) for number, data in enumerate(files)]
    answer = analyze_inputs(inputs, between_times=narrowing is not None)
    assert answer.job is not None
    return answer.job


def said(process: int, of: int, late_us: float = 0.0) -> bytes:
    return trace_bytes(rank(late_us=late_us), distributedInfo={"rank": process, "world_size": of})


def test_traces_of_one_size_of_job_are_its_ranks_and_the_last_to_come_is_named() -> None:
    job = job_of_files(said(0, 2), said(1, 2, late_us=4_000.0))
    assert job.separate is None
    assert job.straggler is not None
    assert job.straggler.name == "1.json"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ((said(0, 2), said(1, 8, late_us=4_000.0)), "of jobs of 2 and 8 processes"),
        ((said(3, 8), said(3, 8, late_us=4_000.0)), "several say that they are rank 3 of 8"),
        ((trace_bytes(rank(meets=False)), trace_bytes(rank(kernels=90, meets=False))), "21 to 91 kernels"),
    ],
)
def test_traces_that_cannot_be_of_one_job_have_no_straggler(files: tuple[bytes, bytes], why: str) -> None:
    job = job_of_files(*files)
    assert job.separate is not None
    assert why in job.separate
    assert (job.straggler, job.waits) == (None, None)
    assert "separate traces" in (job.sources["straggler"].missing or "")


def test_recordings_of_other_work_in_one_folder_are_separate_traces(tmp_path: Path) -> None:
    for name in ("tiny_kernels", "gemm_large"):
        (tmp_path / f"{name}.json.gz").write_bytes((RECORDINGS / f"{name}.json.gz").read_bytes())
    job = analyze(tmp_path).job
    assert job is not None
    assert job.separate is not None
    assert "kernels" in job.separate


def test_the_devices_of_one_file_are_one_job_whatever_they_did() -> None:
    assert job_of_files(side_by_side("tiny_kernels", "gemm_large")).separate is None


def test_ranks_that_met_in_collectives_are_one_job_though_their_traces_do_not_say_so() -> None:
    path = PUBLIC / "v100x8_dlrm.tar.gz"
    if not path.exists():
        pytest.skip("the public trace v100x8_dlrm is not on this machine; it is not part of the repository")
    job = analyze(path).job
    assert job is not None
    assert job.separate is None
    assert job.straggler is not None


@pytest.mark.parametrize(
    ("first_us", "told"),
    [
        ((0.0, 7e6), "nobody knows how far apart"),
        ((UNIX_MS * 1e3, UNIX_MS * 1e3 + 500), "one instant for all"),
        ((UNIX_MS * 1e3, UNIX_MS * 1e3 + 25_000), "25.0 ms apart: what is compared did not happen at once"),
    ],
)
def test_times_count_from_each_ranks_start_and_that_is_said(first_us: tuple[float, float], told: str) -> None:
    files = [trace_bytes(rank(first)) for first in first_us]
    (note,) = job_of_files(*files, narrowing=Narrowing(from_ns=1_000)).notes
    assert told in note
    assert job_of_files(*files).notes == []
