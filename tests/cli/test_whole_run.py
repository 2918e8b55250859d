"""Real runs of the command on a small checkpoint: what it says, what it keeps, and what it keeps to itself."""

from __future__ import annotations

import getpass
import gzip
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from typer.testing import CliRunner

import profiler
from profiler.cli.application import application
from profiler.device.cpu import CpuDevice
from profiler.report.records import Report
from profiler.report.store import load_report
from profiler.report.vocabulary import Tier
from tests.unit.session.machines import put_ceilings_into_the_cache
from tests.unit.session.missing_numbers import numbers_without_reason

SECRET = "hf_aSecretThatNobodyMustSee"
CONFIG = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 257,
    "max_position_embeddings": 256,
}
SIZES = ("--device", "cpu", "--quick", "--prompt-tokens", "16", "--new-tokens", "8")

runner = CliRunner()


@dataclass(frozen=True)
class Run:
    """One run of the command, in a folder of its own."""

    folder: Path
    stdout: str
    stderr: str
    exit_code: int
    report: Report
    report_text: str
    trace_text: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder, with a checkpoint in it, ceilings in the cache, and secrets around."""
    folder = tmp_path_factory.mktemp("a-folder-of-mine")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **CONFIG), dtype=torch.float32)
    model.save_pretrained(folder / "checkpoint")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("HF_TOKEN", SECRET)
        patch.setenv("WANDB_API_KEY", SECRET)
        put_ceilings_into_the_cache(CpuDevice())
        yield folder
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    command = ["profile", "./checkpoint", *SIZES, "-o", "report.json", "--trace-out", "trace.json.gz"]
    result = runner.invoke(application, command)
    return Run(
        folder,
        result.stdout,
        result.stderr,
        result.exit_code,
        load_report(folder / "report.json"),
        (folder / "report.json").read_text(),
        gzip.decompress((folder / "trace.json.gz").read_bytes()).decode(),
    )


def test_a_whole_run_says_its_verdict_and_keeps_a_complete_report(run: Run) -> None:
    assert run.exit_code == 0, run.stderr
    assert run.report.complete
    assert re.match(r"(INCONCLUSIVE\s+)?decode", run.stdout)
    assert [phase.name for phase in run.report.phases] == ["load", "prefill", "decode"]
    assert run.report.workload is not None
    workload = run.report.workload
    assert (workload.model, workload.source, workload.weights) == ("checkpoint", "folder", "pretrained")


def test_progress_names_each_stage_on_stderr(run: Run) -> None:
    for stage in ("Reading checkpoint", "prefill: measuring", "decode: telemetry", "decode: tracing"):
        assert stage in run.stderr


def test_the_spine_that_other_tools_rely_on_is_there(run: Run) -> None:
    report = json.loads(run.report_text)
    keys = {"schema_version", "complete", "kind", "environment", "workload", "ceilings", "phases", "verdict"}
    assert report.keys() >= keys | {"advice", "warnings"}
    decode = report["phases"][-1]
    assert decode["clean"]["wall_ms"].keys() >= {"median", "low", "high", "samples"}
    assert decode.keys() >= {"tokens_per_s", "ideal_ms", "mfu", "mbu", "parts", "shares", "kernels", "timeline"}
    assert decode["parts"][0].keys() >= {"class", "cause", "ms", "fraction", "tier"}
    assert decode["shares"][0].keys() >= {"resource", "class", "share", "low", "high", "step"}
    assert decode["telemetry"]["series"]
    verdict = {"class", "cause", "share", "low", "high", "runner_up", "state", "throttled"}
    assert decode["verdict"].keys() >= verdict
    assert report["verdict"].keys() >= verdict


def test_the_parts_of_each_phase_sum_to_its_clean_median(run: Run) -> None:
    for phase in run.report.phases:
        median = phase.clean.wall_ms.median
        assert sum(part.ms for part in phase.parts) == pytest.approx(median, rel=0.01), phase.name
        assert sum(part.fraction for part in phase.parts) == pytest.approx(1, rel=0.01)


def test_every_missing_number_has_its_reason(run: Run) -> None:
    assert numbers_without_reason(run.report) == []


def test_loading_has_the_bytes_and_seconds_of_its_disk(run: Run) -> None:
    disk, host, device = run.report.phases[0].legs
    assert disk.bytes == sum(
        path.stat().st_size for path in (run.folder / "checkpoint").glob("*.safetensors")
    ) - 8 - len(_safetensors_header(next((run.folder / "checkpoint").glob("*.safetensors"))))
    assert disk.seconds is not None
    assert host.seconds is not None
    assert device.missing == "the CPU is the device"


def _safetensors_header(path: Path) -> bytes:
    data = path.read_bytes()
    return data[8 : 8 + int.from_bytes(data[:8], "little")]


def test_a_layer_of_the_model_answers_for_its_kernels(run: Run) -> None:
    modules = {kernel.module for kernel in run.report.phases[-1].kernels}
    assert any(module and module.startswith("model.layers.") for module in modules)


def test_a_decode_says_how_it_grows_with_context(run: Run) -> None:
    growth = run.report.phases[-1].growth
    assert growth is not None
    assert growth.ms_per_1000_tokens is not None
    assert len(growth.context_tokens) == 2


def test_the_ceilings_are_those_of_the_cache(run: Run) -> None:
    assert run.report.ceilings.from_cache
    assert all(ceiling.tier is Tier.HOST for ceiling in run.report.ceilings.ceilings)


@pytest.mark.parametrize("kept", ["report_text", "trace_text", "stdout", "stderr"])
def test_nothing_that_is_kept_or_shown_tells_of_the_user(run: Run, kept: str) -> None:
    text = getattr(run, kept)
    assert SECRET not in text
    for private in (str(run.folder), str(Path.home()), socket.gethostname(), getpass.getuser()):
        if len(private) > 4:  # "root" and "/root" are words of other meanings, too
            assert private not in text, private


def test_the_trace_has_the_steps_of_both_phases(run: Run) -> None:
    names = {event["name"] for event in json.loads(run.trace_text)["traceEvents"]}
    assert {"bottleneck.step:prefill#0", "bottleneck.step:decode#0"} <= names


def test_outputs_that_exist_now_are_not_replaced(run: Run) -> None:
    for option, file in (("-o", "report.json"), ("--trace-out", "trace.json.gz")):
        result = runner.invoke(application, ["profile", "./checkpoint", *SIZES, option, file])
        assert result.exit_code == 2
        assert "exists already" in result.stderr
    assert (run.folder / "report.json").read_text() == run.report_text


def test_what_was_kept_can_be_shown_again(run: Run) -> None:
    result = runner.invoke(application, ["show", "report.json"])
    assert result.exit_code == 0
    assert result.stdout == run.stdout


def test_the_python_api_does_what_the_command_does(run: Run) -> None:
    report = profiler.profile("./checkpoint", device="cpu", effort="quick", prompt_tokens=16, new_tokens=8)
    assert report.complete
    assert run.report.workload is not None
    typed = run.report.workload
    assert report.workload is not None
    assert (report.workload.command, typed.command) == (None, typed.command)
    for field in ("model", "source", "dtype", "mode", "attention", "batch_size", "prompt_tokens", "new_tokens", "seed"):
        assert getattr(report.workload, field) == getattr(typed, field), field
    assert report.environment == run.report.environment
    assert [phase.name for phase in report.phases] == [phase.name for phase in run.report.phases]
    for ours, theirs in zip(report.phases, run.report.phases, strict=True):
        assert (ours.tokens, ours.flops, ours.bytes) == (theirs.tokens, theirs.flops, theirs.bytes)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["./nothing-here"], 2, "there is no folder ./nothing-here"),
        (["tinny"], 2, "did you mean tiny"),
        (["tiny", "--device", "cuda:99"], 4, "GPU"),
        (["tiny", "--device", "cpu", "--prompt-tokens", "5000"], 2, "the model's maximum is 4096"),
        (["tiny", "--device", "cpu", "--mode", "graph"], 4, "use --mode eager"),
        (["tiny", "--device", "cpu", "--batch-size", "100000000"], 4, "would fit: --batch-size"),
        (["tiny", "--prompt-tokens", "0"], 2, "--prompt-tokens"),
        (["tiny", "--device", "cpu", "-o", "."], 2, "is a folder"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_its_exit_code(
    folder: Path, arguments: list[str], exit_code: int, says: str
) -> None:
    result = runner.invoke(application, ["profile", *arguments])
    assert result.exit_code == exit_code
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_run_that_fails_half_way_keeps_and_shows_what_was_measured(folder: Path) -> None:
    model = "tests.unit.session.machines:ShortOfMemory"
    result = runner.invoke(application, ["profile", model, "--device", "cpu", "--quick", "-o", "half.json"])
    assert result.exit_code == 1
    assert "error: the device ran out of memory" in result.stderr
    half = load_report(folder / "half.json")
    assert not half.complete
    assert [phase.name for phase in half.phases] == ["load", "prefill"]
    assert result.stdout.startswith("INCOMPLETE")
    assert numbers_without_reason(half) == []
