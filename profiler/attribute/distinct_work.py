"""The work of a timeline's operations, worked out once for each name with the same inputs."""

from __future__ import annotations

import re

from profiler.attribute.operation_work import OperationWork, TokenShape, operation_work
from profiler.trace.timeline import Timeline

_INDEXING = "aten::index"
# The element size in the names of the kernels of `cat`: OpaqueType<2u>, OpaqueType<2>.
_OPAQUE_TYPE = "OpaqueType<"
_BYTES = re.compile(r"(\d+)u?>")


class WorkOfOperations:
    """The work of operations; those of one name and the same inputs have the same."""

    def __init__(self, timeline: Timeline, hint: TokenShape) -> None:
        self._timeline, self._hint = timeline, hint
        self._found: dict[tuple[object, ...], OperationWork | None] = {}
        item_bytes = [_item_bytes(name) for name in timeline.names]
        self._item_bytes = [item_bytes[name] for name in timeline.device.name.tolist()]
        self._names = [timeline.names[name] for name in timeline.operations.name.tolist()]

    def __call__(self, operation: int, rows: list[int]) -> OperationWork | None:
        """Of one operation that launched these rows of the device, or None where it is not known."""
        operations = self._timeline.operations
        if not operations.shapes:
            return None
        name, shapes = self._names[operation], operations.shapes[operation]
        types, concrete = operations.types[operation], operations.concrete[operation]
        strides = operations.strides[operation] if operations.strides else ()
        output_shape = _indexed_shape(self._timeline, operation) if name == _INDEXING else None
        item_bytes = next((size for row in rows if (size := self._item_bytes[row]) is not None), None)
        # Equal inputs are one object each, which the timeline keeps.
        key = (name, id(shapes), id(types), id(concrete), id(strides), output_shape, item_bytes)
        if key not in self._found:
            self._found[key] = operation_work(
                name,
                shapes,
                types,
                concrete,
                strides=strides,
                hint=self._hint,
                output_shape=output_shape,
                list_item_bytes=item_bytes,
            )
        return self._found[key]


def _item_bytes(kernel: str) -> int | None:
    _, _, named = kernel.partition(_OPAQUE_TYPE)  # names are long: to search them by a pattern takes 4 ms
    match = _BYTES.match(named)
    return None if match is None else int(match[1])


def _indexed_shape(timeline: Timeline, operation: int) -> tuple[int, ...] | None:
    """The output shape of advanced indexing: the first thing it does is to view the table in that shape."""
    operations = timeline.operations
    inner = operation + 1
    if inner >= len(operations) or operations.parent[inner] != operation:
        return None
    if timeline.name_of(operations.name, inner) != "aten::as_strided":
        return None
    sizes = re.findall(r"\d+", str(operations.concrete[inner][1:2]))
    return tuple(int(size) for size in sizes) or None
