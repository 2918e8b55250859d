from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from profiler.device.cpu import CpuDevice
from profiler.errors import FailedError, OutOfMemoryError, UnknownModelError, UsageError
from profiler.progress import SilentProgress
from profiler.workload.build import load
from profiler.workload.engines import Phases
from profiler.workload.factory import FactoryPhase
from profiler.workload.source import resolve
from profiler.workload.spec import WorkloadSpec
from tests.unit.workload.models import ticking_clock

CODE = """
import torch

class Counter(torch.nn.Module):
    batch_size = 3
    prompt_tokens = 8

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4, bias=False)
        self.calls = []

    def reset(self):
        self.calls.append("reset")

    def prefill(self):
        self.calls.append("prefill")
        return [1, 2, 3]

    def decode(self):
        self.calls.append("decode")
        return self.linear(torch.ones(1, 4))

class Endless:
    calls = []
    def prefill(self): self.calls.append("prefill")
    def decode(self): self.calls.append("decode")

def make(): return Counter()
def endless(): return Endless()
def broken(): raise ValueError("no such thing\\nsecond line")
def halves(): return 3
def hungry(): raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0")
number = 5
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "my_models.py").write_text(CODE)
    (tmp_path / "half_done.py").write_text("import a_module_nobody_has\n")
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("my_models", "half_done", "wrong"):
        sys.modules.pop(name, None)


class SyncCountingDevice(CpuDevice):
    syncs = 0

    def synchronize(self) -> None:
        self.syncs += 1


def made(name: str, device: CpuDevice | None = None, **changes: object) -> Phases:
    spec = WorkloadSpec(model=name, new_tokens=4, **changes)  # type: ignore[arg-type]
    device = device or CpuDevice()
    loaded = load(spec, resolve(name), device, SilentProgress(), ticking_clock())
    return Phases(loaded, spec, device)


def test_a_factory_in_the_current_folder_gives_prefill_and_decode(here: Path) -> None:
    phases = made("my_models:make")
    assert isinstance(phases.decode, FactoryPhase)
    calls = phases.decode._made.calls
    phases.prefill.reset()
    phases.prefill.iterate()
    assert calls == ["reset", "prefill"]
    phases.decode.reset()
    phases.decode.iterate()
    assert calls[2:] == ["reset", "prefill", "decode"]
    assert phases.decode.iterations_per_reset == 3
    assert phases.decode_at(100) is None


def test_its_sizes_come_from_the_object(here: Path) -> None:
    phases = made("my_models:make")
    assert phases.prefill.shape.query_tokens == 8
    assert (phases.decode.shape.batch_size, phases.decode.shape.context_tokens) == (3, 9)
    assert made("my_models:endless").decode.shape is None


def test_what_loading_it_cost_and_weighs_is_told(here: Path) -> None:
    loaded = load(
        WorkloadSpec(model="my_models:make"), resolve("my_models:make"), CpuDevice(), SilentProgress(), ticking_clock()
    )
    assert (loaded.weights, loaded.parameters, loaded.weight_bytes, loaded.dtype) == ("factory", 16, 64, "float32")
    assert [leg.leg for leg in loaded.legs] == ["disk", "host", "device"]
    assert loaded.legs[1].seconds == 1.0
    assert loaded.legs[0].missing


def test_the_device_is_waited_for_unless_the_host_has_read_the_tokens(here: Path) -> None:
    device = SyncCountingDevice()
    phases = made("my_models:make", device)
    before = device.syncs
    phases.prefill.iterate()  # returns a list
    assert device.syncs == before
    phases.decode.iterate()  # returns a tensor
    assert device.syncs == before + 1


def test_an_object_without_reset_is_prefilled_once_and_decodes_on(here: Path) -> None:
    decode = made("my_models:endless").decode
    decode.reset()
    assert decode.iterations_per_reset > 10**6


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("no_such_module:make", UnknownModelError, "no module no_such_module"),
        ("my_models:nothing", UnknownModelError, "has no nothing"),
        ("my_models:number", UsageError, "is a int, not a factory"),
        ("my_models:halves", UsageError, "has no prefill()"),
        ("my_models:broken", FailedError, "my_models:broken() raised ValueError: no such thing"),
        ("half_done:make", FailedError, "ModuleNotFoundError: No module named 'a_module_nobody_has'"),
        ("wrong:make", FailedError, "import wrong raised ZeroDivisionError"),
        ("my_models:hungry", OutOfMemoryError, "2.00 GiB"),
    ],
)
def test_a_factory_that_fails_is_told_in_one_line(here: Path, name: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error) as raised:
        made(name)
    assert told in raised.value.message  # type: ignore[attr-defined]
    assert "\n" not in raised.value.message  # type: ignore[attr-defined]
    assert raised.value.hint  # type: ignore[attr-defined]


def test_the_users_own_exception_is_kept_for_debugging(here: Path) -> None:
    with pytest.raises(FailedError) as raised:
        made("my_models:broken")
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize(
    "changes", [{"mode": "compile"}, {"attention": "math"}, {"weights": "random"}, {"dtype": "float16"}]
)
def test_options_that_a_factory_decides_itself_are_refused(here: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="a factory decides that itself"):
        made("my_models:make", **changes)
    assert "my_models" not in sys.modules


def test_a_step_that_raises_is_told_in_one_line(here: Path) -> None:
    phases = made("my_models:make")
    phases.decode._made.linear = None
    phases.decode._call = lambda: torch.ones(1).reshape(2)
    with pytest.raises(FailedError, match=r"decode\(\) raised RuntimeError"):
        phases.decode.iterate()
