"""Convolutions: each output element is a dot product over the kernel and the input channels of its group."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from profiler.attribute.operation_rules.arguments import Arguments, UnknownWorkError
from profiler.attribute.operation_rules.work import Category, OperationWork


class _Convolution(Struct, frozen=True):
    """Positions of the arguments; -1 where an operation has none. Input [N, C, ...], weight [O, C/groups, ...]."""

    bias: int
    stride: int
    padding: int
    dilation: int
    transposed: int = -1

    def __call__(self, arguments: Arguments) -> OperationWork:
        """The work of one call."""
        source, weight, bias = arguments.tensor(0), arguments.tensor(1), arguments.optional(self.bias)
        spatial = len(source.shape) - 2
        if spatial < 1 or len(weight.shape) != len(source.shape) or arguments.flag(self.transposed):
            raise UnknownWorkError
        stride, padding, dilation = (
            _each(arguments.integers(position), spatial) for position in (self.stride, self.padding, self.dilation)
        )
        sizes = [
            (source.shape[2 + d] + 2 * padding[d] - dilation[d] * (weight.shape[2 + d] - 1) - 1) // stride[d] + 1
            for d in range(spatial)
        ]
        elements = source.shape[0] * weight.shape[0] * math.prod(sizes)
        weights = weight.stored_bytes + (bias.stored_bytes if bias else 0.0)
        return OperationWork(
            category=Category.GEMM,
            data_type=source.type.name,
            elements=max(elements, source.elements),
            flops=2.0 * elements * math.prod(weight.shape[1:]),
            read_bytes=source.stored_bytes + weights,
            write_bytes=float(elements * source.type.bytes),
            weights_bytes=weights,
        )


def _each(values: Sequence[int], count: int) -> Sequence[int]:
    return tuple(values) * count if len(values) == 1 else values


RULES: dict[str, Callable[[Arguments], OperationWork]] = {
    **dict.fromkeys(
        ("aten::convolution", "aten::_convolution"),
        _Convolution(bias=2, stride=3, padding=4, dilation=5, transposed=6),
    ),
    **dict.fromkeys(
        ("aten::conv1d", "aten::conv2d", "aten::conv3d"), _Convolution(bias=2, stride=3, padding=4, dilation=5)
    ),
    "aten::cudnn_convolution": _Convolution(bias=-1, stride=3, padding=2, dilation=4),
    "aten::mkldnn_convolution": _Convolution(bias=2, stride=4, padding=3, dilation=5),
}
