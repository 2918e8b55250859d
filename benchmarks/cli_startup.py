"""How much longer `bottleneck --help` takes than an empty Typer app with as many verbs.

Both are started in turn, in one run, so that a slow machine slows both:

    python -m benchmarks.cli_startup           # the claim: a ratio of at most 1.3

Prints the median times, the ratio of the medians with a 95% bootstrap interval, and exits 1 above the limit.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time

LIMIT = 1.3
VERBS = (
    *("profile", "endpoint", "analyze", "simulate", "show", "whatif", "compare"),
    *("history", "check", "models", "schema", "doctor", "calibrate"),
)
EMPTY_APP = f"""
import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)


def verb() -> None:
    "Do nothing."


for name in {VERBS!r}:
    app.command(name)(verb)


@app.callback()
def options() -> None:
    pass


app(prog_name="empty")
"""


def seconds(code: str) -> float:
    """Wall time of one fresh interpreter that shows the help."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def ratio_interval(ours: list[float], theirs: list[float], draws: int = 2000) -> tuple[float, float]:
    """The 95% bootstrap interval of the ratio of medians; blocks are drawn whole, as they were measured."""
    chance, pairs = random.Random(0), list(zip(ours, theirs, strict=True))
    ratios = []
    for _ in range(draws):
        drawn = chance.choices(pairs, k=len(pairs))
        ratios.append(statistics.median(a for a, _ in drawn) / statistics.median(b for _, b in drawn))
    cuts = statistics.quantiles(ratios, n=40)
    return cuts[0], cuts[-1]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=15, help="blocks of ours, theirs, theirs, ours (default 15)")
    blocks = parser.parse_args().blocks
    bottleneck = "from profiler.cli import main; main()"
    for code in (bottleneck, EMPTY_APP):  # once, so that no bytecode is compiled while it counts
        seconds(code)
    ours, theirs = [], []
    for _ in range(blocks):
        ours.append(seconds(bottleneck))
        theirs.extend((seconds(EMPTY_APP), seconds(EMPTY_APP)))
        ours.append(seconds(bottleneck))
    ratio = statistics.median(ours) / statistics.median(theirs)
    low, high = ratio_interval(ours, theirs)
    print(f"bottleneck --help   {statistics.median(ours) * 1e3:6.1f} ms")
    print(f"empty Typer app     {statistics.median(theirs) * 1e3:6.1f} ms")
    print(f"ratio               {ratio:6.3f} ({low:.3f} to {high:.3f}), limit {LIMIT}, n {len(ours)} each")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
