"""What people read of a prediction: the answer first, then numbers, then why to doubt them."""

from __future__ import annotations

import io
from functools import cache

import pytest
from msgspec.structs import replace
from rich.console import Console

from profiler.attribute.whatif_report import what_if
from profiler.catalogue.datasheet import find_datasheet
from profiler.render import markdown, table
from profiler.render.whatif_blocks import whatif_blocks
from profiler.report.vocabulary import VerdictState
from profiler.report.whatif import Estimate, Knob, WhatIf
from tests.unit.attribute.kept_reports import kept_report


@cache
def asked(device: str | None = None, **factors: float) -> WhatIf:
    """The answer for one decode that copies, which is quick to predict."""
    report = replace(kept_report(decode="decode_offload_4layers"), created_at="2026-01-15T09:20:31Z")
    target = find_datasheet(device) if device is not None else None
    return what_if(report, {Knob(name): factor for name, factor in factors.items()}, target=target, phase="decode")


def shown(answer: WhatIf, width: int = 80) -> str:
    text = io.StringIO()
    table.render_blocks(whatif_blocks(answer), Console(file=text, width=width, color_system=None))
    return text.getvalue()


def joined(text: str) -> str:
    return " ".join(text.split())


def test_the_first_line_is_the_answer() -> None:
    text = joined(shown(asked(pcie=2.0)))
    found = asked(pcie=2.0).phases[0]
    assert text.startswith("With host-device copies at 2x, decode would take ")
    assert f"{found.speedup.value:.2f}x faster" in text.partition(" model ")[0]


@pytest.mark.parametrize("state", [VerdictState.INCONCLUSIVE, VerdictState.CLEAR])
def test_a_report_whose_own_verdict_is_inconclusive_is_said_to_be_so_before_the_answer(state: VerdictState) -> None:
    answer = asked(pcie=2.0)
    phase = answer.phases[0]
    text = joined(shown(replace(answer, phases=[replace(phase, before=replace(phase.before, state=state))])))
    doubt = "INCONCLUSIVE the report's own verdict of decode is inconclusive"
    assert text.startswith(doubt if state is VerdictState.INCONCLUSIVE else "With host-device copies at 2x")


def test_a_slowdown_is_called_one() -> None:
    assert "x slower (" in joined(shown(asked(pcie=0.5))).partition(" model ")[0]


def test_what_changes_nothing_takes_as_long_as_now() -> None:
    assert "as long as now" in joined(shown(asked(memory=2.0)))


@pytest.mark.parametrize("value", [1.02, 0.97])
def test_what_may_be_faster_or_slower_is_called_neither(value: float) -> None:
    answer = asked(pcie=2.0)
    open_ = replace(answer.phases[0], speedup=Estimate(value=value, low=0.93, high=1.06))
    first = joined(shown(replace(answer, phases=[open_]))).partition(" model ")[0]
    assert "as long as now, within what is known (speedup 0.93–1.06x)" in first
    assert "faster" not in first
    assert "slower" not in first


def test_many_phases_are_counted_and_left_to_the_table() -> None:
    answer = asked(pcie=2.0)
    faster = answer.phases[0]
    slower = replace(faster, speedup=Estimate(value=0.5, low=0.4, high=0.6))
    same = replace(faster, speedup=Estimate(value=1.1, low=0.9, high=1.2))
    text = joined(shown(replace(answer, phases=[faster, faster, slower, same])))
    first = "4 phases: 2 faster, 1 slower and 1 as long as now, within what is known; see the table."
    assert text.startswith(f"With host-device copies at 2x, {first}")


def test_without_a_question_it_says_what_helps_most() -> None:
    text = joined(shown(asked()))
    assert text.startswith("decode gains most from host-device copies: ")
    assert "Predicted" not in text


def test_a_request_is_the_answer_where_there_is_one() -> None:
    text = joined(shown(what_if(kept_report(), {Knob.MEMORY: 1.408}))).partition("what is predicted rests on it. ")[2]
    assert text.startswith("With memory bandwidth at 1.408x, the request would take ")
    for name in ("prefill, TTFT", "decode, TPOT", "request, e2e", "throughput"):
        assert name in text


def test_another_device_has_its_speeds_and_their_tier_in_a_table() -> None:
    text = joined(shown(asked("a100-sxm-80gb", host=2.0), 160))
    assert text.startswith("On NVIDIA A100 SXM4 80GB with the host at 2x, decode would take ")
    assert "2,039 over 3,352 GB/s" in text
    assert "datasheet" in text
    assert "as asked" in text
    assert "another architecture (sm_80, not sm_90)" in text


def test_what_is_not_predicted_has_its_reason() -> None:
    assert "Request: only decode was asked for." in joined(shown(asked(pcie=2.0)))


def test_a_bottleneck_that_is_too_close_to_call_says_so() -> None:
    answer = asked(pcie=2.0)
    phase = answer.phases[0]
    doubtful = replace(phase, after=replace(phase.after, state=VerdictState.INCONCLUSIVE))
    for width in (80, 160):
        assert "What holds decode back then is inconclusive." in shown(replace(answer, phases=[doubtful]), width)
        assert "inconclusive" not in shown(answer, width)


def test_where_no_phase_can_be_predicted_it_says_that() -> None:
    for speeds in (asked(pcie=2.0).speeds, []):
        text = shown(replace(asked(pcie=2.0), phases=[], speeds=speeds))
        assert text.startswith("NO VERDICT  No phase of this report can be predicted.")


def test_a_phase_that_was_asked_for_alone_and_cannot_be_predicted_is_named() -> None:
    text = shown(what_if(kept_report(), {Knob.MEMORY: 2.0}, phase="load"))
    assert text.startswith("NO VERDICT  load cannot be predicted.")
    assert "the legs of loading follow one another" in joined(text)


def test_a_time_without_interval_is_shown_without_one() -> None:
    answer = asked(pcie=2.0)
    phase = answer.phases[0]
    bare = Estimate(value=300.0, low=None, high=None)
    change = replace(phase.time_ms, predicted=bare)
    assert "300 ms" in shown(replace(answer, phases=[replace(phase, time_ms=change)]), 160)


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for answer in (asked(), asked("a100-sxm-80gb", host=2.0), asked(pcie=2.0, memory=0.5)):
        assert max(len(line) for line in shown(answer, width).splitlines()) <= width


def test_markdown_has_the_tables_and_the_curves_in_a_block_of_their_own() -> None:
    text = markdown.render_blocks(whatif_blocks(asked(pcie=2.0)))
    assert "| phase | now | then | low–high | speedup |" in text
    assert "```text\n" in text
    assert "p pcie" in text
