"""Two witnesses of one thing: where they disagree, the report says so."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from profiler.attribute.kernel_work import KernelWork
from profiler.report.records import Phase
from profiler.report.telemetry import Series, Telemetry
from profiler.report.vocabulary import BottleneckClass, Cause, Tier
from profiler.session.cross_checks import cross_check, energy_per_token, is_throttled
from tests.unit.render import sample


def telemetry(seconds: float = 1.0, iterations: int = 100, **values: float | None) -> Telemetry:
    return Telemetry(
        seconds=seconds,
        iterations=iterations,
        series=[
            Series(
                name=name,
                unit="",
                tier=Tier.DRIVER,
                value=value,
                low=None,
                high=None,
                samples=0 if value is None else 2,
                window_ms=500.0,
                missing="refused" if value is None else None,
            )
            for name, value in values.items()
        ],
    )


def phase(**values: float | None) -> Phase:
    """A decode that idles 70% of its time."""
    decode = next(found for found in sample.report().phases if found.name == "decode")
    idle, busy = decode.parts[0], decode.parts[1]
    parts = [
        replace(idle, class_=BottleneckClass.SCHEDULING, cause=Cause.SCHEDULING_HOST, ms=7.0, fraction=0.7),
        replace(busy, class_=BottleneckClass.MEMORY, cause=Cause.MEMORY_WEIGHTS, ms=3.0, fraction=0.3),
    ]
    clean = replace(decode.clean, first_time_ms=None, wall_ms=replace(decode.clean.wall_ms, median=10.0))
    return replace(decode, parts=parts, clean=clean, telemetry=telemetry(**values))


def work_of(moved: float) -> KernelWork:
    """One kernel that reads so many bytes of weights."""
    some, none = np.array([moved]), np.array([0.0])
    return KernelWork(some, some, none, some, none, none, none, *([None] for _ in range(6)))


def codes(found: Phase, work: KernelWork | None = None) -> list[str]:
    return [warning.code for warning in cross_check(found, work, l2_bytes=None)]


@pytest.mark.parametrize(("active", "warned"), [(0.30, []), (0.34, []), (0.5, ["idle_disagrees"]), (None, [])])
def test_the_driver_and_the_parts_must_agree_on_idle_time(active: float | None, warned: list[str]) -> None:
    assert codes(phase(gpu_active=active)) == warned


@pytest.mark.parametrize(
    ("gigabytes", "warned"), [(15.0, []), (16.4, []), (13.8, []), (20.0, ["dram_disagrees"]), (0.0, [])]
)
def test_the_driver_and_the_shapes_must_agree_on_traffic(gigabytes: float, warned: list[str]) -> None:
    # 1,500 GB/s over 100 iterations a second are 15 GB an iteration
    assert codes(phase(dram_bandwidth=1500.0), work_of(gigabytes * 1e9)) == warned


@pytest.mark.parametrize(
    ("bits", "throttled", "warned"),
    [
        (0x0, False, []),
        (0x4, False, ["power_cap"]),
        (0x8, True, ["throttled"]),
        (0x20 | 0x4, True, ["throttled"]),
        (None, False, []),
    ],
)
def test_heat_and_brakes_throttle_and_a_power_cap_does_not(
    bits: int | None, throttled: bool, warned: list[str]
) -> None:
    found = phase(clock_event_reasons=bits)
    assert is_throttled(found.telemetry) is throttled
    assert codes(found) == warned


def test_a_first_time_that_is_much_slower_is_told() -> None:
    slow = phase()
    usual = slow.clean.wall_ms.median
    assert codes(replace(slow, clean=replace(slow.clean, first_time_ms=usual * 2))) == ["slow_first_time"]
    assert codes(replace(slow, clean=replace(slow.clean, first_time_ms=usual * 1.1))) == []


def test_a_host_that_was_slow_is_told() -> None:
    found = phase()
    usual = found.clean.wall_ms
    at_best = replace(usual, median=usual.median / 1.5)
    slowed = replace(found.clean, full_speed_ms=at_best, host_slowdown=1.6, host_dependence=0.9)
    assert codes(replace(found, clean=slowed)) == ["host_slowed"]
    assert codes(replace(found, clean=replace(slowed, full_speed_ms=usual))) == []


def test_energy_is_divided_by_the_tokens_of_all_iterations() -> None:
    joules, source = energy_per_token(telemetry(seconds=1.0, iterations=50, energy=400.0), tokens=4)
    assert joules == 2.0
    assert source.window_ms == 1000.0


@pytest.mark.parametrize(
    ("found", "tokens", "reason"),
    [
        (None, 1, "energy was not measured"),
        (telemetry(energy=None), 1, "refused"),
        (telemetry(energy=400.0), None, "the phase does not say how many tokens an iteration makes"),
    ],
)
def test_energy_that_is_missing_says_why(found: Telemetry | None, tokens: int | None, reason: str) -> None:
    joules, source = energy_per_token(found, tokens)
    assert joules is None
    assert source.missing == reason
