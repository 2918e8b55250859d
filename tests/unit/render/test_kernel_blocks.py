"""The table of kernels tells what was found, not what was assumed."""

from __future__ import annotations

import pytest

from profiler.render.kernel_blocks import limited_by
from profiler.report.records import Kernel
from profiler.report.vocabulary import Cause, Resource


def kernel(limiter: Resource, cause: Cause, bytes_: float | None) -> Kernel:
    return Kernel(
        name="k",
        calls=1,
        ms=0.3,
        fraction=0.1,
        bytes=bytes_,
        flops=None if bytes_ is None else 0.0,
        dram_ratio=None,
        tensor_ratio=None,
        limiter=limiter,
        cause=cause,
        operation=None,
        module=None,
    )


@pytest.mark.parametrize(
    ("limiter", "cause", "bytes_", "shown"),
    [
        (Resource.ISSUE, Cause.COMPUTE_ISSUE, None, "not known"),
        (Resource.ISSUE, Cause.COMPUTE_ISSUE, 1e6, "issue"),
        (Resource.LATENCY, Cause.SCHEDULING_SMALL_KERNELS, None, "latency"),
    ],
)
def test_what_limits_a_kernel_whose_work_nobody_knows_is_not_known_unless_it_is_too_small(
    limiter: Resource, cause: Cause, bytes_: float | None, shown: str
) -> None:
    assert limited_by(kernel(limiter, cause, bytes_)) == shown
