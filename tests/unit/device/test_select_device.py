"""From what was typed to a device, or to the reason why it cannot be had."""

from __future__ import annotations

import pytest
import torch

from profiler.device.driver import DriverUnavailable
from profiler.device.select import CudaState, explain_absence, parse_spec, select_device
from profiler.errors import NoDeviceError, UsageError

NO_DRIVER = DriverUnavailable("NVML Shared Library Not Found")


def state(**changes) -> CudaState:
    fields = {"torch_version": "2.13.0+cu130", "built_with_cuda": True, "names": (), "driver_reason": None}
    return CudaState(**(fields | changes))


@pytest.mark.parametrize(
    ("spec", "meant"), [("auto", "auto"), ("CPU", "cpu"), ("cuda", 0), ("cuda:0", 0), (" cuda:12 ", 12)]
)
def test_the_accepted_forms(spec, meant):
    assert parse_spec(spec) == meant


@pytest.mark.parametrize("spec", ["gpu", "cuda:", "cuda:-1", "cuda:x", "cuda1", "", "cpu:0", "mps"])
def test_a_typo_is_answered_with_the_accepted_forms(spec):
    with pytest.raises(UsageError) as error:
        parse_spec(spec)
    assert error.value.exit_code == 2
    assert all(form in error.value.hint for form in ("auto", "cuda:N", "cpu"))


def test_a_gpu_that_is_there_needs_no_explanation():
    assert explain_absence(state(names=("NVIDIA H100",)), 0) is None


def test_an_index_out_of_range_lists_the_gpus_there_are():
    error = explain_absence(state(names=("NVIDIA H100", "NVIDIA A10")), 2)
    assert error.exit_code == 4
    assert "cuda:2" in error.message
    assert "cuda:0 (NVIDIA H100), cuda:1 (NVIDIA A10)" in error.hint


def test_each_way_to_have_no_gpu_gets_its_own_reason_and_remedy():
    cpu_build = explain_absence(state(torch_version="2.13.0+cpu", built_with_cuda=False, driver_reason="gone"), 0)
    assert "2.13.0+cpu is a build for the CPU only" in cpu_build.message
    no_driver = explain_absence(state(driver_reason="NVML Shared Library Not Found"), 0)
    assert "NVML Shared Library Not Found" in no_driver.message
    assert "nvidia-smi" in no_driver.hint
    hidden = explain_absence(state(visible_devices=""), 0)
    assert "CUDA_VISIBLE_DEVICES" in hidden.message
    too_old = explain_absence(state(torch_reason="The NVIDIA driver on your system is too old"), 0)
    assert "too old" in too_old.message
    assert len({error.hint for error in (cpu_build, no_driver, hidden, too_old)}) == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused():
    assert select_device("auto", driver=NO_DRIVER).properties.kind == "cpu"
    with pytest.raises(NoDeviceError) as error:
        select_device("cuda", driver=NO_DRIVER)
    assert error.value.exit_code == 4
    assert "--device cpu" in error.value.hint


def test_asking_for_the_cpu_never_asks_for_a_driver(monkeypatch):
    monkeypatch.setattr("profiler.device.select.open_driver", lambda: pytest.fail("the driver was asked"))
    assert select_device("cpu").torch_device == "cpu"
