"""What Nsight Compute counted: run it, and read what it writes."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from profiler.errors import BottleneckError

_READ, _WRITTEN, _DURATION = "dram__bytes_read.sum", "dram__bytes_write.sum", "gpu__time_duration.sum"
# No flush before a kernel and no fixed clocks: the step as it runs. Two of these metrics take one pass, so nothing is
# run twice. Only this process: the ones that it starts would each be started slowly.
_OPTIONS = (
    *("--target-processes", "application-only"),
    *("--cache-control", "none", "--clock-control", "none", "--profile-from-start", "off"),
    *("--csv", "--print-units", "base", "--metrics", ",".join((_READ, _WRITTEN, _DURATION))),
)
_TIMEOUT_S = 240.0
_END_OF_STEP = "spin_kernel"  # of torch.cuda._sleep


class NcuFailedError(BottleneckError):
    """Nsight Compute did not count."""


@dataclass(frozen=True, slots=True)
class NcuKernel:
    """One kernel in the order of launch."""

    name: str
    grid: tuple[int, int, int]
    read_bytes: float
    write_bytes: float
    ns: float


def run_ncu(command: Sequence[str]) -> list[NcuKernel]:
    """The kernels of `command` between its cudaProfilerStart and Stop. Its stderr is this one's.

    Raises `NcuFailedError`.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "ncu.csv"
        try:
            done = subprocess.run(
                ["ncu", *_OPTIONS, "--log-file", str(log), *command],
                stdout=subprocess.PIPE,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise NcuFailedError("ncu is not on the PATH", "install Nsight Compute") from error
        except subprocess.TimeoutExpired as error:
            raise NcuFailedError(f"ncu took longer than {_TIMEOUT_S:g} s", "run it by hand") from error
        text = log.read_text(encoding="utf-8") if log.exists() else ""
    kernels = read_ncu(text)
    if done.returncode or not kernels:
        said = [line for line in (text + done.stdout).splitlines() if line.strip()]
        reason = next((line for line in said if "ERROR" in line), said[-1] if said else "it said nothing")
        raise NcuFailedError(f"ncu failed (exit code {done.returncode}): {reason}", "run it by hand")
    return kernels


def steps_of(kernels: Sequence[NcuKernel]) -> list[list[NcuKernel]]:
    """The kernels of each step; a kernel that no step has ends it."""
    steps: list[list[NcuKernel]] = [[]]
    for kernel in kernels:
        if function_name(kernel.name) == _END_OF_STEP:
            steps.append([])
        else:
            steps[-1].append(kernel)
    return steps[:-1]


def usual_step(steps: Sequence[Sequence[NcuKernel]]) -> list[NcuKernel]:
    """One step out of several of the same kernels: of each kernel the medians of what was counted.

    One that was looked at while something else wrote to memory carries bytes that are not its own. Raises `ValueError`
    where the steps differ in their kernels.
    """
    return [
        NcuKernel(
            alike[0].name,
            alike[0].grid,
            median(one.read_bytes for one in alike),
            median(one.write_bytes for one in alike),
            median(one.ns for one in alike),
        )
        for alike in zip(*steps, strict=True)
    ]


def read_ncu(text: str) -> list[NcuKernel]:
    """The kernels of what `ncu --csv --print-units base` wrote."""
    begin = text.find('"ID"')
    found: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(io.StringIO(text[begin:] if begin >= 0 else "")):
        found.setdefault(row["ID"], {"name": row["Kernel Name"], "grid": row["Grid Size"]})[row["Metric Name"]] = row[
            "Metric Value"
        ].replace(",", "")
    return [
        NcuKernel(one["name"], _grid(one["grid"]), float(one[_READ]), float(one[_WRITTEN]), float(one[_DURATION]))
        for one in found.values()
    ]


def _grid(text: str) -> tuple[int, int, int]:
    x, y, z = (int(number) for number in re.findall(r"\d+", text))
    return x, y, z


def function_name(name: str) -> str:
    """A kernel's function without return type, namespaces, template arguments and parameters.

    Nsight Compute and CUPTI write all of these differently.
    """
    bare = re.sub(r"\(anonymous namespace\)|<unnamed>", "_", name).removeprefix("void ")
    return re.split(r"[<(]", bare)[0].split("::")[-1]
