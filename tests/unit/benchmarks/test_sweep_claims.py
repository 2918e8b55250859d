"""What `benchmarks.sweep` claims, held against reports that keep it and that do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks import sweep
from profiler.report.records import Report
from profiler.report.store import encode
from profiler.serving.generated import inline_requests
from profiler.session.simulate import constant_basis, simulate
from tests.unit.render import sample
from tests.unit.serving.requests import real_log, surface


def swept(error: float | None) -> Report:
    costs = replace(surface(), prefill_error_ratio=error, decode_error_ratio=error)
    return replace(sample.report(), costs=costs)


def test_a_sweep_in_time_whose_lines_are_true_keeps_its_claims() -> None:
    assert [row.holds for row in sweep.sweep_rows(swept(0.05), 100)] == [True, True, True]


@pytest.mark.parametrize("error", [0.2, None])
def test_a_slow_sweep_and_lines_that_are_off_fail(error: float | None) -> None:
    assert [row.holds for row in sweep.sweep_rows(swept(error), 200)] == [False, False, False]


def test_on_a_cpu_nothing_is_claimed_of_the_lines() -> None:
    report = swept(0.9)
    on_cpu = replace(report, environment=replace(report.environment, device_kind="cpu"))
    assert [row.holds for row in sweep.sweep_rows(on_cpu, 100)] == [True, None, None]


def test_policies_are_compared_by_their_makespan() -> None:
    log = inline_requests("500:100,1000:100,1000:300,4000:700")
    rows = sweep.serving_rows(simulate(log, constant_basis(20_000, 50), name="four"))
    assert [row.what for row in rows if row.unit == "s"] == [
        "serial: makespan",
        "static: makespan",
        "continuous: makespan",
    ]
    assert all(row.holds is not False for row in rows)


def test_it_serves_the_first_requests_of_a_log_at_the_costs_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = []

    def profiled(command: tuple[str, ...], device: str, report: Path) -> float:
        commands.append(command)
        report.write_bytes(encode(swept(0.05)))
        return 30.0

    monkeypatch.setattr(sweep, "profiled", profiled)
    rows, details = sweep.measure("cpu", ("tiny",), real_log("azure2023_conv.csv"), 20)
    assert commands == [("tiny",), ("tiny", "--sweep")]
    assert all(row.holds is not False for row in rows)
    assert "Prefill, ms by batch size and prompt tokens" in details["table"]
    assert "| continuous |" in capsys.readouterr().out
