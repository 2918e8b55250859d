"""A check as annotations for GitHub: what fails, what cannot be told, and whether the budget holds."""

from __future__ import annotations

from profiler.render.check_blocks import headline, rule_sentence
from profiler.render.github import Annotation, Level
from profiler.report.check import Check
from profiler.report.outcome import CountsAs, Outcome

_TITLE = "bottleneck check"


def check_annotations(answer: Check) -> list[Annotation]:
    """One for every rule that does not pass, the answer first."""
    doubt = Level.ERROR if answer.inconclusive_counts_as is CountsAs.FAIL else Level.WARNING
    levels = {Outcome.FAIL: Level.ERROR, Outcome.INCONCLUSIVE: doubt}
    first = Annotation(Level.NOTICE if answer.holds else Level.ERROR, _TITLE, headline(answer))
    return [
        first,
        *(
            Annotation(levels[rule.outcome], f"{_TITLE}: {rule.rule}", rule_sentence(rule))
            for rule in answer.rules
            if rule.outcome in levels
        ),
    ]
