"""Advice predicts what the replay says when exactly that is changed; what would not be noticed is not said."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from profiler.attribute.advice import Setting, advise
from profiler.attribute.calibration import calibrate
from profiler.attribute.parts import split
from profiler.attribute.replay import ActivityCosts
from profiler.attribute.shares import Scenario
from profiler.report.records import Advice
from profiler.report.vocabulary import Cause, Resource, Tier
from profiler.trace.graph import DependencyGraph
from profiler.trace.timeline import Activity
from tests.unit.attribute.small_graphs import HostCall, Work, graph_of, launching, period_us

DRAM, HOST, LATENCY, PCIE, TENSOR = Resource.DRAM, Resource.HOST, Resource.LATENCY, Resource.PCIE, Resource.TENSOR
Step = tuple[DependencyGraph, ActivityCosts]
EAGER = Setting(
    phase="decode",
    mode="eager",
    offload="none",
    device_kind="cuda",
    copies_pageable=False,
    pageable_over_pinned=None,
    cudnn_attention_ratio=0.0,
    causes=[],
)


def scenario(step: Step) -> Scenario:
    return Scenario("as traced", *step, calibrate(*step, period_us(step), step[0].host_us))


def advice(step: Step, causes: list[Cause], setting: Setting = EAGER) -> list[Advice]:
    best = scenario(step)
    parts = split(step[0], best.run(), causes, [Tier.TIMELINE] * len(causes))
    return advise([best], parts, replace(setting, causes=causes))


def test_a_host_bound_decode_is_advised_to_be_a_graph_and_gains_what_its_kernels_leave():
    step = launching(100, host=10, kernel=3)
    (found,) = advice(step, [Cause.MEMORY_WEIGHTS] * 100)[:1]
    assert found.command == "--mode graph"
    assert found.speedup == pytest.approx(1003 / 300, rel=1e-3)
    assert found.predicted_ms == pytest.approx(0.300, rel=1e-3)


def test_a_graph_is_not_advised_twice_nor_for_a_prefill_nor_for_a_cpu():
    step = launching(100, host=10, kernel=3)
    for changed in ({"mode": "graph"}, {"phase": "prefill"}, {"device_kind": "cpu"}, {"offload": "cpu"}):
        found = advice(step, [Cause.MEMORY_WEIGHTS] * 100, replace(EAGER, **changed))
        assert "--mode graph" not in [piece.command for piece in found]


def test_a_gain_that_nobody_would_notice_is_not_promised():
    assert (
        advice(launching(100, host=0.1, kernel=10), [Cause.COMPUTE_ISSUE] * 100, replace(EAGER, mode="compile")) == []
    )


def test_smaller_weights_gain_only_where_weights_are_read():
    works = [Work(0, {DRAM: 60}), Work(0, {DRAM: 40})]
    step = graph_of([HostCall()], works)
    (found,) = advice(step, [Cause.MEMORY_WEIGHTS, Cause.MEMORY_ACTIVATIONS])
    assert "weights" in found.action
    assert found.speedup == pytest.approx(100 / 70)
    (found,) = advice(step, [Cause.MEMORY_ACTIVATIONS, Cause.MEMORY_KV_CACHE])
    assert "KV cache" in found.action
    assert found.speedup == pytest.approx(100 / 80)


def test_faster_matrix_products_gain_until_memory_limits_them():
    step = graph_of([HostCall()], [Work(0, {TENSOR: 100, DRAM: 80})])
    (found,) = advice(step, [Cause.COMPUTE_TENSOR])
    assert found.speedup == pytest.approx(100 / 80)


def test_fewer_small_kernels_gain_half_of_their_fixed_cost():
    step = graph_of([HostCall()], [Work(0, {DRAM: 1}, fixed=3)] * 10)
    (found,) = advice(step, [Cause.SCHEDULING_SMALL_KERNELS] * 10)
    assert found.command == "--mode compile"
    assert found.speedup == pytest.approx(40 / 25)


def test_offloaded_weights_are_better_kept_and_pageable_copies_better_pinned():
    step = graph_of([HostCall()], [Work(0, {PCIE: 90}, activity=Activity.H2D), Work(0, {DRAM: 10})])
    offloaded = replace(EAGER, offload="cpu", copies_pageable=True, pageable_over_pinned=2.0)
    keep, pin = advice(step, [Cause.IO_H2D, Cause.MEMORY_WEIGHTS], offloaded)[:2]
    assert (keep.command, keep.speedup) == ("--offload none", pytest.approx(10, rel=1e-3))
    assert (pin.action, pin.speedup) == ("copy from pinned memory", pytest.approx(100 / 55))


def test_cudnn_s_planning_is_named_where_it_takes_the_host_s_time():
    found = advice(
        launching(100, host=10, kernel=3), [Cause.MEMORY_WEIGHTS] * 100, replace(EAGER, cudnn_attention_ratio=0.5)
    )
    (attention,) = [piece for piece in found if piece.command == "--attention flash"]
    assert attention.speedup == pytest.approx(1003 / 503, rel=1e-3)


def test_advice_comes_with_its_largest_gain_first_and_with_the_range_of_all_readings():
    step, other = launching(100, host=10, kernel=3), launching(100, host=10, kernel=6)
    readings = [scenario(step), scenario(other)]
    parts = split(step[0], readings[0].run(), [Cause.MEMORY_WEIGHTS] * 100, [Tier.TIMELINE] * 100)
    found = advise(readings, parts, replace(EAGER, causes=[Cause.MEMORY_WEIGHTS] * 100, cudnn_attention_ratio=0.3))
    assert [piece.speedup for piece in found] == sorted((piece.speedup for piece in found), reverse=True)
    assert (found[0].low, found[0].high) == (pytest.approx(1006 / 600, rel=1e-3), pytest.approx(1003 / 300, rel=1e-3))
