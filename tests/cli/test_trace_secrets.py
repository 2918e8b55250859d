"""Traces in the wild carry live tokens in their metadata: none of it comes out of an analysis, in any form."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from tests.unit.trace.trace_events import RECORDINGS, call, frame, kernel, operation, trace_bytes

runner = CliRunner()
SECRET = "hf_LiveToken12345"
EVENTS = ("kernel", "gpu_memcpy", "gpu_memset", "cuda_runtime", "cuda_driver", "cpu_op", "user_annotation", "overhead")
METADATA: dict[str, Any] = {
    "distributedInfo": {"backend": SECRET, "rank": 0, "pg_config": [{"pg_name": SECRET}]},
    "trace_metadata": {"HF_TOKEN": SECRET},
    "environment": [f"HF_TOKEN={SECRET}"],
    "mast_job_environment": SECRET,
    "username": SECRET,
    "host_name": SECRET,
    "PROFILE_CONFIG": json.dumps({"token": SECRET}),
    "traceName": f"/home/{SECRET}/trace.json",
    "INFO": {SECRET: SECRET},
    "trace_id": SECRET,
    "with_stack": SECRET,
    "displayTimeUnit": SECRET,
}


@cache
def planted(name: str) -> bytes:
    """A recording with a token in everything that says nothing of time and work."""
    trace = json.loads(gzip.decompress((RECORDINGS / f"{name}.json.gz").read_bytes()))
    for event in trace["traceEvents"]:
        if event.get("ph") == "M":
            event["args"] = {"name": SECRET, "labels": SECRET}
        elif event.get("cat") in EVENTS:
            event["id"] = event["cname"] = SECRET
            event["pid"] = SECRET
            given = event.setdefault("args", {})
            given |= {"token": SECRET, "Collective name": SECRET, "Process Group Name": SECRET, "Python module": SECRET}
            given |= {"Fwd thread id": SECRET, "HF_TOKEN": {"value": SECRET}}
            if "Concrete Inputs" in given:
                given["Concrete Inputs"] = [SECRET if each == "" else each for each in given["Concrete Inputs"]]
    for properties in trace["deviceProperties"]:
        properties |= {"uuid": SECRET, "pciBusId": SECRET, "owner": SECRET}
    extra = [
        {"ph": "X", "cat": SECRET, "name": SECRET, "ts": 1, "dur": 2, "args": {"x": SECRET}},
        {"ph": "i", "name": f"Trace {SECRET}", "ts": 1},
        {"ph": "X", "cat": "Trace", "name": f"PyTorch Profiler {SECRET}", "ts": 1, "dur": 2, "tid": SECRET},
    ]
    return json.dumps({**trace, **METADATA, "traceEvents": [*trace["traceEvents"], *extra]}).encode()


@pytest.mark.parametrize("form", ["json", "markdown", "table"])
@pytest.mark.parametrize("options", [[], ["--parts-only"]], ids=["whole", "parts"])
@pytest.mark.parametrize("name", ["sync_every_op", "decode_b1_graph_body", "stream_imbalance"])
def test_no_metadata_is_passed_on(tmp_path: Path, name: str, options: list[str], form: str) -> None:
    trace, kept = tmp_path / "trace.json", tmp_path / "analysis.json"
    trace.write_bytes(planted(name))
    typed = ["analyze", str(trace), *options, "--format", form, "-o", str(kept)]
    result = runner.invoke(application, typed, env={"COLUMNS": "300"})
    assert result.exit_code == 0
    assert SECRET not in result.stdout
    assert SECRET not in result.stderr
    assert SECRET not in kept.read_text()
    (rank,) = json.loads(kept.read_text())["ranks"]
    alone = runner.invoke(application, ["analyze", str(RECORDINGS / f"{name}.json.gz"), "--format", "json"])
    (expected,) = json.loads(alone.stdout)["ranks"]
    for field in ("device", "span_ns", "busy_ns", "idle_ns", "kernel_ns"):
        assert rank[field] == expected[field]


@pytest.mark.parametrize("form", ["json", "markdown", "table"])
def test_what_a_job_calls_its_process_groups_is_not_passed_on(tmp_path: Path, form: str) -> None:
    for rank in range(2):
        events = [call("cudaLaunchKernel", 100 * step, 2, step + 1) for step in range(20)]
        for step in range(20):
            collective = kernel(
                100 * step + 5 + rank, 50 - rank, step + 1, name="ncclDevKernel_AllReduce_Sum_bf16_RING"
            )
            collective["args"] |= {
                "Process Group Name": SECRET,
                "Process Group Ranks": SECRET,
                "Collective name": SECRET,
            }
            events.append(collective)
        (tmp_path / f"rank{rank}.json").write_bytes(trace_bytes(events, distributedInfo={"rank": rank, "x": SECRET}))
    result = runner.invoke(application, ["analyze", str(tmp_path), "--format", form], env={"COLUMNS": "300"})
    assert result.exit_code == 0
    assert "collective" in result.stdout
    assert SECRET not in result.output
    assert SECRET not in result.stderr


@pytest.mark.parametrize(
    "field",
    [
        "ph",
        "cat",
        "name",
        "tid",
        "ts",
        "dur",
        "args",
        "correlation",
        "stream",
        "device",
        "grid",
        "External id",
        "bytes",
    ],
)
def test_an_error_does_not_quote_what_is_wrong(tmp_path: Path, field: str) -> None:
    broken = kernel(5, 10, 1)
    wrong: Any = {"key": SECRET} if field in ("ph", "cat", "name") else SECRET
    if field in broken:
        broken[field] = wrong
    else:
        broken["args"] = {**broken["args"], field: wrong}
    trace = tmp_path / "trace.json"
    trace.write_bytes(trace_bytes([call("cudaLaunchKernel", 0, 2, 1), broken, kernel(30, 4, 1)]))
    result = runner.invoke(application, ["analyze", str(trace), "--format", "json"])
    assert result.exit_code in (0, 1)
    assert SECRET not in result.output
    assert SECRET not in result.stderr


@pytest.mark.parametrize(
    "text", [f'{{"HF_TOKEN": "{SECRET}"}}', f"HF_TOKEN={SECRET}", f'{{"traceEvents": "{SECRET}"}}']
)
def test_a_file_that_is_no_trace_is_not_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "trace.json").write_text(text)
    result = runner.invoke(application, ["analyze", str(tmp_path / "trace.json")])
    assert result.exit_code == 1
    assert SECRET not in result.output


@pytest.mark.parametrize("form", ["json", "markdown", "table"])
@pytest.mark.parametrize(
    "place",
    [
        f"/data/users/{SECRET}/project/train.py(3): main",
        f"/fsx/{SECRET}/train.py(3): main",
        f"/nfs/homes/{SECRET}/train.py(3): main",
        f"/root/{SECRET}/model/train.py(3): main",
        f"/home/{SECRET}/train.py: main",
        f"C:\\Users\\{SECRET}\\train.py(3): main",
        f"<eval_with_key>.1 from /tmp/torchinductor_{SECRET}/ab/train.py:9 in call(3): main",
    ],
)
@pytest.mark.parametrize("recorded", ["function", "call stack"])
def test_whose_folders_the_functions_of_a_program_lie_in_is_not_passed_on(
    tmp_path: Path, place: str, recorded: str, form: str
) -> None:
    events = []
    for step in range(20):
        start = 1000 * step
        works = operation("aten::mm", start, 900)
        if recorded == "call stack":
            works["args"]["Call stack"] = f"{place};{place}"
        else:
            events.append(frame(place, start - 10, 950))
        events += [works, call("cudaLaunchKernel", start + 800, 5, step + 1), kernel(start + 810, 50, step + 1)]
    (tmp_path / "trace.json").write_bytes(trace_bytes(events))
    typed = ["analyze", str(tmp_path / "trace.json"), "--format", form]
    result = runner.invoke(application, typed, env={"COLUMNS": "300"})
    assert result.exit_code == 0
    assert "train.py" in result.stdout
    assert SECRET not in result.stdout
    assert SECRET not in result.stderr
