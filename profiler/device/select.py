"""From what the user typed (`auto`, `cuda`, `cuda:1`, `cpu`) to a device."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from typing import Literal

from profiler.device.base import Device
from profiler.device.driver import Driver, DriverUnavailable, QueryRefused
from profiler.errors import NoDeviceError, UsageError

ACCEPTED = "auto, cuda, cuda:N (N counts from 0) or cpu"


@dataclass(frozen=True, slots=True)
class CudaState:
    """What torch and the driver say about GPUs on this machine."""

    torch_version: str
    built_with_cuda: bool
    names: tuple[str, ...]  # one for each GPU that torch can use, by index
    driver_reason: str | None  # why the driver cannot be asked; None if it can
    torch_reason: str | None = None  # what torch warned about while it looked
    visible_devices: str | None = None  # CUDA_VISIBLE_DEVICES, where it is set


def select_device(spec: str, *, driver: Driver | DriverUnavailable | None = None) -> Device:
    """The device that `spec` names; `auto` is the first GPU, or the CPU where there is none.

    `driver` is the opened driver or why there is none; by default it is opened here.
    Raises `UsageError` for a spec of no accepted form, `NoDeviceError` for a GPU that is not there.
    """
    wanted = parse_spec(spec)
    if wanted == "cpu":
        return _cpu()
    driver = driver if driver is not None else open_driver()
    state = look_for_cuda(driver)
    if wanted == "auto" and not state.names:
        return _cpu()
    index = 0 if wanted == "auto" else wanted
    refusal = explain_absence(state, index)
    if refusal:
        raise refusal
    from profiler.device.cuda import CudaDevice

    return CudaDevice(index, _driver_version(driver))


def parse_spec(spec: str) -> Literal["auto", "cpu"] | int:
    """`auto`, `cpu`, or the index of a GPU. Raises `UsageError` with the accepted forms."""
    text = spec.strip().lower()
    if text == "auto":
        return "auto"
    if text == "cpu":
        return "cpu"
    match = re.fullmatch(r"cuda(?::(\d+))?", text)
    if match is None:
        raise UsageError(f"there is no device {spec!r}", f"--device takes {ACCEPTED}")
    return int(match[1] or 0)


def open_driver() -> Driver | DriverUnavailable:
    """The driver, or why there is none."""
    try:
        return Driver.open()
    except DriverUnavailable as unavailable:
        return unavailable


def look_for_cuda(driver: Driver | DriverUnavailable) -> CudaState:
    """Ask torch which GPUs it can use."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        names = tuple(torch.cuda.get_device_name(index) for index in range(count))
    return CudaState(
        torch_version=torch.__version__,
        built_with_cuda=torch.version.cuda is not None or getattr(torch.version, "hip", None) is not None,
        names=names,
        driver_reason=driver.reason if isinstance(driver, DriverUnavailable) else None,
        torch_reason=str(caught[0].message).splitlines()[0] if caught else None,
        visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def explain_absence(state: CudaState, index: int) -> NoDeviceError | None:
    """Why `cuda:index` cannot be had and what to do about it; None where it can."""
    if index < len(state.names):
        return None
    if state.names:
        there_are = ", ".join(f"cuda:{number} ({name})" for number, name in enumerate(state.names))
        return NoDeviceError(f"there is no GPU cuda:{index}", f"there is {there_are}")
    if not state.built_with_cuda:
        return NoDeviceError(
            f"no GPU can be used: torch {state.torch_version} is a build for the CPU only",
            "install a CUDA build of torch (pytorch.org/get-started), or type --device cpu",
        )
    if state.driver_reason is not None:
        return NoDeviceError(
            f"no GPU can be used: there is no NVIDIA driver to talk to ({state.driver_reason})",
            "install the driver and see that nvidia-smi works, or type --device cpu",
        )
    if state.visible_devices is not None:
        return NoDeviceError(
            f"no GPU can be used: CUDA_VISIBLE_DEVICES is {state.visible_devices!r}",
            "unset CUDA_VISIBLE_DEVICES, or type --device cpu",
        )
    return NoDeviceError(
        f"no GPU can be used: {state.torch_reason or 'the driver works, but torch finds no GPU'}",
        "see whether the driver is new enough for this torch (nvidia-smi), or type --device cpu",
    )


def _cpu() -> Device:
    from profiler.device.cpu import CpuDevice

    return CpuDevice()


def _driver_version(driver: Driver | DriverUnavailable) -> str | None:
    if isinstance(driver, DriverUnavailable):
        return None
    try:
        return driver.version()
    except QueryRefused:
        return None
