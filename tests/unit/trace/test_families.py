"""Kernels have the family of their work, whoever wrote them; together the families hold all of the busy time."""

from __future__ import annotations

import numpy as np
import pytest

from profiler.report.analysis import Family
from profiler.trace.accounting import HOST_COPIES, account, exclusive_ns
from profiler.trace.families import family_times, kernel_family
from tests.unit.trace.trace_events import call, copy, kernel, operation, public_trace, recording, timeline_of


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("nvjet_sm90_tst_64x8_64x16_2x1_v_bz_TNT", Family.GEMM),
        ("void cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_32x32_128x2_tn_align8>", Family.GEMM),
        ("Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT32x32x256_MI16x16x1_SN", Family.GEMM),
        ("_matmul_ogs_NNT_bf16xbf16xmxfp4_16x128x256x1_swiglu", Family.GEMM),
        ("void cudnn::detail::dgrad_engine<float, 512, 6, 5, 3, 3, 3, false>", Family.GEMM),
        ("cudnn_infer_volta_scudnn_128x64_relu_medium_nn_v1", Family.GEMM),
        ("void pytorch_flash::flash_fwd_kernel<pytorch_flash::Flash_fwd_kernel_traits<64, 128>>", Family.ATTENTION),
        ("fmha_cutlassF_bf16_aligned_64x128_rf_sm80(PyTorchMemEffAttention::AttentionKernel)", Family.ATTENTION),
        ("void paged_attention_ll4mi_reduce_kernel<__hip_bfloat16, __hip_bfloat16, 128>", Family.ATTENTION),
        ("kernel_unified_attention_3d", Family.ATTENTION),
        ("void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::BFloat16>", Family.NORMALISATION),
        ("_ZN7ck_tile6kentryILi1ENS_12Rmsnorm2dFwdINS_27Rmsnorm2dFwdPipelineOnePassE", Family.NORMALISATION),
        ("void cudnn::bn_bw_1C11_kernel_new<float, float, float2, 128, true, 1>", Family.NORMALISATION),
        ("void at::native::elementwise_kernel<128, 4, at::native::direct_copy_kernel_cuda>", Family.COPY_LIKE),
        ("void at::native::(anonymous namespace)::CatArrayBatchedCopy<OpaqueType<2u>>", Family.COPY_LIKE),
        ("void vllm::reshape_and_cache_flash_kernel<__hip_bfloat16, __hip_bfloat16>", Family.COPY_LIKE),
        ("void at::native::(anonymous namespace)::cunn_SoftMaxForward<8, c10::BFloat16>", Family.REDUCTION),
        ("void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::MeanOps>>", Family.REDUCTION),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>", Family.ELEMENTWISE),
        ("_ZN7sgl_hip10activation18act_and_mul_kernelI14__hip_bfloat16E", Family.ELEMENTWISE),
        ("my_own_kernel", Family.OTHER),
    ],
)
def test_a_kernel_has_the_family_of_its_name(name: str, family: Family) -> None:
    assert kernel_family(name) is family


def test_a_name_that_says_nothing_has_the_family_of_its_operation() -> None:
    assert kernel_family("fusion_17", "aten::addmm") is Family.GEMM
    assert kernel_family("fusion_17", "aten::_flash_attention_forward") is Family.ATTENTION


def test_the_layout_kernel_of_a_convolution_is_no_convolution() -> None:
    name = "void cudnn::engines_precompiled::nchwToNhwcKernel<__nv_bfloat16>"
    assert kernel_family(name, "aten::cudnn_convolution") is Family.COPY_LIKE


def test_collectives_and_copies_within_the_device_are_families_and_host_copies_are_not() -> None:
    timeline = timeline_of(
        kernel(0, 5, name="ncclDevKernel_AllReduce_Sum_bf16"),
        copy("Memcpy DtoD (Device -> Device)", 10, 3),
        copy("Memcpy HtoD (Pinned -> Device)", 20, 4),
    )
    times = family_times(timeline, exclusive_ns(timeline.device))
    assert [(time.family, time.ns, time.kernels) for time in times] == [
        (Family.COLLECTIVE, 5_000, 1),
        (Family.COPY_LIKE, 3_000, 1),
    ]


def test_the_operation_is_that_around_the_launch() -> None:
    timeline = timeline_of(
        operation("aten::mm", 0, 10), call("cudaLaunchKernel", 2, 2, correlation=1), kernel(6, 5, 1, name="fusion")
    )
    assert [time.family for time in family_times(timeline, exclusive_ns(timeline.device))] == [Family.GEMM]


@pytest.mark.parametrize("name", ["decode_b1_eager", "decode_offload_4layers", "stream_imbalance"])
def test_families_and_host_copies_sum_to_the_busy_time(name: str) -> None:
    timeline = recording(name)
    own = exclusive_ns(timeline.device)
    copies = int(own[np.isin(timeline.device.kind, HOST_COPIES)].sum())
    assert sum(time.ns for time in family_times(timeline, own)) + copies == account(timeline.device).busy_ns


@pytest.mark.parametrize("name", ["mi300_vllm_decode_graph", "v100_hta_trace_diff_test", "h100_qwen1.5_0.5b"])
def test_hardly_any_time_of_a_public_trace_is_in_kernels_of_no_known_family(name: str) -> None:
    timeline = public_trace(name)
    times = {time.family: time.ns for time in family_times(timeline, exclusive_ns(timeline.device))}
    assert times.get(Family.OTHER, 0) < 0.03 * sum(times.values())
