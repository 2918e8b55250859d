"""How long a trace takes to read, and how much memory, beside a fast parser that only loads its text.

    python -m benchmarks.reading FILE ...                 # these, and a synthetic trace of 5 million events, made first
    python -m benchmarks.reading FILE ... --events 0      # these only
    python -m benchmarks.reading FILE ... --candidates    # with the ways of reading that were not taken (ADR 13)

Every reader is a process of its own: wall time from start to end, peak memory (resident set) of the process. They take
turns, and each round's ratio is to the line `orjson.loads(gzip.open(f).read())` of that round. Claims: the parts-only
reading takes at most 1.0 of that line's time, the whole reading (operations, shapes, links) 1.3, both at most 0.6 of
its memory; the synthetic trace takes less than 1.5 GB. Readers whose library is not installed are left out; the
claims need orjson.

Not measured: a verdict, which comes on top (see `benchmarks/analyze.py`); a cold file cache (each file is read once
before).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks._common import Estimate, Row, arguments, finish, median_ratio_over_blocks, stage
from benchmarks.synthetic_trace import write

LINE = "orjson"
_LIMITS = {"parts": 1.0, "whole": 1.3}
_MEMORY_LIMIT = 0.6
# Where the line takes less, starting Python and importing numpy is most of what there is: nothing is claimed.
_LEAST_S = 0.25
_SYNTHETIC_LIMIT_BYTES = 1_500_000_000
_SYNTHETIC = "synthetic"

# Of the process itself: what the kernel reports of a child (ru_maxrss) starts at the size of its parent.
_PEAK_KIB = "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
_GUNZIP = "import gzip; data = gzip.open(f).read()"
_TYPED = """
import msgspec
class Event(msgspec.Struct, gc=False):
    ph: str = ""; cat: str = ""; name: str = ""
    ts: msgspec.Raw = msgspec.Raw(b"0"); dur: msgspec.Raw = msgspec.Raw(b"0"); args: msgspec.Raw = msgspec.Raw(b"{}")
class Trace(msgspec.Struct):
    events: list[Event] = msgspec.field(name="traceEvents")
events = msgspec.json.decode(data, type=Trace).events
"""
_SIMDJSON = """
import simdjson
kernels = [event for event in simdjson.Parser().parse(data)["traceEvents"] if event.get("cat") == "kernel"]
"""
_REGEX = """
import re
kernel = rb'"cat":\\s*"kernel".*?"ts":\\s*([0-9.]+),\\s*"dur":\\s*([0-9.]+)'
spans = [(float(ts), float(dur)) for ts, dur in re.findall(kernel, data, re.DOTALL)]
"""


@dataclass(frozen=True, slots=True)
class Reader:
    """A way to read a trace: Python code over the path `f`, and the modules it needs."""

    name: str
    code: str
    needs: tuple[str, ...] = ()


READERS = (
    Reader(LINE, "import gzip, orjson; orjson.loads(gzip.open(f).read())", ("orjson",)),
    Reader("parts", "from profiler.trace.kineto import read_kineto; read_kineto(f, device_only=True)"),
    Reader("whole", "from profiler.trace.kineto import read_kineto; read_kineto(f)"),
)
CANDIDATES = (
    Reader("gunzip alone", _GUNZIP),
    Reader("gunzip alone, isal", "from isal import igzip; igzip.open(f).read()", ("isal",)),
    Reader("gunzip alone, zlib-ng", "from zlib_ng import gzip_ng; gzip_ng.open(f).read()", ("zlib_ng",)),
    Reader("msgspec, typed, all at once", _GUNZIP + _TYPED),
    Reader("simdjson, kernels", _GUNZIP + _SIMDJSON, ("simdjson",)),
    Reader("regular expression, kernels", _GUNZIP + _REGEX),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process."""

    wall_s: float
    peak_bytes: int


def cost(code: str, path: Path) -> Cost:
    """What a fresh interpreter takes for the code. Raises `CalledProcessError` when it fails."""
    # Bytecode is kept as it is where a package is installed; numpy starts no threads, as under `bottleneck`.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", f"f = {str(path)!r}\n{code}\n{_PEAK_KIB}"]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return Cost(time.perf_counter() - began, int(done.stdout) * 1024)


def measure(path: Path, readers: list[Reader], rounds: int) -> dict[str, list[Cost]]:
    """The costs of each reader, round by round; the order turns round each time."""
    path.read_bytes()
    costs: dict[str, list[Cost]] = {reader.name: [] for reader in readers}
    for turn in range(rounds):
        for reader in readers if turn % 2 == 0 else reversed(readers):
            costs[reader.name].append(cost(reader.code, path))
    return costs


def rows(path: Path, costs: dict[str, list[Cost]]) -> list[Row]:
    """The table of one file."""
    title = path.name.removesuffix(".json.gz")
    table = []
    for name, measured in costs.items():
        wall_s = median(one.wall_s for one in measured)
        peak_bytes = max(one.peak_bytes for one in measured)
        about = f"{wall_s:.2f} s, {peak_bytes / 1e6:.0f} MB"
        if name == LINE or LINE not in costs:
            table.append(Row(f"{title}: {name}", Estimate(wall_s), "s", note=about))
            continue
        line = costs[LINE]
        is_long = median(one.wall_s for one in line) >= _LEAST_S
        ratio = _ratio([one.wall_s for one in measured], [one.wall_s for one in line])
        limit = _LIMITS.get(name) if is_long else None
        claim = f"<= {limit} of {LINE}" if limit else ""
        table.append(Row(f"{title}: {name}, time", ratio, "", claim, limit and ratio.value <= limit, about))
        if limit:
            memory = peak_bytes / max(one.peak_bytes for one in line)
            claim = f"<= {_MEMORY_LIMIT} of {LINE}"
            table.append(Row(f"{title}: {name}, memory", Estimate(memory), "", claim, memory <= _MEMORY_LIMIT))
        if limit and title.startswith(_SYNTHETIC):
            table.append(
                Row(
                    f"{title}: {name}, memory",
                    Estimate(peak_bytes / 1e9),
                    "GB",
                    f"<= {_SYNTHETIC_LIMIT_BYTES / 1e9} GB",
                    peak_bytes <= _SYNTHETIC_LIMIT_BYTES,
                )
            )
    return table


def _ratio(ours: list[float], theirs: list[float]) -> Estimate:
    return Estimate(ours[0] / theirs[0]) if len(ours) < 2 else median_ratio_over_blocks(ours, theirs)


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="traces (.json.gz)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each file (default 7)")
    parser.add_argument(
        "--events", type=int, default=5_000_000, help="of the synthetic trace; 0: none (default 5000000)"
    )
    parser.add_argument("--synthetic-rounds", type=int, default=2, help="of the synthetic trace (default 2)")
    parser.add_argument("--candidates", action="store_true", help="measure the other ways of reading, too")
    options = parser.parse_args()
    wanted = READERS + (CANDIDATES if options.candidates else ())
    readers = [reader for reader in wanted if all(importlib.util.find_spec(module) for module in reader.needs)]
    for reader in wanted:
        if reader not in readers:
            print(f"{reader.name} is left out: {' and '.join(reader.needs)} is not installed", file=sys.stderr)
    table: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(path, options.rounds) for path in options.files]
        if options.events:
            synthetic = Path(folder) / f"{_SYNTHETIC}_{options.events}.json.gz"
            with stage(f"making {synthetic.name}"):
                write(synthetic, options.events)
            jobs.append((synthetic, options.synthetic_rounds))
        for path, rounds in jobs:
            with stage(f"reading {path.name}"):
                table += rows(path, measure(path, readers, rounds))
    return finish("Reading traces", table, options.out, {"load": os.getloadavg()})


if __name__ == "__main__":
    sys.exit(main())
