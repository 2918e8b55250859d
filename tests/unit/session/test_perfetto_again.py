"""What was written for Perfetto is analysed as the traces that went into it; nothing else of them is in it."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from profiler.errors import UnreadableError, UsageError
from profiler.report.analysis import Analysis, RankAnalysis
from profiler.report.store import load_report
from profiler.session.analyze import analyze
from profiler.session.perfetto import write_perfetto
from profiler.trace.narrowing import Narrowing
from tests.cli.test_trace_secrets import SECRET, planted
from tests.unit.trace.side_by_side import side_by_side
from tests.unit.trace.trace_events import PUBLIC, PUBLIC_TRACES, RECORDINGS

OWN = Path(__file__).parents[2] / "data/own"
FRAMES = Path(__file__).parents[2] / "data/frames/cudnn_plan.json.gz"
NAMES = ("decode_b16_graph", "decode_offload_4layers", "h2d_pageable", "stream_imbalance", "slow_host")
# The larger ones come back as well, and take minutes on a busy machine.
SMALL = [name for name in PUBLIC if not name.startswith(("a100", "h100_owlv2", "v100", "hta_ns"))]


def again(trace: Path, folder: Path, answer: Analysis | None = None) -> list[RankAnalysis]:
    """The ranks of the trace, written with what was found in them and analysed from there."""
    path = folder / "out.pftrace"
    write_perfetto(answer or analyze(trace), str(trace), path)
    return analyze(path).ranks


def unnamed(ranks: list[RankAnalysis]) -> list[RankAnalysis]:
    return [replace(rank, name="") for rank in ranks]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    trace = RECORDINGS / f"{name}.json.gz"
    assert unnamed(again(trace, tmp_path)) == unnamed(analyze(trace).ranks)


@pytest.mark.parametrize("name", SMALL)
def test_a_public_trace_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    trace = PUBLIC_TRACES / f"{name}.json.gz"
    if not trace.exists():
        pytest.skip(f"the public trace {name} is not on this machine; it is not part of the repository")
    assert unnamed(again(trace, tmp_path)) == unnamed(analyze(trace).ranks)


def test_python_functions_come_back(tmp_path: Path) -> None:
    assert unnamed(again(FRAMES, tmp_path)) == unnamed(analyze(FRAMES).ranks)


def test_each_rank_of_a_job_comes_back_as_a_rank_and_they_wait_for_each_other_as_before(tmp_path: Path) -> None:
    trace = PUBLIC_TRACES / "v100x8_dlrm.tar.gz"
    if not trace.exists():
        pytest.skip("the public traces of eight ranks are not on this machine; they are not part of the repository")
    before = analyze(trace)
    path = tmp_path / "out.pftrace"
    write_perfetto(before, str(trace), path)
    after = analyze(path)
    assert unnamed(after.ranks) == unnamed(before.ranks)
    assert before.job is not None
    assert after.job is not None
    assert after.job.parts == before.job.parts
    assert [rank.name for rank in after.ranks] == [f"{path}:{rank.name}" for rank in before.ranks]


def test_each_device_of_a_trace_comes_back(tmp_path: Path) -> None:
    trace = tmp_path / "both.json"
    trace.write_bytes(side_by_side("copy_stream", "h2d_pinned_serial"))
    ranks = again(trace, tmp_path)
    assert len(ranks) == 2
    assert unnamed(ranks) == unnamed(analyze(trace).ranks)


def test_the_trace_of_a_profile_is_analysed_as_before(tmp_path: Path) -> None:
    trace, path = OWN / "smollm135m-graph-trace.json.gz", tmp_path / "out.pftrace"
    write_perfetto(load_report(OWN / "smollm135m-graph.json.gz"), str(trace), path)
    assert unnamed(analyze(path).ranks) == unnamed(analyze(trace).ranks)


def test_a_narrowed_analysis_is_found_where_it_looked(tmp_path: Path) -> None:
    trace = RECORDINGS / "decode_b1_eager.json.gz"
    part = analyze(trace, narrowing=Narrowing(from_ns=5_000_000, to_ns=20_000_000))
    assert unnamed(again(trace, tmp_path, part)) == unnamed(analyze(trace).ranks)


Damage = Callable[[dict[str, Any]], object]


def of_kind(trace: dict[str, Any], category: str) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event.get("cat") == category]


def timeless(trace: dict[str, Any]) -> None:
    for event in of_kind(trace, "kernel")[:3]:
        del event["ts"]


def backwards(trace: dict[str, Any]) -> None:
    for event in of_kind(trace, "kernel")[:3]:
        event["dur"] = -1.5


def before_the_epoch(trace: dict[str, Any]) -> None:
    trace["baseTimeNanoseconds"] = 0
    first = min(event["ts"] for event in trace["traceEvents"] if "ts" in event)
    for event in trace["traceEvents"]:
        if "ts" in event:
            event["ts"] = round(event["ts"] - first - 1e6, 3)


@pytest.mark.parametrize("damage", [timeless, backwards, before_the_epoch], ids=lambda damage: damage.__name__)
def test_a_damaged_trace_comes_back_with_its_flaws(tmp_path: Path, damage: Damage) -> None:
    whole = json.loads(gzip.decompress((RECORDINGS / "stream_imbalance.json.gz").read_bytes()))
    damage(whole)
    trace = tmp_path / "damaged.json"
    trace.write_text(json.dumps(whole))
    assert unnamed(again(trace, tmp_path)) == unnamed(analyze(trace).ranks)


def test_a_trace_that_was_cut_off_is_so_again(tmp_path: Path) -> None:
    trace = tmp_path / "cut.json"
    text = gzip.decompress((RECORDINGS / "tiny_kernels.json.gz").read_bytes())
    trace.write_bytes(text[: len(text) // 2])
    (rank,) = again(trace, tmp_path)
    assert "cut_off" in {finding.code for finding in rank.integrity}
    assert rank.parts == analyze(trace).ranks[0].parts


@pytest.mark.parametrize("name", ["sync_every_op", "decode_b1_graph_body", "stream_imbalance"])
def test_no_metadata_is_passed_on(tmp_path: Path, name: str) -> None:
    trace = tmp_path / "trace.json"
    trace.write_bytes(planted(name))
    again(trace, tmp_path)
    assert SECRET.encode() not in (tmp_path / "out.pftrace").read_bytes()


def test_folders_of_python_files_are_not_passed_on(tmp_path: Path) -> None:
    trace = json.loads(gzip.decompress(FRAMES.read_bytes()))
    frame = next(event for event in trace["traceEvents"] if event.get("cat") == "python_function")
    frame["name"] = "/home/ann/secret/train.py(3): step"
    (tmp_path / "trace.json").write_text(json.dumps(trace))
    again(tmp_path / "trace.json", tmp_path)
    assert b"ann/secret" not in (tmp_path / "out.pftrace").read_bytes()
    assert b"train.py(3): step" in (tmp_path / "out.pftrace").read_bytes()


@cache
def of(name: str) -> Analysis:
    return analyze(RECORDINGS / f"{name}.json.gz")


@pytest.mark.parametrize(
    ("result", "trace", "reason"),
    [
        (RECORDINGS / "gemm_large.json.gz", RECORDINGS / "copy_stream.json.gz", "no trace that the analysis is of"),
        (OWN / "smollm135m-graph.json.gz", OWN / "smollm135m-eager-trace.json.gz", "not the trace of this report"),
    ],
)
def test_another_trace_is_refused_and_nothing_is_written(
    tmp_path: Path, result: Path, trace: Path, reason: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    answer = analyze(result) if result.parent == RECORDINGS else load_report(result)
    with pytest.raises(UnreadableError, match=reason):
        write_perfetto(answer, str(trace), out / "out.pftrace")
    assert list(out.iterdir()) == []


def test_a_rank_without_a_trace_is_named(tmp_path: Path) -> None:
    both = analyze(RECORDINGS / "gemm_large.json.gz", RECORDINGS / "copy_stream.json.gz")
    with pytest.raises(UnreadableError, match=r"no trace is that of .*copy_stream\.json\.gz"):
        write_perfetto(both, str(RECORDINGS / "gemm_large.json.gz"), tmp_path / "out.pftrace")


def test_what_is_no_trace_in_a_folder_is_passed_over_as_in_the_analysis(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    (folder / "a.json").write_text("[]")
    shutil.copy(RECORDINGS / "copy_stream.json.gz", folder)
    answer = analyze(folder)
    assert [each.name for each in answer.unreadable] == [str(folder / "a.json")]
    assert unnamed(again(folder, tmp_path, answer)) == unnamed(again(RECORDINGS / "copy_stream.json.gz", tmp_path))


def test_a_report_is_of_one_trace(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a report is of one trace"):
        write_perfetto(load_report(OWN / "smollm135m-graph.json.gz"), str(OWN), tmp_path / "out.pftrace")


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot read"):
        write_perfetto(of("gemm_large"), str(tmp_path / "nowhere.json"), tmp_path / "out.pftrace")


@pytest.mark.parametrize("keep", [40, 2_000, 30_000])
def test_a_file_that_was_cut_off_is_told_as_one(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "out.pftrace"
    write_perfetto(of("tiny_kernels"), str(RECORDINGS / "tiny_kernels.json.gz"), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UnreadableError, match="damaged Perfetto trace") as error:
        analyze(path)
    assert "\n" not in error.value.message
