"""What the benchmarks share: how sure a ratio is, what counts as a claim that holds, and how it is printed."""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from profiler.measure.statistics import CONFIDENCE, student_t

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95% interval, empty where one measurement stands alone."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `holds` is None where nothing is claimed."""

    what: str
    estimate: Estimate | None
    unit: str
    claim: str = ""
    holds: bool | None = None
    note: str = ""


def ratio_over_blocks(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """The ratio of two quantities measured in neighbouring blocks: `ours[i]` and `theirs[i]` are one pair.

    The geometric mean of the pairs' ratios, with a t interval over the pairs: drift that both blocks of a pair share
    cancels. Raises `ValueError` when there are fewer than two pairs, or blocks without a partner.
    """
    logs = [math.log(own / other) for own, other in zip(ours, theirs, strict=True)]
    if len(logs) < 2:
        raise ValueError("an interval needs at least two pairs of blocks")
    middle = fmean(logs)
    reach = student_t(CONFIDENCE, len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    return Estimate(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))


def median_ratio_over_blocks(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Estimate:
    """As `ratio_over_blocks`, for many short blocks on a machine that others use, too: one that was disturbed counts no
    more than any other.

    The median of the pairs' ratios, with the 95% interval of a bootstrap over the pairs (Efron and Tibshirani, 1993).
    """
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    if len(ratios) < 2:
        raise ValueError("an interval needs at least two pairs of blocks")
    draw = random.Random(seed)
    medians = sorted(median(draw.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES))
    outside = round((1 - CONFIDENCE) / 2 * _RESAMPLES)
    return Estimate(median(ratios), medians[outside], medians[-1 - outside])


def lies_within(estimate: Estimate, low: float, high: float) -> bool:
    """Whether the whole interval lies within the bounds; the value alone where there is no interval."""
    lowest = estimate.value if estimate.low is None else estimate.low
    highest = estimate.value if estimate.high is None else estimate.high
    return low <= lowest and highest <= high


def abba(blocks: int) -> Iterator[tuple[int, int]]:
    """The order of two sides' blocks, as (pair, side): AB, BA, AB, ... so that neither side is always the later one."""
    for pair in range(blocks):
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            yield pair, side


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers here, too, as JSON")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:N or cpu (default: auto)")
    return parser


@contextmanager
def stage(label: str) -> Iterator[None]:
    """Say on stderr what is going on, and how long it took."""
    begin = time.perf_counter()
    print(f"{label} ...", file=sys.stderr, flush=True)
    yield
    print(f"{label}: {time.perf_counter() - begin:.1f} s", file=sys.stderr, flush=True)


def finish(title: str, rows: Sequence[Row], out: Path | None, details: dict[str, Any]) -> int:
    """Print the table, write the JSON, and return the exit code: 1 if a claim does not hold, or none was tested."""
    print_table(title, rows)
    claims = [row.holds for row in rows if row.holds is not None]
    holds = bool(claims) and all(claims)
    if out is not None:
        content = {"title": title, "holds": holds, "rows": [asdict(row) for row in rows], **details}
        out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print("every claim holds" if holds else "NOT every claim holds" if claims else "NO claim could be tested here")
    return 0 if holds else 1


def print_table(title: str, rows: Sequence[Row]) -> None:
    """A table of aligned columns."""
    verdict = {True: "holds", False: "FAILS", None: "-"}
    lines = [("what", "measured", "95% interval", "claim", "", "")]
    for row in rows:
        found = row.estimate
        lines.append(
            (
                row.what,
                "-" if found is None else f"{found.value:.4g} {row.unit}".rstrip(),
                "-" if found is None or found.low is None else f"{found.low:.4g} .. {found.high:.4g}",
                row.claim or "-",
                verdict[row.holds],
                row.note,
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    print(f"\n{title}")
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
