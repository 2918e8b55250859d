"""What the rules say of single operations."""

from __future__ import annotations

from typing import Any

import pytest

from profiler.attribute.operation_work import Category, OperationWork, TokenShape, operation_work
from profiler.report.vocabulary import Cause

HINT = TokenShape(batch_size=2, query_tokens=12, context_tokens=12, kv_heads=2, head_size=16, element_bytes=4)
DECODE = TokenShape(batch_size=1, query_tokens=1, context_tokens=600, kv_heads=8, head_size=128)
BF16 = "c10::BFloat16"


def _work(
    name: str, shapes: list[Any], types: list[str], concrete: list[str] | None = None, **known: Any
) -> OperationWork:
    found = operation_work(name, shapes, types, concrete or [""] * len(types), **known)
    assert found is not None
    return found


def test_an_operation_without_a_rule_has_no_work() -> None:
    assert operation_work("aten::nonzero", [[48]], ["float"], [""]) is None


def test_an_operation_traced_without_its_inputs_has_no_work() -> None:
    assert operation_work("aten::mm", [], [], []) is None


def test_inputs_that_do_not_fit_the_rule_have_no_work() -> None:
    assert operation_work("aten::mm", [[4, 8], [16, 32]], [BF16, BF16], ["", ""]) is None
    assert operation_work("aten::add", [[4, 8], [3, 8]], [BF16, BF16], ["", ""]) is None
    assert operation_work("aten::index_select", [[], [], [4]], [BF16, "Scalar", "long int"], ["", "0", ""]) is not None


def test_a_decode_product_reads_its_weights() -> None:
    work = _work("aten::mm", [[1, 4096], [4096, 14336]], [BF16, BF16], strides=[[4096, 1], [1, 4096]])
    assert work.flops == 2 * 4096 * 14336
    assert work.weights_bytes == 4096 * 14336 * 2
    assert work.read_bytes == work.weights_bytes + 4096 * 2
    assert work.write_bytes == 14336 * 2
    assert work.cause is Cause.MEMORY_WEIGHTS
    assert work.data_type == "bfloat16"


def test_a_long_prefill_product_moves_mostly_activations() -> None:
    work = _work("aten::mm", [[8192, 4096], [4096, 4096]], [BF16, BF16])
    assert work.cause is Cause.MEMORY_ACTIVATIONS


def test_a_product_with_a_vector_takes_the_matrix_for_weights() -> None:
    work = _work("aten::mv", [[512, 64], [64]], ["float", "float"], strides=[[64, 1], [1]])
    assert (work.flops, work.weights_bytes, work.write_bytes) == (2 * 512 * 64, 512 * 64 * 4, 512 * 4)


def test_the_bias_of_a_product_is_weights() -> None:
    work = _work("aten::addmm", [[192], [24, 64], [64, 192]], ["float"] * 3)
    assert work.weights_bytes == (192 + 64 * 192) * 4


def test_a_weight_expanded_over_the_batch_is_stored_once() -> None:
    shapes = [[16, 1, 4096], [16, 4096, 128256]]
    work = _work("aten::bmm", shapes, [BF16, BF16], strides=[[4096, 4096, 1], [0, 1, 4096]])
    assert work.weights_bytes == 4096 * 128256 * 2


def test_written_out_attention_reads_keys_and_experts_read_weights() -> None:
    keys = _work("aten::bmm", [[32, 1, 128], [32, 128, 600]], [BF16, BF16], hint=DECODE)
    experts = _work("aten::bmm", [[32, 4, 2880], [32, 2880, 5760]], [BF16, BF16], hint=DECODE)
    rotary = _work("aten::bmm", [[1, 64, 1], [1, 1, 512]], ["float", "float"], hint=DECODE)
    causes = [work.cause for work in (keys, experts, rotary)]
    assert causes == [Cause.MEMORY_KV_CACHE, Cause.MEMORY_WEIGHTS, Cause.MEMORY_ACTIVATIONS]


def test_few_tokens_touch_few_experts() -> None:
    shapes = [[2, 64], [128, 64, 256], [128]]
    types = [BF16, BF16, "int", "", ""]
    one_token = _work("aten::_grouped_mm", shapes, types, hint=TokenShape(batch_size=1, query_tokens=1))
    many = [[4096, 64], [128, 64, 256], [128]]
    all_experts = _work("aten::_grouped_mm", many, types, hint=TokenShape(batch_size=1, query_tokens=2048))
    expert_bytes = 64 * 256 * 2
    assert one_token.weights_bytes == pytest.approx(2 * expert_bytes)
    assert all_experts.weights_bytes == pytest.approx(128 * expert_bytes, rel=1e-3)


def test_causal_attention_counts_only_what_is_visible() -> None:
    shapes = [[1, 512, 32, 128], [1, 512, 8, 128], [1, 512, 8, 128], *([[]] * 12)]
    types = [BF16] * 3 + ["", "", "Scalar", "Scalar", "Scalar", "Scalar", "Scalar", "Scalar", "", "", "", ""]
    concrete = ["", "", "", "", "", "512", "512", "0.", "True", "False", "0.08", "", "", "", ""]
    causal = _work("aten::_flash_attention_forward", shapes, types, concrete)
    full = _work("aten::_flash_attention_forward", shapes, types, [*concrete[:8], "False", *concrete[9:]])
    assert causal.flops == 4 * 32 * 128 * (512 * 513 // 2)
    assert full.flops == 4 * 32 * 128 * 512 * 512
    assert causal.kv_cache_bytes == 2 * 512 * 8 * 128 * 2


def test_a_prefill_after_a_prefix_sees_the_prefix() -> None:
    shapes = [[1, 4, 32, 128], [1, 10, 8, 128], [1, 10, 8, 128]]
    concrete = ["", "", "", "", "", "4", "10", "0.", "True"]
    types = [BF16] * 3 + ["", "", "Scalar", "Scalar", "Scalar", "Scalar"]
    work = _work("aten::_flash_attention_forward", shapes, types, concrete)
    assert work.flops == 4 * 32 * 128 * (4 * 6 + 4 * 5 // 2)


def test_packed_sequences_have_unknown_work() -> None:
    shapes = [[1, 20, 32, 128], [1, 20, 8, 128], [1, 20, 8, 128], [3], [3]]
    assert operation_work("aten::_flash_attention_forward", shapes, [BF16] * 3 + ["int", "int"], [""] * 5) is None


def test_copying_keys_for_every_query_head_reads_each_once() -> None:
    shape = [16, 8, 4, 520, 128]
    strides = [[2129920, 266240, 66560, 128, 1], [532480, 66560, 0, 128, 1], []]
    work = _work("aten::copy_", [shape, shape, []], [BF16, BF16, "Scalar"], strides=strides)
    assert work.write_bytes == 4 * work.read_bytes == 16 * 32 * 520 * 128 * 2
    assert work.cause is Cause.MEMORY_KV_CACHE
    assert work.flops == 0


def test_a_growing_cache_is_kv_cache_and_rotated_queries_are_activations() -> None:
    grown = _work(
        "aten::cat",
        [[[1, 8, 600, 128], [1, 8, 1, 128]], []],
        ["TensorList", "Scalar"],
        ["", "-2"],
        hint=DECODE,
        list_item_bytes=2,
    )
    rotated = _work(
        "aten::cat",
        [[[1, 32, 1, 64], [1, 32, 1, 64]], []],
        ["TensorList", "Scalar"],
        ["", "-1"],
        hint=DECODE,
        list_item_bytes=2,
    )
    assert grown.kv_cache_bytes == grown.bytes == 2 * 8 * 601 * 128 * 2
    assert rotated.cause is Cause.MEMORY_ACTIVATIONS


def test_a_list_of_tensors_of_unknown_type_has_unknown_work() -> None:
    assert operation_work("aten::cat", [[[4, 8], [4, 8]], []], ["TensorList", "Scalar"], ["", "0"]) is None


def test_a_cache_slot_is_written_without_reading_the_cache() -> None:
    shapes = [[16, 8, 520, 128], [], [1], [16, 8, 1, 128]]
    work = _work("aten::index_copy_", shapes, [BF16, "Scalar", "long int", BF16], ["", "2", "", ""])
    assert work.write_bytes == 16 * 8 * 128 * 2
    assert work.read_bytes == work.write_bytes + 8
    assert work.cause is Cause.MEMORY_KV_CACHE


def test_an_embedding_reads_a_row_for_each_token() -> None:
    shapes = [[128256, 4096], [1, 512], [], [], []]
    work = _work("aten::embedding", shapes, [BF16, "long int", "Scalar", "Scalar", "Scalar"])
    assert work.weights_bytes == 512 * 4096 * 2
    assert work.read_bytes == work.weights_bytes + 512 * 8


def test_rows_of_tokens_are_activations_and_rows_of_a_table_are_weights() -> None:
    types, concrete = ["float", "Scalar", "long int"], ["", "0", ""]
    tokens = _work("aten::index_select", [[24, 64], [], [48]], types, concrete, hint=HINT)
    table = _work("aten::index_select", [[256, 64], [], [48]], types, concrete, hint=HINT)
    assert (tokens.weights_bytes, table.weights_bytes) == (0, 48 * 64 * 4)


def test_the_scale_of_a_norm_is_weights() -> None:
    work = _work("aten::mul", [[4096], [1, 1, 4096]], [BF16, BF16])
    assert work.weights_bytes == 4096 * 2


def test_a_norm_goes_over_its_input_twice() -> None:
    shapes, types = [[64, 4096], [], [4096], [4096], []], [BF16, "ScalarList", BF16, BF16, "Scalar"]
    work = _work("aten::native_layer_norm", shapes, types, ["", "[4096]", "", "", "1e-05"])
    assert work.read_bytes == (2 * 64 + 2) * 4096 * 2
    assert work.weights_bytes == 2 * 4096 * 2
    assert work.write_bytes == 64 * 4096 * 2 + 2 * 64 * 4


def test_a_comparison_writes_booleans_and_a_sum_of_integers_is_wide() -> None:
    assert _work("aten::le", [[1, 1, 1, 520], [1, 1, 4, 1]], ["long int", "long int"]).write_bytes == 520 * 4
    assert _work("aten::sum", [[48], []], ["int", ""]).write_bytes == 8


def test_half_and_float_make_float() -> None:
    assert _work("aten::add", [[64], [64], []], [BF16, "float", "Scalar"]).write_bytes == 64 * 4
    assert _work("aten::mul", [[64], []], [BF16, "double"]).write_bytes == 64 * 2


def test_a_generated_kernel_moves_its_tensors_once() -> None:
    work = _work("triton_poi_fused_mul_silu_3", [[1, 14336], [1, 14336], [1, 14336], []], [BF16] * 3 + ["Scalar"])
    assert work.bytes == 3 * 14336 * 2
    assert work.category is Category.ELEMENTWISE


def test_a_generated_kernel_that_indexes_moves_what_the_tokens_touch() -> None:
    name, shapes = "triton_poi_fused_index_copy_2", [[1], [1, 1024], [1, 8, 520, 128]]
    types = ["long int", BF16, BF16]
    assert operation_work(name, shapes, types, [""] * 3) is None
    work = _work(name, shapes, types, hint=DECODE)
    assert work.kv_cache_bytes == 8 * 128 * 2
    assert work.bytes == 8 + 1024 * 2 + 8 * 128 * 2


def test_a_generated_product_has_unknown_work() -> None:
    assert operation_work("triton_tem_fused_mm_0", [[16, 64], [64, 64], [16, 64]], [BF16] * 3, [""] * 3) is None
