"""`bottleneck endpoint` with --trace and --gpu as they are typed: what holds the phase that leads back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.endpoint import watch
from profiler.session import endpoint_trace
from tests.fake_endpoint import FakeProfiler, FakeServer

# A prefill and a decode, eager, on an H100: the host holds both back.
LOOP = Path(__file__).parents[1] / "data" / "own" / "smollm135m-eager-trace.json.gz"
LOAD = ("--concurrency", "2", "--count", "4", "--baseline", "2", "--prompt-tokens", "40", "--output-tokens", "6")
DECODES = {"decode_s": 0.03}


def run(*arguments: str) -> Any:
    return CliRunner().invoke(application, ["endpoint", *arguments])


def as_json(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def warnings(answer: dict[str, Any]) -> dict[str, str]:
    return {each["code"]: each["message"] for each in answer["warnings"]}


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_trace, "_APPEAR_S", 0.5)
    monkeypatch.setattr(endpoint_trace, "_LOOK_S", 0.02)
    monkeypatch.setattr(endpoint_trace, "_SHORTEST_S", 0.05)


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that shares its core with the server, as here, comes late: that is not what is tested."""
    monkeypatch.setattr(watch, "_GRAIN_MS", 1e6)
    monkeypatch.setattr(watch, "_BUSY_RATIO", 1e6)


def test_sglangs_profiler_is_told_the_folder_and_its_trace_tells_what_holds_decode_back(tmp_path: Path) -> None:
    profiler = FakeProfiler("sglang", LOOP)
    with FakeServer(profiler=profiler, **DECODES).running() as server:
        answer = as_json(server.url, *LOAD, "--trace", str(tmp_path / "traces"))
    asked = [name for name, _ in profiler.asked]
    assert asked == ["start", "stop"]
    body = profiler.asked[0][1]
    assert (body["output_dir"], body["activities"], body["record_shapes"]) == (
        str(tmp_path / "traces"),
        ["CPU", "GPU"],
        True,
    )
    trace = answer["trace"]
    assert [phase["kind"] for phase in trace["phases"]] == ["prefill", "decode"]
    assert (answer["leader"], answer["phase_class_from"]) == ("decode", "trace")
    assert (answer["verdict"]["class"], answer["verdict"]["cause"]) == ("scheduling", "scheduling.host")
    assert "the engine's trace says scheduling" in answer["verdict"]["evidence"][0]
    classes = {part["part"]: part["class"] for part in answer["parts"]}
    assert (classes["prefill"], classes["decode"]) == ("scheduling", "scheduling")


def test_vllm_writes_where_it_was_told_at_its_start_and_traces_that_were_there_before_are_not_taken(
    tmp_path: Path,
) -> None:
    (tmp_path / "old.json").write_text("{}")
    with FakeServer(profiler=FakeProfiler("vllm", LOOP, tmp_path), **DECODES).running() as server:
        answer = as_json(server.url, *LOAD, "--trace", str(tmp_path))
    assert answer["trace"]["files"] == ["vllm-2.pt.trace.json.gz"]
    assert answer["verdict"]["cause"] == "scheduling.host"


def test_the_measured_requests_are_none_of_those_under_the_profiler(tmp_path: Path) -> None:
    profiler = FakeProfiler("vllm", LOOP, tmp_path)
    with FakeServer(profiler=profiler, **DECODES).running() as server:
        answer = as_json(server.url, *LOAD, "--trace", str(tmp_path))
        served = len(server.bodies)
        prompts = [body["prompt"] for body in server.bodies if len(body["prompt"]) > 20]
    assert sum(each["count"] for each in answer["endings"]) == 4 == len(answer["requests"])
    assert served > 4 + 2
    assert len(set(prompts)) == len(prompts)


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_people_read_what_the_engines_trace_says(form: str, tmp_path: Path) -> None:
    with FakeServer(profiler=FakeProfiler("vllm", LOOP, tmp_path), **DECODES).running() as server:
        result = run(server.url, *LOAD, "--trace", str(tmp_path), "--format", form)
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert "The server is held back by scheduling: the host. Decode leads with" in said.replace("*", "")
    assert "Under the engine's profiler" in said
    assert "bottleneck analyze" in said


def test_a_server_without_a_profiler_is_measured_all_the_same(tmp_path: Path) -> None:
    with FakeServer(**DECODES).running() as server:
        answer = as_json(server.url, *LOAD, "--trace", str(tmp_path))
    assert "HTTP 404" in warnings(answer)["trace"]
    assert "--profiler-config" in warnings(answer)["trace"]
    assert answer["trace"]["files"] == []
    assert answer["verdict"]["state"] == "refused"
    assert answer["complete"] is True


def test_a_profiler_that_does_not_start_is_not_stopped(tmp_path: Path) -> None:
    profiler = FakeProfiler("vllm", LOOP, tmp_path, start_status=500)
    with FakeServer(profiler=profiler, **DECODES).running() as server:
        answer = as_json(server.url, *LOAD, "--trace", str(tmp_path))
    assert [name for name, _ in profiler.asked] == ["start"]
    assert "HTTP 500" in warnings(answer)["trace"]


def test_a_profiler_that_does_not_stop_is_told(tmp_path: Path) -> None:
    profiler = FakeProfiler("vllm", LOOP, tmp_path, stop_status=500)
    with FakeServer(profiler=profiler, **DECODES).running() as server:
        answer = as_json(server.url, *LOAD, "--trace", str(tmp_path))
    assert "may still run" in warnings(answer)["profiler"]
    assert "no trace appeared" in warnings(answer)["trace"]


def test_traces_on_another_machine_are_told_with_what_to_type_there(tmp_path: Path) -> None:
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    with FakeServer(profiler=FakeProfiler("vllm", LOOP, elsewhere), **DECODES).running() as server:
        answer = as_json(server.url, *LOAD, "--trace", str(here))
    assert f"bottleneck analyze {here}" in warnings(answer)["trace"]
    assert answer["trace"]["verdict"] is None
    assert answer["trace"]["seconds"] > 0


def test_what_the_engine_wrote_and_nobody_can_read_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json.gz"
    broken.write_bytes(b"no trace")
    profiler = FakeProfiler("vllm", broken, tmp_path / "traces")
    with FakeServer(profiler=profiler, **DECODES).running() as server:
        answer = as_json(server.url, *LOAD, "--trace", str(tmp_path / "traces"))
    assert "vllm-2.pt.trace.json.gz" in warnings(answer)["trace"]
    assert answer["trace"]["verdict"] is None


def test_gpus_that_are_not_there_end_the_run_before_any_request() -> None:
    with FakeServer().running() as server:
        result = run(server.url, *LOAD, "--gpu")
    assert result.exit_code == 4
    assert "--gpu needs an NVIDIA GPU" in result.stderr
    assert server.bodies == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("http://203.0.113.7", "--rate", "1", "--gpu"), "another machine"),
        (("http://localhost", "--rate", "1", "--knee", "--trace", "x"), "--knee"),
        (("http://localhost", "--rate", "1", "--trace", __file__), "no folder"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments: tuple[str, ...], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_log_with_more_text_than_allowed_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("arrival_s,prompt_tokens,output_tokens\n" + "0,40,2\n" * 100)
    result = run("http://localhost", "--requests", str(log), "--max-bytes", "100")
    assert result.exit_code == 1
    assert "100 bytes" in result.stderr
