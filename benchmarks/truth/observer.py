"""Does measuring change what is measured, and is the rest that it calls idle true?

What `benchmarks.observer` and `benchmarks.witness` claim, as one section. The bare loop comes first: the witnesses
trace, and a process that has traced is not as before.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence

from benchmarks import observer, witness
from benchmarks._common import Row
from benchmarks.truth.section import Claim, Section, Table

# About a minute each: pairs of blocks of seven steps, and pairs of runs.
BLOCKS, PAIRS = 80, 2
_SMALL = ["--model", "tiny", "--prompt-tokens", "16", "--new-tokens", "8"]


def run(options: argparse.Namespace) -> Section:
    """The section."""
    size = [*_SMALL, "--modes", "eager"] if options.small else []
    blocks, pairs = ("8", "1") if options.small else (str(BLOCKS), str(PAIRS))
    device = ["--device", options.device]
    title, rows, details = observer.measure(observer.options_parser().parse_args([*size, *device, "--blocks", blocks]))
    gc.collect()  # two models lie on the device until then
    delays_title, delays, phases = witness.measure(
        witness.options_parser().parse_args([*size, *device, "--pairs", pairs])
    )
    environment = details.pop("environment")
    phases.pop("environment")
    details["options"] = {name: value for name, value in details["options"].items() if name != "device"}
    return Section(
        name="observer",
        title="The observer: what measuring changes, and what the idle part is worth",
        environment=environment,
        claims=[claim for row in (*rows, *delays) if (claim := claim_of(row)) is not None],
        tables=[table_of(title, rows), table_of(delays_title, delays)],
        details={"bare_loop": details, "witness": phases},
    )


def claim_of(row: Row) -> Claim | None:
    """The row's claim, if it makes one."""
    if not row.claim:
        return None
    return Claim(f"{row.what}: {row.claim}", row.holds, number(row) + (f" ({row.note})" if row.note else ""))


def number(row: Row) -> str:
    """What was measured, with its interval."""
    found = row.estimate
    if found is None:
        return "-"
    interval = "" if found.low is None else f" ({found.low:.4g} .. {found.high:.4g})"
    return f"{found.value:.4g} {row.unit}".rstrip() + interval


def table_of(heading: str, rows: Sequence[Row]) -> Table:
    """All rows, those that claim nothing as well."""
    return Table(heading, ("what", "measured", "note"), [(row.what, number(row), row.note) for row in rows])
