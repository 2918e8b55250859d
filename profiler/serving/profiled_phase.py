"""What a report says of a phase, and how far that holds at another size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from profiler.report.records import Report, Verdict
from profiler.report.vocabulary import VerdictState


@dataclass(frozen=True, slots=True)
class ProfiledPhase:
    """A phase of a report: its verdict, the time of an iteration in ms, and its size, in words."""

    verdict: Verdict
    ms: float
    size: str

    def served(self, ms: float, how_to_profile: str = "at the sizes that are served") -> Verdict:
        """The verdict where an iteration takes `ms`.

        Whatever the difference is made of, the class still leads if its lead over the runner-up is worth more time.
        Else the verdict is inconclusive, and says why first.
        """
        verdict = self.verdict
        if verdict.class_ is None or verdict.share is None or verdict.state is not VerdictState.CLEAR:
            return verdict
        lead_ms = (verdict.share - (verdict.runner_up_share or 0.0)) * self.ms
        if abs(ms - self.ms) <= lead_ms:
            return verdict
        doubt = (
            f"the report judged an iteration of {self.ms:.3g} ms ({self.size}), here it takes {ms:.3g} ms: what the "
            f"difference is made of may lead, so profile {how_to_profile}"
        )
        return replace(
            verdict,
            state=VerdictState.INCONCLUSIVE,
            runner_up=None,  # which may be any
            runner_up_share=None,
            evidence=[doubt, *verdict.evidence],
        )


def profiled_phases(report: Report) -> Mapping[str, ProfiledPhase]:
    """The phases of a report by their names."""
    workload = report.workload
    batch = f"batch {workload.batch_size}, " if workload is not None else ""
    prompt = f"{workload.prompt_tokens:,} prompt tokens" if workload is not None else "of another workload"
    return {
        phase.name: ProfiledPhase(phase.verdict, phase.clean.wall_ms.median, batch + prompt) for phase in report.phases
    }
