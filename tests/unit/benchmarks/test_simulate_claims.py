from __future__ import annotations

import pytest

from benchmarks import simulate
from tests.unit.serving.requests import real_log


def rows(monkeypatch: pytest.MonkeyPatch, requests: int, seconds: float, bytes_a_request: float) -> list[bool | None]:
    def measured(case: str, number: int) -> tuple[float, float]:
        return (seconds, bytes_a_request * number) if number == requests else (seconds / 10, 100.0 * number)

    monkeypatch.setattr(simulate, "_measured", measured)
    return [row.holds for row in simulate.speed_rows(requests)]


def test_a_million_in_a_minute_and_in_linear_memory_keeps_the_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows(monkeypatch, 1_000_000, 59, 105) == [True, True] * len(simulate.CASES)


def test_a_slower_or_larger_simulation_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows(monkeypatch, 1_000_000, 61, 120) == [False, False] * len(simulate.CASES)


def test_of_fewer_requests_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows(monkeypatch, 1000, 61, 120) == [None, None] * len(simulate.CASES)


def test_both_real_servers_keep_the_claims() -> None:
    folder = real_log("vllm_measured_RTX4090_Llama-3.1-8B_vllm_requests.jsonl").parent
    found = simulate.reality_rows(folder)
    assert [row.holds for row in found] == [True] * 8


@pytest.mark.parametrize("case", simulate.CASES)
def test_every_case_runs(case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate.os, "sched_setaffinity", lambda process, cores: None)
    simulate.run_case(case, 100)
    seconds, peak = map(float, capsys.readouterr().out.split())
    assert seconds > 0
    assert peak >= 0
