"""Holds a result against a budget: each rule passes, fails, or cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from profiler.compare import profiled_scopes, served_scopes, traced_scopes
from profiler.compare.budget import (
    MARKED,
    MUST_BE,
    OVERALL_SCOPE,
    PHASE_SCOPES,
    REGRESSION_SCOPE,
    Budget,
    Limit,
    Rule,
    Verdicts,
)
from profiler.compare.measured import Judged, Measured, Scope
from profiler.compare.quantities import COMPARED, MOST
from profiler.report.analysis import Analysis
from profiler.report.check import Check, CheckedRule, CheckedVerdict
from profiler.report.endpoint import Endpoint
from profiler.report.kinds import Result
from profiler.report.outcome import CountsAs, Outcome
from profiler.report.records import Report, Verdict
from profiler.report.simulation import Simulation
from profiler.report.vocabulary import VerdictState

if TYPE_CHECKING:
    from profiler.compare.regression import Against

Checkable = Report | Analysis | Simulation | Endpoint

# The worst first: a rule that holds of every rank but one fails.
_WORST = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
_WHOLE = "complete"
# Of a live server, where the budget says nothing: beyond it, the p99 of its requests is that of some that never ended.
_ERRORS = Limit(OVERALL_SCOPE, "error_ratio", MOST, 0.01, "")


def check(
    result: Checkable,
    budget: Budget,
    *,
    baseline: Checkable | None = None,
    checked: str,
    budget_name: str | None = None,
    baseline_name: str | None = None,
    tool_version: str,
) -> Check:
    """The result, of which the first rule is that it is whole: a run that was broken off never holds.

    Of a live server the second is that hardly a request failed, unless the budget says how many may: latencies are
    those of the others, and a server that refuses all has none that could be too long.

    Raises `UsageError` for a baseline that is of something else.
    """
    both = None if baseline is None else _against(result, baseline)
    always = [_whole(result), *_answered(result, budget)]
    rules = [*always, *(_checked(rule, result, both, budget) for rule in budget.rules)]
    verdict = single_verdict(result)
    number = {outcome: sum(rule.outcome is outcome for rule in rules) for outcome in Outcome}
    fatal = number[Outcome.FAIL] + (number[Outcome.INCONCLUSIVE] if budget.inconclusive is CountsAs.FAIL else 0)
    return Check(
        tool_version=tool_version,
        checked=checked,
        budget=budget_name,
        baseline=baseline_name,
        holds=fatal == 0,
        inconclusive_counts_as=budget.inconclusive,
        passed=number[Outcome.PASS],
        failed=number[Outcome.FAIL],
        inconclusive=number[Outcome.INCONCLUSIVE],
        verdict=None
        if verdict is None
        else CheckedVerdict(class_=verdict.class_, cause=verdict.cause, state=verdict.state),
        rules=rules,
    )


def _whole(result: Checkable) -> CheckedRule:
    why = None if result.complete else "the run ended before all was measured"
    found = "whole" if result.complete else "broken off"
    return _rule(_WHOLE, "", Outcome.PASS if result.complete else Outcome.FAIL, found=found, words=["whole"], why=why)


def _answered(result: Checkable, budget: Budget) -> list[CheckedRule]:
    """The search for a knee goes on until requests fail, so it is not asked where a rate held."""
    told = any(isinstance(rule, Limit) and rule.key == _ERRORS.key for rule in budget.rules)
    if told or not isinstance(result, Endpoint) or (result.knee is not None and result.knee.rate_per_s is not None):
        return []
    rule = _checked(_ERRORS, result, None, budget)
    return [replace(rule, why=f"{rule.why} (the budget has no {_ERRORS.key}, so {_ERRORS.limit:.0%} counts)")]


def _against(result: Checkable, baseline: Checkable) -> Against:
    from profiler.compare.regression import against  # needs numpy, which budgets alone do not

    new, old = (_scopes(each, OVERALL_SCOPE) for each in (result, baseline))
    several = "several ranks have one each"
    alone = (side[0] if len(side) == 1 else Scope({}, Judged(None), several) for side in (new, old))
    return against(result, baseline, *alone)


def _checked(rule: Rule, result: Checkable, both: Against | None, budget: Budget) -> CheckedRule:
    if rule.scope == REGRESSION_SCOPE and isinstance(rule, Limit):
        candidates = [_compared(rule, both, budget.confidence)]
    else:
        scopes = _scopes(result, rule.scope)
        if isinstance(rule, Verdicts):
            return _worst([_judged(rule, scope.judged) for scope in scopes], rule)
        candidates = [_limited(rule, scope.number(rule.name)) for scope in scopes]
    return _worst(candidates, rule)


def _scopes(result: Checkable, name: str) -> Sequence[Scope]:
    phase = name.removeprefix(f"{MARKED}.")
    is_phase = name in PHASE_SCOPES or phase != name
    match result:
        case Report() if name == OVERALL_SCOPE:
            return [profiled_scopes.overall(result)]
        case Report() if is_phase:
            return [profiled_scopes.phase(result, phase)]
        case Analysis() if name == OVERALL_SCOPE:
            return traced_scopes.overall(result)
        case Analysis() if is_phase:
            return traced_scopes.phase(result, phase)
        case Simulation() if name == OVERALL_SCOPE:
            return [served_scopes.overall(result)]
        case Simulation() if not is_phase:
            return [served_scopes.policy(result, name)]
        case Endpoint() if name == OVERALL_SCOPE:
            return [served_scopes.live(result)]
    why = f"{_KINDS[type(result)]} says nothing of {phase}"
    return [Scope({}, Judged(None, phase, why), why, phase)]


_KINDS = {Report: "a profile", Analysis: "an analysis", Simulation: "a simulation", Endpoint: "a live server"}


def _compared(rule: Limit, both: Against | None, confidence: float) -> CheckedRule:
    if both is None:
        return _limited(rule, Measured(None, missing="there is no baseline (--baseline REPORT)"))
    word = rule.name.removesuffix("_ratio")
    ratio = both.ratio(word, COMPARED[word], confidence)
    if ratio.value is not None and ratio.low is None:
        return _rule(rule.key, ratio.of, Outcome.INCONCLUSIVE, ratio, rule, why=ratio.note)
    return _limited(rule, ratio)


def _limited(rule: Limit, measured: Measured) -> CheckedRule:
    if measured.value is None:
        return _rule(rule.key, measured.of, Outcome.INCONCLUSIVE, measured, rule, why=measured.missing)
    low = measured.value if measured.low is None else measured.low
    high = measured.value if measured.high is None else measured.high
    best, worst = (low, high) if rule.sense == MOST else (-high, -low)
    limit = rule.limit if rule.sense == MOST else -rule.limit
    if worst <= limit:
        return _rule(rule.key, measured.of, Outcome.PASS, measured, rule, why=measured.note or None)
    if best > limit:
        return _rule(rule.key, measured.of, Outcome.FAIL, measured, rule, why=measured.note or None)
    return _rule(rule.key, measured.of, Outcome.INCONCLUSIVE, measured, rule, why="its interval straddles the limit")


def _judged(rule: Verdicts, judged: Judged) -> CheckedRule:
    verdict = judged.verdict
    if verdict is None:
        return _rule(rule.key, judged.of, Outcome.INCONCLUSIVE, words=[*rule.words], why=judged.missing)
    found = verdict.state.value if verdict.class_ is None else (verdict.cause or verdict.class_).value
    if verdict.class_ is None or verdict.state is not VerdictState.CLEAR:
        why = verdict.evidence[0] if verdict.class_ is None and verdict.evidence else f"the verdict is {verdict.state}"
        return _rule(rule.key, judged.of, Outcome.INCONCLUSIVE, found=found, words=[*rule.words], why=why)
    named = bool({verdict.class_.value, (verdict.cause or verdict.class_).value} & {*rule.words})
    outcome = Outcome.PASS if named is (rule.sense == MUST_BE) else Outcome.FAIL
    return _rule(rule.key, judged.of, outcome, found=found, words=[*rule.words])


def _worst(candidates: Sequence[CheckedRule], rule: Rule) -> CheckedRule:
    """The worst of what the rule must hold of; of equals, that which is nearest to failing."""
    least = isinstance(rule, Limit) and rule.sense != MOST

    def badness(found: CheckedRule) -> tuple[int, float]:
        measured = float("-inf") if found.measured is None else -found.measured if least else found.measured
        return -_WORST.index(found.outcome), measured

    worst = max(candidates, key=badness)
    if len(candidates) == 1:
        return worst
    which = f"the worst of {len(candidates)} is {worst.of}"
    return replace(worst, why=which if worst.why is None else f"{which}: {worst.why}")


def _rule(
    key: str,
    of: str,
    outcome: Outcome,
    measured: Measured | None = None,
    limit: Limit | None = None,
    *,
    found: str | None = None,
    words: list[str] | None = None,
    why: str | None = None,
) -> CheckedRule:
    return CheckedRule(
        rule=key,
        of=of,
        unit=limit.unit if limit else "",
        measured=measured.value if measured else None,
        low=measured.low if measured else None,
        high=measured.high if measured else None,
        limit=limit.limit if limit else None,
        found=found,
        words=words or [],
        outcome=outcome,
        why=why,
    )


def single_verdict(result: Result) -> Verdict | None:
    """The one verdict that there is; None where ranks or policies have one each, or what was kept has none."""
    match result:
        case Analysis():
            verdicts = [rank.verdict for rank in result.ranks]
        case Simulation():
            verdicts = [policy.verdict for policy in result.policies]
        case Report() | Endpoint():
            verdicts = [result.verdict]
        case _:
            verdicts = []
    return verdicts[0] if len(verdicts) == 1 else None
