"""How long `bottleneck show` takes for every kind of report in every format, and how much memory for 100 MB of report.

    python -m benchmarks.render            # kept reports, and an analysis of 100 MB that is made of a real one

A report in a format is claimed to take at most 3 times as long as an empty Typer app to start and end, HTML 6 times.
Both are run in turn, one pair after the other, and their processor time counts, since neither waits and neighbours slow
the clock. For Perfetto, what keeps times is drawn; that a whole trace is taken along, each of its events copied, is
shown besides, and claims nothing: it is no part of the report. Memory is claimed to be bounded by 4 times the size of
the report, beyond what a small one takes.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

from benchmarks._common import Estimate, Row, abba, arguments, finish, median_ratio_over_blocks, stage

_DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
_LIMIT, _HTML_LIMIT = 3.0, 6.0
_LARGE_BYTES, _LARGE_RATIO = 100_000_000, 4.0
_HTML, _PERFETTO = "html", "perfetto"
_EMPTY_APP = """
import typer

app = typer.Typer(add_completion=False)


@app.command()
def verb() -> None:
    "Do nothing."


app()
"""
_SHOW = "from profiler.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Run:
    """One fresh process: its processor time, and its largest resident size."""

    seconds: float
    peak_bytes: int


def run(code: str, *words: str) -> Run:
    """Run Python code in a process of its own, its output thrown away. Raises `RuntimeError` where it fails."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with exit code {process.returncode}")
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def formats(report: Path) -> list[str]:
    """What `show --format` takes for a report."""
    from profiler.cli.show import show
    from profiler.report.endpoint import Endpoint
    from profiler.report.kinds import load_result
    from profiler.report.records import Report
    from profiler.report.simulation import Simulation

    drawn = isinstance(load_result(report), Report | Simulation | Endpoint)
    return [form.value for form in get_type_hints(show)["form"] if drawn or form.value != _PERFETTO]


def reports() -> dict[str, Path]:
    """One that was kept of every kind, and the largest of profile."""
    found = {path.name.removesuffix(".json.gz"): path for path in sorted((_DATA / "results").glob("*.json.gz"))}
    return {
        "profile": _DATA / "own" / "llama8b-graph.json.gz",
        "profile --counters": _DATA / "truth" / "counted_whole_report_h100.json.gz",
        **found,
    }


def large_analysis(path: Path, size_bytes: int) -> None:
    """Write an analysis of as many ranks as take that much text: those of a kept one, over and over.

    Written rank by rank, since a process that was forked from a large one counts as large.
    """
    with gzip.open(_DATA / "results" / "analyze.json.gz") as file:
        kept = json.load(file)
    head, tail = json.dumps({**kept, "ranks": []}, indent=2).split('"ranks": []')
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{head}"ranks": [')
        number = 0
        while file.tell() < size_bytes:
            rank = {**kept["ranks"][number % len(kept["ranks"])], "name": f"rank {number}"}
            file.write("," * bool(number) + "\n" + textwrap.indent(json.dumps(rank, indent=2), "    "))
            number += 1
        file.write(f"\n  ]{tail}\n")


def shown(report: Path, form: str, folder: Path, trace: Path | None = None) -> Run:
    """What `show` takes to write the format to a file."""
    typed = ["show", str(report), "--format", form, "--output", str(folder / "rendered"), "--force"]
    return run(_SHOW, *typed, *([] if trace is None else ["--trace", str(trace)]))


def in_turn(report: Path, form: str, folder: Path, blocks: int, trace: Path | None = None) -> Estimate:
    """Its time over that of the empty app."""
    shown(report, form, folder, trace)  # once, so that no bytecode is compiled while it counts
    ours, theirs = [], []
    for _, side in abba(blocks):
        if side == 0:
            ours.append(shown(report, form, folder, trace).seconds)
        else:
            theirs.append(run(_EMPTY_APP).seconds)
    return median_ratio_over_blocks(ours, theirs)


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--blocks", type=int, default=7, help="pairs for each report and format (default 7)")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(_EMPTY_APP)
        for kind, report in reports().items():
            for form in formats(report):
                with stage(f"{kind} as {form}"):
                    ratio = in_turn(report, form, folder, options.blocks)
                limit = _HTML_LIMIT if form == _HTML else _LIMIT
                rows.append(Row(f"{kind} as {form}", ratio, "", f"<= {limit:g}", ratio.value <= limit))
        report, trace = (_DATA / "own" / f"smollm135m-graph{end}.json.gz" for end in ("", "-trace"))
        with stage(f"profile and its trace as {_PERFETTO}"):
            ratio = in_turn(report, _PERFETTO, folder, options.blocks, trace)
        with gzip.open(trace) as file:
            note = f"with a trace of {len(file.read()) / 1e6:.1f} MB"
        rows.append(Row(f"profile and its trace as {_PERFETTO}", ratio, "", note=note))
        large = folder / "large.json"
        large_analysis(large, _LARGE_BYTES)
        size = large.stat().st_size
        for form in formats(_DATA / "results" / "analyze.json.gz"):
            with stage(f"{size / 1e6:.0f} MB of analysis as {form}"):
                small = shown(_DATA / "results" / "analyze.json.gz", form, folder)
                found = shown(large, form, folder)
            ratio = (found.peak_bytes - small.peak_bytes) / size
            note = f"{found.peak_bytes / 1e6:.0f} MB at most, {found.seconds:.1f} s"
            what = f"memory over size, {size / 1e6:.0f} MB as {form}"
            rows.append(Row(what, Estimate(ratio), "", f"<= {_LARGE_RATIO:g}", ratio <= _LARGE_RATIO, note))
    return finish("bottleneck show over an empty Typer app", rows, options.out, {"blocks": options.blocks})


if __name__ == "__main__":
    sys.exit(main())
