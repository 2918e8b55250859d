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
    found = []
    for always, if_mixed, facts in (
        (True, True, [[{"kind": each.kind} | each.fixed for each in side] for side in (before, after)]),
        (False, True, [[each.chosen for each in side] for side in (before, after)]),
        (False, False, [[each.noted for each in side] for side in (before, after)]),
    ):
        for what in dict.fromkeys(key for side in facts for each in side for key in each):
            old, new = (list(dict.fromkeys(each.get(what, "not known") for each in side)) for side in facts)
            if len({*old, *new}) > 1:
                prevents = always or (if_mixed and max(len(old), len(new)) > 1)
                found.append(Unlike(what=what, before=" or ".join(old), after=" or ".join(new), prevents=prevents))
    return found


def refuse_unlike(unlike: Sequence[Unlike], hint: str) -> None:
    """Raise `UsageError`, with `hint` to type next, where something prevents a comparison of like with like."""
    reasons = [f"{each.what} ({each.before} against {each.after})" for each in unlike if each.prevents]
    if reasons:
        raise UsageError(f"they are not alike in {'; '.join(reasons)}", hint)
