"""The memory shares that the profiler finds, against those of an earlier swap of one program.

The truth was recorded on another pair of cards: the shape of Llama-3.1-8B under torch 2.11 and transformers 5.17 on an
H100 80GB HBM3 and an H200 (memory 1.408 times as fast by measured copies, equal multiprocessors), each phase timed on
both. Its memory share is finite: (1 - t_H200/t_H100) / (1 - 1/1.408). Decode steps were CUDA graphs over a static cache
with 8 spare slots, without cuDNN's attention; of a prefill, only the sum of its kernels' times is free of the host.
Clocks put about 0.1 of noise on a row. All phases but one were traced on the H100 then, and are judged from that trace;
the other one is run again, as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.truth.baselines import busy_us, roofline_memory_ratio, roofline_ms, share_of
from benchmarks.truth.configurations import Configuration
from benchmarks.truth.section import Claim, Section, Table
from profiler.attribute.scenarios import scenarios_of
from profiler.attribute.shares import Scenario
from profiler.attribute.step_evidence import StepEvidence
from profiler.attribute.timeline_record import restored
from profiler.attribute.whatif import finite_share, predict
from profiler.report.records import Phase
from profiler.report.timeline import Timeline
from profiler.report.vocabulary import Resource

STEP = 1.408
TOLERANCE = 0.15
# Torch's memory-efficient attention is what remains of its backends for a masked decode without cuDNN's.
UNRECORDED = Configuration("llama-3.1-8b", "decode", 128, 2048, attention="efficient")


@dataclass(frozen=True, slots=True)
class Truth:
    """A row of the recorded truth: milliseconds on both cards, and the memory share that follows.

    `recording` is its trace under tests/data/recordings, None where there is none.
    """

    phase: str
    recording: str | None
    h100_ms: float
    h200_ms: float
    memory_share: float

    @property
    def kernels_only(self) -> bool:
        """Whether it is of the sum of the kernels' times, not of the whole step."""
        return self.phase.startswith("prefill")


TRUTHS = (
    Truth("prefill 128", "prefill_b1_128", 10.2433, 8.3679, 0.632),
    Truth("prefill 512", "prefill_b1_512", 17.2787, 16.4782, 0.16),
    Truth("prefill 2048", "prefill_b1_2048", 60.7991, 60.3114, 0.028),
    Truth("prefill 8192", "prefill_b1_8192", 283.2944, 274.9585, 0.102),
    Truth("decode 1x512", "decode_b1_graph", 9.9082, 8.3715, 0.536),
    Truth("decode 16x512", "decode_b16_graph", 17.093, 15.2477, 0.373),
    Truth("decode 64x512", "decode_b64_graph", 38.8612, 36.8138, 0.182),
    Truth("decode 128x2048", None, 218.6784, 217.6455, 0.016),
    Truth("decode 256x512", "decode_b256_graph", 126.5036, 123.6289, 0.078),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One row: what is true, what we say (with the range over the readings), and what the roofline says."""

    truth: Truth
    share: float
    low: float
    high: float
    roofline: float


def compared(truth: Truth, evidence: StepEvidence) -> Compared:
    """The shares at the truth's step, of the step or of its kernels alone."""
    scenarios, _ = scenarios_of(evidence)
    if truth.kernels_only:
        shares = [kernel_memory_share(scenario) for scenario in scenarios]
        roofline = roofline_memory_ratio(evidence)
        return Compared(truth, shares[0], min(shares), max(shares), roofline)
    speeds = {Resource.DRAM: STEP}
    speedup = predict(scenarios, evidence.clean, speeds).speedup
    value, low, high = (finite_share(gain or 1.0, speeds) for gain in (speedup.value, speedup.low, speedup.high))
    wall_ms = evidence.clean.wall_ms
    faster_ms = roofline_ms(wall_ms, busy_us(evidence) / 1e3, roofline_memory_ratio(evidence), STEP)
    return Compared(truth, value or 0.0, low or 0.0, high or 0.0, share_of(wall_ms, faster_ms, STEP))


def kernel_memory_share(scenario: Scenario) -> float:
    """The finite share of memory in the sum of the activities' times."""
    before, after = (float(scenario.costs.durations_us(speeds).sum()) for speeds in ({}, {Resource.DRAM: STEP}))
    return share_of(before, after, STEP) if before > 0 else 0.0


def section_of(phases: Sequence[Phase], environment: dict[str, Any]) -> Section:
    """All rows: those with a trace from it, the other from `phases`, where it was run."""
    rows, missing = [], []
    for truth in TRUTHS:
        evidence = _evidence(truth, phases)
        if evidence is None:
            missing.append(truth.phase)
        else:
            rows.append(compared(truth, evidence))
    return Section(
        name="swap-recorded",
        title="An earlier hardware swap: the share of memory that it showed, and the one that we find",
        environment=environment,
        claims=[claim_of(rows, missing)],
        tables=[table_of(rows)],
        notes=[*(f"{phase} was not run here: it needs a GPU" for phase in missing), *_ranges(rows)],
    )


def _ranges(rows: Sequence[Compared]) -> list[str]:
    """How often the range over the readings holds the truth."""
    held = sum(row.low <= row.truth.memory_share <= row.high for row in rows)
    said = f"the range over the readings of the evidence holds the recorded truth in {held} of {len(rows)} rows"
    return [f"{said}: it bounds what the evidence leaves open, not the error of the cost model"] if rows else []


def _evidence(truth: Truth, phases: Sequence[Phase]) -> StepEvidence | None:
    if truth.recording is not None:
        # The traces are test data, and one place knows how they were made.
        from tests.unit.attribute.recorded_judgements import recorded

        timeline: Timeline | None = recorded(truth.recording).judgement.timeline
    else:
        timeline = next((phase.timeline for phase in phases if phase.name == UNRECORDED.name), None)
    return restored(timeline) if timeline is not None else None


def claim_of(rows: Sequence[Compared], missing: Sequence[str]) -> Claim:
    """All rows within the tolerance; not tested where those that are hold and one is missing."""
    text = f"share of memory at {STEP} times its speed: all {len(TRUTHS)} rows within {TOLERANCE} of the recorded truth"
    if not rows:
        return Claim(text, None, "none of its phases was run")
    worst = max(rows, key=lambda row: abs(row.share - row.truth.memory_share))
    error = abs(worst.share - worst.truth.memory_share)
    measured = f"worst {error:.3f} ({worst.truth.phase}), {len(rows)} rows"
    if not missing:
        return Claim(text, error <= TOLERANCE, measured)
    return Claim(text, None if error <= TOLERANCE else False, f"{measured}; not run: {', '.join(missing)}")


def table_of(rows: Sequence[Compared]) -> Table:
    """Truth, ours and both baselines."""
    lines = [
        (
            row.truth.phase + (" (kernels)" if row.truth.kernels_only else ""),
            f"{row.truth.memory_share:.3f}",
            f"{row.share:.3f} ({row.low:.3f} .. {row.high:.3f})",
            f"{row.share - row.truth.memory_share:+.3f}",
            f"{row.roofline:.3f} ({row.roofline - row.truth.memory_share:+.3f})",
            f"0 ({-row.truth.memory_share:+.3f})",
        )
        for row in rows
    ]
    return Table(
        f"Share of memory at {STEP} times the bandwidth",
        ("phase", "truth", "ours", "error", "roofline", "nothing changes"),
        lines,
    )
