"""The client against a server that takes real time: a light and a saturating load, a knee, an interrupt."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fake_endpoint import FakeServer, vllm_metrics

pytestmark = pytest.mark.integration

LENGTHS = ("--prompt-tokens", "60", "--output-tokens", "20", "--baseline", "3")
TIMES = {"slots": 4, "prefill_s": 0.04, "decode_s": 0.01}  # carries 16.7 requests/s


def run(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    kept = tmp_path / "endpoint.json"
    command = [sys.executable, "-m", "profiler", "endpoint", *arguments, *LENGTHS, "-o", str(kept), "--force"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    answer: dict[str, Any] = json.loads(kept.read_text())
    return answer


def part(answer: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in answer["parts"] if each["part"] == name)
    return found


@pytest.mark.parametrize("metrics", [vllm_metrics, None])
def test_a_saturating_load_is_judged_a_queue_and_a_light_one_is_not(tmp_path: Path, metrics: Any) -> None:
    with FakeServer(metrics=metrics, **TIMES).running() as server:
        light = run(tmp_path, server.url, "--rate", "2", "--count", "10")
        saturated = run(tmp_path, server.url, "--rate", "60", "--count", "120")
        truth = {"queue": server.queue_s, "prefill": server.prefilled_s, "decode": server.decoded_s}
        means = {name: 1e3 * sum(values[-120:]) / 120 for name, values in truth.items()}
    assert saturated["verdict"]["cause"] == "scheduling.queue"
    assert light["verdict"]["cause"] != "scheduling.queue"
    assert light["leader"] == "decode"
    for answer in (light, saturated):
        parts = sum(each["mean_ms"] for each in answer["parts"]) - part(answer, "client_queue")["mean_ms"]
        assert parts == pytest.approx(answer["e2e_ms"]["mean"], rel=1e-6)
    for name, mean in means.items():
        assert part(saturated, name)["mean_ms"] == pytest.approx(mean, rel=0.05, abs=10)


def test_the_knee_is_near_what_the_server_carries(tmp_path: Path) -> None:
    with FakeServer(metrics=vllm_metrics, **TIMES).running() as server:
        knee = run(tmp_path, server.url, "--knee", "--rate", "4", "--step-s", "6")["knee"]
    assert 6 < knee["rate_per_s"] < 20
    assert knee["saturates"] == "queue"


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path) -> None:
    kept = tmp_path / "endpoint.json"
    with FakeServer(**TIMES).running() as server:
        command = [sys.executable, "-m", "profiler", "endpoint", server.url, "--rate", "10", "--count", "5000"]
        process = subprocess.Popen([*command, *LENGTHS, "-o", str(kept)], stderr=subprocess.PIPE, text=True)
        while len(server.decoded_s) < 20:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was measured before is kept" in told
    assert "Traceback" not in told
    answer = json.loads(kept.read_text())
    assert answer["complete"] is False
    assert answer["endings"][0]["count"] > 5
