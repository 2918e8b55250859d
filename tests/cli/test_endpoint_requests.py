"""The requests that `bottleneck endpoint` is given: which are sent, and which cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from profiler.cli import endpoint as verb
from profiler.cli.application import application
from profiler.session import endpoint as session
from tests.fake_endpoint import FakeServer

NOWHERE = "http://127.0.0.1:9"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(application, ["endpoint", *arguments])


def sent(*arguments: str) -> dict[str, Any]:
    with FakeServer().running() as server:
        result = run(server.url, "--baseline", "1", *arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def log_of(folder: Path, *arrivals_s: float) -> str:
    path = folder / "log.csv"
    rows = (f"{arrival},{45 + 20 * number},3" for number, arrival in enumerate(arrivals_s))
    path.write_text("\n".join(["arrival_s,prompt_tokens,output_tokens", *rows]))
    return str(path)


def test_only_the_first_of_a_log_are_sent(tmp_path: Path) -> None:
    log = log_of(tmp_path, *range(30))
    answer = sent("--requests", log, "--count", "3", "--concurrency", "2")
    assert [each["prompt_tokens"] for each in answer["requests"]] == [45, 65, 85]


def test_the_first_of_a_log_come_at_the_rate_that_was_asked_for(tmp_path: Path) -> None:
    log = log_of(tmp_path, 0, 1, 2, 1000)
    arrivals = [each["due_ms"] for each in sent("--requests", log, "--count", "3", "--rate", "20")["requests"]]
    assert arrivals == pytest.approx([0, 50, 100])


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        (["--requests", "500:10", "--prompt-tokens", "9"], "500:10 has its own requests: --prompt-tokens would change"),
        (["--requests", "500:10", "--output-tokens", "9"], "--output-tokens would change nothing"),
        (["--requests", "500:10,abc"], "'abc' is no request"),
        (["--requests", "500:0"], "500:0 is a request without an output"),
        (["--requests", "poison", "--rate", "1"], "there is no file poison: did you mean poisson?"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(typed: list[str], what: str) -> None:
    result = run(NOWHERE, *typed)
    assert (result.exit_code, result.stdout) == (2, "")
    assert what in " ".join(result.stderr.split())


def test_help_repeats_what_the_code_says() -> None:
    assert verb._FEWEST_IN_A_STEP == session._FEWEST_IN_A_STEP
    shown = " ".join(run("--help").stdout.replace("│", " ").split())
    assert "longer until 20 requests have come. [default: 10.0]" in shown
    assert "Give a request up after that. [default: 600.0]" in shown
