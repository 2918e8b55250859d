"""The client against a real vLLM: what it says is what the server's own histograms say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import vllm_cpu

pytestmark = [pytest.mark.integration, pytest.mark.vllm, pytest.mark.timeout(1200)]

LENGTHS = ("--prompt-tokens", "lognormal:150:0.5", "--output-tokens", "lognormal:40:0.4")


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("vllm")
    vllm_cpu.save_model(folder / "model")
    python = vllm_cpu.set_up(folder / "environment")
    with vllm_cpu.serving(python, folder / "model", folder / "log.txt", most_at_once=4) as url:
        yield url


def run(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    kept = tmp_path / "endpoint.json"
    command = [sys.executable, "-m", "profiler", "endpoint", *arguments, *LENGTHS, "-o", str(kept)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(kept.read_text())
    return answer


@pytest.mark.parametrize(("rate", "count", "saturated"), [("0.5", "8", False), ("150", "300", True)])
def test_the_split_is_that_of_the_servers_histograms(
    vllm: str, tmp_path: Path, rate: str, count: str, saturated: bool
) -> None:
    answer = run(tmp_path, vllm, "--rate", rate, "--count", count)
    server = answer["server"]
    means = {part["part"]: part["mean_ms"] for part in answer["parts"]}
    assert answer["endings"] == [{"ending": "ok", "count": int(count), "first": ""}]
    assert answer["target"]["engine"] == "vllm"
    assert server["requests"] == int(count)
    assert sum(means.values()) - means["client_queue"] == pytest.approx(answer["e2e_ms"]["mean"], rel=0.02)
    for phase in ("queue", "prefill", "decode"):
        assert abs(means[phase] - server[f"{phase}_ms"]) <= 0.05 * server[f"{phase}_ms"] + 2.0
    assert means["network"] >= 0
    assert (answer["verdict"]["cause"] == "scheduling.queue") is saturated
    if saturated:  # what the client finds by itself, where the queue is long
        inferred = sum(each["queue_ns"] for each in answer["requests"]) / int(count) / 1e6
        assert inferred == pytest.approx(server["queue_ms"], rel=0.05)
        assert server["peak_waiting"] > 10
