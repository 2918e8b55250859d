"""A budget: rules that a result must keep, in the words of a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from profiler.compare.quantities import LEAST, MOST, OF_A_PHASE, OVERALL, REGRESSION, Quantity
from profiler.errors import UsageError
from profiler.report.outcome import CountsAs
from profiler.report.vocabulary import BottleneckClass, Cause

OVERALL_SCOPE, PHASE_SCOPES, REGRESSION_SCOPE = "overall", ("load", "prefill", "decode"), "regression"
# Repeated from `profiler.serving.policies`, which takes as long to import as all else here; a test keeps them equal.
POLICY_SCOPES = ("serial", "static", "continuous", "priority", "shortest-first")
MARKED = "phases"  # of a loop of one's own: [phases.NAME]
MUST_BE, MUST_NOT_BE = "must_be", "must_not_be"
_POLICY, _INCONCLUSIVE, _CONFIDENCE = "policy", "inconclusive", "confidence"
_USUAL_CONFIDENCE = 0.95
_SCOPES = (OVERALL_SCOPE, *PHASE_SCOPES, MARKED, REGRESSION_SCOPE, *POLICY_SCOPES)
_HELD_BACK_BY = (*(each.value for each in BottleneckClass), *(each.value for each in Cause))


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of a scope must be at most (`sense` is `max_`) or at least (`min_`) so much."""

    scope: str
    name: str
    sense: str
    limit: float
    unit: str

    @property
    def key(self) -> str:
        """As the budget has it."""
        return f"{self.scope}.{self.sense}{self.name}"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a scope must be held back by, one of these, or must not be, by none of them: classes or causes."""

    scope: str
    sense: str
    words: tuple[str, ...]

    @property
    def key(self) -> str:
        """As the budget has it."""
        return f"{self.scope}.{self.sense}"


Rule = Limit | Verdicts


@dataclass(frozen=True, slots=True)
class Budget:
    """All rules, in the order of the file. `confidence` is that of what is compared with a baseline."""

    rules: tuple[Rule, ...] = ()
    inconclusive: CountsAs = CountsAs.PASS
    confidence: float = _USUAL_CONFIDENCE


def parse_budget(text: str) -> Budget:
    """The budget that a TOML text holds.

    Raises `UsageError`, in one line, for all that is not understood: nothing is passed over, since a rule that is
    mistyped would hold for ever.
    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"it is not TOML: {error}", "mind quotes around words, and one rule a line") from error
    _known(tables, (_POLICY, *_SCOPES), "table", "")
    _tables(tables)
    marked: dict[str, Any] = tables.pop(MARKED, {})
    _tables(marked, f"{MARKED}.")
    tables |= {f"{MARKED}.{name}": table for name, table in marked.items()}
    policy: dict[str, Any] = tables.pop(_POLICY, {})
    _known(policy, (_INCONCLUSIVE,), "key", f"[{_POLICY}] ")
    confidence: Any = tables.get(REGRESSION_SCOPE, {}).pop(_CONFIDENCE, _USUAL_CONFIDENCE)
    if not _is_number(confidence) or not 0.5 <= confidence < 1:
        raise UsageError(f"{REGRESSION_SCOPE}.{_CONFIDENCE} is a probability", f"{_CONFIDENCE} = 0.95")
    rules = tuple(_rule(scope, key, value) for scope, table in tables.items() for key, value in table.items())
    if not rules:
        raise UsageError("it holds no rule", '[decode] and below it, for example, max_ms = 10 or must_be = ["memory"]')
    return Budget(rules, _inconclusive(policy.get(_INCONCLUSIVE, CountsAs.PASS.value)), float(confidence))


def _rule(scope: str, key: str, value: Any) -> Rule:
    quantities = _quantities(scope)
    limits = [f"{sense}{name}" for name, quantity in quantities.items() for sense in quantity.senses]
    verdicts = [] if scope == REGRESSION_SCOPE else [MUST_BE, MUST_NOT_BE]
    _known([key], [*limits, *verdicts, *([_CONFIDENCE] if scope == REGRESSION_SCOPE else [])], "key", f"[{scope}] ")
    if key in verdicts:
        return Verdicts(scope, key, _words(scope, key, value))
    sense = MOST if key.startswith(MOST) else LEAST
    quantity = quantities[key.removeprefix(sense)]
    if not _is_number(value) or not 0 <= value <= quantity.largest or value == float("inf"):
        allowed = "from 0 to 1" if quantity.largest == 1 else "of 0 or more"
        raise UsageError(f"{scope}.{key} is no number {allowed}", f"for example {key} = {_example(quantity)}")
    return Limit(scope, key.removeprefix(sense), sense, float(value), quantity.unit)


def _tables(found: Mapping[str, Any], within: str = "") -> None:
    for name, table in found.items():
        if not isinstance(table, dict):
            raise UsageError(f"{within}{name} must be a table", f"[{within}{name}] on a line of its own")


def _quantities(scope: str) -> Mapping[str, Quantity]:
    if scope in PHASE_SCOPES or scope.startswith(f"{MARKED}."):
        return OF_A_PHASE
    return REGRESSION if scope == REGRESSION_SCOPE else OVERALL


def _words(scope: str, key: str, value: Any) -> tuple[str, ...]:
    words = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(word, str) for word in words):
        raise UsageError(f"{scope}.{key} is no list of classes or causes", f'for example {key} = ["memory"]')
    _known(words, _HELD_BACK_BY, "class or cause", f"{scope}.{key}: ")
    return tuple(words)


def _inconclusive(value: Any) -> CountsAs:
    if value not in tuple(CountsAs):
        raise UsageError(f"{_POLICY}.{_INCONCLUSIVE} is neither pass nor fail", f'{_INCONCLUSIVE} = "fail"')
    return CountsAs(value)


def _known(asked: Collection[str], known: Collection[str], what: str, where: str) -> None:
    for name in asked:
        if name not in known:
            # A limit from the other side is nearer than any that is merely spelt alike.
            other_side = [each for each in known if name[:4] in (MOST, LEAST) and each[4:] == name[4:]]
            near = other_side or get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(known)}"
            raise UsageError(f"{where}has no {what} {name}", hint)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _example(quantity: Quantity) -> str:
    return "0.5" if quantity.largest == 1 else "1.05" if not quantity.unit else "100"
