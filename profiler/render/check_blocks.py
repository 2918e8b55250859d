"""A check as blocks: whether it holds, then every rule with what was measured, its interval, its limit, its result."""

from __future__ import annotations

from profiler.render.document import Block, Bullets, Column, Grid, Heading, Statement, Tone
from profiler.render.numbers import MISSING, interval, number
from profiler.render.words import listed, sentence
from profiler.report.check import Check, CheckedRule
from profiler.report.outcome import Outcome

_RESULT = {Outcome.PASS: "pass", Outcome.FAIL: "FAIL", Outcome.INCONCLUSIVE: "inconclusive"}
_NAMED = 3  # rules in one sentence
_COLUMNS = (
    Column("result"),
    Column("rule", flexible=True, shortest=34, wraps=True),  # whole names, at 80 characters too
    Column("of", flexible=True, shortest=8, drop=2),
    Column("measured (low–high)", flexible=True, shortest=14, wraps=True),
    Column("limit", flexible=True, shortest=9, wraps=True),
)


def check_blocks(answer: Check) -> list[Block]:
    """What every output for people shows."""
    blocks: list[Block] = [Statement(headline(answer), Tone.ANSWER), Grid(_COLUMNS, tuple(map(_row, answer.rules)))]
    doubtful = [rule for rule in answer.rules if rule.outcome is not Outcome.PASS and rule.why]
    if doubtful:
        blocks += [Heading("Why", 2), Bullets(tuple(f"{rule.rule}: {sentence(rule.why or '')}" for rule in doubtful))]
    return blocks


def headline(answer: Check) -> str:
    """Whether it holds, and what does not."""
    against = [f"the budget {answer.budget}"] if answer.budget else []
    against += [f"the baseline {answer.baseline}"] if answer.baseline else []
    kept = f"{answer.checked} {'keeps' if answer.holds else 'does not keep'} {' and '.join(against)}"
    told = [f"{answer.passed} of {len(answer.rules)} rules hold"]
    for names, what in (
        (_names(answer, Outcome.FAIL), "not"),
        (_names(answer, Outcome.INCONCLUSIVE), f"inconclusive, which counts as {answer.inconclusive_counts_as}"),
    ):
        if names:
            told.append(f"{what}: {listed(names)}")
    return f"{kept}. {'; '.join(told)}."


def _names(answer: Check, outcome: Outcome) -> list[str]:
    """The first rules that end so, and how many more."""
    names = [rule.rule for rule in answer.rules if rule.outcome is outcome]
    more = len(names) - _NAMED
    return names if more <= 1 else [*names[:_NAMED], f"{more} more"]


def rule_sentence(rule: CheckedRule) -> str:
    """One rule in a sentence, for outputs that show them one by one."""
    of = f" of {rule.of}" if rule.of else ""
    why = f". {sentence(rule.why)}" if rule.why else ""
    return f"{_measured(rule)}{of}, {_asked(rule)}{why}"


def _row(rule: CheckedRule) -> tuple[str, ...]:
    return _RESULT[rule.outcome], rule.rule, rule.of, _measured(rule), _limit(rule)


def _measured(rule: CheckedRule) -> str:
    if rule.limit is None:
        return rule.found or MISSING
    if rule.measured is None:
        return MISSING
    low_high = "" if rule.low == rule.high else interval(rule.low, rule.high)
    return _with_unit(rule.measured, rule.unit) + (f" ({low_high})" if low_high else "")


def _limit(rule: CheckedRule) -> str:
    """Without its unit, and without a word of which side it limits: the rule's name has both."""
    return " or ".join(rule.words) if rule.limit is None else number(rule.limit)


def _asked(rule: CheckedRule) -> str:
    key = rule.rule.rpartition(".")[2]
    if rule.limit is None:
        return f"must {'not ' if key == 'must_not_be' else ''}be {_limit(rule)}"
    return f"must be at {'least' if key.startswith('min_') else 'most'} {_with_unit(rule.limit, rule.unit)}"


def _with_unit(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".rstrip()
