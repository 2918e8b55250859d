"""The work of kernels, on recorded H100 steps: against the model's own sizes and against hardware counters."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from profiler.attribute.kernel_work import KernelWork, kernels_work
from profiler.attribute.operation_work import Category, operation_work
from profiler.report.vocabulary import Cause
from profiler.trace.timeline import Activity, Timeline
from tests.unit.attribute.recorded_steps import (
    CACHE_SLOTS,
    FFN,
    HEAD_SIZE,
    HEADS,
    HIDDEN,
    KV_HEADS,
    LAYERS,
    RECORDINGS,
    VOCABULARY,
    recorded_step,
    token_shape,
)

NCU_COUNTERS = Path(__file__).parents[4] / "shared/data/gpu/ncu_llama4layer_decode_b1_h100.csv"
ROW_BYTES = HIDDEN * 2  # one token's hidden state

TRACED_BY_OPERATION = [
    *("decode_b1_eager", "prefill_b1_128", "prefill_b1_512", "prefill_b1_2048", "prefill_b1_8192"),
    *("decode_b1_graph_body", "decode_b16_graph_body", "decode_b64_graph_body", "decode_b256_graph_body"),
]


def _work(name: str) -> tuple[Timeline, KernelWork]:
    step = recorded_step(name)
    return step, kernels_work(step, token_shape(name))


def _weights_bytes(name: str) -> int:
    """The model's weights but for the embedding table, as counted when it was recorded."""
    index = json.loads((RECORDINGS / "index_h100.json").read_text())
    return int(next(entry["weights_bytes"] for entry in index["recordings"] if entry["name"] == name))


def _product_flops(tokens: int, visible_pairs: int) -> int:
    """FLOPs of the model's products and attention with logits for one token a sequence of `tokens`."""
    projections = 2 * tokens * HIDDEN * (HEADS + 2 * KV_HEADS) * HEAD_SIZE + 2 * tokens * HEADS * HEAD_SIZE * HIDDEN
    return LAYERS * (projections + 4 * HEADS * HEAD_SIZE * visible_pairs + 6 * tokens * HIDDEN * FFN)


def _matrix_flops(work: KernelWork) -> float:
    return sum(f for f, c in zip(work.flops, work.category, strict=True) if c is not None and c.uses_matrix_units)


# Recorded steps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRACED_BY_OPERATION)
def test_a_step_reads_every_weight_once(name: str) -> None:
    _, work = _work(name)
    weights = _weights_bytes("decode_b1_eager")
    embedded = token_shape(name).tokens or 0
    assert np.nansum(work.weights_bytes) == pytest.approx(weights + embedded * ROW_BYTES, rel=1e-6)


@pytest.mark.parametrize("name", TRACED_BY_OPERATION)
def test_every_kernel_of_a_recorded_step_has_its_work(name: str) -> None:
    step, work = _work(name)
    kernels = step.device.kind == Activity.KERNEL
    assert not np.isnan(work.bytes[kernels]).any()
    assert not np.isnan(work.flops[kernels]).any()
    assert all(work.cause[row] is not None for row in np.flatnonzero(kernels))


@pytest.mark.parametrize("tokens", [128, 512, 2048, 8192])
def test_flops_of_a_prefill_are_the_models(tokens: int) -> None:
    _, work = _work(f"prefill_b1_{tokens}")
    expected = _product_flops(tokens, tokens * (tokens + 1) // 2) + 2 * HIDDEN * VOCABULARY
    assert _matrix_flops(work) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("batch", [1, 16, 64, 256])
def test_flops_of_a_decode_step_are_the_models(batch: int) -> None:
    _, work = _work(f"decode_b{batch}_graph_body")
    expected = _product_flops(batch, batch * CACHE_SLOTS) + 2 * batch * HIDDEN * VOCABULARY
    assert _matrix_flops(work) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("batch", [1, 16, 64, 256])
def test_a_batched_decode_copies_its_keys_and_values_out_for_every_head(batch: int) -> None:
    """The static cache is read once, written out four times as large, and that is read by the attention kernel."""
    _, work = _work(f"decode_b{batch}_graph_body")
    cache = 2 * batch * KV_HEADS * CACHE_SLOTS * HEAD_SIZE * 2
    new_token = cache / CACHE_SLOTS
    repeats = HEADS // KV_HEADS
    expected = LAYERS * (cache * (1 + 2 * repeats) + 2 * new_token)
    assert np.nansum(work.kv_cache_bytes) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", TRACED_BY_OPERATION)
def test_kernels_of_an_operation_sum_to_its_work(name: str) -> None:
    step, work = _work(name)
    rows_of = defaultdict(list)
    for row in np.flatnonzero(step.device.kind == Activity.KERNEL).tolist():
        rows_of[int(step.device.operation[row])].append(row)
    operations = step.operations
    several = 0
    for operation, rows in rows_of.items():
        expected = operation_work(
            step.name_of(operations.name, operation),
            operations.shapes[operation],
            operations.types[operation],
            operations.concrete[operation],
            strides=operations.strides[operation],
            hint=token_shape(name),
            list_item_bytes=4 if "OpaqueType<4" in step.name_of(step.device.name, rows[0]) else 2,
        )
        assert expected is not None
        assert work.bytes[rows].sum() == pytest.approx(expected.bytes)
        assert work.flops[rows].sum() == pytest.approx(expected.flops)
        assert work.weights_bytes[rows].sum() == pytest.approx(expected.weights_bytes)
        assert work.kv_cache_bytes[rows].sum() == pytest.approx(expected.kv_cache_bytes)
        several += len(rows) > 1
    assert several > 30 or "prefill" in name or "b256" in name


def test_a_split_product_gives_the_output_to_the_kernel_that_adds_up() -> None:
    step, work = _work("decode_b1_eager")
    reducing = [row for row in range(len(work)) if "splitKreduce" in step.name_of(step.device.name, row)]
    assert len(reducing) == LAYERS * 5  # query, key, value, output and down projections
    assert {work.cause[row] for row in reducing} == {Cause.MEMORY_ACTIVATIONS}
    assert not work.flops[reducing].any()
    assert not work.read_bytes[reducing].any()
    assert set(work.write_bytes[reducing]) == {HIDDEN * 2, KV_HEADS * HEAD_SIZE * 2}


def test_what_bounds_a_decode_step_is_known_by_kernel() -> None:
    _, work = _work("decode_b16_graph_body")
    causes = defaultdict(set)
    for row in range(len(work)):
        causes[work.operation[row]].add(work.cause[row])
    assert causes["aten::_efficient_attention_forward"] == {Cause.MEMORY_KV_CACHE}
    assert causes["aten::index_copy_"] == {Cause.MEMORY_KV_CACHE}
    assert causes["aten::silu"] == {Cause.MEMORY_ACTIVATIONS}
    products = {work.cause[row] for row in range(len(work)) if work.category[row] is Category.GEMM}
    assert Cause.MEMORY_WEIGHTS in products
    head = max(range(len(work)), key=lambda row: work.weights_bytes[row])
    assert (work.cause[head], work.outer_operation[head]) == (Cause.MEMORY_WEIGHTS, "aten::linear")
    assert work.data_type[head] == "bfloat16"


def test_copies_within_the_device_count_both_sides_and_are_copies() -> None:
    step = recorded_step("copy_stream")
    work = kernels_work(step)
    assert set(step.device.kind.tolist()) == {Activity.D2D}
    assert np.array_equal(work.bytes, 2.0 * step.device.bytes)
    assert set(work.cause) == {Cause.MEMORY_COPY}


def test_copies_from_the_host_count_what_reaches_device_memory() -> None:
    step = recorded_step("decode_offload_4layers")
    work = kernels_work(step, token_shape("decode_offload_4layers"))
    uploads = step.device.kind == Activity.H2D
    assert np.array_equal(work.write_bytes[uploads], step.device.bytes[uploads].astype(float))
    assert not work.read_bytes[uploads].any()
    assert {work.cause[row] for row in np.flatnonzero(uploads)} == {None}


def test_kernels_of_a_graph_replay_have_unknown_work() -> None:
    step = recorded_step("decode_b64_graph")
    work = kernels_work(step, token_shape("decode_b64_graph"))
    assert np.isnan(work.bytes).all()
    assert set(work.operation) == {None}


# Against hardware counters --------------------------------------------------------------------------------------


def _counted() -> list[tuple[str, float, float]]:
    """Kernels in order: name, DRAM bytes read and written. The counters flushed the caches before each kernel."""
    if not NCU_COUNTERS.exists():
        pytest.skip("the hardware counters are not on this machine; they are not part of the repository")
    text = NCU_COUNTERS.read_text().splitlines()
    header = next(number for number, line in enumerate(text) if line.startswith('"ID"'))
    kernels: dict[int, dict[str, Any]] = defaultdict(dict)
    for row in csv.DictReader(text[header:]):
        kernel = kernels[int(row["ID"])]
        kernel["name"] = row["Kernel Name"]
        kernel[row["Metric Name"]] = float(row["Metric Value"].replace(",", ""))
    return [(k["name"], k["dram__bytes_read.sum"], k["dram__bytes_write.sum"]) for _, k in sorted(kernels.items())]


def test_products_read_the_bytes_that_hardware_counters_see() -> None:
    """The same model with four layers, at another context: its products are the same kernels."""
    counted = defaultdict(list)
    for name, read, _ in _counted():
        if name.startswith("nvjet"):
            counted[name].append(read)
    step, work = _work("decode_b1_eager")
    expected = defaultdict(list)
    for row in range(len(work)):
        name = step.name_of(step.device.name, row)
        if name.startswith("nvjet"):
            expected[name].append(work.read_bytes[row])
    assert counted.keys() == expected.keys()
    for name, reads in counted.items():
        for size in set(expected[name]):
            nearest = min(reads, key=lambda read: abs(read - size))
            assert size == pytest.approx(nearest, rel=0.01), name
        assert np.mean(expected[name]) == pytest.approx(np.mean(reads), rel=0.03)


def test_attention_and_cache_copies_read_the_bytes_that_hardware_counters_see() -> None:
    context = 514  # of the counted step
    hint = replace(token_shape("decode_b1_eager"), context_tokens=context)
    reads = defaultdict(list)
    for name, read, _ in _counted():
        if match := re.search(r"flash_fwd_splitkv_kernel|CatArrayBatchedCopy_vectorized<.*OpaqueType<2>", name):
            reads[match[0].partition("<")[0]].append(read)
    keys = [1, context, KV_HEADS, HEAD_SIZE]
    attention = operation_work(
        "aten::_flash_attention_forward",
        [[1, 1, HEADS, HEAD_SIZE], keys, keys],
        ["c10::BFloat16"] * 3,
        [""] * 3,
        hint=hint,
    )
    grown = operation_work(
        "aten::cat",
        [[[1, KV_HEADS, context - 1, HEAD_SIZE], [1, KV_HEADS, 1, HEAD_SIZE]], []],
        ["TensorList", "Scalar"],
        ["", "-2"],
        hint=hint,
    )
    assert attention is not None
    assert grown is not None
    assert np.mean(reads["flash_fwd_splitkv_kernel"]) == pytest.approx(attention.read_bytes, rel=0.05)
    assert np.mean(reads["CatArrayBatchedCopy_vectorized"]) == pytest.approx(grown.read_bytes, rel=0.03)


def test_a_whole_step_reads_the_bytes_that_hardware_counters_see() -> None:
    """Only small kernels differ: the counters see code, constants and partial sums too, some 20 KB a kernel."""
    counted = sum(read for _, read, _ in _counted())
    layers, context = 4, 514
    _, work = _work("decode_b1_eager")
    head = max(range(len(work)), key=lambda row: work.weights_bytes[row])
    per_layer = (np.nansum(work.weights_bytes) - work.weights_bytes[head]) / LAYERS
    cache = 2 * 2 * layers * KV_HEADS * HEAD_SIZE * 2 * context  # read when it grows, and by the attention
    expected = layers * per_layer + work.weights_bytes[head] + cache
    assert counted == pytest.approx(expected, rel=0.01)
