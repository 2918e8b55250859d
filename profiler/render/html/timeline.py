"""One traced step as lanes: what the host called, what each stream ran."""

from __future__ import annotations

from typing import Any

from profiler.render.html.figure import Figure, rounded
from profiler.render.kernel_name import short_kernel_name
from profiler.render.numbers import count, duration
from profiler.render.words import CAUSES, stream_name
from profiler.report.records import Phase
from profiler.report.timeline import Timeline, check_columns

# A longer step is drawn up to here: the browser holds each row in memory, and nobody sees that many.
_MOST_ROWS = 20_000


def timeline(phase: Phase) -> Figure | None:
    """The step of a phase, or None where none was kept."""
    step = phase.timeline
    if step is None or not step.device.start_us:
        return None
    check_columns(step)
    host, device = step.host, step.device
    streams = sorted(set(device.stream))
    first = min([*host.start_us[:1], min(device.start_us)])
    drawn, called = min(len(device.start_us), _MOST_ROWS), min(len(host.start_us), _MOST_ROWS)
    causes = list(dict.fromkeys(device.cause[:drawn]))
    data: dict[str, Any] = {
        "lanes": [*([_host(step)] if host.start_us else []), *map(stream_name, streams)],
        "names": [short_kernel_name(name[:400]) for name in step.names],
        "causes": [{"class": cause.bottleneck_class.value, "words": CAUSES[cause]} for cause in causes],
        "host": {
            "start": _us(host.start_us[:called], first),
            "length": rounded(host.call_us[:called]),
            "kind": host.kind[:called],
        },
        "device": {
            "start": _us(device.start_us[:drawn], first),
            "length": rounded(device.duration_us[:drawn]),
            "lane": [streams.index(stream) for stream in device.stream[:drawn]],
            "name": device.name[:drawn],
            "cause": [causes.index(cause) for cause in device.cause[:drawn]],
        },
    }
    ends = (start + length for start, length in zip(device.start_us, device.duration_us, strict=True))
    span_ms = (max(ends) - first) / 1e3
    cut = f" Drawn are the first {count(_MOST_ROWS)} of each." if len(device.start_us) > drawn else ""
    return Figure(
        "timeline",
        f"One step of {phase.name}",
        f"{count(len(device.start_us))} activities in {count(len(streams))} stream{'s' if len(streams) > 1 else ''} "
        f"and {count(len(host.start_us))} calls of the host over {duration(span_ms)}, as traced: tracing slows the "
        f"host, so gaps look longer here than they are.{cut}",
        data,
    )


def _host(step: Timeline) -> str:
    return "host" if len(step.tail_us) == 1 else f"host, {len(step.tail_us)} threads"


def _us(starts: list[float], first: float) -> list[float]:
    return [round(start - first, 2) for start in starts]
