"""Waits for a data loader, found in a trace that torch wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest

from profiler.trace.graph import build_graph
from profiler.trace.input_waits import InputWaits
from profiler.trace.kineto import read_kineto


def event(category: str, name: str, start: float, duration: float, thread: int = 1, **arguments: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": category, "name": name, "ts": start, "dur": duration, "pid": 1, "tid": thread} | {
        "args": arguments
    }


TRACE = read_kineto(
    json.dumps(
        {
            "traceEvents": [
                event("user_annotation", "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", 1000, 400),
                event("user_annotation", "enumerate", 1500, 50),
                event("cuda_runtime", "cudaLaunchKernel", 1450, 10, correlation=7),
                event("kernel", "gemm", 1470, 100, 0, correlation=7, device=0, stream=7),
            ]
        }
    ).encode()
)


def test_only_loaders_count():
    assert InputWaits(TRACE).within_us(0, 10_000_000) == 400


@pytest.mark.parametrize(("begin_us", "end_us", "expected"), [(900, 1100, 100), (1100, 1200, 100), (1400, 1500, 0)])
def test_a_wait_counts_as_far_as_it_lies_in_between(begin_us: int, end_us: int, expected: float):
    assert InputWaits(TRACE).within_us(begin_us * 1000, end_us * 1000) == expected


def test_another_thread_s_loader_is_not_this_one_s():
    assert InputWaits(TRACE).within_us(0, 10_000_000, thread=99) == 0


def test_the_graph_tells_the_wait_from_the_host_s_work():
    graph = build_graph(TRACE, 950_000, 1_600_000)
    assert (graph.input_us, graph.gap_us) == ([400], [100])
