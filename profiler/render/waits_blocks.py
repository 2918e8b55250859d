"""What a trace's device waited for, as blocks: the host operations that cost it idle time, and the critical path."""

from __future__ import annotations

import re

from profiler.render.document import Block, Column, Grid, Heading, Statement, Tone
from profiler.render.kernel_name import short_kernel_name
from profiler.render.numbers import aligned, count, duration, percent
from profiler.render.words import PARTS, PATH_KINDS, listed
from profiler.report.analysis import RankAnalysis
from profiler.report.part_name import PartName
from profiler.report.trace_waits import CriticalPath, HostOperation, PathGroup, PathKind

_NS_PER_MS = 1e6
# cuDNN's attention plans anew for a length that it has not seen: 1.2 ms a call and more on an H100, where one that
# finds its plan took 0.06 to 0.16 ms.
_CUDNN_ATTENTION = ("aten::_cudnn_attention_forward", "aten::_scaled_dot_product_cudnn_attention")
_PLANNING_NS = 500_000
_CUDNN_PLAN = "cuDNN attention plan"
# Calls that take up to so many times their mean are as good as alike.
_ALIKE = 1.5
# Less is in the JSON, and helps nobody who reads a table.
_LEAST_TOLD = 0.005
_ON_DEVICE = (PathKind.KERNEL, PathKind.COLLECTIVE, PathKind.COPY, PathKind.LAUNCH, PathKind.OTHER_STREAM)
_OF_THE_HOST = (
    PartName.IDLE_HOST,
    PartName.IDLE_SYNC,
    PartName.IDLE_INPUT,
    PartName.IDLE_STAGING,
    PartName.IDLE_NOTHING_ASKED,
)
_FRAME = re.compile(r"(?P<path>[^()]+\.\w+)\((?P<line>\d+)\): (?P<function>.+)")
# Frames that are the same whatever a program does.
_NO_PLACE = ("built-in ", "nn.Module: ", "torch/", "contextlib.py", "functools.py", "threading.py", "<")


def waits_blocks(rank: RankAnalysis) -> list[Block]:
    """The table of each; no idle time where hardly any is."""
    blocks = _idle(rank) if rank.host_operations and rank.idle_ns >= _LEAST_TOLD * rank.span_ns else []
    labels = {operation.name: operation_label(operation) for operation in rank.host_operations}
    return blocks + (_path(rank.critical_path, labels) if rank.critical_path is not None else [])


def _idle(rank: RankAnalysis) -> list[Block]:
    operations = rank.host_operations
    columns = (
        Column("host operation", flexible=True, shortest=26),
        Column("calls", numeric=True),
        Column("host ms", numeric=True),
        Column("longest", numeric=True, drop=4),
        Column("idle ms", numeric=True),
        Column("% of idle", numeric=True),
        Column("because", flexible=True, shortest=18, drop=2),
        Column("in", flexible=True, shortest=30, drop=3),
    )
    told = operations[:1] + [each for each in operations[1:] if each.idle_fraction >= _LEAST_TOLD]
    longest = max(operation.host_ns or 0 for operation in told)
    rows = tuple(
        (
            operation_label(operation),
            count(operation.calls),
            _milliseconds(operation.host_ns, longest),
            _milliseconds(operation.longest_ns, longest),
            _milliseconds(operation.idle_ns, operations[0].idle_ns),
            percent(operation.idle_fraction),
            PARTS[operation.cause].removeprefix("idle: "),
            _place(operation.frames, operation.within),
        )
        for operation in told
    )
    return [
        Heading("What the GPU waited for on the host", 2),
        Statement(_costliest(operations[0])),
        Grid(columns, rows),
        Statement(_rest(rank, told), Tone.FAINT),
    ]


def operation_label(operation: HostOperation) -> str:
    """Its name; cuDNN's attention is called a plan where that is what takes its time."""
    if operation.name in _CUDNN_ATTENTION and _mean_ns(operation) >= _PLANNING_NS:
        return _CUDNN_PLAN
    return _function_first(operation.name)


def _mean_ns(operation: HostOperation) -> float:
    return (operation.host_ns or 0) / operation.calls


def _costliest(operation: HostOperation) -> str:
    label = operation_label(operation)
    said = f"{percent(operation.idle_fraction)} of all GPU idle"
    if operation.host_ns is None:
        return f"{label}: {said}."
    text = f"{label}: {_host_time(operation)}, {said}."
    if label == _CUDNN_PLAN:
        text += (
            f" {operation.name} plans anew for every context length that it has not seen;"
            " torch.backends.cuda.enable_cudnn_sdp(False) avoids it."
        )
    return text


def _host_time(operation: HostOperation) -> str:
    text = f"{duration(_mean_ns(operation) / _NS_PER_MS)} of host time"
    if operation.calls == 1:
        return text
    longest_ns = operation.longest_ns or 0
    uneven = longest_ns > _ALIKE * _mean_ns(operation)
    more = f", the longest {duration(longest_ns / _NS_PER_MS)}" if uneven else ""
    return f"{text} a call ({count(operation.calls)} calls{more})"


def _rest(rank: RankAnalysis, told: list[HostOperation]) -> str:
    of_host = sum(part.ns for part in rank.parts if part.part in _OF_THE_HOST)
    others = of_host - sum(operation.idle_ns for operation in told)
    words = []
    if others:
        words.append(f"{percent(others / rank.idle_ns)} of the idle time in other operations")
    if rank.idle_ns > of_host:
        words.append(f"{percent(1 - of_host / rank.idle_ns)} while no operation of the host was waited for")
    what = "Each nanosecond counts for the innermost operation alone"
    return f"{what}; {listed(words)}." if words else f"{what}."


def _path(path: CriticalPath, labels: dict[str, str]) -> list[Block]:
    columns = (
        Column("critical path", flexible=True, shortest=26),
        Column("what"),
        Column("times", numeric=True),
        Column("ms", numeric=True),
        Column("%", numeric=True),
        Column("in", flexible=True, shortest=30, drop=1),
    )
    rows = tuple(
        (
            _path_label(group, labels),
            PATH_KINDS[group.kind],
            count(group.count),
            _milliseconds(group.ns, path.top[0].ns),
            percent(group.fraction),
            _place(group.frames, group.within),
        )
        for group in path.top
        if group.fraction >= _LEAST_TOLD or group is path.top[0]
    )
    shares = listed(f"{percent(each.fraction)} {PATH_KINDS[each.kind]}" for each in path.kinds)
    told = f"From the last end back to the first start, what each instant waited for: {shares}."
    return [Heading("The critical path through host and GPU", 2), Statement(told), Grid(columns, rows)]


def _path_label(group: PathGroup, labels: dict[str, str]) -> str:
    return (
        short_kernel_name(group.name)
        if group.kind in _ON_DEVICE
        else labels.get(group.name, _function_first(group.name))
    )


def _place(frames: list[str], within: list[str]) -> str:
    """Where in the program: the innermost function that is not the framework's, else the innermost operation."""
    own = [frame for frame in frames if not frame.startswith(_NO_PLACE)]
    return _function_first((own or within or frames or [""])[0])


def _function_first(name: str) -> str:
    """`forward (modeling.py:7)` for the frame `modeling.py(7): forward`: where it is cut short, the function stays."""
    frame = _FRAME.fullmatch(name)
    return f"{frame['function']} ({frame['path']}:{frame['line']})" if frame else name


def _milliseconds(ns: int | None, largest_ns: int) -> str:
    return "" if ns is None else aligned(ns / _NS_PER_MS, largest_ns / _NS_PER_MS)
