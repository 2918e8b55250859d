"""How the work of an operation is divided over its kernels, on constructed traces."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from profiler.attribute.kernel_work import concatenated, kernels_work, taken
from profiler.attribute.operation_work import TokenShape
from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import MODULE_PREFIX, Timeline


def _event(category: str, name: str, start: float, duration: float, **arguments: Any) -> dict[str, Any]:
    event = {"ph": "X", "cat": category, "name": name, "pid": 0, "tid": 1, "ts": start, "dur": duration}
    return event | {"args": {key.replace("_", " "): value for key, value in arguments.items()}}


def _operation(name: str, start: float, duration: float, shapes: list[Any], types: list[str]) -> dict[str, Any]:
    event = _event("cpu_op", name, start, duration)
    event["args"] = {"Input Dims": shapes, "Input type": types, "Concrete Inputs": [""] * len(types)}
    return event


def _launched(name: str, call_start: float, start: float, duration: float, correlation: int) -> list[dict[str, Any]]:
    return [
        _event("cuda_runtime", "cudaLaunchKernel", call_start, 1, correlation=correlation),
        _event("kernel", name, start, duration, correlation=correlation, device=0, stream=7),
    ]


def _timeline(*events: dict[str, Any]) -> Timeline:
    return read_kineto(json.dumps({"traceEvents": list(events)}).encode())


_SHAPES, _TYPES = [[4, 64], [64, 32]], ["float", "float"]
_READ, _WRITTEN, _FLOPS = (4 * 64 + 64 * 32) * 4, 4 * 32 * 4, 2 * 4 * 64 * 32


def test_kernels_of_one_name_share_by_their_durations() -> None:
    timeline = _timeline(
        _operation("aten::mm", 0, 10, _SHAPES, _TYPES),
        *_launched("gemm", 1, 20, 3, correlation=1),
        *_launched("gemm", 4, 30, 1, correlation=2),
    )
    work = kernels_work(timeline)
    assert work.flops.tolist() == [_FLOPS * 0.75, _FLOPS * 0.25]
    assert work.bytes.sum() == _READ + _WRITTEN


def test_a_helper_before_the_main_kernel_has_unknown_work() -> None:
    timeline = _timeline(
        _operation("aten::mm", 0, 10, _SHAPES, _TYPES),
        *_launched("pack", 1, 20, 1, correlation=1),
        *_launched("gemm", 4, 30, 5, correlation=2),
    )
    work = kernels_work(timeline)
    assert np.isnan(work.bytes[0])
    assert work.bytes[1] == _READ + _WRITTEN


def test_a_helper_that_takes_longer_is_still_a_helper() -> None:
    timeline = _timeline(
        _operation("aten::mm", 0, 10, _SHAPES, _TYPES),
        *_launched("gemm", 1, 20, 2, correlation=1),
        *_launched("void cublasLt::splitKreduce_kernel<32, 16>", 4, 30, 5, correlation=2),
    )
    work = kernels_work(timeline)
    assert work.read_bytes.tolist() == [_READ, 0]
    assert work.write_bytes.tolist() == [0, _WRITTEN]
    assert work.flops.tolist() == [_FLOPS, 0]


def test_a_kernel_of_an_unknown_operation_does_the_work_of_the_known_one_around_it() -> None:
    timeline = _timeline(
        _operation("aten::mm", 0, 10, _SHAPES, _TYPES),
        _operation("vendor::fast_mm", 1, 8, [], []),
        *_launched("gemm", 2, 20, 3, correlation=1),
    )
    work = kernels_work(timeline)
    assert work.flops.tolist() == [_FLOPS]
    assert work.operation == ["vendor::fast_mm"]
    assert work.outer_operation == ["aten::mm"]


def test_work_that_an_inner_operation_does_is_not_counted_again() -> None:
    timeline = _timeline(
        _operation("aten::linear", 0, 20, [[4, 64], [32, 64]], _TYPES),
        _operation("vendor::pack", 1, 3, [], []),
        *_launched("pack", 2, 30, 1, correlation=1),
        _operation("aten::mm", 6, 10, _SHAPES, _TYPES),
        *_launched("gemm", 7, 40, 3, correlation=2),
    )
    work = kernels_work(timeline)
    assert np.isnan(work.bytes[0])
    assert work.bytes[1] == _READ + _WRITTEN


def test_a_kernel_outside_any_operation_has_unknown_work() -> None:
    work = kernels_work(_timeline(*_launched("mystery", 0, 5, 1, correlation=1)))
    assert np.isnan(work.bytes).all()
    assert work.cause == [None]


def test_a_kernel_knows_its_module() -> None:
    timeline = _timeline(
        _event("user_annotation", f"{MODULE_PREFIX}model.layers.3.mlp", 0, 30),
        _operation("aten::linear", 1, 20, [[4, 64], [32, 64]], _TYPES),
        _operation("aten::mm", 2, 10, _SHAPES, _TYPES),
        *_launched("gemm", 3, 40, 3, correlation=1),
    )
    work = kernels_work(timeline)
    assert (work.module, work.operation, work.outer_operation) == (
        ["model.layers.3.mlp"],
        ["aten::mm"],
        ["aten::linear"],
    )


def test_advanced_indexing_takes_its_size_from_the_view_within() -> None:
    view = _operation("aten::as_strided", 1, 1, [[24, 64], [], [], []], ["float", "ScalarList", "ScalarList", ""])
    view["args"]["Concrete Inputs"] = ["", "[48, 64]", "[0, 1]", ""]
    timeline = _timeline(
        _operation("aten::index", 0, 10, [[24, 64], []], ["float", ""]),
        view,
        *_launched("index_elementwise_kernel", 4, 20, 3, correlation=1),
    )
    work = kernels_work(timeline, TokenShape(batch_size=2, query_tokens=12))
    assert work.write_bytes.tolist() == [48 * 64 * 4]


def test_rows_can_be_taken_and_joined() -> None:
    work = kernels_work(
        _timeline(_operation("aten::mm", 0, 10, _SHAPES, _TYPES), *_launched("gemm", 1, 20, 3, correlation=1))
    )
    both = concatenated(work, taken(work, np.array([0, -1])))
    assert both.operation == ["aten::mm", "aten::mm", None]
    assert both.bytes[:2].tolist() == [_READ + _WRITTEN] * 2
    assert np.isnan(both.bytes[2])
