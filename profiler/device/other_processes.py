"""What everything but one process takes of the machine's cores."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

# Half a core: more than a desktop or a monitor takes, enough to make one of two threads wait for the other.
BUSY_ELSEWHERE_CORES = 0.5


def others_cpu_s(process: psutil.Process) -> float:
    """CPU seconds since the machine started that went to all but `process`: what is taken between two calls counts.

    Raises `psutil.Error` when there is no such process.
    """
    machine, own = psutil.cpu_times(), process.cpu_times()
    # Linux counts what guests take in `user` as well, and what the host took away (`steal`) was somebody else's.
    busy_s = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - getattr(machine, "guest", 0.0)
    return float(busy_s - own.user - own.system)


def others_from_now_on() -> Callable[[], float]:
    """A function that says how many cores all but this process kept busy, in the mean, from now to its call."""
    process = psutil.Process()
    begin_s, before_s = time.monotonic(), others_cpu_s(process)
    return lambda: max(others_cpu_s(process) - before_s, 0.0) / max(time.monotonic() - begin_s, 1e-9)
