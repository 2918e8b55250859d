"""Which work of one trace is which of another.

Operations are the same on every device and in every release, kernels are not: so kernels are matched by the operation
that launched them. A call of which the trace does not know it (its launch was not recorded) counts with the operation
that launched most other calls of that kernel, if most have one. Where that is not so, as in a replayed graph, the
kernel's own name has to do, and then it does for all calls of that kernel in both traces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from profiler.compare.kernel_times import KernelTime
from profiler.report.analysis_comparison import MatchedBy, OperationChange

_MOST_NAMES = 3  # of the kernels that an operation launched


@dataclass(slots=True)
class _Work:
    """One side of what was matched."""

    calls: int = 0
    ns: int = 0
    is_kernel: bool = False
    nameless: bool = False  # nobody knows the operation of its kernels
    kernels: dict[str, int] = field(default_factory=dict)  # their times

    def add(self, kernel: KernelTime) -> None:
        self.calls += kernel.calls
        self.ns += kernel.ns
        self.is_kernel |= kernel.is_kernel
        self.nameless |= kernel.is_kernel and kernel.operation is None
        self.kernels[kernel.name] = self.kernels.get(kernel.name, 0) + kernel.ns

    def names(self) -> list[str]:
        """The kernels of most time."""
        return sorted(self.kernels, key=lambda name: (-self.kernels[name], name))[:_MOST_NAMES]


def _with_likely_operations(kernels: Sequence[KernelTime]) -> list[KernelTime]:
    """Calls without operation as those of the operation that launched most others, if most calls have one."""
    known: dict[str, list[KernelTime]] = {}
    unknown: dict[str, int] = {}
    for kernel in kernels:
        if kernel.operation is None:
            unknown[kernel.name] = unknown.get(kernel.name, 0) + kernel.calls
        else:
            known.setdefault(kernel.name, []).append(kernel)
    likely = {
        name: max(launched, key=lambda kernel: kernel.calls).operation
        for name, launched in known.items()
        if sum(kernel.calls for kernel in launched) >= unknown.get(name, 0)
    }
    return [replace(kernel, operation=kernel.operation or likely.get(kernel.name)) for kernel in kernels]


def matched(before: Sequence[KernelTime], after: Sequence[KernelTime]) -> list[OperationChange]:
    """All work of both traces, in no certain order. The changes sum to that of the busy time."""
    sides = [_with_likely_operations(kernels) for kernels in (before, after)]
    nameless = {kernel.name for kernels in sides for kernel in kernels if kernel.operation is None}
    found: dict[tuple[MatchedBy, str], tuple[_Work, _Work]] = {}
    for side, kernels in enumerate(sides):
        for kernel in kernels:
            if kernel.operation is None or kernel.name in nameless:
                key = (MatchedBy.KERNEL, kernel.name)
            else:
                key = (MatchedBy.OPERATION, kernel.operation)
            found.setdefault(key, (_Work(), _Work()))[side].add(kernel)
    only = [[pair[side] for pair in found.values() if not pair[1 - side].calls] for side in (0, 1)]

    def may_be_renamed(old: _Work, new: _Work) -> bool:
        """Whether only one side has it, and only the other has work that may be the same: it lacks a name of one."""
        if old.calls and new.calls:
            return False
        mine, others = (old, only[1]) if old.calls else (new, only[0])
        return any(other.nameless != mine.nameless for other in others if other.is_kernel and mine.is_kernel)

    return [
        OperationChange(
            name=name,
            matched_by=how,
            before_kernels=old.names(),
            after_kernels=new.names(),
            before_calls=old.calls,
            after_calls=new.calls,
            before_ns=old.ns,
            after_ns=new.ns,
            change_ns=new.ns - old.ns,
            may_be_renamed=may_be_renamed(old, new),
        )
        for (how, name), (old, new) in found.items()
    ]
