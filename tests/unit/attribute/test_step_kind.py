"""Prefill and decode, told by shapes or names of kernels in recordings that are known to be one or the other."""

from __future__ import annotations

import pytest

from profiler.attribute.step_kind import step_kind
from profiler.report.trace_phases import KindFrom, PhaseKind
from tests.unit.trace.trace_events import call, kernel, operation, public_trace, recording, timeline_of


@pytest.mark.parametrize("name", ["prefill_b1_128", "prefill_b1_512", "prefill_b1_2048", "prefill_b1_8192"])
def test_many_queries_at_once_under_a_causal_mask_are_a_prefill(name: str) -> None:
    assert step_kind(recording(name)) == (PhaseKind.PREFILL, KindFrom.SHAPES)


@pytest.mark.parametrize(
    "name", ["decode_b1_eager", "decode_b1_graph_body", "decode_b256_graph_body", "decode_offload_4layers"]
)
def test_one_query_a_sequence_is_a_decode(name: str) -> None:
    assert step_kind(recording(name)) == (PhaseKind.DECODE, KindFrom.SHAPES)


@pytest.mark.parametrize("name", ["decode_b1_graph", "decode_b64_graph", "gemm_large", "tiny_kernels"])
def test_what_nothing_tells_is_unknown(name: str) -> None:
    assert step_kind(recording(name)) == (PhaseKind.UNKNOWN, None)


@pytest.mark.parametrize("name", ["h100_owlv2_large", "h100_bert_small", "hta_ns_resolution", "v100_resnet50_workers0"])
def test_images_encoders_and_training_are_neither(name: str) -> None:
    assert step_kind(public_trace(name)) == (PhaseKind.UNKNOWN, None)


@pytest.mark.parametrize(
    ("kernels", "kind"),
    [
        (["gemm", "paged_attention_v2_kernel"], PhaseKind.DECODE),
        (["gemm", "void flashinfer::BatchDecodeWithPagedKVCacheKernel<1>"], PhaseKind.DECODE),
        (["gemm", "_fwd_grouped_kernel_stage1"], PhaseKind.DECODE),
        (["gemm", "kernel_unified_attention_3d"], PhaseKind.DECODE),
        (["gemm", "masked_multihead_attention_kernel"], PhaseKind.DECODE),
        (["gemm", "BatchPrefillWithRaggedKVCacheKernel"], PhaseKind.PREFILL),
        (["gemm", "BatchPrefillWithRaggedKVCacheKernel", "BatchDecodeWithPagedKVCacheKernel"], PhaseKind.MIXED),
        (["gemv2T_kernel_val", "flash_fwd_kernel"], PhaseKind.DECODE),
        (["gemv2T_kernel_val", "relu"], PhaseKind.UNKNOWN),
        (["gemm", "BatchPrefillWithPagedKVCacheKernel"], PhaseKind.UNKNOWN),  # it decodes with matrix units, too
        (["gemm", "kernel_unified_attention_2d"], PhaseKind.UNKNOWN),
        (["gemm", "paged_attention_v2_kernel", "flash_bwd_kernel"], PhaseKind.UNKNOWN),
    ],
)
def test_names_of_kernels_tell_where_no_shapes_do(kernels: list[str], kind: PhaseKind) -> None:
    found = step_kind(timeline_of(*(kernel(10 * place, 5, name=name) for place, name in enumerate(kernels))))
    assert found == (kind, None if kind is PhaseKind.UNKNOWN else KindFrom.KERNEL_NAMES)


@pytest.mark.parametrize(("causal", "kind"), [("True", PhaseKind.PREFILL), ("False", PhaseKind.UNKNOWN)])
def test_many_queries_without_a_causal_mask_are_no_prefill(causal: str, kind: PhaseKind) -> None:
    attention = {
        "Input Dims": [[1, 8, 64, 16]] * 3 + [[]] * 5,
        "Input type": ["c10::BFloat16"] * 3 + [""] * 5,
        "Concrete Inputs": ["", "", "", "", "0.", causal, "", ""],
    }
    timeline = timeline_of(
        operation("aten::scaled_dot_product_attention", 0, 20, **attention),
        call("cudaLaunchKernel", 5, 5, 1),
        kernel(12, 40, 1, name="attend"),
    )
    assert step_kind(timeline)[0] is kind


@pytest.mark.parametrize(("tokens", "kind"), [(1, PhaseKind.DECODE), (7, PhaseKind.UNKNOWN)])
def test_where_attention_is_not_fused_the_tokens_of_linear_operations_tell(tokens: int, kind: PhaseKind) -> None:
    linear = {"Input Dims": [[4, tokens, 64], [64, 64], []], "Input type": ["c10::BFloat16", "c10::BFloat16", ""]}
    timeline = timeline_of(
        operation("aten::linear", 0, 20, **linear),
        call("cudaLaunchKernel", 5, 5, 1),
        kernel(12, 40, 1),
        kernel(60, 5, name="softmax_warp_forward"),
    )
    assert step_kind(timeline)[0] is kind
