"""Does `bottleneck compare` see what changed, and nothing where nothing did?

    python -m benchmarks.compare --reports DIR [--pairs 20] [--processes 6] [--realtime] [--out FILE]

Real profiles of the preset `tiny` on the CPU, each a process of its own. A pair has three sides of so many processes:
`a` and `again` run the same, `slowed` has 10% of a decode step planted as host work (`benchmarks.slowed_decode`). They
are taken in turn, each time in another order, so that a drifting machine drifts for all alike. Then each pair's sides
are compared: `a` with `again`, and `a` with `slowed`.

Claimed: of 20 pairs of equal sides at most one is said to have changed in any phase. The planted slowdown is found in
decode in 19 of 20, and laid to `scheduling: the host`.

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
from pathlib import Path

from benchmarks._common import arguments, stage
from benchmarks.slowed_decode import NEW_TOKENS, PROMPT_TOKENS, ROUNDS_VARIABLE

SIDES = ("a", "again", "slowed")
PLANTED = 0.10  # of a decode step
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
_MODEL = "benchmarks.slowed_decode:make"


def collect(folder: Path, pairs: int, processes: int, prefix: list[str]) -> None:
    """Take the profiles that are not in the folder yet."""
    rounds = planted_rounds(folder, prefix)
    for pair in range(pairs):
        with stage(f"pair {pair + 1} of {pairs}"):
            for block in range(processes):
                turn = (pair + block) % len(SIDES)
                for side in (*SIDES[turn:], *SIDES[:turn]):
                    path = report_path(folder, pair, side, block)
                    if not path.exists():
                        path.parent.mkdir(parents=True, exist_ok=True)
                        profile(path, rounds if side == "slowed" else 0, prefix)


def report_path(folder: Path, pair: int, side: str, block: int) -> Path:
    """Where one profile is kept."""
    return folder / f"pair-{pair:02d}" / f"{side}-{block}.json"


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


def main() -> int:
    options = _options()
    prefix = ["chrt", "--rr", "1"] if options.realtime else []
    collect(options.reports, options.pairs, options.processes, prefix)
    return 0


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--reports", type=Path, required=True, metavar="DIR", help="where the reports are kept")
    parser.add_argument("--pairs", type=int, default=20, metavar="N")
    parser.add_argument("--processes", type=int, default=6, metavar="N", help="of each side of a pair (default: 6)")
    parser.add_argument("--realtime", action="store_true", help="run the profiles before other processes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
