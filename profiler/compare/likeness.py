"""Whether results can be compared: in what they differ, and what of that prevents it."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.compare.result_times import ComparedResult
from profiler.errors import UsageError
from profiler.report.comparison import Unlike


def differences(before: Sequence[ComparedResult], after: Sequence[ComparedResult]) -> list[Unlike]:
    """Everything in which results differ, between the sides or within one.

    What was chosen prevents nothing where each side has one choice: the comparison is of the two.
    """
    sides = before, after
    fixed = _unlike([[{"kind": each.kind} | each.fixed for each in side] for side in sides])
    chosen = _unlike([[each.chosen for each in side] for side in sides])
    noted = _unlike([[each.noted for each in side] for side in sides])
    return [
        *(_found(what, values, prevents=True) for what, values in fixed.items()),
        *(_found(what, values, prevents=max(map(len, values)) > 1) for what, values in chosen.items()),
        *(_found(what, values, prevents=False) for what, values in noted.items()),
    ]


def refuse_unlike(unlike: Sequence[Unlike], hint: str) -> None:
    """Raise `UsageError`, with `hint` to type next, where something prevents a comparison of like with like."""
    reasons = [f"{each.what} ({each.before} against {each.after})" for each in unlike if each.prevents]
    if reasons:
        raise UsageError(f"they are not alike in {'; '.join(reasons)}", hint)


def _unlike(facts: Sequence[Sequence[dict[str, str]]]) -> dict[str, list[list[str]]]:
    """What differs, with the values of both sides, each once."""
    names = dict.fromkeys(name for side in facts for each in side for name in each)
    values = {
        name: [list(dict.fromkeys(each.get(name, "not known") for each in side)) for side in facts] for name in names
    }
    return {name: sides for name, sides in values.items() if len({each for side in sides for each in side}) > 1}


def _found(what: str, values: Sequence[Sequence[str]], *, prevents: bool) -> Unlike:
    old, new = (" or ".join(side) for side in values)
    return Unlike(what=what, before=old, after=new, prevents=prevents)
