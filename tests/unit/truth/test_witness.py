from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks.truth.witness import GreenPhase, Witnessed, run, section_of
from profiler.device.cpu import CpuDevice
from tests.unit.session.machines import put_ceilings_into_the_cache

ENVIRONMENT: dict[str, object] = {"device": "NVIDIA H100 80GB HBM3"}


def seen(name: str, all_ms: float, some_ms: float, predicted_ms: float, reach_ms: float = 0.2) -> Witnessed:
    return Witnessed(name, all_ms, some_ms, predicted_ms, predicted_ms - reach_ms, predicted_ms + reach_ms)


def found(*rows: Witnessed, bandwidth: float | None = 1.0) -> list[bool | None]:
    return [claim.holds for claim in section_of(ENVIRONMENT, 132, list(rows), bandwidth, None).claims]


def test_a_prediction_within_a_tenth_holds() -> None:
    *single, _ = found(seen("gemm", 1.0, 2.0, 1.85), seen("copy", 1.0, 1.0, 1.12))
    assert single == [True, False]


def test_the_interval_must_hold_the_time_of_every_workload() -> None:
    assert found(seen("gemm", 1.0, 2.0, 1.85), seen("copy", 1.0, 1.0, 1.12))[-1] is True
    assert found(seen("gemm", 1.0, 2.0, 1.85), seen("copy", 1.0, 1.0, 1.12, reach_ms=0.1))[-1] is False


def test_of_a_kernel_with_two_limits_only_the_interval_speaks() -> None:
    assert found(seen("lgamma", 1.0, 1.2, 1.0)) == [True]
    assert found(seen("lgamma", 1.0, 1.3, 1.0)) == [False]


@pytest.mark.parametrize("bandwidth", [0.9, None])
def test_where_the_bandwidth_did_not_hold_nothing_is_claimed(bandwidth: float | None) -> None:
    assert found(seen("gemm", 1.0, 2.0, 2.0), bandwidth=bandwidth) == [None, None]


def test_without_green_contexts_nothing_is_tested_and_the_reason_is_said() -> None:
    section = section_of(ENVIRONMENT, 132, [], None, "no green context: not supported")
    assert [(claim.holds, claim.measured) for claim in section.claims] == [(None, "no green context: not supported")]


def test_a_processor_has_no_witness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    put_ceilings_into_the_cache(CpuDevice())
    section = run(argparse.Namespace(device="cpu", small=True))
    assert not section.holds
    assert "CPU" in section.claims[0].measured


def test_the_kernels_run_inside_the_place_and_the_wait_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    events: list[str] = []

    class Place:
        def __enter__(self) -> None:
            events.append("in")

        def __exit__(self, *_: object) -> None:
            events.append("out")

    class Stream:
        def synchronize(self) -> None:
            events.append("wait")

    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    GreenPhase("one", lambda: events.append("kernel"), Place).iterate()
    assert events[0] == "in"
    assert events[-2:] == ["wait", "out"]
    assert set(events[1:-2]) == {"kernel"}
