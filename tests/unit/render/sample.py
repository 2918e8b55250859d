"""A report as a real run gives it: Llama-3.1-8B with random weights, eager, batch 1, on an H100.

Decode times, kernel times, counts and names are those of a recorded run; the rest is consistent with them.
"""

from __future__ import annotations

from profiler.report import records as r
from profiler.report.ceilings import Ceiling, Ceilings
from profiler.report.environment import Environment
from profiler.report.source import Source
from profiler.report.telemetry import Series, Telemetry
from profiler.report.vocabulary import BottleneckClass, Cause, Resource, Tier, VerdictState
from profiler.report.workload import Capacity, Workload

COMPULSORY = Source(tier=Tier.ANALYTIC)
CLEAN = Source(tier=Tier.TIMELINE)

MUL = (
    "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl_nocast<at::native::BinaryFunctor"
    "<c10::BFloat16, c10::BFloat16, c10::BFloat16, at::native::binary_internal::MulFunctor<float> > >"
    "(at::TensorIteratorBase&, at::native::BinaryFunctor<c10::BFloat16, c10::BFloat16, c10::BFloat16, "
    "at::native::binary_internal::MulFunctor<float> > const&)::{lambda(int)#1}>(int, at::native::"
    "gpu_kernel_impl_nocast<at::native::BinaryFunctor<c10::BFloat16, c10::BFloat16, c10::BFloat16, "
    "at::native::binary_internal::MulFunctor<float> > >(at::TensorIteratorBase&)::{lambda(int)#1})"
)
MEAN = (
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::MeanOps<float, float, float, "
    "float>, unsigned int, float, 4, 4> >(at::native::ReduceOp<float, at::native::MeanOps<float, float, float, "
    "float>, unsigned int, float, 4, 4>)"
)
FLASH_SPLIT = (
    "void pytorch_flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<128, 64, 128, 4, false, false, "
    "cutlass::bfloat16_t, Flash_kernel_traits<128, 64, 128, 4, cutlass::bfloat16_t> >, false, false, false, false, "
    "true, false, true, false>(pytorch_flash::Flash_fwd_params)"
)
SPLIT_K = (
    "void cublasLt::splitKreduce_kernel<32, 16, int, float, __nv_bfloat16, float, __nv_bfloat16, false, float, "
    "__nv_bfloat16, __nv_bfloat16, true, false, false, false>(cublasLt::cublasSplitKParams<float>)"
)
CONCATENATE = (
    "void at::native::(anonymous namespace)::CatArrayBatchedCopy_vectorized<at::native::(anonymous namespace)::"
    "OpaqueType<2u>, unsigned int, 3, 128, 1, 16, 8>(char*)"
)


def part(cause: Cause, ms: float, whole_ms: float, tier: Tier = Tier.TIMELINE, spread: float = 0.05) -> r.Part:
    return r.Part(
        class_=cause.bottleneck_class,
        cause=cause,
        ms=ms,
        fraction=ms / whole_ms,
        tier=tier,
        low_ms=ms * (1 - spread),
        high_ms=ms * (1 + spread),
    )


def share(resource: Resource, value: float, low: float, high: float) -> r.Share:
    return r.Share(resource=resource, class_=resource.bottleneck_class, share=value, low=low, high=high, step=1.41)


def kernel(name: str, calls: int, ms: float, whole_ms: float, **fields: object) -> r.Kernel:
    defaults: dict[str, object] = {
        "bytes": None,
        "flops": None,
        "dram_ratio": None,
        "tensor_ratio": None,
        "limiter": Resource.LATENCY,
        "cause": Cause.SCHEDULING_SMALL_KERNELS,
        "operation": None,
        "module": None,
    }
    return r.Kernel(name=name, calls=calls, ms=ms, fraction=ms / whole_ms, **(defaults | fields))  # type: ignore[arg-type]


def modules(whole_ms: float) -> list[r.ModuleCost]:
    """Inclusive costs of the model's modules, 32 layers of them."""
    per_layer = {
        "mlp.down_proj": 0.0493,
        "mlp.gate_proj": 0.0423,
        "mlp.up_proj": 0.0423,
        "self_attn.q_proj": 0.0150,
        "self_attn.o_proj": 0.0150,
        "self_attn.k_proj": 0.0066,
        "self_attn.v_proj": 0.0066,
        "input_layernorm": 0.0090,
        "post_attention_layernorm": 0.0090,
    }
    own = {"mlp": 0.0050, "self_attn": 0.0310, "": 0.0060}
    costs = {f"model.layers.{n}.{name}": ms for n in range(32) for name, ms in per_layer.items()}
    for n in range(32):
        layer = f"model.layers.{n}"
        for block in ("mlp", "self_attn"):
            costs[f"{layer}.{block}"] = own[block] + sum(
                ms for name, ms in per_layer.items() if name.startswith(f"{block}.")
            )
        costs[layer] = own[""] + sum(own[b] for b in ("mlp", "self_attn")) + sum(per_layer.values())
    costs["model"] = sum(costs[f"model.layers.{n}"] for n in range(32)) + 0.03
    costs["lm_head"] = 0.370
    return [
        r.ModuleCost(module=name, calls=1, device_ms=ms, fraction=ms / whole_ms) for name, ms in sorted(costs.items())
    ]


def series(name: str, unit: str, value: float | None, spread: float = 0.04, **fields: object) -> Series:
    return Series(
        name=name,
        unit=unit,
        tier=Tier.HOST if name.startswith(("cpu", "host")) else Tier.DRIVER,
        value=value,
        low=None if value is None else value * (1 - spread),
        high=None if value is None else value * (1 + spread),
        samples=0 if value is None else 6,
        window_ms=500.0,
        peak=None if value is None else value * (1 + 2 * spread),
        **fields,  # type: ignore[arg-type]
    )


def wall(median: float, spread: float, samples: int) -> r.Distribution:
    half = samples // 2
    ramp = [median * (1 + spread * (n - half) / half) for n in range(samples)]
    return r.Distribution(
        median=median, low=median * (1 - spread), high=median * (1 + spread), samples=ramp, repeat_medians=[median] * 5
    )


def decode() -> r.Phase:
    ms = 27.03
    return r.Phase(
        name="decode",
        tokens=1,
        context_tokens=544,
        clean=r.Clean(
            wall_ms=wall(ms, 0.016, 160),
            gpu_ms=wall(26.98, 0.016, 160),
            warmup_iterations=12,
            steady=True,
            sources={"wall_ms": Source(tier=Tier.HOST), "gpu_ms": CLEAN},
        ),
        tokens_per_s=1e3 / ms,
        ideal_ms=4.99,
        mfu=0.00071,
        mbu=0.1846,
        flops=15.3e9,
        bytes=15.08e9,
        weights_gb_per_s=555.0,
        kv_cache_gb_per_s=2.64,
        joules_per_token=7.93,
        parts=[
            part(Cause.SCHEDULING_HOST, 18.41, ms, Tier.TIMELINE),
            part(Cause.SCHEDULING_SMALL_KERNELS, 2.24, ms),
            part(Cause.SCHEDULING_SYNC, 0.31, ms),
            part(Cause.SCHEDULING_LAUNCH_GAP, 0.21, ms),
            part(Cause.MEMORY_WEIGHTS, 5.55, ms, Tier.ANALYTIC),
            part(Cause.MEMORY_KV_CACHE, 0.30, ms, Tier.ANALYTIC),
            part(Cause.IO_D2H, 0.01, ms),
        ],
        shares=[
            share(Resource.HOST, 0.93, 0.88, 0.97),
            share(Resource.LATENCY, 0.05, 0.02, 0.09),
            share(Resource.DRAM, 0.02, 0.0, 0.05),
            share(Resource.TENSOR, 0.0, 0.0, 0.001),
            share(Resource.ISSUE, 0.0, 0.0, 0.002),
            share(Resource.PCIE, 0.0, 0.0, 0.001),
        ],
        kernels=[
            kernel(
                "nvjet_sm90_tst_64x8_64x16_2x1_v_bz_TNT",
                64,
                2.71,
                ms,
                bytes=7.52e9,
                flops=7.5e9,
                dram_ratio=0.90,
                tensor_ratio=0.0035,
                limiter=Resource.DRAM,
                cause=Cause.MEMORY_WEIGHTS,
                operation="aten::mm",
                module="model.layers.*.mlp.gate_proj",
            ),
            kernel(
                "nvjet_sm90_tst_64x8_64x16_2x1_v_bz_splitK_TNT",
                96,
                2.24,
                ms,
                bytes=5.9e9,
                flops=5.9e9,
                dram_ratio=0.86,
                tensor_ratio=0.0033,
                limiter=Resource.DRAM,
                cause=Cause.MEMORY_WEIGHTS,
                operation="aten::mm",
                module="model.layers.*.mlp.down_proj",
            ),
            kernel(
                "nvjet_sm90_tst_384x8_64x4_2x1_v_bz_TNT",
                1,
                0.37,
                ms,
                bytes=1.05e9,
                flops=1.05e9,
                dram_ratio=0.92,
                tensor_ratio=0.0036,
                limiter=Resource.DRAM,
                cause=Cause.MEMORY_WEIGHTS,
                operation="aten::mm",
                module="lm_head",
            ),
            kernel(SPLIT_K, 160, 0.28, ms, operation="aten::mm", module="model.layers.*.self_attn.q_proj"),
            kernel(MUL, 128, 0.28, ms, bytes=3.1e6, dram_ratio=0.004, operation="aten::mul", module="model.layers.*"),
            kernel(
                FLASH_SPLIT,
                32,
                0.18,
                ms,
                bytes=71e6,
                dram_ratio=0.13,
                operation="aten::_flash_attention_forward",
                module="model.layers.*.self_attn",
            ),
            kernel(MEAN, 65, 0.16, ms, bytes=1.1e6, dram_ratio=0.002, operation="aten::mean"),
            kernel(
                CONCATENATE,
                64,
                0.15,
                ms,
                operation="aten::cat",
                sources={"dram_ratio": Source(missing="the shapes of aten::cat's inputs were not traced")},
            ),
        ],
        modules=modules(8.1),
        copies=[
            r.Copies(
                direction="d2h",
                memory="pinned",
                bytes=8,
                copies=1,
                busy_ms=0.0013,
                exposed_ms=0.0013,
                gb_per_s=None,
                sources={"gb_per_s": Source(missing="too few bytes for a rate")},
            )
        ],
        streams=r.Streams(
            streams=[r.Stream(stream="7", busy_ms=8.1, kernels=1494, copies=1)],
            busy_ms=8.1,
            kernel_ms=8.1,
            copy_ms=0.0013,
            copy_overlapped_ms=0.0,
            copy_overlap_ratio=0.0,
            concurrent_kernels_ms=0.0,
            imbalance_ratio=0.0,
        ),
        timeline=None,
        telemetry=Telemetry(
            seconds=3.2,
            iterations=118,
            series=[
                series("gpu_active", "ratio", 0.302),
                series("sm_utilization", "ratio", 0.211),
                series("sm_occupancy", "ratio", 0.061),
                series("tensor_utilization", "ratio", 0.0089),
                series("dram_bandwidth", "GB/s", 556.0),
                series("pcie_h2d", "GB/s", 0.012),
                series("pcie_d2h", "GB/s", None, missing="the driver refused the query: not supported"),
                series("nvlink_rx", "GB/s", 0.0),
                series("sm_clock", "MHz", 1980.0, 0.0),
                series("power", "W", 293.0),
                series("energy", "J", 938.0, 0.0),
                series("memory_used", "bytes", 17.2e9, 0.0),
                series("clock_event_reasons", "bitmask", 0.0, 0.0),
                series("cpu_process", "cores", 1.01),
            ],
        ),
        verdict=r.Verdict(
            class_=BottleneckClass.SCHEDULING,
            cause=Cause.SCHEDULING_HOST,
            share=0.98,
            low=0.94,
            high=1.0,
            runner_up=BottleneckClass.MEMORY,
            runner_up_share=0.02,
            state=VerdictState.CLEAR,
            throttled=False,
            confidence=0.97,
            evidence=[
                "the GPU idles 70% of each step, waiting for the host to launch 1,494 kernels",
                "the median kernel takes 2.3 µs, a launch takes 7.4 µs of the host",
                "GPM saw the GPU active for 30% of the time, the trace says 30%",
            ],
        ),
        growth=r.Growth(
            ms_per_1000_tokens=0.052, context_tokens=[544, 2080], wall_ms=[27.03, 27.11], low=-0.11, high=0.21
        ),
        sources={
            "tokens_per_s": Source(tier=Tier.HOST),
            "ideal_ms": COMPULSORY,
            "mfu": COMPULSORY,
            "mbu": COMPULSORY,
            "weights_gb_per_s": COMPULSORY,
            "kv_cache_gb_per_s": COMPULSORY,
            "joules_per_token": Source(tier=Tier.DRIVER, window_ms=3200.0),
        },
    )


def prefill() -> r.Phase:
    ms = 31.2
    return r.Phase(
        name="prefill",
        tokens=512,
        context_tokens=0,
        clean=r.Clean(wall_ms=wall(ms, 0.02, 40), gpu_ms=wall(30.9, 0.02, 40), warmup_iterations=6, steady=True),
        tokens_per_s=512 / ms * 1e3,
        ideal_ms=9.7,
        mfu=0.31,
        mbu=0.16,
        flops=7.7e12,
        bytes=15.2e9,
        weights_gb_per_s=481.0,
        kv_cache_gb_per_s=2.15,
        joules_per_token=None,
        parts=[
            part(Cause.COMPUTE_TENSOR, 14.8, ms),
            part(Cause.MEMORY_ACTIVATIONS, 4.1, ms, Tier.ANALYTIC),
            part(Cause.SCHEDULING_HOST, 10.9, ms),
            part(Cause.SCHEDULING_SMALL_KERNELS, 1.3, ms),
            part(Cause.IO_H2D, 0.1, ms),
        ],
        shares=[
            share(Resource.TENSOR, 0.44, 0.30, 0.58),
            share(Resource.HOST, 0.39, 0.24, 0.52),
            share(Resource.DRAM, 0.13, 0.07, 0.20),
            share(Resource.LATENCY, 0.04, 0.01, 0.07),
        ],
        kernels=[
            kernel(
                "nvjet_sm90_tst_256x128_64x4_1x2_h_bz_coopA_TNT",
                64,
                8.79,
                ms,
                bytes=8.3e9,
                flops=3.9e12,
                dram_ratio=0.31,
                tensor_ratio=0.56,
                limiter=Resource.TENSOR,
                cause=Cause.COMPUTE_TENSOR,
                module="model.layers.*.mlp.gate_proj",
            ),
            kernel(
                "nvjet_sm90_tst_128x128_64x6_2x1_v_bz_TNT",
                96,
                6.27,
                ms,
                bytes=6.1e9,
                flops=2.7e12,
                dram_ratio=0.32,
                tensor_ratio=0.54,
                limiter=Resource.TENSOR,
                cause=Cause.COMPUTE_TENSOR,
                module="model.layers.*.mlp.down_proj",
            ),
        ],
        modules=[],
        copies=[
            r.Copies(
                direction="h2d",
                memory="pageable",
                bytes=4096,
                copies=1,
                busy_ms=0.0021,
                exposed_ms=0.0021,
                gb_per_s=1.95,
            )
        ],
        streams=None,
        timeline=None,
        telemetry=None,
        verdict=r.Verdict(
            class_=BottleneckClass.COMPUTE,
            cause=Cause.COMPUTE_TENSOR,
            share=0.44,
            low=0.30,
            high=0.58,
            runner_up=BottleneckClass.SCHEDULING,
            runner_up_share=0.43,
            state=VerdictState.INCONCLUSIVE,
            throttled=False,
            confidence=0.52,
            evidence=["matrix multiplications take 47% of the time, idle gaps 35%"],
        ),
        sources={"joules_per_token": Source(missing="the phase ran for less than a second under telemetry")},
    )


def load() -> r.Phase:
    ms = 2310.0
    return r.Phase(
        name="load",
        tokens=None,
        context_tokens=None,
        clean=r.Clean(
            wall_ms=r.Distribution(median=ms, low=None, high=None, samples=[ms]),
            gpu_ms=None,
            warmup_iterations=0,
            steady=True,
        ),
        tokens_per_s=None,
        ideal_ms=None,
        mfu=None,
        mbu=None,
        flops=None,
        bytes=None,
        weights_gb_per_s=None,
        kv_cache_gb_per_s=None,
        joules_per_token=None,
        parts=[],
        shares=[],
        kernels=[],
        modules=[],
        copies=[],
        streams=None,
        timeline=None,
        telemetry=None,
        legs=[
            r.LoadLeg(leg="disk", bytes=None, seconds=None, gb_per_s=None, tier=None, missing="the weights are random"),
            r.LoadLeg(leg="host", bytes=0, seconds=0.41, gb_per_s=None, tier=Tier.HOST, missing="no bytes moved"),
            r.LoadLeg(leg="device", bytes=16_060_522_496, seconds=1.9, gb_per_s=8.45, tier=Tier.HOST),
        ],
        verdict=r.Verdict(
            class_=None,
            cause=None,
            share=None,
            low=None,
            high=None,
            runner_up=None,
            runner_up_share=None,
            state=VerdictState.REFUSED,
            throttled=False,
            confidence=None,
            evidence=["random weights are made on the device, so no load was measured"],
        ),
    )


def ceilings() -> Ceilings:
    def ceiling(name: str, unit: str, value: float | None, datasheet: float | None, **fields: str) -> Ceiling:
        return Ceiling(
            name=name,
            unit=unit,
            value=value,
            low=None if value is None else value * 0.995,
            high=None if value is None else value * 1.005,
            datasheet=datasheet,
            tier=Tier.TIMELINE,
            **fields,
        )

    return Ceilings(
        device="NVIDIA H100 80GB HBM3",
        measured_at="2026-01-15T09:12:00Z",
        from_cache=True,
        ceilings=[
            ceiling("dram_read", "GB/s", 3080.0, 3352.0),
            ceiling("dram_copy", "GB/s", 3020.0, 3352.0),
            ceiling("gemm_bfloat16", "TFLOP/s", 796.0, 989.4),
            ceiling("gemm_float64", "TFLOP/s", None, 67.0, missing="not measured with --quick"),
            ceiling("h2d_pinned", "GB/s", 55.0, 64.0),
            ceiling("h2d_pageable", "GB/s", 23.0, None),
            ceiling("d2h_pinned", "GB/s", 55.0, 64.0),
            ceiling("kernel_launch", "us", 7.4, None),
        ],
    )


def report() -> r.Report:
    """The whole sample."""
    return r.Report(
        kind="profile",
        complete=True,
        environment=Environment(
            tool_version="0.1.0",
            python="3.12.3",
            torch="2.11.0+cu130",
            transformers="5.17.0",
            platform="Linux-6.8-x86_64",
            device="NVIDIA H100 80GB HBM3",
            device_kind="cuda",
            device_memory_bytes=85_017_493_504,
            driver="580.159.04",
            cuda="13.0",
            cpu="Intel(R) Xeon(R) Platinum 8468",
            cpu_cores=16,
            host_memory_bytes=137_438_953_472,
            other_processes=0,
        ),
        workload=Workload(
            model="llama-3.1-8b",
            source="preset",
            architecture="llama",
            parameters=8_030_261_248,
            active_parameters=8_030_261_248,
            weight_bytes=16_060_522_496,
            kv_bytes_per_token=131_072,
            weights="random",
            dtype="bfloat16",
            mode="eager",
            attention="sdpa",
            offload="none",
            batch_size=1,
            prompt_tokens=512,
            new_tokens=64,
            seed=0,
            trust_remote_code=False,
            command="bottleneck profile llama-3.1-8b --weights random",
        ),
        ceilings=ceilings(),
        phases=[load(), prefill(), decode()],
        verdict=decode().verdict,
        created_at="2026-01-15T09:20:31Z",
        capacity=Capacity(
            free_bytes=62_300_000_000,
            weight_bytes=16_060_522_496,
            kv_bytes_per_token=131_072,
            largest_batch=825,
            largest_context=475_000,
            note="Beyond the model's own maximum of 131,072 tokens.",
        ),
        advice=[
            r.Advice(
                phase="decode",
                action="replay the step as a CUDA graph: one launch instead of 1,494",
                why="The host takes 26.9 ms to launch what the GPU finishes in 8.1 ms.",
                command="bottleneck profile llama-3.1-8b --weights random --mode graph",
                predicted_ms=9.6,
                speedup=2.7,
                low=2.4,
                high=2.9,
            ),
            r.Advice(
                phase="decode",
                action="raise the batch: the weights are read once for all sequences",
                why="Memory traffic of the weights is shared by the batch; the host's work hardly grows with it.",
                command="bottleneck profile llama-3.1-8b --weights random --batch-size 16",
                predicted_ms=None,
                speedup=None,
                low=None,
                high=None,
            ),
        ],
        warnings=[
            r.ReportWarning(code="random_weights", message="the weights are random: times hold, the text does not"),
            r.ReportWarning(code="random_weights", message="the weights are random: times hold, the text does not"),
            r.ReportWarning(
                code="series_missing",
                message="pcie_d2h could not be read: the driver refused the query",
                phase="decode",
            ),
        ],
    )
