"""What others take of the machine's cores."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace

import psutil
import pytest

from profiler.device import other_processes
from profiler.device.other_processes import others_from_now_on

Machine = namedtuple("Machine", ["user", "system", "idle", "iowait"])


def test_all_but_this_process_counts_and_what_the_machine_idled_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = iter((Machine(100.0, 8.0, 50.0, 5.0), Machine(114.0, 9.0, 54.0, 6.0)))
    own = iter((SimpleNamespace(user=9.0, system=1.0), SimpleNamespace(user=16.0, system=3.0)))
    clock = iter((1.0, 11.0))
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(machine))
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(cpu_times=lambda: next(own)))
    monkeypatch.setattr(other_processes, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    assert others_from_now_on()() == pytest.approx((15.0 - 9.0) / 10.0)
