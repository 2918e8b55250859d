"""What the options of `bottleneck profile` accept.

`profiler.workload.spec` holds the same lists; a test keeps them equal, so that `--help` need not import it.
"""

from __future__ import annotations

from enum import StrEnum


class Weights(StrEnum):
    """Where the weights come from."""

    AUTO = "auto"
    PRETRAINED = "pretrained"
    RANDOM = "random"


class DType(StrEnum):
    """The number format of weights and activations."""

    AUTO = "auto"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FLOAT32 = "float32"


class Mode(StrEnum):
    """How a decode step is launched."""

    EAGER = "eager"
    COMPILE = "compile"
    GRAPH = "graph"
    PAGED = "paged"


class Attention(StrEnum):
    """Which attention kernels run."""

    AUTO = "auto"
    EAGER = "eager"
    SDPA = "sdpa"
    FLASH = "flash"
    EFFICIENT = "efficient"
    CUDNN = "cudnn"
    MATH = "math"


class Offload(StrEnum):
    """What is kept outside the device's memory."""

    NONE = "none"
    CPU = "cpu"
