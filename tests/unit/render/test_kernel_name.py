"""Kernel names of real traces, as a person would say them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from profiler.render.kernel_name import short_kernel_name
from tests.unit.render import sample

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"
NATIVE = "void at::native::"
VECTORIZED = f"{NATIVE}vectorized_elementwise_kernel<8, at::native::"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (sample.MUL, "elementwise mul bf16"),
        (sample.MEAN, "reduce mean fp32"),
        (sample.FLASH_SPLIT, "flash attention bf16"),
        (sample.SPLIT_K, "gemm split-k reduce bf16"),
        (sample.CONCATENATE, "concatenate"),
        ("nvjet_sm90_tst_64x8_64x16_4x1_v_bz_splitK_TNT", "gemm 64x8 split-k (nvjet)"),
        ("nvjet_sm90_tst_320x128_64x3_1x2_h_bz_coopB_NNT", "gemm 320x128 (nvjet)"),
        (
            "void cutlass::Kernel2<cutlass_80_simt_sgemm_128x32_8x5_tn_align1>"
            "(cutlass_80_simt_sgemm_128x32_8x5_tn_align1::Params)",
            "gemm 128x32 (cutlass)",
        ),
        (
            f"{VECTORIZED}bfloat16_copy_kernel_cuda(at::TensorIteratorBase&)::{{lambda(float)#1}}, "
            "std::array<char*, 2ul> >(int)",
            "elementwise copy to bf16",
        ),
        (
            f"{VECTORIZED}(anonymous namespace)::silu_kernel(at::TensorIteratorBase&)::{{lambda()#1}}::operator()() "
            "const::{lambda()#6}::operator()() const::{lambda(c10::BFloat16)#1}, std::array<char*, 2ul> >(int)",
            "elementwise silu bf16",
        ),
        (f"{VECTORIZED}CUDAFunctorOnSelf_add<long>, std::array<char*, 2ul> >(int)", "elementwise add int64"),
        (
            "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize256x128x64_warpgroupsize2x1x1_execute_segment_k_off_"
            "kernel__5x_cublas",
            "gemm 256x128 (xmma) bf16",
        ),
        ("sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize64x64x64_stage3", "gemm 64x64 (xmma) fp16"),
        ("Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT64x32x256_MI16x16x1", "gemm 64x32 (Tensile)"),
        ("Memcpy HtoD (Pageable -> Device)", "memcpy H2D (pageable to device)"),
        ("fmha_cutlassF_bf16_aligned_64x128_rf_sm80(Params)", "memory-efficient attention bf16"),
    ],
)
def test_a_known_kernel_is_named_by_what_it_does(name: str, short: str) -> None:
    assert short_kernel_name(name) == short


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (
            "_ZN5aiter24add_rmsnorm_quant_kernelIDF16bDF16bLi64ELi8ELb0ELb0ELb1ELi1EEEvPT0_PT_PfS4_S4_S4_diiiiiiib",
            "add_rmsnorm_quant_kernel",
        ),
        ("_ZN7sgl_hip10activation18act_and_mul_kernelI14__hip_bfloat16TnPFT_RKS3_EXadL_Z4si", "act_and_mul_kernel"),
        ("_ZN7ck_tile6kentryILi1ENS_12Rmsnorm2dFwdINS_27Rmsnorm2dFwdPipelineOnePassINS_27R", "Rmsnorm2dFwd"),
        ("_Z6squarePfi", "square"),
        ("_ZN5aiter240cut", "_ZN5aiter240cut"),
        ("_Zoo", "_Zoo"),
    ],
)
def test_a_name_that_the_compiler_mangled_is_read(name: str, short: str) -> None:
    assert short_kernel_name(name) == short


def test_an_index_of_32_bits_is_not_taken_for_the_type_of_the_elements() -> None:
    name = f"{NATIVE}index_elementwise_kernel<128, 4, at::native::index_copy_kernel_impl<at::native::OpaqueType<2> >"
    assert short_kernel_name(f"{name}(at::TensorIterator&, long, long, long)::{{lambda(int)#1}}>(long)") == (
        "elementwise index_copy"
    )


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("triton_poi_fused_add_mul_0", "triton_poi_fused_add_mul_0"),
        ("void my::ns::paged_attention<float, 4>(float*, int)", "paged_attention"),
        ("", ""),
        ("x" * 200, "x" * 59 + "…"),
    ],
)
def test_an_unknown_kernel_keeps_its_own_name(name: str, short: str) -> None:
    assert short_kernel_name(name) == short


def test_every_kernel_of_the_recordings_fits_one_line() -> None:
    traces = sorted(RECORDINGS.glob("*.json.gz"))
    if not traces:
        pytest.skip("tests/data/recordings holds no traces")
    names = {
        event["name"]
        for trace in traces
        for event in json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
        if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")
    }
    for name in names:
        short = short_kernel_name(name)
        assert 0 < len(short) <= 60
        assert "\n" not in short
        assert "::" not in short
        assert "<" not in short
