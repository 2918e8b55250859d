"""What makes a verdict doubtful, whatever the trace says."""

from __future__ import annotations

import pytest

from profiler.attribute.rates import NeededWork, Rates, rates
from profiler.attribute.verdict import refuse, undermined
from profiler.report.telemetry import Series, Telemetry
from profiler.report.vocabulary import Tier, VerdictState
from profiler.session.cross_checks import doubts, trace_doubts
from tests.unit.session.recorded import recorded_phase


def telemetry(others_cores: float) -> Telemetry:
    others = Series(
        name="cpu_others",
        unit="cores",
        tier=Tier.HOST,
        value=others_cores,
        low=None,
        high=None,
        samples=4,
        window_ms=250.0,
    )
    return Telemetry(seconds=1.0, iterations=10, series=[others])


def achieved(wall_ms: float) -> Rates:
    return rates(NeededWork(1e12, 1e9, 0.0), wall_ms, flops_per_s=1e15, bytes_per_s=1e12)


def test_a_cpu_that_others_use_carries_no_clear_verdict() -> None:
    (reason,) = doubts(telemetry(1.0), achieved(10.0), "cpu")
    assert "1.0 CPU cores" in reason
    assert reason.endswith("stop them and profile again")


def test_a_gpu_may_be_judged_while_others_use_the_cpu() -> None:
    assert doubts(telemetry(1.0), achieved(10.0), "cuda") == []


def test_a_quiet_machine_and_a_plausible_speed_raise_no_doubt() -> None:
    assert doubts(telemetry(0.1), achieved(10.0), "cpu") == []


@pytest.mark.parametrize("kernel_scale", [0.011, 3.0])
def test_a_cpu_traced_at_quite_another_speed_carries_no_clear_verdict(kernel_scale: float) -> None:
    (reason,) = trace_doubts(kernel_scale, "cpu")
    assert "had to be scaled by" in reason
    assert "profile again" in reason
    assert trace_doubts(kernel_scale, "cuda") == []  # whose agreement bounds the confidence


@pytest.mark.parametrize("kernel_scale", [0.53, 1.0, 1.18])
def test_a_cpu_that_tracing_slows_as_it_does_is_trusted(kernel_scale: float) -> None:
    assert trace_doubts(kernel_scale, "cpu") == []


def test_a_phase_beyond_its_ceiling_is_doubtful_and_says_how_to_measure_anew() -> None:
    found = doubts(telemetry(0.0), achieved(0.5), "cuda")
    assert len(found) == 2
    assert all("bottleneck calibrate" in reason for reason in found)


def test_a_phase_as_fast_as_fills_were_seen_to_be_is_trusted_and_one_at_110_percent_is_not() -> None:
    trusted, beyond = (
        doubts(telemetry(0.0), rates(NeededWork(None, 1e9, 0.0), 1 / ratio, flops_per_s=None, bytes_per_s=1e12), "cpu")
        for ratio in (1.051, 1.1)
    )
    assert trusted == []
    assert "reaches 110% of the measured read ceiling" in beyond[0]


def test_a_doubtful_verdict_keeps_its_class_but_is_not_clear_and_half_as_sure() -> None:
    verdict = recorded_phase("decode_b1_eager").verdict
    doubtful = undermined(verdict, ["the ceilings are wrong"])
    assert verdict.confidence is not None
    assert (doubtful.class_, doubtful.state) == (verdict.class_, VerdictState.INCONCLUSIVE)
    assert doubtful.confidence == pytest.approx(verdict.confidence / 2)
    assert doubtful.evidence[0] == "the ceilings are wrong"


def test_without_doubts_a_verdict_stays_as_it_is_and_a_refused_one_always_does() -> None:
    verdict = recorded_phase("decode_b1_eager").verdict
    assert undermined(verdict, []) is verdict
    refused = refuse("no trace")
    assert undermined(refused, ["the ceilings are wrong"]) is refused
