"""The zoo by itself: some of its entries, or a kept run judged again.

python -m benchmarks.truth.zoo --out DIR [--only gemm stream.fills] [--counters]
python -m benchmarks.truth.zoo --again DIR                            # no GPU: judges DIR's report anew
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.truth.results import read_section, report_path
from benchmarks.truth.section import Section
from benchmarks.truth.text import summary
from profiler.report.store import load_report


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.truth.zoo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="DIR", help="run here, and write the results there")
    what.add_argument("--again", type=Path, metavar="DIR", help="judge the report in DIR again, and print the table")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:N or cpu (default: auto)")
    parser.add_argument("--small", action="store_true", help="the shortest of everything: shows that it runs")
    parser.add_argument("--counters", action="store_true", help="judge by hardware counters, where they may be read")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="entries whose names begin so")
    options = parser.parse_args()
    section = _again(options.again) if options.again else _run(options)
    print(summary(section))
    return 0 if section.holds else 1


def _again(folder: Path) -> Section:
    from benchmarks.truth.zoo.kept import section_again

    return section_again(load_report(report_path(folder, "zoo")), read_section(folder / "zoo.json"))


def _run(options: argparse.Namespace) -> Section:
    from benchmarks.truth.zoo.runner import run_zoo

    return run_zoo(options)


if __name__ == "__main__":
    sys.exit(main())
