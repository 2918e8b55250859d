"""A few entries of the zoo, run on a processor from end to end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from benchmarks.truth.results import read_section, report_path
from benchmarks.truth.section import Section
from benchmarks.truth.zoo.entries import entry_of
from benchmarks.truth.zoo.kept import section_again
from benchmarks.truth.zoo.outcome import rejudge
from benchmarks.truth.zoo.runner import run_entries
from benchmarks.truth.zoo.timing import SMALL_PLAN
from profiler.device.cpu import CpuDevice
from profiler.measure.telemetry.sampler import SamplerConfig
from profiler.progress import SilentProgress
from profiler.render.table import render
from profiler.report.records import Report
from profiler.report.store import load_report
from profiler.session.bench import Bench
from tests.fakes import FakeDriverLibrary
from tests.unit.session.machines import SamplerHere, ceilings_of

NAMES = ("host.slow", "gemm.float32", "kernels.tiny_in_a_graph")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Section]]:
    folder = tmp_path_factory.mktemp("zoo")
    device = CpuDevice()
    sampler = SamplerHere(SamplerConfig(pid=1, gpu_uuid=None), FakeDriverLibrary(), time.monotonic_ns)
    ceilings = ceilings_of(device.properties)
    bench = Bench(device, ceilings, sampler, time.monotonic_ns, SMALL_PLAN, SilentProgress())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield folder, run_entries([entry_of(name) for name in NAMES], bench, folder)
    torch.set_num_threads(threads)


@pytest.fixture
def report(ran: tuple[Path, Section]) -> Report:
    return load_report(report_path(ran[0], "zoo"))


def test_each_entry_that_can_run_here_becomes_a_phase_of_the_report(report: Report) -> None:
    assert report.kind == "zoo"
    assert [phase.name for phase in report.phases] == ["host.slow", "gemm.float32"]
    assert all(phase.timeline is not None and phase.timeline.evidence is not None for phase in report.phases)


def test_what_cannot_run_here_is_said_with_the_reason(ran: tuple[Path, Section]) -> None:
    assert "kernels.tiny_in_a_graph was not run: a CPU has no graphs." in ran[1].notes


def test_a_host_that_is_busy_before_it_launches_is_found(ran: tuple[Path, Section], report: Report) -> None:
    verdict = report.phases[0].verdict
    assert verdict.class_ == "scheduling"
    assert verdict.cause == "scheduling.host"


def test_the_section_is_written_as_it_was_returned(ran: tuple[Path, Section]) -> None:
    folder, section = ran
    kept = read_section(folder / "zoo.json")
    assert [claim.text for claim in kept.claims] == [claim.text for claim in section.claims]
    assert set(kept.details["gains"]) == {"host.slow", "gemm.float32"}


def test_a_kept_report_is_judged_as_it_was_when_it_was_measured(report: Report) -> None:
    again = dict(rejudge(report))
    for phase in report.phases:
        assert again[phase.name].class_ is phase.verdict.class_
        assert again[phase.name].state is phase.verdict.state
        assert again[phase.name].share == pytest.approx(phase.verdict.share, abs=0.01)


def test_a_kept_run_has_the_same_table_when_it_is_judged_again(ran: tuple[Path, Section], report: Report) -> None:
    folder, section = ran
    again = section_again(report, read_section(folder / "zoo.json"))
    assert [table.columns for table in again.tables] == [table.columns for table in section.tables]
    assert [row[:4] for row in again.tables[0].rows] == [row[:4] for row in section.tables[0].rows]


def test_the_report_can_be_shown_like_any_other(report: Report) -> None:
    console = Console(file=StringIO(), width=120)
    render(report, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "host.slow" in shown
    assert "gemm.float32" in shown
