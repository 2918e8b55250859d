"""What stands on the page of each kind of result, in which order: its blocks, with figures where they belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from profiler.render.answer import request_fractions
from profiler.render.document import Block, Grid, Heading, Plot, Slots, Statement
from profiler.render.html.figure import Figure
from profiler.render.html.kernel_table import KernelTable
from profiler.render.html.kernels import kernel_columns
from profiler.render.html.levels import levels
from profiler.render.html.method import method_blocks
from profiler.render.html.pictures import curve_figure, slot_figure
from profiler.render.html.ranks import rank_parts, rank_streams
from profiler.render.html.roofline import roofline
from profiler.render.html.served import knee, latencies
from profiler.render.html.telemetry import telemetry
from profiler.render.html.timeline import timeline
from profiler.render.kernel_blocks import KERNELS
from profiler.render.phase_blocks import phase_title
from profiler.render.result_blocks import result_blocks
from profiler.render.speed_blocks import speed_blocks
from profiler.render.summary_blocks import split_blocks
from profiler.report.analysis import Analysis
from profiler.report.endpoint import Endpoint
from profiler.report.history import History
from profiler.report.kinds import Result
from profiler.report.records import Phase, Report

Piece = Block | Figure | KernelTable


class Section(Struct, frozen=True):
    """A part of the page with a link to it; the first has no title."""

    title: str
    pieces: tuple[Piece, ...]


def sections_of(result: Result) -> tuple[str, list[Section]]:
    """The title of the page, and its sections."""
    first, *sections = _split(result_blocks(result))
    if isinstance(result, Report):
        split = split_blocks(result.phases) if result.phases else []
        first = Section(first.title, (*first.pieces, *split))
    sections.insert(0, first)
    if isinstance(result, Report):
        return _title(result), _report(result, sections)
    if isinstance(result, Analysis):
        streams = (rank_streams(rank) for rank in result.ranks[:1])
        return "bottleneck analyze", _with_first(sections, [rank_parts(result), *streams])
    if isinstance(result, Endpoint):
        return f"bottleneck endpoint: {result.target.model}", _with_first(sections, [knee(result), latencies(result)])
    if isinstance(result, History):
        return "bottleneck history", _with_levels(sections, result)
    return f"bottleneck {result.kind}", sections


def _title(report: Report) -> str:
    what = report.workload.model if report.workload is not None else "marked phases"
    return f"{what} on {report.environment.device}"


def _report(report: Report, sections: list[Section]) -> list[Section]:
    fractions = request_fractions(report)
    phases = {phase_title(phase, fractions.get(phase.name)): phase for phase in report.phases}
    dtype = report.workload.dtype if report.workload is not None else None
    found = [
        Section(section.title, (*_without_kernels(section, phase), *_figures(phase, report, dtype)))
        if (phase := phases.get(section.title)) is not None
        else section
        for section in sections
    ]
    readings = telemetry(report)
    if readings is not None:
        last = max((n for n, section in enumerate(found) if section.title in phases), default=len(found) - 1)
        found.insert(last + 1, Section("Telemetry", (Heading("Telemetry"), readings)))
    return [*found, *_split(method_blocks(report))]


def _figures(phase: Phase, report: Report, dtype: str | None) -> Iterable[Piece]:
    if phase.curves:
        [section] = _split(speed_blocks(phase.curves, phase.clean.wall_ms.median), f"Faster hardware for {phase.name}")
        yield from section.pieces
    for picture in (timeline(phase), roofline(phase, report.ceilings, dtype)):
        if picture is not None:
            yield picture
    if phase.kernels:
        yield KernelTable(kernel_columns(phase.kernels), phase.name)


def _without_kernels(section: Section, phase: Phase) -> list[Piece]:
    """Without the short table of kernels: the whole one follows."""
    pieces = list(section.pieces)
    place = next((n for n, piece in enumerate(pieces) if isinstance(piece, Heading) and piece.text == KERNELS), None)
    if place is None or not phase.kernels:
        return pieces
    end = place + 1
    while end < len(pieces) and isinstance(pieces[end], Grid | Statement):
        end += 1
    return pieces[:place] + pieces[end:]


def _with_first(sections: list[Section], figures: Iterable[Figure | None]) -> list[Section]:
    """Figures after what the first section says."""
    first, *rest = sections
    return [Section(first.title, (*first.pieces, *(figure for figure in figures if figure is not None))), *rest]


def _with_levels(sections: list[Section], answer: History) -> list[Section]:
    """Each group's plot in the section of the group: they have one each, where there are several."""
    groups = [levels(group) for group in answer.groups]
    lead = len(sections) - len(groups)  # what all of them share stands before
    return sections[:lead] + [
        Section(section.title, (*section.pieces, figure)) if figure is not None else section
        for section, figure in zip(sections[lead:], groups, strict=True)
    ]


def _split(blocks: list[Block], title: str = "") -> Iterator[Section]:
    """Sections begin with headings of level 1; pictures of the terminal become figures."""
    pieces: list[Piece] = []
    heading = title
    for block in blocks:
        if isinstance(block, Heading):
            heading = block.text
            if block.level == 1:
                if pieces:
                    yield Section(title, tuple(pieces))
                title, pieces = block.text, []
        if isinstance(block, Plot):
            pieces.append(curve_figure(block, f"{title}: time over speed"))
        elif isinstance(block, Slots):
            pieces.pop()  # the heading, which is that of the figure now
            pieces.append(slot_figure(block, heading))
        else:
            pieces.append(block)
    if pieces:
        yield Section(title, tuple(pieces))
