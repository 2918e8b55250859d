"""Exchanges and records as a test needs them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from profiler.endpoint.exchange import Exchange
from profiler.report.endpoint import ClientHealth, ServerTimes
from profiler.serving.log import RequestLog

MS = 10**6


def exchange(
    number: int = 0,
    *,
    due_ms: int = 0,
    waits_ms: int = 0,
    connect_ms: int = 0,
    ttft_ms: int = 100,
    gaps_ms: tuple[int, ...] = (10, 10),
    prompt_tokens: int = 50,
) -> Exchange:
    """One that ended well."""
    began = (due_ms + waits_ms) * MS
    tokens = [began + ttft_ms * MS]
    for gap in gaps_ms:
        tokens.append(tokens[-1] + gap * MS)
    return Exchange(
        number,
        prompt_tokens,
        len(tokens),
        due_ms * MS,
        began,
        connect_ns=connect_ms * MS,
        token_ns=tokens,
        last_ns=tokens[-1],
        ended_ns=tokens[-1],
        status=200,
    )


def log(*arrivals_ms: int, prompt_tokens: int = 50, output_tokens: int = 3) -> RequestLog:
    number = len(arrivals_ms)
    none = np.zeros(number, np.int64)
    return RequestLog(np.array(arrivals_ms, np.int64) * MS, none + prompt_tokens, none + output_tokens, none, none[:0])


HEALTHY = ClientHealth(loop_lag_ms=None, cpu_ratio=0.1, send_delay_ms=None, limited=False, reasons=[])
LIMITED = msgspec.structs.replace(HEALTHY, limited=True, reasons=["the client used 99% of a CPU"])


def server(**changes: Any) -> ServerTimes:
    usual = ServerTimes(
        engine="vllm",
        requests=1,
        queue_ms=60.0,
        prefill_ms=30.0,
        decode_ms=20.0,
        ttft_ms=90.0,
        e2e_ms=110.0,
        preemptions=0,
        peak_running=8.0,
        peak_waiting=5.0,
        peak_kv_usage_ratio=0.4,
        peak_kv_usage_waiting_ratio=0.3,
        samples=3,
    )
    return msgspec.structs.replace(usual, **changes)
