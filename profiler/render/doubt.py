"""Why a verdict is inconclusive: two classes are too close to call, or something makes its numbers doubtful."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.attribute.verdict import TIE
from profiler.render.words import listed
from profiler.report.records import Phase, Report, Share, Verdict
from profiler.report.vocabulary import VerdictState


def phase_doubt(phase: Phase) -> str | None:
    """What makes an inconclusive verdict of a phase doubtful; None where it is too close to call."""
    if is_close(phase.verdict, phase.shares):
        return None
    unexplained = [warning.message for warning in phase.warnings if warning.code == "parts_do_not_sum"]
    # A doubt stands before the rest of the evidence.
    return next(iter(unexplained or phase.verdict.evidence), "the report does not say why")


def request_doubt(report: Report, longest: Phase) -> str | None:
    """The same of the request: a phase without a verdict, or what makes the longest one doubtful."""
    verdict = report.verdict
    if verdict.share is None or _is_tie(verdict.share, verdict.runner_up_share):
        return None
    refused = [phase.name for phase in report.phases if phase.verdict.state is VerdictState.REFUSED]
    if refused:
        return f"{listed(refused)} could not be judged"
    return phase_doubt(longest) if longest.verdict.state is VerdictState.INCONCLUSIVE else None


def is_close(verdict: Verdict, shares: Sequence[Share]) -> bool:
    """Whether the leader's share is a tie with the next, or its interval may overlap with another class's.

    `shares` are of resources. No class reaches higher than the upper ends of its resources together, nor than the
    leader leaves it, as shares sum to 1.
    """
    if verdict.class_ is None or verdict.share is None:
        return False
    if _is_tie(verdict.share, verdict.runner_up_share):
        return True
    if verdict.low is None:
        return False
    highs = dict.fromkeys((share.class_ for share in shares if share.class_ is not verdict.class_), 0.0)
    for share in shares:
        if share.class_ in highs:
            highs[share.class_] += share.high
    return verdict.low <= min(1 - verdict.low, max(highs.values(), default=1.0))


def _is_tie(share: float, runner_up: float | None) -> bool:
    return runner_up is not None and share - runner_up < TIE
