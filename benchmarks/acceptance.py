"""Does the command do its job? `bottleneck profile` on cases whose bottleneck is known, as a user types it.

On a GPU, llama-3.1-8b in bfloat16, batch 1, random weights: an eager decode after 512 tokens is held back by the host
(scheduling), a captured one by memory, the prefill of 8192 tokens by compute, a decode with weights streamed from the
host by io. On a CPU: the tiny preset.

Claimed: these verdicts; parts that sum to the clean median within 1% in every phase of every report; and the time from
typing the command to its end, ceilings cached: under 60 s for the eager case, under 30 s for tiny on a CPU.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from benchmarks._common import Estimate, Row, arguments, finish, stage
from profiler.report.records import Phase, Report
from profiler.report.store import load_report

SUM_TOLERANCE = 0.01
MODEL = ("llama-3.1-8b", "--weights", "random", "--dtype", "bfloat16", "--batch-size", "1")


@dataclass(frozen=True, slots=True)
class Case:
    """A command and what its report must say: the class of a phase, a cause too where one is claimed."""

    name: str
    command: tuple[str, ...]
    phase: str
    expected_class: str | None
    expected_cause: str | None = None
    most_seconds: float | None = None


GPU_CASES = (
    Case("eager", (*MODEL, "--prompt-tokens", "512"), "decode", "scheduling", "scheduling.host", most_seconds=60),
    Case("graph", (*MODEL, "--prompt-tokens", "512", "--mode", "graph"), "decode", "memory"),
    Case("prefill", (*MODEL, "--prompt-tokens", "8192", "--new-tokens", "16"), "prefill", "compute"),
    Case(
        "offload",
        (*MODEL, "--prompt-tokens", "512", "--offload", "cpu", "--quick", "--new-tokens", "16"),
        "decode",
        "io",
    ),
)
CPU_CASES = (Case("tiny", ("tiny",), "decode", None, most_seconds=30),)


def bottleneck() -> list[str]:
    """The command of this environment."""
    beside = shutil.which("bottleneck", path=str(Path(sys.executable).parent))
    return [beside] if beside else [sys.executable, "-m", "profiler"]


def run(case: Case, device: str, report_path: Path) -> tuple[int, float]:
    """Run the command, its progress on our stderr: its exit code and the seconds it took."""
    command = [*bottleneck(), "profile", *case.command, "--device", device, "-o", str(report_path), "--force"]
    begin = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return done.returncode, time.perf_counter() - begin


def rows_of(case: Case, report: Report, seconds: float) -> list[Row]:
    """What is claimed of one report."""
    phase = next((phase for phase in report.phases if phase.name == case.phase), None)
    rows = [] if phase is None else [verdict_row(case, phase)]
    rows += [
        Row(
            f"{case.name}: complete, with {', '.join(phase.name for phase in report.phases)}",
            None,
            "",
            claim="complete",
            holds=report.complete and phase is not None,
        ),
        *(sum_row(case, phase) for phase in report.phases),
        Row(
            f"{case.name}: seconds from the command to its end",
            Estimate(seconds),
            "s",
            claim=f"under {case.most_seconds:g} s" if case.most_seconds else "",
            holds=seconds < case.most_seconds if case.most_seconds else None,
        ),
    ]
    return rows


def verdict_row(case: Case, phase: Phase) -> Row:
    """The verdict of the phase that the case is about."""
    verdict = phase.verdict
    found = "refused" if verdict.class_ is None else str(verdict.class_)
    holds = found == case.expected_class if case.expected_class else found != "refused"
    if case.expected_cause is not None:
        holds = holds and verdict.cause == case.expected_cause
    share = None if verdict.share is None else Estimate(verdict.share, verdict.low, verdict.high)
    return Row(
        f"{case.name}: {phase.name} is {found}",
        share,
        "share",
        claim=case.expected_cause or case.expected_class or "a verdict",
        holds=holds,
        note=f"{verdict.cause}, {verdict.state}; {phase.clean.wall_ms.median:.4g} ms",
    )


def sum_row(case: Case, phase: Phase) -> Row:
    """How well the parts add up to the clean median."""
    wall_ms = phase.clean.wall_ms.median
    ratio = sum(part.ms for part in phase.parts) / wall_ms if wall_ms else 0.0
    return Row(
        f"{case.name}: {phase.name}, sum of parts / clean",
        Estimate(ratio),
        "",
        claim=f"{1 - SUM_TOLERANCE:.2f} .. {1 + SUM_TOLERANCE:.2f}",
        holds=abs(ratio - 1) <= SUM_TOLERANCE,
    )


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--out-dir", type=Path, default=Path("reports"), help="where the reports go (default: reports)")
    parser.add_argument("--cases", nargs="+", help="some of them, by name (default: all)")
    options = parser.parse_args()
    # Asked without making a context on the GPU, which the profiled command would have to share it with.
    on_gpu = options.device != "cpu" and torch.cuda.is_available()
    cases = GPU_CASES if on_gpu else CPU_CASES
    if unknown := set(options.cases or ()) - {case.name for case in cases}:
        parser.error(f"no case of this device is named {', '.join(sorted(unknown))}")
    options.out_dir.mkdir(parents=True, exist_ok=True)
    with stage("ceilings"):
        subprocess.run([*bottleneck(), "calibrate", "--device", options.device], stdout=subprocess.DEVNULL, check=True)

    rows: list[Row] = []
    details: dict[str, Any] = {}
    for case in cases:
        if options.cases and case.name not in options.cases:
            continue
        path = options.out_dir / f"{case.name}.json"
        with stage(f"{case.name}: bottleneck profile {' '.join(case.command)}"):
            code, seconds = run(case, options.device, path)
        if code != 0:
            rows.append(Row(f"{case.name}: exit code {code}", None, "", claim="0", holds=False))
            continue
        report = load_report(path)
        details["environment"] = msgspec.to_builtins(report.environment)
        rows += rows_of(case, report, seconds)
    device = details.get("environment", {}).get("device", options.device)
    return finish(f"bottleneck profile on {device}", rows, options.out, details)


if __name__ == "__main__":
    sys.exit(main())
