"""The verbs about this machine: doctor and calibrate, with the CPU as the device and nothing measured."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.device import cache
from profiler.report.records import ReportWarning
from tests.unit.render import sample

runner = CliRunner()


def test_doctor_says_what_cannot_be_measured_why_and_what_to_do() -> None:
    result = runner.invoke(application, ["doctor", "--device", "cpu", "--format", "json"])
    assert result.exit_code == 0
    found = {capability["name"]: capability for capability in json.loads(result.stdout)["capabilities"]}
    assert found["host counters"]["available"]
    assert not found["kernel tracing"]["available"]
    assert found["kernel tracing"]["reason"] == "the device is a CPU"
    text = " ".join(runner.invoke(application, ["doctor", "--device", "cpu"]).stdout.split())
    assert "kernel tracing" in text
    assert "The device is a CPU." in text
    assert found["kernel tracing"]["remedy"][1:] in text


def test_doctor_says_each_reason_once() -> None:
    text = " ".join(runner.invoke(application, ["doctor", "--device", "cpu"]).stdout.split())
    assert text.count("The device is a CPU.") == 1


def test_doctor_shortens_nothing_at_80_columns() -> None:
    text = runner.invoke(application, ["doctor", "--device", "cpu"], env={"COLUMNS": "80"}).stdout
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("verb", ["doctor", "calibrate"])
def test_an_unknown_device_lists_the_known(verb: str) -> None:
    result = runner.invoke(application, [verb, "--device", "tpu"])
    assert result.exit_code == 2
    assert "auto, cuda, cuda:N" in result.stderr


@pytest.mark.parametrize("verb", ["doctor", "calibrate"])
def test_a_gpu_that_is_not_there_is_exit_code_4(verb: str) -> None:
    result = runner.invoke(application, [verb, "--device", "cuda:9"])
    assert result.exit_code == 4
    assert "try: " in result.stderr


def test_calibrate_measures_anew_and_shows_the_datasheet_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def measured(device: Any, **options: Any) -> Any:
        asked.append(options)
        options["progress"].stage("reading memory", total=3)
        options["warn"](ReportWarning(code="ceilings_not_cached", message="the disk is full"))
        return sample.ceilings()

    monkeypatch.setattr(cache, "load_or_measure", measured)
    result = runner.invoke(application, ["calibrate", "--device", "cpu"])
    assert result.exit_code == 0
    assert asked[0]["remeasure"] is True
    row = next(line for line in result.stdout.splitlines() if line.startswith("dram copy"))
    assert row.split()[2:] == ["3,020", "3,005–3,035", "GB/s", "3,352", "90%"]
    assert "] not measured with --quick" in result.stdout
    assert "reading memory" in result.stderr
    assert "warning: the disk is full" in result.stderr
    as_json = runner.invoke(application, ["calibrate", "--device", "cpu", "--format", "json"])
    assert json.loads(as_json.stdout)["ceilings"][1]["datasheet"] == 3352.0
