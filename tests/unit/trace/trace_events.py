"""Chrome trace events in a few words, and where real traces are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from profiler.trace.kineto import read_kineto
from profiler.trace.timeline import Timeline

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"
CPU_TRACE = Path(__file__).parents[2] / "data" / "cpu" / "llama_decode.json.gz"
PUBLIC_TRACES = Path(__file__).parents[3] / "../shared/data/traces"
PUBLIC = (
    "a100_hta_trace_diff_control",
    "h100_bert_small",
    "h100_owlv2_large",
    "h100_qwen1.5_0.5b",
    "hta_event_sync_multi_stream",
    "hta_ns_resolution",
    "mi250_hta_minitoy",
    "mi300_sglang_decode",
    "mi300_vllm_decode_graph",
    "v100_hta_trace_diff_test",
    "v100_resnet50_workers0",
)

Event = dict[str, Any]


def public_trace(name: str) -> Timeline:
    path = PUBLIC_TRACES / f"{name}.json.gz"
    if not path.exists():
        pytest.skip(f"the public trace {name} is not on this machine; it is not part of the repository")
    return read_kineto(path)


def recording(name: str) -> Timeline:
    return read_kineto(RECORDINGS / f"{name}.json.gz")


def event(category: str, name: str, start_us: float, duration_us: float, tid: int = 1, **arguments: Any) -> Event:
    arguments = {key.replace("_", " ") if key == "External_id" else key: value for key, value in arguments.items()}
    return {
        "ph": "X",
        "cat": category,
        "name": name,
        "pid": 0,
        "tid": tid,
        "ts": start_us,
        "dur": duration_us,
        "args": arguments,
    }


def kernel(start_us: float, duration_us: float, correlation: int = 0, stream: int = 7, name: str = "gemm") -> Event:
    return event("kernel", name, start_us, duration_us, correlation=correlation, stream=stream, device=0)


def copy(name: str, start_us: float, duration_us: float, stream: int = 7, **arguments: Any) -> Event:
    return event("gpu_memcpy", name, start_us, duration_us, stream=stream, device=0, **arguments)


def call(name: str, start_us: float, duration_us: float, correlation: int = 0, **arguments: Any) -> Event:
    return event("cuda_runtime", name, start_us, duration_us, correlation=correlation, **arguments)


def operation(name: str, start_us: float, duration_us: float, tid: int = 1, **arguments: Any) -> Event:
    return event("cpu_op", name, start_us, duration_us, tid, **arguments)


def annotation(name: str, start_us: float, duration_us: float, tid: int = 1) -> Event:
    return event("user_annotation", name, start_us, duration_us, tid)


def frame(name: str, start_us: float, duration_us: float, tid: int = 1) -> Event:
    return event("python_function", name, start_us, duration_us, tid)


def trace_bytes(events: Sequence[Event], **top_level: Any) -> bytes:
    return json.dumps({"schemaVersion": 1, "traceEvents": list(events), **top_level}).encode()


def timeline_of(*events: Event) -> Timeline:
    return read_kineto(trace_bytes(events))
