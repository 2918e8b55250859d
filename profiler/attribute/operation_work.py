"""FLOPs and compulsory bytes of one framework operation, from the inputs that torch.profiler traces.

Outputs are not traced: their shapes follow from the inputs. Views move nothing and have no work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from profiler.attribute.operation_rules import rule_for
from profiler.attribute.operation_rules.arguments import Arguments, UnknownWorkError
from profiler.attribute.operation_rules.work import Category, OperationWork, TokenShape

__all__ = ["Category", "OperationWork", "TokenShape", "has_rule", "operation_work"]


def has_rule(name: str) -> bool:
    """Whether the work of operations of this name can be known."""
    return rule_for(name) is not None


def operation_work(
    name: str,
    shapes: Sequence[Any],
    types: Sequence[str],
    concrete: Sequence[Any],
    *,
    strides: Sequence[Any] = (),
    hint: TokenShape | None = None,
    output_shape: tuple[int, ...] | None = None,
    list_item_bytes: int | None = None,
) -> OperationWork | None:
    """The work of one operation, or None where it has no rule or the trace does not say enough.

    `shapes`, `types`, `concrete` and `strides` are "Input Dims", "Input type", "Concrete Inputs" and "Input Strides"
    of the trace, an entry an argument. `hint` tells keys and values from other tensors. `output_shape` is for
    operations whose inputs do not give it away (advanced indexing), `list_item_bytes` the size of an element in a
    list of tensors, which is not traced.
    """
    rule = rule_for(name)
    if rule is None:
        return None
    arguments = Arguments(name, shapes, types, concrete, strides, hint or TokenShape(), output_shape, list_item_bytes)
    try:
        return rule(arguments)
    except (UnknownWorkError, ArithmeticError, IndexError, ValueError):
        return None  # inputs that do not fit the rule: an operation of another version, or of another library
