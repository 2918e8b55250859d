"""The costs of a sweep as people read them."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from profiler.render import markdown, table
from profiler.render.cost_blocks import cost_blocks
from profiler.render.document import Footnotes
from profiler.render.report_blocks import report_blocks
from profiler.render.simulation_blocks import simulation_blocks
from profiler.report.cost_surface import CostSurface, DecodeCost, MixedCost, PrefillCost
from profiler.report.vocabulary import Tier
from profiler.serving.generated import inline_requests
from profiler.session.simulate import simulate, surface_basis
from tests.unit.render import sample

LENGTHS = [2**power for power in range(4, 18)]
SURFACE = CostSurface(
    tier=Tier.HOST,
    prefill=[PrefillCost(batch_size=1, prompt_tokens=n, ms=10 + n / 20) for n in (128, 1024, 4096)],
    decode=[
        DecodeCost(batch_size=batch, context_tokens=n, ms=9 + batch * n / 1e5) for batch in (1, 8, 32) for n in LENGTHS
    ],
    prefill_error_ratio=0.031,
    decode_error_ratio=None,
    missing="nothing was measured between the points of decode",
    prefill_held_out=[PrefillCost(batch_size=1, prompt_tokens=n, ms=20.0) for n in (362, 2048)],
)


def shown(surface: CostSurface, width: int) -> str:
    text = io.StringIO()
    table.render_blocks(cost_blocks(surface, Footnotes()), Console(file=text, width=width, color_system=None))
    return text.getvalue()


@pytest.mark.parametrize("width", [60, 80, 160])
def test_it_fits_the_width_and_keeps_the_shortest_and_the_longest(width: int) -> None:
    text = shown(SURFACE, width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    header = next(line for line in text.splitlines() if line.split()[:2] == ["batch", "16"])
    assert header.split()[-1] == "131,072"


def test_times_stand_at_their_batch_and_length() -> None:
    lines = shown(SURFACE, 160).splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("Prefill, ms"))
    assert lines[place + 1].split() == ["batch", "128", "1,024", "4,096"]
    assert lines[place + 2].split() == ["1", "16.4", "61.2", "215"]


def test_iterations_that_do_both_stand_below_where_they_were_measured() -> None:
    mixed = [MixedCost(prompt_tokens=2048, batch_size=8, context_tokens=1024, ms=67.4)]
    *_, title, header, row = shown(replace(SURFACE, mixed=mixed), 160).splitlines()
    assert title.startswith("A prompt beside a decode step, ms")
    assert header.split() == ["prompt", "batch", "context", "ms"]
    assert row.split() == ["2,048", "8", "1,024", "67.4"]
    assert "beside" not in shown(SURFACE, 160)


def test_how_far_lines_are_off_is_said_and_by_how_many_points() -> None:
    text = shown(SURFACE, 160)
    assert "off by 3.1% (median of 2 points that were held out)." in text
    one = replace(SURFACE, prefill_held_out=SURFACE.prefill_held_out[:1])
    assert "off by 3.1% (one point that was held out)." in shown(one, 160)


def test_an_error_that_is_missing_has_a_footnote() -> None:
    notes = Footnotes()
    cost_blocks(SURFACE, notes)
    assert notes.reasons == ["nothing was measured between the points of decode"]
    assert "how far straight lines between these points are off is not known" in shown(SURFACE, 160).lower()


def test_a_phase_without_points_says_so() -> None:
    assert "Nothing was measured." in shown(replace(SURFACE, prefill=[]), 80)


def test_a_report_shows_its_costs_and_one_without_does_not() -> None:
    report = sample.report()
    assert "What requests cost" not in markdown.render_blocks(report_blocks(report))
    text = markdown.render_blocks(report_blocks(replace(report, costs=SURFACE)))
    assert "What requests cost" in text
    assert "| batch | 128 | 1,024 | 4,096 |" in text


@pytest.mark.parametrize(
    ("prefill", "decode", "said"),
    [
        (0.031, 0.12, "off between its points: prefill 3.1%, decode 12%"),
        (0.031, None, "off between its points: prefill 3.1%"),
        (None, None, "measured, from the report\n"),
    ],
)
def test_a_simulation_says_how_far_its_costs_are_off(prefill: float | None, decode: float | None, said: str) -> None:
    surface = replace(SURFACE, prefill_error_ratio=prefill, decode_error_ratio=decode)
    answer = simulate(inline_requests("500:10,900:20"), surface_basis(surface, "report"), name="two")
    text = io.StringIO()
    table.render_blocks(simulation_blocks(answer), Console(file=text, width=160, color_system=None))
    assert said in "\n".join(line.rstrip() for line in text.getvalue().splitlines())
