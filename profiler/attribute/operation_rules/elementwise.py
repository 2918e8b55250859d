"""Elementwise operations: one FLOP an output element, whatever the function; inputs read by their own size.

An input that is broadcast is read once. One without dimensions beside one with some is a Python number: no memory.
A vector of floating point beside tensors of more dimensions is a parameter: the scale of a norm, a bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from profiler.attribute.operation_rules.arguments import Arguments, Shape, Tensor, UnknownWorkError, broadcast
from profiler.attribute.operation_rules.data_types import BOOL, FLOAT32, DataType, Kind, promoted
from profiler.attribute.operation_rules.work import Category, OperationWork


class Elementwise(Struct, frozen=True):
    """`inputs` tensors at most (further ones are outputs); the result has the type of `result`.

    `result`: "promoted" of all, "float" (integers become float32), "bool", or "self" (the first input's).
    `typed_from` is the first input that decides the type: 1 for `where`, whose first is a condition.
    """

    inputs: int
    result: str = "promoted"
    typed_from: int = 0

    def __call__(self, arguments: Arguments) -> OperationWork:
        """The work of one call; a name that ends in `_` writes into its first input."""
        given = arguments.tensors()[: self.inputs]
        if not given:
            raise UnknownWorkError
        read = [t for t in given if t.shape] or given[:1]
        in_place = arguments.name.endswith("_") and not arguments.name.endswith("__")
        shape = given[0].shape if in_place else broadcast([t.shape for t in given])
        if 0 in shape:
            read = []
        output = given[0].type if in_place or self.result == "self" else self._type(given)
        return pointwise(arguments, read, shape, output, computed=max((t.type for t in given), key=_width))

    def _type(self, given: list[Tensor]) -> DataType:
        if self.result == "bool":
            return BOOL
        deciding = given[self.typed_from :] or given
        dimensioned = [t for t in deciding if t.shape] or deciding
        found = dimensioned[0].type
        for tensor in dimensioned[1:]:
            found = promoted(found, tensor.type)
        for tensor in deciding:
            if tensor.type.kind > max(found.kind, Kind.INTEGER):  # a Python float beside integers
                found = FLOAT32
        return FLOAT32 if self.result == "float" and found.kind < Kind.FLOAT else found


def _width(data_type: DataType) -> tuple[int, int]:
    return data_type.kind, -data_type.bytes


def pointwise(
    arguments: Arguments, read: list[Tensor], shape: Shape, output: DataType, computed: DataType | None = None
) -> OperationWork:
    """The work of reading these tensors once and writing one of this shape, with one FLOP an element."""
    elements = math.prod(shape)
    written = float(elements * output.bytes)
    kept = sum(t.stored_bytes for t in read if arguments.hint.is_kv_cache(t.shape))
    weights = sum(t.stored_bytes for t in read if len(t.shape) == 1 < len(shape) and t.type.kind is Kind.FLOAT)
    return OperationWork(
        category=Category.ELEMENTWISE,
        data_type=(computed or output).name,
        elements=elements,
        flops=float(elements),
        read_bytes=sum(t.stored_bytes for t in read),
        write_bytes=written,
        weights_bytes=weights,
        kv_cache_bytes=kept + (written if arguments.hint.is_kv_cache(shape) else 0.0),
    )


_UNARY = (
    "neg abs square silu relu gelu hardtanh hardsigmoid hardswish leaky_relu elu mish relu6 round floor ceil trunc "
    "sign clamp clamp_min clamp_max tril triu roll flip bitwise_not nan_to_num threshold rot90 frac"
)
_UNARY_FLOAT = (
    "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan tanh sigmoid log_sigmoid erf erfc softplus "
    "atan asin acos sinh cosh lgamma digamma erfinv logit special_i0 special_i0e special_i1 special_i1e special_erfcx"
)
_UNARY_BOOL = "logical_not isnan isinf isfinite signbit isposinf isneginf"
_BINARY = (
    "add sub rsub mul remainder fmod floor_divide pow maximum minimum fmax fmin bitwise_and bitwise_or bitwise_xor "
    "bitwise_left_shift bitwise_right_shift __and__ __or__ __xor__ __lshift__ __rshift__ copysign"
)
_BINARY_FLOAT = "div true_divide atan2 hypot xlogy"
_BINARY_BOOL = "eq ne lt le gt ge logical_and logical_or logical_xor"
_TERNARY = "addcmul addcdiv lerp"


def _table() -> dict[str, Callable[[Arguments], OperationWork]]:
    kinds = (
        (_UNARY, Elementwise(1)),
        (_UNARY_FLOAT, Elementwise(1, "float")),
        (_UNARY_BOOL, Elementwise(1, "bool")),
        (_BINARY, Elementwise(2)),
        (_BINARY_FLOAT, Elementwise(2, "float")),
        (_BINARY_BOOL, Elementwise(2, "bool")),
        (_TERNARY, Elementwise(3)),
        ("masked_fill", Elementwise(2, "self")),
        ("where _s_where", Elementwise(3, typed_from=1)),
    )
    table: dict[str, Callable[[Arguments], OperationWork]] = {}
    for names, rule in kinds:
        for name in names.split():
            table[f"aten::{name}"] = rule
            table[f"aten::{name}_"] = rule
    return table


RULES = _table()
