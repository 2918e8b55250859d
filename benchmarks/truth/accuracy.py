"""docs/accuracy.md: what the sections of the proof found, from their files.

python -m benchmarks.truth accuracy DIR [DIR ...] -o docs/accuracy.md
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.truth.results import read_section
from benchmarks.truth.section import Section
from benchmarks.truth.text import markdown_table, word

ORDER = ("zoo", "swap", "swap-recorded", "witness", "counters", "observer", "repeatability")

_HEAD = """# Accuracy

A bottleneck profiler is worth what its verdict is worth. This page holds ours against what can be known otherwise:
workloads whose bottleneck is known by construction, the same program on another card, hardware counters, a bare loop,
planted delays, and the tool itself run again. The benchmark that measures it has written it:

    python -m benchmarks.truth zoo swap counters observer witness repeatability --out DIR     # on a GPU machine
    python -m benchmarks.truth swap --recorded-only --out DIR
    python -m benchmarks.truth swap --measure-only --out DIR2                                  # on a second card
    python -m benchmarks.truth swap --compare DIR DIR2 --out DIR3
    python -m benchmarks.truth accuracy DIR DIR3 -o docs/accuracy.md

A claim that fails is printed as one, and one that could not be tested says why; a section that was not run is listed as
such. Gains count in hundredths of a step's time (points). 10 points, 0.15 of a share and a third of the better
baseline's error are what the proof set itself before anything was measured. How the numbers come about is in
[how-it-works.md](how-it-works.md).
"""

_ABOUT = {
    "zoo": """Each workload carries an intervention that relieves only what it is said to be bound by. The gain that the
verdict's evidence predicts for that intervention is held against the gain measured in the same job: a truth that its
author merely asserts would be circular.""",
    "swap": """A profile taken on the first card predicts each configuration's time on the second, where it is then
measured. Prefill and decode are replayed from CUDA graphs, so that neither machine's host has a part in it. Two
baselines stand beside ours. The roofline calls each kernel memory-bound or not by its arithmetic intensity, and lets
the former scale with the bandwidth; it is given the same bytes, FLOPs, ceilings and durations. The other says that
nothing changes.""",
    "swap-recorded": """The same question with the truth of an earlier run, of another program: shares of memory at
1.408 times the bandwidth, with both baselines.""",
    "witness": """The same kernels on fewer multiprocessors: compute at a known speed, on one card, at the same
bandwidth.""",
    "counters": """DRAM bytes by PM sampling, attributed to kernels, against Nsight Compute on the same step.""",
    "observer": """Both sides of a ratio are measured in turns, in one process. Delays are planted on the host by
spinning.""",
    "repeatability": """Processes of their own, one after the other, measure the same decode step (qwen3-0.6b after a
prompt of 512 tokens, captured and eager); ten are wanted. The host of these machines is
shared, and its speed changes by half within seconds: so an eager time by the clock is mostly the neighbours', and its
claims may fail on such a host. What the step would take at the host's full speed is held to the same claims.""",
}

_TAIL = """## What this does not show

- The cost model was changed after the swaps were measured, and because of them
  ([ADR 14](adr/0014-what-of-a-kernel-is-memory-s.md)): they are not unseen data. Its constants are cited, not solved
  for; but that memory-efficient attention has half the rate of FlashAttention 2 was looked up because of the row
  `decode 128x2048`, which fails with the full rate. The zoo's last run is younger than the model, but for fixes of late
  input, the calibration of a step without a measured host, and attention.
- The spread between processes that an interval at the host's full speed allows for (2%) is that of six earlier ones.
- One pair of cards with equal multiprocessors and one architecture. Another architecture runs other kernels.
- The models have random weights. Times do not depend on them, but for the routing of experts, which is not in this.
- Clocks move with power and heat: a few percent between two runs is not the tool's to explain.
- The host of these machines is shared. What a quiet one would show is estimated, as how-it-works.md says, not seen.
"""


def main(arguments: list[str] | None = None) -> int:
    """Write the page; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth accuracy", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="results; a later one's section counts")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    sections = read_sections(options.folders)
    if not sections:
        print(f"no section's file in {', '.join(map(str, options.folders))}: run `python -m benchmarks.truth` first")
        return 1
    options.output.write_text(page(sections), encoding="utf-8")
    return 0


def read_sections(folders: Sequence[Path]) -> list[Section]:
    """The sections in all folders, in the page's order; of two with one name the one in the later folder."""
    found: dict[str, Section] = {}
    for folder in folders:
        for name in ORDER:
            path = folder / f"{name}.json"
            try:
                found[name] = read_section(path)
            except FileNotFoundError:
                continue
            except msgspec.DecodeError as error:
                raise SystemExit(f"{path} holds no section: {error}") from error
    return [found[name] for name in ORDER if name in found]


def page(sections: Sequence[Section]) -> str:
    """The whole page."""
    lines = [_HEAD, "## At a glance", "", *_glance(sections), ""]
    for section in sections:
        lines += _section(section)
    return "\n".join([*lines, _TAIL])


def _glance(sections: Sequence[Section]) -> list[str]:
    lines = ["| section | claims that hold | that fail | not tested | device | date |", "|---|---|---|---|---|---|"]
    for section in sections:
        states = [claim.holds for claim in section.claims]
        counts = " | ".join(str(states.count(state)) for state in (True, False, None))
        device, date = (section.environment.get(key) or "-" for key in ("device", "date"))
        lines.append(f"| [{section.name}](#{section.name}) | {counts} | {device} | {date} |")
    ran = {section.name for section in sections}
    return [*lines, *(f"| {name} | not run yet | | | | |" for name in ORDER if name not in ran)]


def _section(section: Section) -> list[str]:
    environment = ", ".join(f"{key} {value}" for key, value in section.environment.items() if value)
    lines = [f"## {section.name.capitalize()}", "", f"{section.title}.", ""]
    if about := _ABOUT.get(section.name):
        lines += [about, ""]
    lines += [f"Measured with: {environment}.", "", "| claim | | measured |", "|---|---|---|"]
    for claim in section.claims:
        text, measured = (value.replace("|", "\\|") for value in (claim.text, claim.measured))
        lines.append(f"| {text} | **{word(claim)}** | {measured} |")
    lines.append("")
    for table in section.tables:
        if table.rows:
            lines += [f"### {table.heading}", "", *markdown_table(table), ""]
    if section.notes:
        lines += [*(f"- {note}" for note in section.notes), ""]
    return lines
