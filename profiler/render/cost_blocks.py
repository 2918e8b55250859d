"""What a prefill and a decode step cost over their sizes: a small table a phase, batch sizes down, lengths across."""

from __future__ import annotations

from profiler.render.document import Block, Column, Footnotes, Grid, Heading, Statement
from profiler.render.numbers import count, number, percent
from profiler.report.cost_surface import CostSurface, DecodeCost, MixedCost, PrefillCost


def cost_blocks(surface: CostSurface, notes: Footnotes) -> list[Block]:
    """Both phases of a sweep, and how far straight lines between their points are off."""
    return [
        Heading("What requests cost"),
        *_phase(
            "Prefill, ms by batch size and prompt tokens",
            {(point.batch_size, point.prompt_tokens): point.ms for point in surface.prefill},
            _error(surface.prefill_error_ratio, surface.prefill_held_out, surface, notes),
        ),
        *_phase(
            "Decode step, ms by batch size and context tokens",
            {(point.batch_size, point.context_tokens): point.ms for point in surface.decode},
            _error(surface.decode_error_ratio, surface.decode_held_out, surface, notes),
        ),
        *_both_at_once(surface.mixed),
    ]


def _phase(title: str, times: dict[tuple[int, int], float], error: str) -> list[Block]:
    if not times:
        return [Heading(title, 2), Statement("Nothing was measured.")]
    batches, lengths = (sorted({size[side] for size in times}) for side in (0, 1))
    # Where there is no room for all, the lengths in the middle go first.
    columns = [
        Column(count(n), numeric=True, drop=min(place, len(lengths) - 1 - place)) for place, n in enumerate(lengths)
    ]
    rows = [(str(b), *(number(times[b, n]) if (b, n) in times else "" for n in lengths)) for b in batches]
    return [Heading(title, 2), Grid((Column("batch", numeric=True), *columns), tuple(rows)), Statement(error)]


def _both_at_once(points: list[MixedCost]) -> list[Block]:
    if not points:
        return []
    columns = tuple(Column(name, numeric=True) for name in ("prompt", "batch", "context", "ms"))
    rows = tuple((count(p.prompt_tokens), str(p.batch_size), count(p.context_tokens), number(p.ms)) for p in points)
    return [
        Heading("A prompt beside a decode step, ms by its tokens and the step's size", 2),
        Grid(columns, rows),
    ]


def _error(
    ratio: float | None, held_out: list[PrefillCost] | list[DecodeCost], surface: CostSurface, notes: Footnotes
) -> str:
    if ratio is None:
        return f"How far straight lines between these points are off is not known: {notes.missing(surface.missing)}"
    number_of = len(held_out)
    tested = f"median of {number_of} points that were" if number_of > 1 else "one point that was"
    return f"Straight lines between these points are off by {percent(ratio)} ({tested} held out)."
