"""`bottleneck profile --sweep`: a real sweep of the preset `tiny`, and what `simulate --costs` makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.device.cpu import CpuDevice
from profiler.errors import InterruptedByUser
from profiler.report.records import Report
from profiler.report.store import load_report
from profiler.session.profile import profile_model
from profiler.session.request import ProfileRequest
from tests.cli import fake_session
from tests.unit.session.machines import SHORTEST, StopAt, cpu_machine, put_ceilings_into_the_cache
from tests.unit.session.missing_numbers import numbers_without_reason
from tests.unit.session.test_early_end import no_sampler

SIZES = ("--device", "cpu", "--quick", "--prompt-tokens", "16", "--new-tokens", "8")
SWEEP = ("--sweep", "--sweep-batches", "4,1", "--sweep-lengths", "16,64")
runner = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("sweep")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        put_ceilings_into_the_cache(CpuDevice())
        yield folder
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def swept(folder: Path) -> tuple[Any, Path]:
    path = folder / "report.json"
    result = runner.invoke(application, ["profile", "tiny", *SIZES, *SWEEP, "-o", str(path)])
    assert result.exit_code == 0, result.output
    return result, path


def test_the_report_holds_both_phases_at_every_size(swept: tuple[Any, Path]) -> None:
    report = load_report(swept[1])
    assert report.complete
    assert report.costs is not None
    sizes = [(1, 16), (1, 64), (4, 16), (4, 64)]
    assert [(p.batch_size, p.prompt_tokens) for p in report.costs.prefill] == sizes
    assert [(p.batch_size, p.context_tokens) for p in report.costs.decode] == sizes
    assert report.costs.prefill_error_ratio is not None
    assert report.costs.decode_error_ratio is not None
    assert [phase.name for phase in report.phases] == ["load", "prefill", "decode"]
    assert numbers_without_reason(replace(report, phases=[])) == []


def test_the_table_has_a_row_for_each_batch_size(swept: tuple[Any, Path]) -> None:
    table = swept[0].stdout.partition("Prefill, ms by batch size and prompt tokens")[2]
    header, first, second, error = table.splitlines()[1:5]
    assert header.split() == ["batch", "16", "64"]
    assert [first.split()[0], second.split()[0]] == ["1", "4"]
    assert error.startswith("Straight lines between these points are off by ")


def test_simulate_serves_requests_at_the_costs_that_were_measured(swept: tuple[Any, Path]) -> None:
    costs = load_report(swept[1]).costs
    assert costs is not None
    typed = ["simulate", "16:2", "--costs", str(swept[1]), "--policy", "serial", "--format", "json"]
    result = runner.invoke(application, typed)
    assert result.exit_code == 0, result.output
    (request,) = json.loads(result.stdout)["policies"][0]["requests"]
    assert request["prefill_ms"] == pytest.approx(costs.prefill[0].ms, abs=1e-5)
    low, high = sorted((costs.decode[0].ms, costs.decode[1].ms))
    assert low <= request["decode_ms"] + 1e-5
    assert request["decode_ms"] <= high + 1e-5


def test_ctrl_c_in_the_sweep_keeps_the_phases_and_the_points(folder: Path) -> None:
    request = ProfileRequest(
        model="tiny", prompt_tokens=16, new_tokens=8, sweep=True, sweep_batches=(1, 4), sweep_lengths=(16, 64)
    )
    with pytest.raises(InterruptedByUser) as raised:
        profile_model(
            request,
            progress=StopAt("sweep: decode, batch 4 of 64"),
            machine=cpu_machine(no_sampler),
            plan=SHORTEST,
        )
    report = raised.value.partial
    assert isinstance(report, Report)
    assert not report.complete
    assert [phase.name for phase in report.phases] == ["load", "prefill", "decode"]
    assert report.costs is not None
    assert len(report.costs.prefill) == 4
    assert [(p.batch_size, p.context_tokens) for p in report.costs.decode] == [(1, 16), (1, 64)]
    assert "while sweeping batch sizes and lengths" in report.warnings[-1].message


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["--sweep-batches", "1,8"], "add --sweep"),
        (["--sweep", "--sweep-batches", "1,eight"], "--sweep-batches 1,eight is no list of sizes"),
        (["--sweep", "--sweep-lengths", "0,8"], "sizes of at least 1"),
        (["--sweep", "--sweep-lengths", ""], "is no list of sizes"),
        (["--sweep", "--sweep-lengths", ",".join(map(str, range(1, 19)))], "takes 1 to 16 sizes"),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_one_line(typed: list[str], says: str) -> None:
    result = runner.invoke(application, ["profile", "tiny", *typed])
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_factory_cannot_be_swept() -> None:
    model = "tests.unit.session.machines:SmallLoop"
    result = runner.invoke(application, ["profile", model, "--device", "cpu", "--sweep"])
    assert result.exit_code == 2
    assert "a factory decides those itself" in result.stderr


def test_what_is_typed_reaches_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = fake_session.install(monkeypatch)
    assert runner.invoke(application, ["profile", "tiny", *SWEEP]).exit_code == 0
    (request,) = requests
    assert (request.sweep, request.sweep_batches, request.sweep_lengths) == (True, [4, 1], [16, 64])
