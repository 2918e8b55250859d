"""Matrix products: 2 M N K FLOPs; which operand is a parameter follows from how it is stored.

transformers multiplies activations from the left, [tokens, K], with parameters from the right, [K, N], so of a plain
product the right operand is weights.
"""

from __future__ import annotations

import math

from profiler.attribute.operation_rules.arguments import Arguments, Tensor, UnknownWorkError
from profiler.attribute.operation_rules.data_types import BFLOAT16, DataType
from profiler.attribute.operation_rules.work import Category, OperationWork, Role


def _product(
    left: Tensor,
    right: Tensor,
    *,
    multiply_adds: int,
    output_elements: int,
    output: DataType,
    role: Role,
    right_bytes: float | None = None,
    bias: Tensor | None = None,
    scales: tuple[Tensor | None, ...] = (),
) -> OperationWork:
    """`right_bytes` is given where only a part of `right` is touched. A bias of one dimension is a parameter."""
    own = right.stored_bytes if right_bytes is None else right_bytes
    bias_bytes = bias.stored_bytes if bias else 0.0
    weights = own if role is Role.WEIGHTS else 0.0
    if bias and len(bias.shape) <= 1:
        weights += bias_bytes
    written = float(output_elements * output.bytes)
    return OperationWork(
        category=Category.GEMM,
        data_type=left.type.name,
        elements=max(left.elements, output_elements),
        flops=2.0 * multiply_adds,
        read_bytes=left.stored_bytes + own + bias_bytes + sum(s.stored_bytes for s in scales if s),
        write_bytes=written,
        weights_bytes=weights,
        kv_cache_bytes=own if role is Role.KV_CACHE else 0.0,
    )


def _plain(left: Tensor, right: Tensor, bias: Tensor | None = None, output: DataType | None = None) -> OperationWork:
    """[M, K] x [K, N]; either may be a vector. A matrix before a vector is the parameter: it is turned around."""
    if len(right.shape) == 1 and len(left.shape) == 2:
        left, right = right, Tensor(left.shape[::-1], left.strides and left.strides[::-1], left.type)
    rows = left.shape[0] if len(left.shape) == 2 else 1
    columns = right.shape[1] if len(right.shape) == 2 else 1
    inner = right.shape[0]
    if left.shape[-1] != inner:
        raise UnknownWorkError
    return _product(
        left,
        right,
        multiply_adds=rows * columns * inner,
        output_elements=rows * columns,
        output=output or left.type,
        role=Role.WEIGHTS,
        bias=bias,
    )


def mm(arguments: Arguments) -> OperationWork:
    """mm(left, right), mv, dot."""
    return _plain(arguments.tensor(0), arguments.tensor(1))


def addmm(arguments: Arguments) -> OperationWork:
    """addmm(bias, left, right), addmv."""
    return _plain(arguments.tensor(1), arguments.tensor(2), bias=arguments.tensor(0))


def linear(arguments: Arguments) -> OperationWork:
    """linear(activations [..., K], weight [N, K], bias)."""
    left, weight = arguments.tensor(0), arguments.tensor(1)
    if not left.shape or not weight.shape or left.shape[-1] != weight.shape[-1]:
        raise UnknownWorkError
    rows = math.prod(left.shape[:-1])
    columns = weight.shape[0] if len(weight.shape) == 2 else 1
    return _product(
        left,
        weight,
        multiply_adds=rows * columns * weight.shape[-1],
        output_elements=rows * columns,
        output=left.type,
        role=Role.WEIGHTS,
        bias=arguments.optional(2),
    )


def bmm(arguments: Arguments) -> OperationWork:
    """bmm(left [B, M, K], right [B, K, N])."""
    return _batched(arguments, arguments.tensor(0), arguments.tensor(1), None)


def baddbmm(arguments: Arguments) -> OperationWork:
    """baddbmm(bias, left, right)."""
    return _batched(arguments, arguments.tensor(1), arguments.tensor(2), arguments.tensor(0))


def _batched(arguments: Arguments, left: Tensor, right: Tensor, bias: Tensor | None) -> OperationWork:
    if len(left.shape) != 3 or len(right.shape) != 3 or left.shape[2] != right.shape[1]:
        raise UnknownWorkError
    batch, rows, inner = left.shape
    columns = right.shape[2]
    return _product(
        left,
        right,
        multiply_adds=batch * rows * columns * inner,
        output_elements=batch * rows * columns,
        output=left.type,
        role=_batched_role(arguments, right),
        bias=bias,
    )


def _batched_role(arguments: Arguments, right: Tensor) -> Role:
    """What the right operand of a batched product is.

    A parameter is shared by the batch (stride 0), or it is the transposed view that `linear` makes of [N, K]. With
    the head size known, a matrix with a side of that size is keys or values (attention written out), and any other
    true matrix is a parameter (experts).
    """
    batch, inner, columns = right.shape
    is_matrix = inner > 1 and columns > 1
    if right.strides and is_matrix:
        if batch > 1 and right.strides[0] == 0:
            return Role.WEIGHTS
        if batch == 1 and right.strides[1] == 1 and right.strides[2] >= inner:
            return Role.WEIGHTS
    size = arguments.hint.head_size
    if size is None or not is_matrix:
        return Role.ACTIVATIONS
    return Role.KV_CACHE if size in (inner, columns) else Role.WEIGHTS


def matmul(arguments: Arguments) -> OperationWork:
    """matmul(left, right): with a right operand of one or two dimensions as `mm`, else as `bmm` over the batch."""
    left, right = arguments.tensor(0), arguments.tensor(1)
    if len(right.shape) <= 2 and left.shape:
        flat = Tensor((math.prod(left.shape[:-1]), left.shape[-1]), None, left.type)
        return _plain(flat, right)
    if len(left.shape) != len(right.shape) or left.shape[:-2] != right.shape[:-2]:
        raise UnknownWorkError
    batch = math.prod(left.shape[:-2])
    return _batched(
        arguments,
        Tensor((batch, *left.shape[-2:]), None, left.type),
        Tensor((batch, *right.shape[-2:]), None, right.type),
        None,
    )


def grouped_mm(arguments: Arguments) -> OperationWork:
    """_grouped_mm(rows [R, K], experts [E, K, N], offsets): each row meets one expert's matrix."""
    return _grouped(arguments, offsets=2, bias=3, output=4, scales=())


def scaled_grouped_mm(arguments: Arguments) -> OperationWork:
    """_scaled_grouped_mm(rows, experts, scale_a, scale_b, offsets, bias, scale_result, out_dtype)."""
    return _grouped(arguments, offsets=4, bias=5, output=7, scales=(2, 3))


def _grouped(arguments: Arguments, *, offsets: int, bias: int, output: int, scales: tuple[int, ...]) -> OperationWork:
    left, right = arguments.tensor(0), arguments.tensor(1)
    if len(left.shape) != 2 or len(right.shape) != 3 or left.shape[1] != right.shape[1]:
        raise UnknownWorkError
    rows, inner = left.shape
    experts, _, columns = right.shape
    default = BFLOAT16 if scales else left.type
    return _product(
        left,
        right,
        multiply_adds=rows * inner * columns,
        output_elements=rows * columns,
        output=arguments.data_type(output, default),
        role=Role.WEIGHTS,
        right_bytes=right.stored_bytes * _experts_touched(experts, rows, arguments.hint.tokens) / max(experts, 1),
        bias=arguments.optional(bias),
        scales=(arguments.optional(offsets), *(arguments.optional(position) for position in scales)),
    )


def _experts_touched(experts: int, rows: int, tokens: int | None) -> float:
    """Expected number of experts with at least one row, E (1 - (1 - k/E)^T), if routing is uniform.

    Which experts were chosen is not in the trace. Without the number of tokens each row chooses for itself, k = 1.
    """
    if not experts:
        return 0.0
    chosen, draws = (rows / tokens, tokens) if tokens and rows >= tokens else (1.0, rows)
    return float(experts * (1 - max(0.0, 1 - chosen / experts) ** draws))


def scaled_mm(arguments: Arguments) -> OperationWork:
    """_scaled_mm(left, right, scale_a, scale_b, bias, scale_result, out_dtype): 8-bit operands, a wider output."""
    left, right = arguments.tensor(0), arguments.tensor(1)
    if len(left.shape) != 2 or len(right.shape) != 2 or left.shape[1] != right.shape[0]:
        raise UnknownWorkError
    rows, columns = left.shape[0], right.shape[1]
    return _product(
        left,
        right,
        multiply_adds=rows * columns * left.shape[1],
        output_elements=rows * columns,
        output=arguments.data_type(6, BFLOAT16),
        role=Role.WEIGHTS,
        bias=arguments.optional(4),
        scales=(arguments.optional(2), arguments.optional(3)),
    )


RULES = {
    "aten::mm": mm,
    "aten::mv": mm,
    "aten::dot": mm,
    "aten::addmm": addmm,
    "aten::addmm_": addmm,
    "aten::addmv": addmm,
    "aten::_addmm_activation": addmm,
    "aten::linear": linear,
    "aten::mkldnn_linear": linear,
    "mkldnn::_linear_pointwise": linear,
    "aten::matmul": matmul,
    "aten::bmm": bmm,
    "aten::baddbmm": baddbmm,
    "aten::baddbmm_": baddbmm,
    "aten::_grouped_mm": grouped_mm,
    "aten::_scaled_grouped_mm": scaled_grouped_mm,
    "aten::_scaled_mm": scaled_mm,
}
