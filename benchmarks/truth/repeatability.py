"""Do independent runs say the same? Ten processes measure the same decode step, captured and eager.

The interval of a clean time is a prediction interval for another run: of all ordered pairs of runs, the interval of one
must hold the median of the other in at least nine of ten. It must be narrow, too. Every run must name the same class.
Both times are held to it: the one by the clock, which a host that others share may keep from holding in eager mode,
and the one at the host's full speed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import permutations, zip_longest
from pathlib import Path
from statistics import median

from benchmarks._common import stage
from benchmarks.truth.results import report_path
from benchmarks.truth.section import Claim, Section, Table
from profiler.report.records import Distribution, Phase, Report, Verdict
from profiler.report.store import load_report
from profiler.report.vocabulary import BottleneckClass

RUNS = 10
COVERAGE = 0.9
HALF_WIDTH = {"decode graph": 0.03, "decode eager": 0.10}
_WORKLOAD = ("--model", "qwen3-0.6b", "--prompt-tokens", "512", "--new-tokens", "64")
_SMALL = ("--model", "tiny", "--prompt-tokens", "16", "--new-tokens", "8", "--quick")


@dataclass(frozen=True, slots=True)
class Interval:
    """A value of one run, and where that run expects another's."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """As a fraction of the value."""
        return (self.high - self.low) / 2 / self.value if self.value else float("inf")


def run(options: argparse.Namespace) -> Section:
    """The section, from as many processes as `options` ask for, one after the other."""
    if options.again:
        return evaluate_folder(options.out)
    names = [f"repeatability-{number}" for number in range(2 if options.small else options.runs)]
    _run_all(names, options)
    return evaluate([load_report(report_path(options.out, name)) for name in names])


def _run_all(names: Sequence[str], options: argparse.Namespace) -> None:
    """One run times at a time; the next one loads its model while the one before it judges, which takes other cores."""
    with ExitStack() as stack:
        current = stack.enter_context(_started(names[0], options))
        for name, following in zip_longest(names, names[1:]):
            with stage(name):
                _go(current)
                upcoming = None if following is None else stack.enter_context(_started(following, options))
                if current.wait() != 0:
                    raise SystemExit(f"{name} failed with exit code {current.returncode}")
            if upcoming is not None:
                current = upcoming


def _go(process: subprocess.Popen[str]) -> None:
    """Let it time its phases; returns when it has."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    process.stdout.readline()


def _started(name: str, options: argparse.Namespace) -> subprocess.Popen[str]:
    workload = _SMALL if options.small else _WORKLOAD
    where = ("--device", options.device, "--out", str(options.out), "--name", name)
    command = [sys.executable, "-m", "benchmarks.truth.one_run", *workload, *where]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def evaluate_folder(folder: Path) -> Section:
    """The section again, from the reports that a run left."""
    return evaluate([load_report(path) for path in sorted(folder.glob("repeatability-*-report.json.gz"))])


def evaluate(reports: Sequence[Report]) -> Section:
    """What the runs say together."""
    names = [phase.name for phase in reports[0].phases]
    runs = {name: [phase for report in reports for phase in report.phases if phase.name == name] for name in names}
    environment = reports[0].environment
    return Section(
        name="repeatability",
        title=f"Repeatability: {len(reports)} independent runs of the same decode step",
        environment={
            "date": (reports[0].created_at or "").partition("T")[0],
            "device": environment.device,
            "driver": environment.driver,
            "torch": environment.torch,
            "transformers": environment.transformers,
            "python": environment.python,
        },
        claims=[
            Claim(f"at least {RUNS} independent runs", len(reports) >= RUNS, f"{len(reports)} runs"),
            *(claim for name, phases in runs.items() for claim in claims_of(name, phases)),
        ],
        tables=[times_table(runs), shares_table(runs)],
        details={name: [_record(phase) for phase in phases] for name, phases in runs.items()},
    )


def claims_of(name: str, phases: Sequence[Phase]) -> list[Claim]:
    """Same class; and of both times an interval that holds other runs, and a narrow one."""
    classes = Counter(_said(phase.verdict) for phase in phases)
    same = len(classes) == 1 and phases[0].verdict.class_ is not None
    said = ", ".join(f"{said} x{count}" for said, count in classes.most_common())
    claims = [Claim(f"{name}: the same class in every run", same, said)]
    claims += _claims_of_times(f"{name}, by the clock", HALF_WIDTH[name], [time_of(phase) for phase in phases])
    at_best = [phase.clean.full_speed_ms for phase in phases if phase.clean.full_speed_ms is not None]
    if len(at_best) == len(phases):
        intervals = [interval_of(found) for found in at_best]
        claims += _claims_of_times(f"{name}, at the host's full speed", HALF_WIDTH[name], intervals)
    return claims


def _claims_of_times(name: str, limit: float, times: Sequence[Interval]) -> list[Claim]:
    held = coverage(times)
    widest = max(interval.half_width for interval in times)
    usual = median(interval.half_width for interval in times)
    return [
        Claim(
            f"{name}: the 95% interval of a run holds the median of another in at least {COVERAGE:.0%} of all pairs",
            None if held is None else held >= COVERAGE,
            "one run alone" if held is None else f"{held:.1%}",
        ),
        Claim(
            f"{name}: half of the interval is at most {limit:.0%} of the median, in every run",
            widest <= limit,
            f"{widest:.2%} at most, {usual:.2%} usually",
        ),
    ]


def coverage(intervals: Sequence[Interval]) -> float | None:
    """How many of all ordered pairs have the second's value in the first's interval; None for fewer than two."""
    pairs = list(permutations(intervals, 2))
    return sum(one.low <= other.value <= one.high for one, other in pairs) / len(pairs) if pairs else None


def time_of(phase: Phase) -> Interval:
    """The clean time by the clock."""
    return interval_of(phase.clean.wall_ms)


def interval_of(found: Distribution) -> Interval:
    """A time and where another run's is expected; without an interval it is empty, and holds nobody else's."""
    low, high = (found.median if end is None else end for end in (found.low, found.high))
    return Interval(found.median, low, high)


def share_of(phase: Phase, klass: BottleneckClass) -> Interval:
    """The share of a class. The ends of its resources are summed, so the interval is no narrower than the verdict's."""
    own = [share for share in phase.shares if share.class_ is klass]
    return Interval(*(sum(getattr(share, end) for share in own) for end in ("share", "low", "high")))


def times_table(runs: dict[str, list[Phase]]) -> Table:
    """The clean time of every run."""
    rows = []
    for name, phases in runs.items():
        for number, phase in enumerate(phases):
            slow, at_best = phase.clean.host_slowdown, phase.clean.full_speed_ms
            full_speed = ("-",) * 3 if at_best is None else _cells(interval_of(at_best))
            host = "-" if slow is None else f"{slow:.2f}"
            rows.append((name, str(number), *_cells(time_of(phase)), host, *full_speed, _said(phase.verdict)))
    interval = ("95% interval", "half of it")
    columns = ("phase", "run", "by the clock", *interval, "host slowed by", "at full speed", *interval, "verdict")
    return Table("Clean times, ms", columns, rows)


def _cells(found: Interval) -> tuple[str, str, str]:
    return f"{found.value:.3f}", f"{found.low:.3f} .. {found.high:.3f}", f"{found.half_width:.2%}"


def shares_table(runs: dict[str, list[Phase]]) -> Table:
    """How far shares differ between the runs, and whether their intervals say so."""
    rows = []
    for name, phases in runs.items():
        judged = [phase for phase in phases if phase.shares]
        for klass in BottleneckClass:
            found = [share_of(phase, klass) for phase in judged]
            held = coverage(found)
            if held is None or max(abs(share.value) for share in found) < 0.005:
                continue
            values = [share.value for share in found]
            width = median((share.high - share.low) / 2 for share in found)
            spread = f"{min(values):.3f} .. {max(values):.3f}"
            rows.append((name, klass, f"{median(values):.3f}", spread, f"{width:.3f}", f"{held:.0%}"))
    columns = ("phase", "class", "median share", "over the runs", "half of the reported range", "holds another run's")
    return Table("Shares", columns, rows)


def _said(verdict: Verdict) -> str:
    return "refused" if verdict.class_ is None else str(verdict.class_)


def _record(phase: Phase) -> dict[str, object]:
    clean, telemetry = phase.clean, phase.telemetry
    return {
        "wall_ms": _numbers(clean.wall_ms),
        "full_speed_ms": None if clean.full_speed_ms is None else _numbers(clean.full_speed_ms),
        "host_slowdown": clean.host_slowdown,
        "host_dependence": clean.host_dependence,
        "verdict": _said(phase.verdict),
        "state": str(phase.verdict.state),
        "shares": {str(share.resource): [share.share, share.low, share.high] for share in phase.shares},
        "telemetry": {series.name: series.value for series in telemetry.series} if telemetry else None,
    }


def _numbers(found: Distribution) -> dict[str, object]:
    return {"median": found.median, "low": found.low, "high": found.high, "repeat_medians": found.repeat_medians}
