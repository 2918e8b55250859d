"""What people read: the answer first, at any width, without colour, and never a false zero."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from profiler.render import table
from profiler.render.document import Column, Gauge, Grid
from profiler.render.words import CAUSES
from profiler.report.records import Report, ReportWarning
from profiler.report.vocabulary import BottleneckClass, Cause, VerdictState
from tests.unit.render import sample


def shown(report: Report, width: int = 80) -> str:
    text = io.StringIO()
    table.render(report, Console(file=text, width=width, color_system=None))
    return text.getvalue()


def joined(text: str) -> str:
    """Without line breaks, so that a sentence can be looked for wherever it was wrapped."""
    return " ".join(text.split())


def with_decode(**changes: object) -> Report:
    decode = sample.decode()
    verdict = replace(decode.verdict, **changes)
    return replace(sample.report(), phases=[replace(decode, verdict=verdict)], verdict=verdict)


def test_the_first_line_is_the_answer() -> None:
    assert joined(shown(sample.report())).startswith(
        "decode is held back by scheduling: the host. "
        "The GPU idles 70% of each step, waiting for the host to launch 1,494 kernels."
    )


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 240])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(len(line) for line in shown(sample.report(), width).splitlines()) <= width


@pytest.mark.parametrize("width", [80, 160])
def test_nothing_depends_on_colour(width: int) -> None:
    text = io.StringIO()
    table.render(sample.report(), Console(file=text, width=width, color_system="truecolor", force_terminal=True))
    assert "\x1b[" in text.getvalue()
    plain = io.StringIO()
    console = Console(file=plain, width=width, color_system="truecolor", force_terminal=True, no_color=True)
    table.render(sample.report(), console)
    assert "INCONCLUSIVE" in plain.getvalue()
    for pattern in "█▓▞░":
        assert pattern in plain.getvalue()


def test_parts_add_up_to_the_clean_median_before_the_readers_eyes() -> None:
    line = next(line for line in shown(sample.report()).splitlines() if "(clean median 27.03)" in line)
    assert line.split()[-2:] == ["27.03", "100%"]


@pytest.mark.parametrize("cause", CAUSES)
def test_the_verdicts_name_the_whole_cause_at_80_columns(cause: Cause) -> None:
    doubtful = {"cause": cause, "class_": cause.bottleneck_class, "state": VerdictState.INCONCLUSIVE, "throttled": True}
    text = shown(with_decode(**doubtful))
    verdicts = text[text.index("Verdicts") : text.index("What to do")]
    assert "…" not in verdicts
    assert set(CAUSES[cause].split()) <= set(verdicts.split())
    assert "inconclusive, throttled" in verdicts


def test_the_bar_fills_the_width_whatever_the_parts() -> None:
    bars = [line for line in shown(sample.report()).splitlines() if line.startswith("█") and "memory" not in line]
    assert bars
    assert {len(line) for line in bars} == {80}


def test_a_negative_rest_is_shown_and_not_clipped() -> None:
    decode = sample.decode()
    negative = replace(decode.parts[0], ms=-0.4, fraction=-0.015)
    text = shown(replace(sample.report(), phases=[replace(decode, parts=[negative, *decode.parts[1:]])]))
    assert "-0.40" in text
    assert "-1.5%" in text


@pytest.mark.parametrize(("times_as_slow", "is_said"), [(1.4, True), (1.02, False)])
def test_the_time_at_full_host_speed_is_said_where_it_is_another(times_as_slow: float, is_said: bool) -> None:
    decode = sample.decode()
    timed = decode.clean.wall_ms
    at_best = replace(timed, median=timed.median / times_as_slow, low=timed.median / 1.5, high=timed.median)
    clean = replace(decode.clean, full_speed_ms=at_best, host_slowdown=1.6, host_dependence=1.0)
    text = joined(shown(replace(sample.report(), phases=[replace(decode, clean=clean)])))
    assert ("at full host speed" in text) is is_said
    assert ("the host was 1.60x as slow" in text) is is_said


def test_a_missing_number_is_a_dash_with_its_reason_below() -> None:
    text = shown(sample.report())
    energy = next(line for line in text.splitlines() if line.startswith("energy") and "–" in line)
    mark = energy.split()[-1]
    assert f"{mark} the phase ran for less than a second under telemetry" in text
    assert "None" not in text


def test_each_reason_stands_once() -> None:
    assert shown(sample.report()).count("the weights are random\n") <= 1
    assert joined(shown(sample.report())).count("] the weights are random") == 1


def test_a_warning_stands_once() -> None:
    assert shown(sample.report()).count("times hold, the text does not") == 1


def test_an_inconclusive_verdict_names_both_and_looks_different() -> None:
    text = joined(shown(sample.report()))
    assert "INCONCLUSIVE prefill: too close to call between compute and scheduling" in text
    assert "prefill is held back by" not in text


BUSY = "other processes kept 1.0 CPU cores busy: what they slowed cannot be told apart"


def test_a_verdict_that_something_makes_doubtful_says_the_doubt_and_not_that_it_is_close() -> None:
    decode = sample.decode().verdict
    text = joined(shown(with_decode(state=VerdictState.INCONCLUSIVE, evidence=[BUSY, *decode.evidence])))
    assert text.startswith(f"INCONCLUSIVE decode: probably scheduling ({decode.share:.2f}): the host, but {BUSY}.")
    assert "too close to call" not in text
    assert "the host, but that is in doubt." in text  # above the evidence, which begins with it


@pytest.mark.parametrize(("low", "runner_up_share"), [(0.04, 0.2), (0.66, 0.65)])
def test_a_doubt_does_not_hide_that_two_classes_are_close(low: float, runner_up_share: float) -> None:
    close = {"share": 0.7, "low": low, "high": 0.75, "runner_up_share": runner_up_share}
    text = joined(shown(with_decode(state=VerdictState.INCONCLUSIVE, evidence=[BUSY], **close)))
    assert text.startswith("INCONCLUSIVE decode: too close to call between scheduling and memory; scheduling: the host")


def test_a_verdict_whose_parts_do_not_sum_says_that() -> None:
    warning = ReportWarning(code="parts_do_not_sum", message="the parts leave +0.9 ms unexplained", phase="decode")
    report = with_decode(state=VerdictState.INCONCLUSIVE)
    text = joined(shown(replace(report, phases=[replace(report.phases[0], warnings=[warning])])))
    assert "the host, but the parts leave +0.9 ms unexplained." in text


def test_a_request_with_a_phase_that_could_not_be_judged_says_which() -> None:
    decode, prefill = sample.decode(), sample.report().phases
    refused = [
        replace(phase, verdict=replace(phase.verdict, state=VerdictState.REFUSED, class_=None))
        for phase in prefill
        if phase.name == "prefill"
    ]
    verdict = replace(decode.verdict, state=VerdictState.INCONCLUSIVE)
    text = joined(shown(replace(sample.report(), phases=[*refused, decode], verdict=verdict)))
    assert "The whole request: probably scheduling" in text
    assert "but prefill could not be judged." in text


def test_a_refused_verdict_says_why_and_names_no_class() -> None:
    text = joined(
        shown(
            with_decode(
                class_=None,
                cause=None,
                share=None,
                state=VerdictState.REFUSED,
                evidence=["the trace shows no kernel although the host waited 463 ms in a copy"],
            )
        )
    )
    assert text.startswith("NO VERDICT decode: the evidence cannot carry a verdict. The trace shows no kernel")
    assert "held back by scheduling" not in text


def test_a_throttled_device_is_said_beside_the_verdict_with_the_reason() -> None:
    report = with_decode(throttled=True)
    warning = ReportWarning(code="throttled", message="hardware thermal slowdown in 40% of the samples", phase="decode")
    text = joined(shown(replace(report, warnings=[warning])))
    assert "THROTTLED The device was slowed down" in text
    assert "hold for that clock only. Hardware thermal slowdown in 40% of the samples." in text
    assert "clear, throttled" in text


def test_an_unfinished_run_says_so_first() -> None:
    text = joined(shown(replace(sample.report(), complete=False, phases=[sample.load(), sample.prefill()])))
    assert text.startswith("INCOMPLETE This run did not finish. Measured before it ended: load and prefill.")


def test_a_run_that_ended_before_any_phase_can_be_shown() -> None:
    assert "Measured before it ended: nothing." in joined(shown(replace(sample.report(), complete=False, phases=[])))


def test_the_verdict_of_the_request_is_said_where_it_differs_from_its_longest_phase() -> None:
    verdict = replace(sample.report().verdict, class_=BottleneckClass.COMPUTE, cause=None)
    assert "The whole request is held back by compute." in joined(shown(replace(sample.report(), verdict=verdict)))


def test_phases_weigh_by_the_time_they_take_in_a_request() -> None:
    text = shown(sample.report(), 160)
    decode_ms, prefill_ms = 27.03 * 63, 31.2
    assert f"decode, {100 * decode_ms / (decode_ms + prefill_ms):.0f}% of the request" in text


def test_layers_kernels_and_telemetry_are_named_as_people_know_them() -> None:
    text = shown(sample.report())
    assert "model.layers.*.mlp.down_proj x32" in text
    assert "elementwise mul bf16" in text
    assert "1,980 MHz" in text
    assert "clock event reasons" in text
    assert "at::native" not in text


def test_advice_comes_with_what_it_gains_and_what_to_type() -> None:
    text = shown(sample.report())
    assert "decode 2.70x faster (2.40–2.90x), 9.60 ms, the request 2.62x." in joined(text)
    assert "bottleneck profile llama-3.1-8b --weights random --mode graph" in text
    assert "No gain could be predicted." in joined(text)


def test_copies_and_streams_are_shown_only_where_there_are_any() -> None:
    text = shown(sample.report())
    assert "pageable" in text
    assert "\nStreams" not in text
    quiet = replace(sample.report(), phases=[replace(sample.decode(), copies=[], streams=None)])
    assert "Copies between" not in shown(quiet)


def test_capacity_is_one_sentence() -> None:
    assert "batch 825 at this length, or a context of 475k tokens at this batch." in joined(shown(sample.report()))


def printed(grid: Grid, width: int) -> str:
    text = io.StringIO()
    table.render_blocks([grid], Console(file=text, width=width, color_system=None))
    return text.getvalue()


def test_columns_leave_in_their_order_as_the_terminal_narrows() -> None:
    grid = Grid(
        (Column("kept"), Column("second", drop=1), Column("first", drop=2), Column("name", flexible=True, shortest=8)),
        (("a" * 10, "b" * 10, "c" * 10, "d" * 20),),
    )
    assert "d" * 20 in printed(grid, 60)
    shortened = printed(grid, 46)
    assert "first" in shortened
    assert "…" in shortened
    assert "first" not in printed(grid, 34)
    assert "second" in printed(grid, 34)
    assert "second" not in printed(grid, 22)
    assert "kept" in printed(grid, 22)


def test_a_column_that_says_nothing_takes_no_room() -> None:
    assert "empty" not in printed(Grid((Column("full"), Column("empty")), (("x", ""),)), 60)


def test_a_gauge_shows_its_interval() -> None:
    text = printed(Grid((Column("gain"),), ((Gauge(0.5, 0.25, 0.75),),)), 60)
    assert "█" * 5 + "▒" * 10 + "·" * 5 in text
