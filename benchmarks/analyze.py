"""How long `bottleneck analyze` takes, and how much memory, beside what only loads the text, and another analysis.

    python -m benchmarks.analyze --out DIR                    # two real traces and synthetic ones, made first
    python -m benchmarks.analyze FILE ... --events 0          # these traces only
    python -m benchmarks.analyze --hta-python PYTHON          # an environment that has HolisticTraceAnalysis 0.5.0
    python -m benchmarks.analyze --no-hta                     # without that comparison

Side by side, each a process of its own with its start and with gunzip:

- `orjson`: `orjson.loads(gzip.open(f).read())`, a fast parser that does nothing with what it loads;
- `parts`: `bottleneck analyze FILE --parts-only`;
- `verdict`: `bottleneck analyze FILE`, all of it;
- `HTA`: HolisticTraceAnalysis 0.5.0, which parses and breaks down time, idle time and kernels.

They take turns, and each round's ratio is to its neighbours of that round. Claims: the parts take at most 1.0 of
orjson's time, the verdict 1.5; both at most a sixth of HTA's time and 0.6 of orjson's memory. The synthetic trace of 5
million events (1 GB of JSON) takes less than 1.5 GB, and hardly more for each event than one of a quarter as many. HTA
is compared on the real traces only. Its environment is made with pip where none is given.

Not measured: a cold file cache (each file is read once before), and the first use, in which Python compiles.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks._common import Estimate, Row, arguments, finish, median_ratio_over_blocks, stage
from benchmarks.synthetic_trace import write

LINE, PARTS, VERDICT, HTA = "orjson", "parts", "verdict", "HTA"
_LIMITS = {PARTS: 1.0, VERDICT: 1.5}
_MEMORY_LIMIT = 0.6
_SYNTHETIC_LIMIT_BYTES = 1_500_000_000
_LEAST_TIMES_FASTER = 6.0
# Of the time of one event in a trace of four times as many events; what two runs of one trace differ by here.
_GROWTH_LIMIT = 1.15
_GROWTH = (0.25, 0.5)
_SHORT = 1000

_TRACES = Path(__file__).parents[1] / "../shared/data/traces"
_REAL = ("h100_owlv2_large.json.gz", "v100_hta_trace_diff_test.json.gz")
_HTA_VERSION = "0.5.0"
# Starts a process from a small one, because the peak memory that the kernel tells of a child starts at its parent's.
_STARTED = """
import os, sys, time
nowhere = os.open(os.devnull, os.O_WRONLY)
silence = [(os.POSIX_SPAWN_DUP2, nowhere, 1), (os.POSIX_SPAWN_DUP2, nowhere, 2)]
began = time.perf_counter()
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silence)
_, status, usage = os.wait4(process, 0)
wall_s, cpu_s = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
print(wall_s, cpu_s, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""
_ORJSON = "import gzip, sys, orjson; orjson.loads(gzip.open(sys.argv[1]).read())"
_HTA = """
import sys
from hta.trace_analysis import TraceAnalysis
analysis = TraceAnalysis(trace_files={0: sys.argv[1]})
analysis.get_temporal_breakdown(visualize=False)
analysis.get_idle_time_breakdown(ranks=[0], visualize=False)
analysis.get_gpu_kernel_breakdown(visualize=False)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


Costs = dict[str, list[Cost]]


def cost(command: Sequence[str | Path], compiled: Path | None = None) -> Cost:
    """What a process takes from its start to its end. Raises `CalledProcessError` when it fails.

    Python keeps what it compiled in the folder `compiled`, also where it is told elsewhere not to keep any.
    """
    words = [str(word) for word in command]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if compiled is not None:
        environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    starting = [sys.executable, "-S", "-c", _STARTED, *words]
    done = subprocess.run(starting, stdout=subprocess.PIPE, check=True, env=environment)
    wall_s, cpu_s, peak_kib, status = done.stdout.split()
    if int(status):
        raise subprocess.CalledProcessError(int(status), words)
    return Cost(float(wall_s), float(cpu_s), int(peak_kib) * 1024)


def commands(path: Path, hta_python: Path | None = None) -> dict[str, list[str | Path]]:
    """The command of each side."""
    bottleneck = Path(sys.executable).with_name("bottleneck")
    found: dict[str, list[str | Path]] = {
        LINE: [sys.executable, "-c", _ORJSON, path],
        PARTS: [bottleneck, "analyze", path, "--parts-only"],
        VERDICT: [bottleneck, "analyze", path],
    }
    if hta_python is not None:
        found[HTA] = [hta_python, "-c", _HTA, path]
    return found


def measure(sides: dict[str, list[str | Path]], rounds: int, compiled: Path | None = None) -> Costs:
    """The costs of each side, round by round; the order turns round each time. See `cost` for `compiled`."""
    costs: Costs = {name: [] for name in sides}
    for turn in range(rounds):
        for name in sides if turn % 2 == 0 else reversed(sides):
            costs[name].append(cost(sides[name], compiled))
    return costs


def rows(title: str, costs: Costs, memory_limit_bytes: int | None = None) -> list[Row]:
    """The table of one trace."""
    table = [Row(f"{title}: {name}", Estimate(_wall_s(of)), "s", note=_about(of)) for name, of in costs.items()]
    for name, limit in _LIMITS.items():
        ratio = _ratio(costs[name], costs[LINE])
        table.append(Row(f"{title}: {name}, time", ratio, "", f"<= {limit} of {LINE}", ratio.value <= limit))
        memory = _peak_bytes(costs[name]) / _peak_bytes(costs[LINE])
        claim = f"<= {_MEMORY_LIMIT} of {LINE}"
        table.append(Row(f"{title}: {name}, memory", Estimate(memory), "", claim, memory <= _MEMORY_LIMIT))
    for name in (PARTS, VERDICT) if HTA in costs else ():
        faster = _ratio(costs[HTA], costs[name])
        claim = f">= {_LEAST_TIMES_FASTER:g}"
        table.append(Row(f"{title}: {HTA} / {name}, time", faster, "", claim, faster.value >= _LEAST_TIMES_FASTER))
    if memory_limit_bytes is not None:
        peak = _peak_bytes(costs[VERDICT])
        claim = f"<= {memory_limit_bytes / 1e9} GB"
        table.append(Row(f"{title}: {VERDICT}, memory", Estimate(peak / 1e9), "GB", claim, peak <= memory_limit_bytes))
    return table


def growth_rows(cpu_s: dict[int, float]) -> list[Row]:
    """What an event takes in each length of trace, over what it takes in the shortest: processor time, because
    traces of other lengths are not analysed side by side.
    """
    shortest = min(cpu_s)
    return [
        Row(
            f"synthetic: an event of {events:,}, over one of {shortest:,}",
            Estimate(ratio),
            "",
            f"<= {_GROWTH_LIMIT}",
            ratio <= _GROWTH_LIMIT,
            f"{cpu_s[events]:.1f} s of processor time",
        )
        for events in sorted(cpu_s)
        if events != shortest
        for ratio in ((cpu_s[events] / events) / (cpu_s[shortest] / shortest),)
    ]


def _ratio(ours: list[Cost], theirs: list[Cost]) -> Estimate:
    pair = [each.wall_s for each in ours], [each.wall_s for each in theirs]
    return Estimate(pair[0][0] / pair[1][0]) if len(ours) < 2 else median_ratio_over_blocks(*pair)


def _wall_s(costs: list[Cost]) -> float:
    return median(each.wall_s for each in costs)


def _peak_bytes(costs: list[Cost]) -> int:
    return max(each.peak_bytes for each in costs)


def _about(costs: list[Cost]) -> str:
    cpu_s = median(each.cpu_s for each in costs)
    return f"{cpu_s:.2f} s of processor time, {_peak_bytes(costs) / 1e6:,.0f} MB, {len(costs)} rounds"


def _made_hta_python(folder: Path) -> Path:
    """The interpreter of a new environment that has HolisticTraceAnalysis."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    wanted = f"HolisticTraceAnalysis=={_HTA_VERSION}"
    subprocess.run([python, "-m", "pip", "install", "-q", wanted], stdout=sys.stderr, check=True)
    return python


def _compile(folder: Path, files: Sequence[Path], hta_python: Path | None) -> Path:
    """A folder with what Python compiles of all sides, as after any first use."""
    path, compiled = folder / "short.json.gz", folder / "compiled"
    write(path, _SHORT)
    measure(commands(files[0], hta_python) if files else commands(path), 1, compiled)
    return compiled


def _of_files(files: Sequence[Path], hta_python: Path | None, rounds: int, compiled: Path) -> list[Row]:
    table: list[Row] = []
    for path in files:
        path.read_bytes()
        title = path.name.removesuffix(".json.gz")
        with stage(f"analysing {path.name}"):
            table += rows(title, measure(commands(path, hta_python), rounds, compiled))
    return table


def _of_synthetic(folder: Path, events: int, rounds: int, compiled: Path) -> list[Row]:
    table: list[Row] = []
    cpu_s: dict[int, float] = {}
    for count in (*(int(events * part) for part in _GROWTH), events):
        path = folder / f"synthetic_{count}.json.gz"
        with stage(f"making {path.name}"):
            write(path, count)
        sides = commands(path)
        with stage(f"analysing {path.name}"):
            if count == events:
                costs = measure(sides, rounds, compiled)
                table += rows(f"synthetic, {count:,} events", costs, _SYNTHETIC_LIMIT_BYTES)
            else:
                costs = measure({VERDICT: sides[VERDICT]}, rounds, compiled)
        cpu_s[count] = min(each.cpu_s for each in costs[VERDICT])
        path.unlink()
    return table + growth_rows(cpu_s)


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="traces (.json.gz; default: two public ones, if present)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each file (default 7)")
    parser.add_argument("--events", type=int, default=5_000_000, help="of the synthetic trace; 0: none (5000000)")
    parser.add_argument("--synthetic-rounds", type=int, default=2, help="turns of the synthetic traces (default 2)")
    parser.add_argument("--hta-python", type=Path, help=f"Python that has HolisticTraceAnalysis {_HTA_VERSION}")
    parser.add_argument("--no-hta", action="store_true", help="do not compare with HolisticTraceAnalysis")
    options = parser.parse_args()
    if importlib.util.find_spec("orjson") is None:
        parser.error("orjson is not installed: it is what is compared with (pip install orjson)")
    files = options.files or [path for name in _REAL if (path := _TRACES / name).exists()]
    table: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hta_python = options.hta_python
        if files and hta_python is None and not options.no_hta:
            with stage(f"installing HolisticTraceAnalysis {_HTA_VERSION}"):
                hta_python = _made_hta_python(folder / "hta")
        hta_python = None if options.no_hta else hta_python
        with stage("compiling"):
            compiled = _compile(folder, files, hta_python)
        table += _of_files(files, hta_python, options.rounds, compiled)
        if options.events:
            table += _of_synthetic(folder, options.events, options.synthetic_rounds, compiled)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    out = None if options.out is None else options.out / "analyze.json"
    return finish("Analysing traces", table, out, {"load": os.getloadavg()})


if __name__ == "__main__":
    sys.exit(main())
