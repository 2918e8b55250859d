"""Operations that only move elements: copies, concatenation, gathers and scatters, fills. They have no FLOPs."""

from __future__ import annotations

import math
from collections.abc import Callable

from profiler.attribute.operation_rules.arguments import Arguments, Tensor, UnknownWorkError
from profiler.attribute.operation_rules.data_types import FLOAT32, INT64, DataType, Kind
from profiler.attribute.operation_rules.work import Category, OperationWork, Role


def _moved(
    category: Category,
    data_type: DataType,
    elements: int,
    read: dict[Role, float],
    written: tuple[Role, float],
) -> OperationWork:
    written_role, write_bytes = written

    def of(role: Role) -> float:
        return read.get(role, 0.0) + (write_bytes if written_role is role else 0.0)

    return OperationWork(
        category=category,
        data_type=data_type.name,
        elements=elements,
        flops=0.0,
        read_bytes=sum(read.values()),
        write_bytes=write_bytes,
        weights_bytes=of(Role.WEIGHTS),
        kv_cache_bytes=of(Role.KV_CACHE),
    )


def _role(arguments: Arguments, tensor: Tensor) -> Role:
    return Role.KV_CACHE if arguments.hint.is_kv_cache(tensor.shape) else Role.ACTIVATIONS


def _expands_heads(tensor: Tensor) -> bool:
    """[batch, KV heads, repeats, tokens, head size] with stride 0 over the repeats: keys or values, copied out."""
    return len(tensor.shape) == 5 and tensor.strides is not None and tensor.shape[2] > 1 and tensor.strides[2] == 0


def _copy(arguments: Arguments, source: Tensor, output: DataType, output_elements: int) -> OperationWork:
    role = Role.KV_CACHE if _expands_heads(source) else _role(arguments, source)
    return _moved(
        Category.COPY,
        output,
        output_elements,
        {role: source.stored_bytes},
        (role, float(output_elements * output.bytes)),
    )


def copy_into(arguments: Arguments) -> OperationWork:
    """copy_(destination, source)."""
    destination = arguments.tensor(0)
    return _copy(arguments, arguments.tensor(1), destination.type, destination.elements)


def clone(arguments: Arguments) -> OperationWork:
    """A copy of the same type and shape."""
    source = arguments.tensor(0)
    return _copy(arguments, source, source.type, source.elements)


def to_copy(arguments: Arguments) -> OperationWork:
    """_to_copy(source, dtype)."""
    source = arguments.tensor(0)
    return _copy(arguments, source, arguments.data_type(1, source.type), source.elements)


def cat(arguments: Arguments) -> OperationWork:
    """cat(tensors, dimension). Four-dimensional tensors joined along their tokens are a KV cache that grows."""
    tensors = [t for t in arguments.tensor_list(0) if t.shape != (0,)]
    if not tensors:
        raise UnknownWorkError
    dimension = arguments.integer(1, 0) % max(len(tensors[0].shape), 1)
    grows_cache = len(tensors[0].shape) == 4 and dimension == 2
    role = Role.KV_CACHE if grows_cache else _role(arguments, tensors[0])
    elements = sum(t.elements for t in tensors)
    data_type = tensors[0].type
    return _moved(
        Category.COPY,
        data_type,
        elements,
        {role: sum(t.stored_bytes for t in tensors)},
        (role, float(elements * data_type.bytes)),
    )


def _gathered(arguments: Arguments, table: Tensor, index_bytes: float, elements: int, role: Role) -> OperationWork:
    """Rows of a table: as many elements are read as are written, at most the whole table."""
    written = float(elements * table.type.bytes)
    read = {role: min(written, table.stored_bytes)}
    read[Role.ACTIVATIONS] = read.get(Role.ACTIVATIONS, 0.0) + index_bytes
    return _moved(Category.GATHER, table.type, elements, read, (Role.ACTIVATIONS, written))


def _table_role(arguments: Arguments, table: Tensor, dimension: int) -> Role:
    """Rows of a matrix of floating point are an embedding's, unless it has a row for each token."""
    is_matrix = len(table.shape) == 2 and dimension == 0 and table.type.kind is Kind.FLOAT
    if is_matrix and table.shape[0] != arguments.hint.tokens:
        return Role.WEIGHTS
    return _role(arguments, table)


def embedding(arguments: Arguments) -> OperationWork:
    """embedding(table [V, D], tokens)."""
    table, tokens = arguments.tensor(0), arguments.tensor(1)
    elements = tokens.elements * math.prod(table.shape[1:])
    return _gathered(arguments, table, tokens.stored_bytes, elements, Role.WEIGHTS)


def index_select(arguments: Arguments) -> OperationWork:
    """index_select(table, dimension, index)."""
    table, index = arguments.tensor(0), arguments.tensor(2)
    dimension = arguments.integer(1) % max(len(table.shape), 1)
    others = math.prod(size for d, size in enumerate(table.shape) if d != dimension)
    role = _table_role(arguments, table, dimension)
    return _gathered(arguments, table, index.stored_bytes, others * index.elements, role)


def gather(arguments: Arguments) -> OperationWork:
    """gather(table, dimension, index): one element an index."""
    table, index = arguments.tensor(0), arguments.tensor(2)
    dimension = arguments.integer(1) % max(len(table.shape), 1)
    return _gathered(arguments, table, index.stored_bytes, index.elements, _table_role(arguments, table, dimension))


def index(arguments: Arguments) -> OperationWork:
    """index(table, indices): neither the indices nor the output is traced, but for the view made inside it."""
    if arguments.output_shape is None:
        raise UnknownWorkError
    table = arguments.tensor(0)
    return _gathered(arguments, table, 0.0, math.prod(arguments.output_shape), _role(arguments, table))


def _scattered(arguments: Arguments, source: Tensor, index_bytes: float, *, accumulates: bool) -> OperationWork:
    """The source's elements are written into the first argument, which is otherwise left alone."""
    target = arguments.tensor(0)
    is_cache = len(target.shape) == 4 and len(source.shape) == 4
    role = Role.KV_CACHE if is_cache else _role(arguments, target)
    written = float(source.elements * target.type.bytes)
    read = {role: source.stored_bytes + (written if accumulates else 0.0)}
    read[Role.ACTIVATIONS] = read.get(Role.ACTIVATIONS, 0.0) + index_bytes
    return _moved(Category.GATHER, target.type, source.elements, read, (role, written))


def index_copy(arguments: Arguments) -> OperationWork:
    """index_copy_(target, dimension, index, source)."""
    return _scattered(arguments, arguments.tensor(3), arguments.tensor(2).stored_bytes, accumulates=False)


def index_add(arguments: Arguments) -> OperationWork:
    """index_add_(target, dimension, index, source)."""
    return _scattered(arguments, arguments.tensor(3), arguments.tensor(2).stored_bytes, accumulates=True)


def index_put(arguments: Arguments) -> OperationWork:
    """index_put_(target, indices, values, accumulate); the indices are not traced.

    A single value is broadcast to as many elements as there are indices, which is unknown.
    """
    values = arguments.tensor(2)
    if values.elements <= 1 and arguments.tensor(0).elements > 1:
        raise UnknownWorkError
    return _scattered(arguments, values, 0.0, accumulates=arguments.flag(3))


def scatter(arguments: Arguments) -> OperationWork:
    """scatter_(target, dimension, index, source or value): one element an index, in place."""
    target, positions = arguments.tensor(0), arguments.tensor(2)
    source = arguments.optional(3)
    moved = float(positions.elements * target.type.bytes)
    read = positions.stored_bytes + (moved if source and source.shape else 0.0)
    if "_add" in arguments.name:
        read += moved
    return _moved(Category.GATHER, target.type, positions.elements, {Role.ACTIVATIONS: read}, (Role.ACTIVATIONS, moved))


def fill(arguments: Arguments) -> OperationWork:
    """fill_, zero_ and the random generators: the first argument is written."""
    target = arguments.tensor(0)
    role = _role(arguments, target)
    written = float(target.elements * target.type.bytes)
    return _moved(Category.OTHER, target.type, target.elements, {}, (role, written))


def arange(arguments: Arguments) -> OperationWork:
    """arange(end), (start, end) or (start, end, step); the overloads differ in their number of arguments.

    Those that allocate end in (dtype, layout, device, pin); those that are given their output end in it.
    """
    count = len(arguments.types)
    given = arguments.optional(count - 1)
    values = count - (1 if given else 4)
    if values not in (1, 2, 3):
        raise UnknownWorkError
    start = arguments.number(0) if values > 1 else 0.0
    end = arguments.number(0 if values == 1 else 1)
    step = arguments.number(2) if values == 3 else 1.0
    elements = max(0, math.ceil((end - start) / step))
    default = INT64 if (start, end, step) == (int(start), int(end), int(step)) else FLOAT32
    output = given.type if given else arguments.data_type(values, default)
    return _moved(Category.OTHER, output, elements, {}, (Role.ACTIVATIONS, float(elements * output.bytes)))


RULES: dict[str, Callable[[Arguments], OperationWork]] = {
    "aten::copy_": copy_into,
    "aten::clone": clone,
    "aten::contiguous": clone,
    "aten::_to_copy": to_copy,
    "aten::cat": cat,
    "aten::embedding": embedding,
    "aten::index_select": index_select,
    "aten::gather": gather,
    "aten::index": index,
    "aten::index_copy_": index_copy,
    "aten::index_add_": index_add,
    "aten::index_put_": index_put,
    "aten::_index_put_impl_": index_put,
    "aten::scatter_": scatter,
    "aten::scatter_add_": scatter,
    "aten::fill_": fill,
    "aten::zero_": fill,
    "aten::exponential_": fill,
    "aten::uniform_": fill,
    "aten::normal_": fill,
    "aten::random_": fill,
    "aten::bernoulli_": fill,
    "aten::arange": arange,
}
