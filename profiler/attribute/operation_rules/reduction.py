"""Reductions, normalisations, sorts and scans.

FLOPs an input element, by counting the passes of the definition: 1 for sums, maxima and scans; 5 for softmax
(maximum, difference, exponential, sum, quotient); 4 for RMS norm (square, sum, two products); 7 for layer and group
norm (sum, difference, square, sum, product, scale, shift). Sorting compares and counts none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from profiler.attribute.operation_rules.arguments import Arguments, Shape, Tensor, UnknownWorkError
from profiler.attribute.operation_rules.data_types import BOOL, FLOAT32, INT64, DataType, Kind
from profiler.attribute.operation_rules.elementwise import Elementwise
from profiler.attribute.operation_rules.work import Category, OperationWork


def _work(
    arguments: Arguments,
    read: Sequence[Tensor],
    written_bytes: float,
    flops_per_element: float,
    parameters: Sequence[Tensor] = (),
) -> OperationWork:
    """The first of `read` is what is reduced; `parameters` are read besides."""
    first = read[0]
    weights = sum(t.stored_bytes for t in parameters)
    return OperationWork(
        category=Category.REDUCTION,
        data_type=first.type.name,
        elements=first.elements,
        flops=flops_per_element * first.elements,
        read_bytes=sum(t.stored_bytes for t in read) + weights,
        write_bytes=written_bytes,
        weights_bytes=weights,
        kv_cache_bytes=first.stored_bytes if arguments.hint.is_kv_cache(first.shape) else 0.0,
    )


def _remaining(shape: Shape, dimensions: Sequence[int]) -> int:
    """Elements left when these dimensions are reduced; all of them if none is named."""
    if not dimensions:
        return 1
    reduced = {dimension % max(len(shape), 1) for dimension in dimensions}
    return math.prod(size for dimension, size in enumerate(shape) if dimension not in reduced)


class _Reduction(Struct, frozen=True):
    """`dimensions` is the position of the reduced ones; `data_type` that of a `dtype` argument, -1 if it has none.

    The overload without dimensions has its `dtype` where they would stand, and is recognised by its two arguments.
    """

    dimensions: int = 1
    data_type: int = -1
    result: DataType | None = None  # of another type than the input's
    widens_integers: bool = False

    def __call__(self, arguments: Arguments) -> OperationWork:
        """The work of one call."""
        source = arguments.tensor(0)
        named = len(arguments.types) > 2 or self.data_type < 0
        dimensions = arguments.integers(self.dimensions, ()) if named else ()
        output = self.result or source.type
        if self.widens_integers and output.kind < Kind.FLOAT:
            output = INT64
        if self.data_type >= 0:
            output = arguments.data_type(self.data_type if named else 1, output)
        return _work(arguments, [source], float(_remaining(source.shape, dimensions) * output.bytes), 1)


def _extreme(arguments: Arguments) -> OperationWork:
    """max or min: of all elements, along a dimension with its indices, or of two tensors element by element."""
    source = arguments.tensor(0)
    if len(arguments.types) == 1:
        return _work(arguments, [source], float(source.type.bytes), 1)
    if arguments.optional(1) is not None:
        return Elementwise(2)(arguments)
    remaining = _remaining(source.shape, arguments.integers(1))
    return _work(arguments, [source], float(remaining * (source.type.bytes + INT64.bytes)), 1)


def _spread(arguments: Arguments) -> OperationWork:
    """std, var: along the dimensions of the second argument, or of all where that is the flag `unbiased`."""
    source = arguments.tensor(0)
    dimensions = () if arguments.text(1) in ("True", "False") else arguments.integers(1, ())
    return _work(arguments, [source], float(_remaining(source.shape, dimensions) * source.type.bytes), 3)


def _softmax(arguments: Arguments) -> OperationWork:
    """_softmax(input, dimension, half to float); softmax(input, dimension, dtype)."""
    source = arguments.tensor(0)
    if arguments.name.startswith("aten::_"):
        output = FLOAT32 if arguments.flag(2) else source.type
    else:
        output = arguments.data_type(2, source.type)
    return _work(arguments, [source], float(source.elements * output.bytes), 5)


class _Norm(Struct, frozen=True):
    """A normalisation over the last dimensions; `statistics` values of each row are written besides the output.

    torch's kernel (`vectorized_layer_norm_kernel`) goes over its input twice, for the statistics and to normalise, and
    what is in flight together does not stay in a cache: rows of 4096 float32 took 1.07 ms a GiB on an H100, as long as
    three passes over them take at its copy ceiling, and with half the bytes an element half of that.
    """

    flops_per_element: float
    parameters: tuple[int, ...]
    statistics: int

    def __call__(self, arguments: Arguments) -> OperationWork:
        """The work of one call."""
        source = arguments.tensor(0)
        rows = source.elements // max(math.prod(arguments.integers(1)), 1)
        written = float(source.elements * source.type.bytes + self.statistics * rows * self._statistic_bytes(source))
        parameters = [t for position in self.parameters if (t := arguments.optional(position))]
        return _work(arguments, [source, source], written, self.flops_per_element, parameters)

    @staticmethod
    def _statistic_bytes(source: Tensor) -> int:
        return max(source.type.bytes, FLOAT32.bytes)  # kept in float32 for narrower inputs


def _group_norm(arguments: Arguments) -> OperationWork:
    """native_group_norm(input, weight, bias, batch, channels, size, groups, eps)."""
    source = arguments.tensor(0)
    statistics = 2 * arguments.integer(3) * arguments.integer(6)
    written = float((source.elements + statistics) * source.type.bytes)
    return _work(arguments, [source], written, 7, [t for position in (1, 2) if (t := arguments.optional(position))])


def _topk(arguments: Arguments) -> OperationWork:
    """topk(input, k, dimension): values and their indices."""
    source = arguments.tensor(0)
    if not source.shape:
        raise UnknownWorkError
    found = _remaining(source.shape, [arguments.integer(2, -1)]) * arguments.integer(1)
    return _work(arguments, [source], float(found * (source.type.bytes + INT64.bytes)), 1)


def _sort(arguments: Arguments) -> OperationWork:
    source = arguments.tensor(0)
    per_element = source.type.bytes + INT64.bytes
    if arguments.name == "aten::argsort":
        per_element = INT64.bytes
    return _work(arguments, [source], float(source.elements * per_element), 0)


def _scan(arguments: Arguments) -> OperationWork:
    """cumsum, cumprod (input, dimension, dtype)."""
    source = arguments.tensor(0)
    output = arguments.data_type(2, INT64 if source.type.kind < Kind.FLOAT else source.type)
    return _work(arguments, [source], float(source.elements * output.bytes), 1)


RULES: dict[str, Callable[[Arguments], OperationWork]] = {
    "aten::sum": _Reduction(data_type=3, widens_integers=True),
    "aten::nansum": _Reduction(data_type=3, widens_integers=True),
    "aten::mean": _Reduction(data_type=3),
    "aten::prod": _Reduction(data_type=3, widens_integers=True),
    "aten::amax": _Reduction(),
    "aten::amin": _Reduction(),
    "aten::any": _Reduction(result=BOOL),
    "aten::all": _Reduction(result=BOOL),
    "aten::argmax": _Reduction(result=INT64),
    "aten::argmin": _Reduction(result=INT64),
    "aten::logsumexp": _Reduction(),
    "aten::linalg_vector_norm": _Reduction(dimensions=2),
    "aten::max": _extreme,
    "aten::min": _extreme,
    "aten::std": _spread,
    "aten::var": _spread,
    "aten::softmax": _softmax,
    "aten::_softmax": _softmax,
    "aten::log_softmax": _softmax,
    "aten::_log_softmax": _softmax,
    "aten::layer_norm": _Norm(7, (2, 3), 0),
    "aten::native_layer_norm": _Norm(7, (2, 3), 2),
    "aten::rms_norm": _Norm(4, (2,), 0),
    "aten::_fused_rms_norm": _Norm(4, (2,), 1),
    "aten::native_group_norm": _group_norm,
    "aten::topk": _topk,
    "aten::sort": _sort,
    "aten::argsort": _sort,
    "aten::cumsum": _scan,
    "aten::cumprod": _scan,
}
