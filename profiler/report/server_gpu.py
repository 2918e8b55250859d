"""A GPU of the machine that a server runs on, as its driver counted under the load."""

from __future__ import annotations

from msgspec import Struct

from profiler.report.records import Verdict
from profiler.report.telemetry import Series


class ServerGpu(Struct, frozen=True, kw_only=True):
    """One GPU over the `seconds` of the load.

    `used` is null where it cannot be seen that a process of the server has it in use; those that it is seen not to use
    are not listed. `verdict` is of the phase that leads.
    """

    index: int
    name: str
    used: bool | None
    seconds: float
    series: list[Series]
    verdict: Verdict
