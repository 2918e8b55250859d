"""One table of rules by operation name, and one file for each kind of operation."""

from __future__ import annotations

from collections.abc import Callable

from profiler.attribute.operation_rules import (
    attention,
    convolution,
    elementwise,
    fused,
    matmul,
    movement,
    reduction,
)
from profiler.attribute.operation_rules.arguments import Arguments
from profiler.attribute.operation_rules.work import OperationWork

Rule = Callable[[Arguments], OperationWork]

_RULES: dict[str, Rule] = {
    **elementwise.RULES,
    **reduction.RULES,
    **movement.RULES,
    **convolution.RULES,
    **attention.RULES,
    **matmul.RULES,
}


def rule_for(name: str) -> Rule | None:
    """The rule for an operation of this name; None for one that is unknown."""
    return fused.triton if name.startswith(fused.PREFIX) else _RULES.get(name)
