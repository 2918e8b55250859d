from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from profiler.device.cpu import CpuDevice
from tests.unit.session.machines import FakeGpuDevice, put_ceilings_into_the_cache


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads wait for each other where processors are shared, and are part of what ceilings are cached for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def known_ceilings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one_thread: None) -> None:
    """A cache that is not the user's, with the ceilings of this processor and of the fake GPU."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for device in (CpuDevice(), FakeGpuDevice()):
        put_ceilings_into_the_cache(device)
