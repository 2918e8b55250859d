"""The traced inputs of one operation, typed."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from profiler.attribute.operation_rules.data_types import BY_NUMBER, BY_TRACED_NAME, DataType, Kind
from profiler.attribute.operation_rules.work import TokenShape

Shape = tuple[int, ...]


class UnknownWorkError(Exception):
    """The trace does not say what the rule needs; the operation's work is unknown."""


class Tensor(Struct, frozen=True):
    """A tensor that the operation was given."""

    shape: Shape
    strides: Shape | None  # None where the trace has none: taken as contiguous
    type: DataType

    @property
    def elements(self) -> int:
        """Elements that the operation sees."""
        return math.prod(self.shape)

    @property
    def stored_bytes(self) -> float:
        """Bytes in memory: a dimension expanded with stride 0 is stored once."""
        strides = self.strides or (1,) * len(self.shape)
        stored = math.prod(size for size, stride in zip(self.shape, strides, strict=True) if stride or not size)
        return float(stored * self.type.bytes)


class Arguments(Struct, frozen=True):
    """One operation: its name, its inputs by position, and what is known around it.

    `output_shape` is known where an operation inside it gives it away; `list_item_bytes` is the element size of
    tensor lists, whose type is not traced. The readers raise `UnknownWorkError` for what is not there.
    """

    name: str
    shapes: Sequence[Any]
    types: Sequence[str]
    concrete: Sequence[Any]
    strides: Sequence[Any]
    hint: TokenShape
    output_shape: Shape | None = None
    list_item_bytes: int | None = None

    def optional(self, position: int) -> Tensor | None:
        """The tensor at this position, or None if it is none or not there."""
        if not 0 <= position < min(len(self.types), len(self.shapes)):
            return None
        data_type = BY_TRACED_NAME.get(self.types[position])
        if data_type is None:
            return None
        return _tensor(self.shapes[position], self._strides(position), data_type)

    def tensor(self, position: int) -> Tensor:
        """The tensor at this position."""
        found = self.optional(position)
        if found is None:
            raise UnknownWorkError
        return found

    def tensors(self) -> list[Tensor]:
        """All tensors, in order, those in lists left out."""
        return [t for position in range(len(self.types)) if (t := self.optional(position)) is not None]

    def tensor_list(self, position: int) -> list[Tensor]:
        """The tensors of a list; their type is unknown but for its size."""
        size = self.list_item_bytes or self.hint.element_bytes
        if size is None or position >= len(self.types) or self.types[position] != "TensorList":
            raise UnknownWorkError
        data_type = DataType("unknown", size, Kind.FLOAT)
        strides = self._strides(position) or [None] * len(self.shapes[position])
        return [_tensor(s, stride, data_type) for s, stride in zip(self.shapes[position], strides, strict=True)]

    def text(self, position: int) -> str:
        """The concrete value as traced; empty where there is none."""
        return str(self.concrete[position]).strip() if 0 <= position < len(self.concrete) else ""

    def number(self, position: int, default: float | None = None) -> float:
        """A concrete number."""
        try:
            return float(self.text(position))
        except ValueError:
            return float(_given(default))

    def integer(self, position: int, default: int | None = None) -> int:
        """A concrete integer."""
        return int(self.number(position, default))

    def flag(self, position: int, default: bool = False) -> bool:
        """A concrete truth value."""
        text = self.text(position)
        return text in ("True", "1") if text else default

    def integers(self, position: int, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """A concrete integer or list of integers."""
        try:
            value = ast.literal_eval(self.text(position))
        except (ValueError, SyntaxError):
            return tuple(_given(default))
        return tuple(value) if isinstance(value, list | tuple) else (int(value),)

    def data_type(self, position: int, default: DataType) -> DataType:
        """A concrete `dtype`."""
        text = self.text(position)
        return BY_NUMBER.get(int(text), default) if text.isdigit() else default

    def _strides(self, position: int) -> Any:
        return self.strides[position] if position < len(self.strides) else None


def _tensor(shape: Any, strides: Any, data_type: DataType) -> Tensor:
    strides = tuple(strides) if strides is not None and len(strides) == len(shape) else None
    return Tensor(tuple(shape), strides, data_type)


def _given(default: Any) -> Any:
    if default is None:
        raise UnknownWorkError
    return default


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape that all of these broadcast to. Raises `UnknownWorkError` if they do not."""
    length = max((len(shape) for shape in shapes), default=0)
    result = []
    for sizes in zip(*(((1,) * (length - len(shape)) + shape) for shape in shapes), strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise UnknownWorkError
        result.append(wide.pop() if wide else 1)
    return tuple(result)
