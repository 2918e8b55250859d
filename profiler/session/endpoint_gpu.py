"""The GPUs of this machine, sampled while a server on it is loaded."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from profiler.device.driver import Driver, DriverUnavailable, QueryRefused
from profiler.device.gpu import Gpu, all_gpus
from profiler.device.select import open_driver
from profiler.endpoint.address import Address
from profiler.endpoint.exchange import Exchange
from profiler.endpoint.gpu_verdict import gpu_verdict, served_spans, utilisation
from profiler.errors import NoDeviceError, UsageError
from profiler.measure.telemetry.process import SamplerProcess
from profiler.measure.telemetry.sampler import QUANTITIES, SamplerConfig
from profiler.measure.telemetry.source import Recording
from profiler.measure.telemetry.summary import summarize
from profiler.report.server_gpu import ServerGpu

if TYPE_CHECKING:
    from profiler.measure.repeat import Sampler  # which imports torch

# The host's series would be the client's: the server's processes are not known for sure.
_OF_THE_GPU = {source: quantities for source, quantities in QUANTITIES.items() if source in ("gpm", "nvml")}


@dataclass(frozen=True, slots=True)
class SampledGpu:
    """One GPU and what samples it; `used` as in the report."""

    index: int
    name: str
    used: bool | None
    sampler: Sampler


@dataclass(slots=True)
class GpuSampling:
    """The GPUs under one load after the other. `recordings` are those of the last one."""

    gpus: list[SampledGpu]
    recordings: list[Recording] = field(default_factory=list)

    def begin(self) -> None:
        """Sample from now on."""
        for gpu in self.gpus:
            gpu.sampler.begin()

    def end(self) -> None:
        """Keep what was sampled."""
        self.recordings = [gpu.sampler.end() for gpu in self.gpus]

    def records(
        self, begin_ns: int, end_ns: int, exchanges: Sequence[Exchange], phase: str, others_ratio: float
    ) -> list[ServerGpu]:
        """The last load's, from `begin_ns` to `end_ns` of CLOCK_MONOTONIC, with the verdict of the phase that leads."""
        spans = served_spans(exchanges)
        return [
            ServerGpu(
                index=gpu.index,
                name=gpu.name,
                used=gpu.used,
                seconds=(end_ns - begin_ns) / 1e9,
                series=summarize(recording, _OF_THE_GPU, [(begin_ns, end_ns)]),
                verdict=gpu_verdict(phase, utilisation(recording, spans), others_ratio),
            )
            for gpu, recording in zip(self.gpus, self.recordings, strict=False)
        ]


def gpu_sampling(
    address: Address,
    kept: ExitStack,
    *,
    driver: Driver | DriverUnavailable | None = None,
    sampler: Callable[[SamplerConfig], AbstractContextManager[Sampler]] = SamplerProcess,
    used_by: Callable[[int], set[int]] | None = None,
) -> GpuSampling:
    """Start what samples the GPUs that the server uses, or all where that cannot be seen; `kept` ends it.

    `driver` is the opened one, or why there is none; `used_by` gives the processes of the server behind a port.

    Raises `NoDeviceError` where there is no GPU to ask, and `UsageError` for a server on another machine.
    """
    if is_elsewhere(address.host):
        raise UsageError(
            f"--gpu samples this machine's GPU, and {address.host} is another machine", "the command there"
        )
    gpus = _gpus(driver if driver is not None else open_driver())
    used = _used_by_server(gpus, (used_by or _server_processes)(address.port))
    chosen = [place for place in range(len(gpus)) if used is None or place in used]
    pid = psutil.Process().pid
    found = [
        SampledGpu(
            index=place,
            name=_name(gpus[place]),
            used=None if used is None else True,
            sampler=kept.enter_context(sampler(SamplerConfig(pid=pid, gpu_uuid=gpus[place].uuid))),
        )
        for place in chosen
    ]
    for gpu in found:
        gpu.sampler.wait_until_ready()
    return GpuSampling(found)


def is_elsewhere(host: str) -> bool:
    """Whether a name or an address is another machine's; a name that nobody knows is not known to be one."""
    own = {each.address.partition("%")[0] for addresses in psutil.net_if_addrs().values() for each in addresses}
    try:
        places = {str(place[0]).partition("%")[0] for *_, place in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return not any(place in own or ipaddress.ip_address(place).is_loopback for place in places)


def _gpus(driver: Driver | DriverUnavailable) -> list[Gpu]:
    if isinstance(driver, DriverUnavailable):
        raise NoDeviceError(f"--gpu needs an NVIDIA GPU on this machine: {driver.reason}", "the same without --gpu")
    try:
        gpus = all_gpus(driver)
    except QueryRefused as refusal:
        raise NoDeviceError(f"the driver does not tell its GPUs: {refusal.reason}", "the same without --gpu") from None
    if not gpus:
        raise NoDeviceError("--gpu needs an NVIDIA GPU, and the driver has none", "the same without --gpu")
    return gpus


def _used_by_server(gpus: Sequence[Gpu], server: set[int]) -> set[int] | None:
    """The places of the GPUs on which a process of the server has a context; None where that cannot be seen."""
    with suppress(QueryRefused):
        places = {place for place, gpu in enumerate(gpus) if server & {each.pid for each in gpu.processes()}}
        return places or None
    return None


def _server_processes(port: int) -> set[int]:
    """The process that listens on the port, with all that it started: engines run in children."""
    found: set[int] = set()
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.pid and connection.laddr[1:] == (port,):
                process = psutil.Process(connection.pid)
                found |= {process.pid, *(child.pid for child in process.children(recursive=True))}
    return found


def _name(gpu: Gpu) -> str:
    try:
        return gpu.name()
    except QueryRefused:
        return "GPU"
