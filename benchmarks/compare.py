"""Does `bottleneck compare` see what changed, and nothing where nothing did?

    python -m benchmarks.compare --reports DIR [--pairs 20] [--processes 6] [--realtime] [--out FILE]

Real profiles of the preset `tiny` on the CPU, each a process of its own. A window has four sides of so many processes:
`a` and `again` run the same, `slowed` and `slowed-again` have 10% of a decode step planted as host work
(`benchmarks.slowed_decode`). They are taken in turn, each time in another order, so that a drifting machine drifts for
all alike. Then sides are compared, no two pairs of a kind sharing one: `a` with `again` and `slowed` with
`slowed-again`, which are equal; `a` with `slowed` and `again` with `slowed-again`, which are not. So 20 pairs of each
kind are ten windows, an hour and more.

Claimed: of 20 pairs of equal sides at most one is said to have changed in any phase. The planted slowdown is found in
decode in 19 of 20, and laid to `scheduling: the host`, as sure or as likely.

Reports stay in DIR, and those that are there are not taken again: an interrupted run goes on. All threads are fixed to
one. `--realtime` runs the profiles before all other processes (`chrt`, for root), which leaves the queueing for a core
out on a machine that others share; their use of its memory stays in.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks._common import Estimate, Row, arguments, finish, stage
from benchmarks.slowed_decode import NEW_TOKENS, PROMPT_TOKENS, ROUNDS_VARIABLE
from profiler.compare.results import compare_results
from profiler.report.comparison import ChangeState, Comparison, TimeChange
from profiler.report.kinds import load_result

SIDES = ("a", "again", "slowed", "slowed-again")
EQUAL, UNEQUAL = (("a", "again"), ("slowed", "slowed-again")), (("a", "slowed"), ("again", "slowed-again"))
PLANTED = 0.10  # of a decode step
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
_MODEL = "benchmarks.slowed_decode:make"
_HOST = "scheduling.host"
_MOST_WRONG, _LEAST_FOUND = 1 / 20, 19 / 20  # of the pairs


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison of two sides of a window."""

    window: int
    sides: tuple[str, str]
    answer: Comparison


def collect(folder: Path, windows: int, processes: int, prefix: list[str]) -> None:
    """Take the profiles that are not in the folder yet."""
    rounds = planted_rounds(folder, prefix)
    for window in range(windows):
        with stage(f"window {window + 1} of {windows}"):
            for block in range(processes):
                turn = (window + block) % len(SIDES)
                for side in (*SIDES[turn:], *SIDES[:turn]):
                    path = report_path(folder, window, side, block)
                    if not path.exists():
                        path.parent.mkdir(parents=True, exist_ok=True)
                        profile(path, rounds if side.startswith("slowed") else 0, prefix)


def report_path(folder: Path, window: int, side: str, block: int) -> Path:
    """Where one profile is kept."""
    return folder / f"window-{window:02d}" / f"{side}-{block}.json"


def profile(path: Path, rounds: int, prefix: list[str]) -> None:
    """One profile, as a user takes it, in a process of its own."""
    words = ["profile", _MODEL, "--device", "cpu", "--quick", "--format", "json", "-o", str(path)]
    sizes = ["--prompt-tokens", str(PROMPT_TOKENS), "--new-tokens", str(NEW_TOKENS)]
    _run([*prefix, sys.executable, "-m", "profiler", *words, *sizes], {ROUNDS_VARIABLE: str(rounds)})


def planted_rounds(folder: Path, prefix: list[str]) -> int:
    """How many rounds of the planted work are its part of a step: found once, and kept with the reports."""
    path = folder / "planted.json"
    if not path.exists():
        found = json.loads(_run([*prefix, sys.executable, "-m", "benchmarks.slowed_decode"], {}))
        found["rounds"] = round(PLANTED * found["step_ms"] / found["round_ms"])
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return int(json.loads(path.read_text(encoding="utf-8"))["rounds"])


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=os.environ | _ONE_THREAD | environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def judged(folder: Path, window: int, processes: int) -> list[Pair]:
    """What the profiler says of a window's equal pairs of sides, and of its unequal ones."""
    named = {
        side: [(f"{side}-{block}", load_result(report_path(folder, window, side, block))) for block in range(processes)]
        for side in SIDES
    }
    return [Pair(window, sides, compare_results(*(named[side] for side in sides))) for sides in (*EQUAL, *UNEQUAL)]


def rows_of(pairs: Sequence[Pair]) -> list[Row]:
    """The claims."""
    equal = [pair.answer for pair in pairs if pair.sides in EQUAL]
    slowed = [pair.answer for pair in pairs if pair.sides in UNEQUAL]
    decodes = [next(time for time in answer.times if time.name == "decode") for answer in slowed]
    found = [time for time in decodes if time.state is ChangeState.CHANGED and time.change_ms > 0]
    blamed = [(time.because[0] if time.because else time.leading.name if time.leading else None) for time in found]
    sure = sum(bool(time.because) for time in found)
    named = blamed.count(_HOST)
    none = blamed.count(None)
    changed = sum(answer.state is ChangeState.CHANGED for answer in equal)
    count = len(equal)
    ratios = [time.change_ratio for time in decodes]
    return [
        Row(
            f"of {count} pairs of equal sides, said to have changed",
            Estimate(changed),
            "",
            f"<= {_MOST_WRONG * count:.0f}",
            changed <= _MOST_WRONG * count,
        ),
        Row(
            f"of {count} planted slowdowns of decode, found",
            Estimate(len(found)),
            "",
            f">= {_LEAST_FOUND * count:.0f}",
            len(found) >= _LEAST_FOUND * count,
            f"median change {median(ratios):+.1%}",
        ),
        Row(
            "and laid to the host",
            Estimate(named),
            "",
            f">= {_LEAST_FOUND * count:.0f}",
            named >= _LEAST_FOUND * count,
            f"to another cause: {len(blamed) - named - none}, to none: {none}; of {sure} surely",
        ),
        Row("decode's interval, half its width, median", Estimate(median(map(_half_width, decodes))), ""),
    ]


def _half_width(time: TimeChange) -> float:
    return ((time.high_ratio or 0.0) - (time.low_ratio or 0.0)) / 2


def main() -> int:
    options = _options()
    prefix = ["chrt", "--rr", "1"] if options.realtime else []
    windows = -(-options.pairs // len(EQUAL))
    collect(options.reports, windows, options.processes, prefix)
    pairs = [found for window in range(windows) for found in judged(options.reports, window, options.processes)]
    details = {
        "processes": options.processes,
        "realtime": options.realtime,
        "planted": json.loads((options.reports / "planted.json").read_text(encoding="utf-8")),
        "pairs": [
            {
                "window": pair.window,
                "sides": pair.sides,
                "state": pair.answer.state,
                "times": {
                    time.name: [
                        time.state,
                        time.change_ratio,
                        time.low_ratio,
                        time.high_ratio,
                        time.because,
                        None if time.leading is None else [time.leading.name, time.leading.probability],
                    ]
                    for time in pair.answer.times
                },
            }
            for pair in pairs
        ],
    }
    title = f"{options.processes} processes a side, each of {PROMPT_TOKENS} + {NEW_TOKENS} tokens of `tiny`"
    return finish(title, rows_of(pairs), options.out, details)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--reports", type=Path, required=True, metavar="DIR", help="where the reports are kept")
    parser.add_argument("--pairs", type=int, default=20, metavar="N", help="of each kind, two a window (default: 20)")
    parser.add_argument("--processes", type=int, default=6, metavar="N", help="of each side (default: 6)")
    parser.add_argument("--realtime", action="store_true", help="run the profiles before other processes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
