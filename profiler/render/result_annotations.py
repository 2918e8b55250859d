"""What of a result becomes annotations for GitHub: its answer; of a check, each rule that does not pass, too."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.render.check_blocks import headline, rule_sentence
from profiler.render.document import Block
from profiler.render.github import Annotation, Level, annotations_of
from profiler.report.check import Check
from profiler.report.kinds import Result
from profiler.report.outcome import CountsAs, Outcome

_TITLE = "bottleneck check"


def result_annotations(result: Result, blocks: Sequence[Block], title: str) -> list[Annotation]:
    """The annotations of a result whose blocks these are; `title` stands above those that have none of their own."""
    return _check_annotations(result) if isinstance(result, Check) else annotations_of(blocks, title)


def _check_annotations(answer: Check) -> list[Annotation]:
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
