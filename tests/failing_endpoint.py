"""The kept load of a live server, as if requests of it had failed."""

from __future__ import annotations

from msgspec.structs import replace

from profiler.report.endpoint import Ending, EndingCount, Endpoint
from profiler.report.kinds import load_result
from tests.results import PATHS


def served() -> Endpoint:
    """One load on a server that refused nothing, without the search for its knee."""
    found = load_result(PATHS["endpoint"])
    assert isinstance(found, Endpoint)
    return replace(found, knee=None)


def failing(failed: int, of: int) -> Endpoint:
    """So many requests were throttled, the others took as long as they did."""
    counts = {Ending.OK: of - failed, Ending.THROTTLED: failed}
    endings = [EndingCount(ending=ending, count=count, first="") for ending, count in counts.items() if count]
    return replace(served(), endings=endings)


def refusing() -> Endpoint:
    """Every request was throttled."""
    answer = failing(40, 40)
    return replace(
        answer,
        parts=[],
        leader=None,
        ttft_ms=None,
        tpot_ms=None,
        itl_ms=None,
        e2e_ms=None,
        requests_per_s=0.0,
        output_tokens_per_s=0.0,
        requests=[
            replace(each, ending=Ending.THROTTLED, ttft_ms=None, tpot_ms=None, e2e_ms=None) for each in answer.requests
        ],
    )
