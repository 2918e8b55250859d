"""A report of 10,000 kernels, each with a name of its own, in one step."""

from __future__ import annotations

from msgspec.structs import replace

from profiler.report.records import Kernel, Report
from profiler.report.timeline import DeviceRows, HostRows, Timeline
from profiler.report.vocabulary import Cause, Resource
from tests.unit.render import sample

MANY = 10_000
_KINDS = (
    (Resource.DRAM, Cause.MEMORY_WEIGHTS),
    (Resource.TENSOR, Cause.COMPUTE_TENSOR),
    (Resource.LATENCY, Cause.SCHEDULING_SMALL_KERNELS),
)


def many_kernels() -> Report:
    decode = sample.decode()
    kernels = [_kernel(number) for number in range(MANY)]
    device = DeviceRows(
        stream=[7 + number % 3 for number in range(MANY)],
        start_us=[number * 2.5 for number in range(MANY)],
        duration_us=[1.5] * MANY,
        name=list(range(MANY)),
        kind=["kernel"] * MANY,
        cause=[kernel.cause for kernel in kernels],
        launched_by=[-1] * MANY,
        issue_delay_us=[0.0] * MANY,
        stream_gap_us=[0.0] * MANY,
        held_by=[[] for _ in range(MANY)],
        fixed_us=[1.5] * MANY,
        needs_us={},
    )
    timeline = Timeline(
        names=[kernel.name for kernel in kernels],
        host=HostRows(thread=[], start_us=[], gap_us=[], call_us=[], wake_us=[], kind=[], waits_for=[]),
        device=device,
        tail_us=[0.0],
        traced_wall_us=25_000.0,
        host_scale=1.0,
        kernel_scale=1.0,
    )
    return replace(sample.report(), phases=[replace(decode, kernels=kernels, timeline=timeline)])


def _kernel(number: int) -> Kernel:
    limiter, cause = _KINDS[number % len(_KINDS)]
    return Kernel(
        name=f"void some::library::kernel_of_layer_{number:05}<float, {number % 64}>(float*, int)",
        calls=1 + number % 40,
        ms=10.0 / (number + 1),
        fraction=1.0 / (number + 1) / 10,
        bytes=1e6 + 1e3 * number,
        flops=1e6 * (number % 997),
        dram_ratio=(number % 100) / 100,
        tensor_ratio=None,
        limiter=limiter,
        cause=cause,
        operation="aten::mm",
        module=f"model.layers.{number % 80}.mlp",
    )
