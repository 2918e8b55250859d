"""The proof: whether verdicts are true, on this machine.

    python -m benchmarks.truth zoo swap counters observer witness repeatability --out DIR
    python -m benchmarks.truth swap --measure-only --out DIR2          # on a second card
    python -m benchmarks.truth swap --compare DIR DIR2 --out DIR3      # anywhere
    python -m benchmarks.truth accuracy DIR [DIR ...] -o docs/accuracy.md

Run it from the project's root. Each section is a process of its own, as one that has traced is not as before, and
writes DIR/<section>.json; a section that fails does not stop the others. Exit code 1 if a claim does not hold, or a
section failed, or nothing could be tested.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.truth.results import write_section
from benchmarks.truth.section import Section
from benchmarks.truth.text import summary

SECTIONS = ("zoo", "swap", "counters", "observer", "witness", "repeatability")


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["accuracy"]:
        from benchmarks.truth.accuracy import main as write_page

        return write_page(arguments[1:])
    options = parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if len(options.sections) == 1:
        return run_one(options.sections[0], options)
    names = [name for name in SECTIONS if name in options.sections]
    codes = {name: subprocess.run([sys.executable, *_command(name, options)]).returncode for name in names}
    print("\n" + "\n".join(f"{name}: {'holds' if code == 0 else 'DOES NOT HOLD'}" for name, code in codes.items()))
    return int(any(codes.values()))


def _command(name: str, options: argparse.Namespace) -> list[str]:
    """What runs one of several sections by itself."""
    found = ["-m", "benchmarks.truth", name, "--out", str(options.out), "--device", options.device]
    found += ["--runs", str(options.runs)]
    flags = {
        "--small": options.small,
        "--measure-only": options.measure_only,
        "--recorded-only": options.recorded_only,
        "--again": options.again,
    }
    return [*found, *(flag for flag, wanted in flags.items() if wanted)]


def parser() -> argparse.ArgumentParser:
    """The options of all sections."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.truth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("sections", nargs="+", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS))
    found.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results go")
    found.add_argument("--device", default="auto", help="auto, cuda, cuda:N or cpu (default: auto)")
    found.add_argument("--small", action="store_true", help="the smallest of everything: shows that it runs")
    swap = found.add_argument_group("swap")
    swap.add_argument("--measure-only", action="store_true", help="time this card, for another one's predictions")
    swap.add_argument("--recorded-only", action="store_true", help="only what an earlier swap has the truth of")
    swap.add_argument("--compare", type=Path, nargs=2, metavar=("DIR", "DIR2"), help="what DIR predicts, against DIR2")
    repeatability = found.add_argument_group("repeatability")
    repeatability.add_argument("--runs", type=int, default=10, help="independent processes (default: %(default)s)")
    repeatability.add_argument("--again", action="store_true", help="only judge the reports that --out holds already")
    return found


def run_one(name: str, options: argparse.Namespace) -> int:
    """Run one section here, and write what it found."""
    section: Section = import_module(f"benchmarks.truth.{name}").run(options)
    path = write_section(options.out, section)
    print(summary(section))
    print(f"written to {path}")
    return 0 if section.holds or not section.claims else 1


if __name__ == "__main__":
    sys.exit(main())
