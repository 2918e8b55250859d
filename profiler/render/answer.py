"""The verdict in a sentence: what holds the request back, or why that cannot be said."""

from __future__ import annotations

from profiler.render.document import Statement, Tone
from profiler.render.doubt import phase_doubt, request_doubt
from profiler.render.numbers import interval, percent, ratio
from profiler.render.words import CAUSES, listed, sentence
from profiler.report.records import Phase, Report, Verdict
from profiler.report.vocabulary import VerdictState
from profiler.report.whatif import Leader


def request_fractions(report: Report) -> dict[str, float]:
    """How much of a request's time each phase takes: one prefill, then a decode step for every further token.

    Empty where the report is not about requests (phases that a user marked).
    """
    times = {phase.name: phase.clean.wall_ms.median for phase in report.phases}
    if report.workload is None or not times.keys() & {"prefill", "decode"}:
        return {}
    steps = {"prefill": 1, "decode": max(report.workload.new_tokens - 1, 0)}
    spent = {name: times[name] * number for name, number in steps.items() if name in times}
    whole = sum(spent.values())
    return {name: time / whole for name, time in spent.items()} if whole > 0 else {}


def leading_phase(report: Report) -> Phase | None:
    """The phase that takes most of the request; without one, the phase that takes longest."""
    fractions = request_fractions(report)
    measured = [phase for phase in report.phases if phase.name in fractions] or report.phases
    return max(measured, key=lambda p: (fractions.get(p.name, 0.0), p.clean.wall_ms.median), default=None)


def answer(report: Report) -> list[Statement]:
    """The first lines of every output."""
    statements = []
    if not report.complete:
        done = listed(phase.name for phase in report.phases) if report.phases else "nothing"
        statements.append(
            Statement(f"This run did not finish. Measured before it ended: {done}.", Tone.INCOMPLETE),
        )
    phase = leading_phase(report)
    if phase is not None:
        statements += verdict_statements(
            phase.name, phase.verdict, reason=throttle_reason(report), doubt=phase_doubt(phase)
        )
        if (phase.verdict.state, phase.verdict.class_) != (report.verdict.state, report.verdict.class_):
            statements += verdict_statements("The whole request", report.verdict, doubt=request_doubt(report, phase))
    elif report.complete:
        statements.append(Statement("No phase was measured, so there is no verdict.", Tone.REFUSED))
    return statements


def verdict_statements(
    subject: str,
    verdict: Verdict,
    *,
    reason: str | None = None,
    doubt: str | None = None,
    with_evidence: bool = True,
) -> list[Statement]:
    """What a verdict says of `subject` and why, then, on its own line, that the device was throttled.

    A refused verdict says all its reasons, another one its first piece of evidence. `doubt` is what makes an
    inconclusive one so; None where two classes are too close to call.
    """
    first = verdict.evidence[0] if verdict.evidence and with_evidence else ""
    statements = []
    if verdict.state == VerdictState.REFUSED or verdict.class_ is None:
        why = " ".join(sentence(text) for text in verdict.evidence) or "The report does not say why."
        statements.append(Statement(f"{subject}: the evidence cannot carry a verdict. {why}", Tone.REFUSED))
    elif verdict.state == VerdictState.INCONCLUSIVE:
        text = _close(verdict, first) if doubt is None else _doubtful(verdict, doubt if with_evidence else "")
        statements.append(Statement(f"{subject}: {text}", Tone.INCONCLUSIVE))
    else:
        text = f"{subject} is held back by {verdict.class_}{cause_words(verdict)}. {sentence(first)}"
        statements.append(Statement(text.strip(), Tone.ANSWER))
    if verdict.throttled:
        statements.append(Statement(_throttled(reason), Tone.THROTTLED))
    return statements


def certainty(verdict: Verdict) -> str:
    """The share behind a verdict, the runner-up and the confidence; empty where there is no share."""
    if verdict.class_ is None or verdict.share is None:
        return ""
    words = [f"Share {share_words(verdict)}"]
    if verdict.runner_up is not None:
        second = f" {ratio(verdict.runner_up_share)}" if verdict.runner_up_share is not None else ""
        words.append(f"then {verdict.runner_up}{second}")
    if verdict.confidence is not None:
        words.append(f"confidence {percent(verdict.confidence)}")
    return f"{'; '.join(words)}."


def cause_words(verdict: Verdict) -> str:
    """`: the host`, or nothing where the cause is not known."""
    return f": {CAUSES[verdict.cause]}" if verdict.cause is not None else ""


def share_words(judged: Verdict | Leader) -> str:
    """`0.93 (0.88-0.97)`; empty where there is no share.

    An interval of no width is left out where the verdict is not clear: what makes it doubtful is no reading of the
    evidence, and not in the interval.
    """
    if judged.share is None:
        return ""
    spread = interval(judged.low, judged.high, ratio)
    of_no_width = spread == ratio(judged.share)
    if not spread or (of_no_width and judged.state is not VerdictState.CLEAR):
        return ratio(judged.share)
    return f"{ratio(judged.share)} ({spread})"


def throttle_reason(report: Report) -> str | None:
    """What the warnings say about throttling."""
    warnings = [*report.warnings, *(warning for phase in report.phases for warning in phase.warnings)]
    return next((warning.message for warning in warnings if "throttl" in warning.code), None)


def _close(verdict: Verdict, evidence: str) -> str:
    rivals = listed(rival.value for rival in (verdict.class_, verdict.runner_up) if rival is not None)
    text = f"too close to call between {rivals}; {verdict.class_}{cause_words(verdict)} leads"
    return f"{text}. {sentence(evidence)}".strip()


def _doubtful(verdict: Verdict, doubt: str) -> str:
    share = f" ({ratio(verdict.share)})" if verdict.share is not None else ""
    but = (doubt or "that is in doubt").rstrip(".")
    return f"probably {verdict.class_}{share}{cause_words(verdict)}, but {but}."


def _throttled(reason: str | None) -> str:
    why = sentence(reason) if reason else "The warnings say no more."
    return f"The device was slowed down while it was measured: these times hold for that clock only. {why}"
