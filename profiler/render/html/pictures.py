"""The pictures that a terminal has too: curves over speed, and slots over time."""

from __future__ import annotations

from profiler.render.document import Plot, Slots
from profiler.render.html.figure import Figure, rounded
from profiler.render.numbers import count, duration, times
from profiler.render.words import listed


def curve_figure(plot: Plot, title: str) -> Figure:
    """Times over the speed of each resource, down to the ideal."""
    fastest = plot.speeds[-1]
    ends = listed(f"{line.label} {duration(line.values[-1])}" for line in plot.lines) if plot.lines else "nothing"
    return Figure(
        "curves",
        title,
        f"From {duration(plot.today)} today, with one resource at {times(fastest)} its speed: {ends}. "
        "The dotted line is a step that consists of nothing else.",
        {
            "today": plot.today,
            "speeds": rounded(list(plot.speeds), 6),
            "lines": [
                {"label": line.label, "class": line.kind, "ms": rounded(list(line.values))} for line in plot.lines
            ],
        },
    )


def slot_figure(slots: Slots, title: str) -> Figure:
    """What each slot did, and how many requests waited."""
    spans = [(label, span) for label, row in slots.rows for span in row]
    plural = "" if len(slots.rows) == 1 else "s"
    return Figure(
        "slots",
        title,
        f"{count(len(slots.rows))} slot{plural} over {duration(slots.end)}; below them how many requests wait, "
        f"at most {count(max(slots.waiting, default=0))}.",
        {
            "end": slots.end,
            "slot": [label for label, _ in spans],
            "state": [span.state for _, span in spans],
            "label": [span.label for _, span in spans],
            "begin": rounded([span.begin for _, span in spans], 6),
            "stop": rounded([span.end for _, span in spans], 6),
            "waiting": list(slots.waiting),
        },
    )
