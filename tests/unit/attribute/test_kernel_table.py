"""The slowest kernels of a step and the modules they belong to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from profiler.attribute.kernel_table import MOST_KERNELS, KernelRow, any_layer, kernel_table, module_costs
from profiler.report.records import Kernel
from profiler.report.vocabulary import Cause, Resource, Tier

GEMM = KernelRow(
    name="gemm",
    us=100.0,
    bytes=150e6,
    flops=40e9,
    uses_matrix_units=True,
    tensor_flops_per_s=800e12,
    limiter=Resource.TENSOR,
    cause=Cause.COMPUTE_TENSOR,
    operation="aten::mm",
    module="model.layers.0.mlp",
)


def table(*rows: KernelRow, period_us: float = 1000.0, bandwidth: float | None = 3e12) -> list[Kernel]:
    return kernel_table(rows, period_us, bandwidth)


def test_calls_from_all_layers_are_one_line_with_their_sums():
    (line,) = table(GEMM, replace(GEMM, module="model.layers.31.mlp", us=300.0))
    assert (line.calls, line.ms, line.fraction) == (2, pytest.approx(0.4), pytest.approx(0.4))
    assert (line.bytes, line.flops) == (300e6, 80e9)
    assert line.module == "model.layers.*.mlp"


def test_lines_are_sorted_by_time_and_not_endless():
    rows = [replace(GEMM, name=f"kernel {number}", us=float(number)) for number in range(MOST_KERNELS + 20)]
    lines = table(*rows)
    assert len(lines) == MOST_KERNELS
    assert [line.ms for line in lines] == sorted((line.ms for line in lines), reverse=True)


def test_ratios_are_those_of_the_ceilings():
    (line,) = table(GEMM)
    assert line.dram_ratio == pytest.approx(150e6 / 3e12 / 100e-6)
    assert line.tensor_ratio == pytest.approx(40e9 / 800e12 / 100e-6)


def test_one_call_of_unknown_work_makes_the_sum_unknown():
    (line,) = table(GEMM, replace(GEMM, bytes=None, flops=None))
    assert (line.bytes, line.flops, line.dram_ratio, line.tensor_ratio) == (None, None, None, None)
    for name in ("bytes", "flops", "dram_ratio", "tensor_ratio"):
        assert line.sources[name].missing == "no operation with known shapes launched it"


def test_a_matrix_product_without_a_measured_ceiling_has_no_ratio_and_says_why():
    (line,) = table(replace(GEMM, tensor_flops_per_s=None))
    assert line.tensor_ratio is None
    assert line.sources["tensor_ratio"].missing == "the ceiling was not measured"
    assert line.flops == 40e9


def test_a_kernel_that_leaves_the_matrix_units_alone_uses_none_of_them():
    (line,) = table(replace(GEMM, uses_matrix_units=False))
    assert line.tensor_ratio == 0


def test_without_a_bandwidth_ceiling_there_is_no_memory_ratio():
    (line,) = table(GEMM, bandwidth=None)
    assert line.dram_ratio is None
    assert line.sources["dram_ratio"].missing == "the ceiling was not measured"


def test_a_kernel_wholly_under_others_has_no_ratios():
    (line,) = table(replace(GEMM, us=0.0))
    assert (line.ms, line.dram_ratio, line.tensor_ratio) == (0, None, None)
    assert "no time" in (line.sources["dram_ratio"].missing or "")


def test_calls_that_differ_in_their_limit_are_named_by_the_most_of_their_time():
    short = replace(GEMM, us=10.0, limiter=Resource.DRAM, cause=Cause.MEMORY_WEIGHTS)
    (line,) = table(short, short, GEMM)
    assert (line.limiter, line.cause) == (Resource.TENSOR, Cause.COMPUTE_TENSOR)


def test_a_module_costs_what_its_children_cost():
    rows = [
        replace(GEMM, module="model.layers.0.mlp.up"),
        replace(GEMM, module="model.layers.0.mlp"),
        replace(GEMM, module=None),
    ]
    costs = {cost.module: cost for cost in module_costs(rows, 1000.0)}
    assert (costs["model"].device_ms, costs["model"].calls) == (pytest.approx(0.2), 2)
    assert costs["model.layers.0.mlp.up"].fraction == pytest.approx(0.1)
    assert next(iter(costs)) == "model"


def test_a_step_of_no_time_has_no_fractions():
    assert table(GEMM, period_us=0.0)[0].fraction == 0
    assert module_costs([GEMM], 0.0)[0].fraction == 0


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("model.layers.3.mlp", "model.layers.*.mlp"),
        ("h.11", "h.*"),
        ("conv2d.weight3", "conv2d.weight3"),
        (None, None),
    ],
)
def test_layers_are_told_by_their_number(module: str | None, expected: str | None):
    assert any_layer(module) == expected


def test_counted_bytes_come_before_those_of_shapes_and_say_so():
    (line,) = table(replace(GEMM, counted_bytes=200e6), replace(GEMM, counted_bytes=220e6))
    assert line.bytes == 420e6
    assert (line.sources["bytes"].tier, line.sources["dram_ratio"].tier) == (Tier.COUNTER, Tier.COUNTER)
    (mixed,) = table(replace(GEMM, counted_bytes=200e6), GEMM)
    assert (mixed.bytes, mixed.sources["bytes"].tier) == (300e6, Tier.ANALYTIC)
