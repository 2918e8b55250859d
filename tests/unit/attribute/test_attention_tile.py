"""What attention kernels really compute, by their names; and a decode that pads its one query to 128."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest

from profiler.attribute.activities import FactColumns, limit
from profiler.attribute.attention_tile import executed_ratio, rate_ratio
from profiler.attribute.kernel_work import kernels_work
from profiler.attribute.known_activities import known_activities
from profiler.report.vocabulary import Resource
from profiler.trace.graph import build_graph
from profiler.trace.kineto import read_kineto
from profiler.trace.steps import cut, steps_of
from tests.unit.attribute.recorded_judgements import GEMM_FLOPS_PER_S, PEAKS

FLASH_2 = (
    "void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<128, 128, 64, 4, false, false, cutlass::bfloat16_t>"
)
EFFICIENT = "fmha_cutlassF_bf16_aligned_64x128_rf_sm80(PyTorchMemEffAttention::AttentionKernel<cutlass::bfloat16_t"
CUDNN_HOPPER = "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x128_4x1x1_cga1x1x1_kernel0_0"
CUDNN_AMPERE = "cudnn_generated_fort_native_sdpa_sm80_flash_fprop_wmma_f16_knob_35_16x128x128_1x4x1_cga1x1x1_kernel0_0"
TRACE = Path(__file__).resolve().parents[2] / "data" / "truth" / "flash_decode_trace.json.gz"


@pytest.mark.parametrize(
    ("kernel", "queries", "ratio"),
    [(FLASH_2, 1, 128), (EFFICIENT, 1, 64), (CUDNN_AMPERE, 1, 16), (CUDNN_HOPPER, 512, 1), (FLASH_2, 129, 256 / 129)],
)
def test_a_tile_is_computed_whole(kernel: str, queries: int, ratio: float):
    assert executed_ratio(kernel, queries) == ratio


@pytest.mark.parametrize(("kernel", "queries"), [("my_attention", 1), (FLASH_2, math.nan)])
def test_what_nobody_knows_is_not_made_up(kernel: str, queries: float):
    assert executed_ratio(kernel, queries) == 1


def test_the_instructions_of_older_gpus_do_not_reach_a_hopper_s_rate():
    assert rate_ratio(FLASH_2, (9, 0)) < rate_ratio(FLASH_2, (8, 0)) < 1
    assert rate_ratio(CUDNN_AMPERE, (9, 0)) == rate_ratio(FLASH_2, (9, 0)) == 2 * rate_ratio(EFFICIENT, (9, 0))
    assert rate_ratio(CUDNN_HOPPER, (9, 0)) == 1
    assert rate_ratio(FLASH_2, None) == 1


def test_a_blackwell_without_newer_instructions_runs_the_older_ones_at_its_own_rate():
    """An RTX 5090 (12.0) multiplies as an A100 does, a B200 (10.0) has instructions of its own."""
    assert rate_ratio(FLASH_2, (12, 0)) == rate_ratio(FLASH_2, (8, 0))
    assert rate_ratio(FLASH_2, (10, 0)) == rate_ratio(FLASH_2, (9, 0))


def test_a_decode_that_pads_its_query_is_held_back_by_its_products_although_it_streams_the_cache_at_0_89():
    """32 heads of 32 sequences over 8,192 tokens: an H200, with memory 1.41 times as fast, took 0.97 of the time."""
    timeline = read_kineto(gzip.decompress(TRACE.read_bytes()))
    chosen = steps_of(timeline)[0]
    step = cut(timeline, chosen)
    graph = build_graph(step, chosen.start_ns, chosen.end_ns)
    known = known_activities(step, graph, kernels_work(step), GEMM_FLOPS_PER_S, compute_capability=(9, 0))
    facts = [one.facts for one in known]
    kernel = facts[0].kernel
    assert kernel.flops is not None
    assert kernel.executed_flops == 128 * kernel.flops
    limited = limit(FactColumns.of(facts), PEAKS)
    assert limited.limiters == [Resource.TENSOR, Resource.TENSOR]
    faster = sum(limited.costs.durations_us({Resource.DRAM: 1.408})) / sum(limited.costs.durations_us({}))
    assert faster > 0.95
