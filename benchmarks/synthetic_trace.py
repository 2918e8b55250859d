"""A trace of any length, made the same each time: what a profiled decode loop looks like, without its secrets.

    python -m benchmarks.synthetic_trace FILE --events 5000000     # 1.3 GB of JSON; gzipped where FILE ends in .gz

Ten events go with each kernel: the Python frames, an operation within another, both with shapes, the launch, the
kernel, and the two ends of the arrow between them. The text is laid out as Kineto lays it out.
"""

from __future__ import annotations

import argparse
import gzip
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

EVENTS_PER_KERNEL = 10
_GROUPS_PER_WRITE = 2_000
_GROUPS_PER_STEP = 500
_FIRST_US = 1_419_116_104_000  # since the base: as in traces of torch >= 2.4 on a machine that has been up for weeks
_BASE_NS = 1_751_410_836_000_000_000
_SHAPES = ("[1, 4096]", "[16, 4096]", "[16, 14336]", "[16, 1, 32, 128]", "[1, 2048, 4096]")
_LAYERS = ("Linear", "LlamaRMSNorm", "LlamaMLP", "LlamaAttention", "SiLU")
_KERNELS = (
    "nvjet_sm90_tst_64x8_64x16_2x1_v_bz_TNT",
    "void at::native::vectorized_elementwise_kernel<4, at::native::silu_kernel, std::array<char*, 2ul> >(int)",
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::MeanOps<float, float> > >(float)",
    "void cublasLt::splitKreduce_kernel<32, 16, int, float, __nv_bfloat16>(cublasSplitKParams<float>)",
)
_HEAD = b"""{
  "schemaVersion": 1,
  "deviceProperties": [
    {
      "id": 0, "name": "NVIDIA H100 80GB HBM3", "totalGlobalMem": 85045542912,
      "computeMajor": 9, "computeMinor": 0, "warpSize": 32, "numSms": 132
    }
  ],
  "record_shapes": 1,
  "traceEvents": [
"""
_TAIL = f"""
  ],
  "traceName": "synthetic.json",
  "displayTimeUnit": "ms",
  "baseTimeNanoseconds": {_BASE_NS}
}}
""".encode()


def write(path: Path, events: int, seed: int = 0) -> None:
    """Write a trace of about `events` events, gzipped (level 1) where the name ends in `.gz`."""
    with cast(BinaryIO, gzip.open(path, "wb", 1)) if path.suffix == ".gz" else path.open("wb") as file:
        file.write(_HEAD)
        separator = b""
        for piece in _pieces(events // EVENTS_PER_KERNEL, seed):
            file.write(separator + piece)
            separator = b",\n"
        file.write(_TAIL)


def _pieces(groups: int, seed: int) -> Iterator[bytes]:
    draw = random.Random(seed)
    host_ns, device_ns = 0, 0
    pieces: list[str] = []
    for group in range(groups):
        if group % _GROUPS_PER_STEP == 0:
            host_ns = max(host_ns, device_ns)
            pieces.append(_annotation(group // _GROUPS_PER_STEP, host_ns))
        host_ns += 1_500 + draw.randrange(9_000)
        device_ns = max(device_ns + draw.choice((0, 960)), host_ns + 12_500)
        lasts_ns = 1_000 + draw.randrange(12_000)
        pieces.append(_group(group, host_ns, device_ns, lasts_ns, draw))
        host_ns += 9_000
        device_ns += lasts_ns
        if len(pieces) >= _GROUPS_PER_WRITE:
            yield ",\n".join(pieces).encode()
            pieces.clear()
    if pieces:
        yield ",\n".join(pieces).encode()


def _group(number: int, host_ns: int, device_ns: int, lasts_ns: int, draw: random.Random) -> str:
    """Ten events, the innermost last, as Kineto writes them."""
    shape, layer, kernel = draw.choice(_SHAPES), draw.choice(_LAYERS), draw.choice(_KERNELS)
    frames = (
        f"nn.Module: {layer}_{number % 7}",
        f"modeling_llama.py({number % 400}): forward",
        "linear.py(134): forward",
    )
    python = [
        _complete(
            "python_function",
            name,
            host_ns + 100 * depth,
            9_000 - 200 * depth,
            f'"Python parent id": {4 * number + depth - 1}, "Python id": {4 * number + depth}, "Ev Idx": {number}',
        )
        for depth, name in enumerate((*frames, "<built-in function linear>"))
    ]
    operations = [
        _complete(
            "cpu_op",
            name,
            host_ns + 500 + 300 * depth,
            7_500 - 700 * depth,
            f'"External id": {2 * number + depth + 1},"Record function id": 0, "Concrete Inputs": ["", "", ""], '
            f'"Input type": ["c10::BFloat16", "c10::BFloat16", ""], "Input Dims": [{shape}, [4096, 4096], []], '
            f'"Ev Idx": {number}',
        )
        for depth, name in enumerate(("aten::linear", "aten::mm"))
    ]
    identity = f'"External id": {2 * number + 2}'
    launch = _complete(
        "cuda_runtime",
        "cudaLaunchKernel",
        host_ns + 1_900,
        4_300,
        f'{identity}, "cbid": 211, "correlation": {number + 1}',
    )
    activity = _complete(
        "kernel",
        kernel,
        device_ns,
        lasts_ns,
        f'{identity}, "queued": 0, "device": 0, "context": 1, "stream": 7, "correlation": {number + 1}, '
        f'"registers per thread": 40, "shared memory": 16384, "blocks per SM": 0.5, "warps per SM": 4, '
        f'"grid": [{1 + number % 512}, 1, 1], "block": [128, 1, 1], "est. achieved occupancy %": 6',
        pid=0,
        tid=7,
    )
    arrows = [
        f'  {{\n    "ph": "{end}", "id": {number + 1}, "pid": {tid}, "tid": {tid}, "ts": {_us(at_ns)},\n'
        f'    "cat": "ac2g", "name": "ac2g"{bind}\n  }}'
        for end, tid, at_ns, bind in (("s", 21587, host_ns + 1_900, ""), ("f", 7, device_ns, ', "bp": "e"'))
    ]
    return ",\n".join((*python, *operations, launch, activity, *arrows))


def _annotation(step: int, host_ns: int) -> str:
    return _complete(
        "user_annotation", f"ProfilerStep#{step}", host_ns, 5_000_000, f'"External id": 0, "Ev Idx": {step}'
    )


def _complete(
    category: str, name: str, at_ns: int, lasts_ns: int, args: str, pid: int = 21587, tid: int = 21587
) -> str:
    lasts = f"{lasts_ns // 1000}.{lasts_ns % 1000:03d}"
    return (
        f'  {{\n    "ph": "X", "cat": "{category}", "name": "{name}", "pid": {pid}, "tid": {tid},\n'
        f'    "ts": {_us(at_ns)}, "dur": {lasts},\n    "args": {{\n      {args}\n    }}\n  }}'
    )


def _us(at_ns: int) -> str:
    return f"{_FIRST_US + at_ns // 1000}.{at_ns % 1000:03d}"


def main() -> int:
    """Write one trace."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--events", type=int, default=5_000_000)
    options = parser.parse_args()
    write(options.file, options.events)
    return 0


if __name__ == "__main__":
    sys.exit(main())
