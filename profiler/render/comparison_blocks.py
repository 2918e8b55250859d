"""What changed between two analysed traces, as blocks: by how much and where, then part by part and work by work."""

from __future__ import annotations

from profiler.render.document import Block, Bullets, Column, Fact, Facts, Grid, Heading, Statement, Tone
from profiler.render.kernel_name import short_kernel_name
from profiler.render.numbers import aligned, count, duration, percent, times
from profiler.render.words import PARTS, listed, sentence
from profiler.report.analysis_comparison import (
    AnalysisComparison,
    Basis,
    FamilyChange,
    MatchedBy,
    OperationChange,
    PartChange,
    Side,
)

_NS_PER_MS = 1e6
_SHOWN = 15  # of what was matched; the JSON has all
_MOST_FOR_DECIMALS = 99.0  # milliseconds: however long the span, what changed in it is told to 0.01
_RENAMED = (
    "Only before, only after: of some kernels one of the traces does not tell the operation, so that what stands under "
    "one of these may be what stands under the other."
)
_SAME = 0.01  # a change of less is none


def comparison_blocks(answer: AnalysisComparison) -> list[Block]:
    """What every output for people shows."""
    view = _View(answer)
    blocks: list[Block] = [_answer(answer, view), Statement(_basis(answer), Tone.FAINT), Facts(_facts(answer))]
    if answer.notes:
        blocks += [Heading("Are they alike?", 2), Bullets(tuple(sentence(note) for note in answer.notes))]
    blocks += [Heading(f"The {view.unit}, part by part", 2), _parts(answer, view)]
    if answer.steps:
        blocks += [Heading("A step of each phase", 2), _steps(answer)]
    if answer.families:
        blocks += [Heading("Kernels by family", 2), _families(answer, view)]
    if answer.operations:
        blocks += [Heading("What the device ran", 2), _operations(answer, view)]
        if any(each.may_be_renamed for each in answer.operations):
            blocks.append(Statement(_RENAMED, Tone.FAINT))
    return blocks


class _View:
    """Times as they are shown: milliseconds of a whole span, or of a step of it."""

    def __init__(self, answer: AnalysisComparison) -> None:
        by_step = answer.basis is Basis.STEP
        self.unit = "step" if by_step else "span"
        self._before = (answer.before.steps or 1) if by_step else 1
        self._after = (answer.after.steps or 1) if by_step else 1
        self.old, self.new, self.change = self.ms(answer.before.span_ns, answer.after.span_ns)
        self._whole = min(max(self.old, self.new), _MOST_FOR_DECIMALS)

    def ms(self, before_ns: int, after_ns: int) -> tuple[float, float, float]:
        """Both, and their difference."""
        before, after = before_ns / self._before / _NS_PER_MS, after_ns / self._after / _NS_PER_MS
        return before, after, after - before

    def cells(self, before_ns: int, after_ns: int) -> tuple[str, str, str]:
        """Both, and their difference with its sign."""
        before, after, change = self.ms(before_ns, after_ns)
        return aligned(before, self._whole), aligned(after, self._whole), self.signed(change)

    def calls(self, before: int, after: int) -> str:
        """How many there were, of a step where times are of one."""
        old, new = (_number(calls / steps) for calls, steps in ((before, self._before), (after, self._after)))
        return old if old == new else f"{old} to {new}"

    def signed(self, change: float) -> str:
        """A difference in milliseconds."""
        text = aligned(change, self._whole)
        return f"+{text}" if change > 0 and not text.startswith("<") else text


def _answer(answer: AnalysisComparison, view: _View) -> Statement:
    """How much, and which parts make it."""
    what = "A step" if answer.basis is Basis.STEP else "The span"
    whole = f"{duration(view.new)} instead of {duration(view.old)}"
    if not view.old or not view.new:
        return Statement(f"{what} is {whole}.", Tone.INCONCLUSIVE)
    if abs(view.change) < _SAME * view.old:
        return Statement(f"{what} is as long as before: {whole}.", Tone.ANSWER)
    ratio = view.old / view.new
    how = f"{times(ratio)} faster" if ratio > 1 else f"{times(1 / ratio)} slower"
    telling: list[str] = []
    for part in answer.parts:
        *_, change = view.ms(part.before_ns, part.after_ns)
        if change * view.change > 0 and abs(change) >= 0.1 * abs(view.change) and len(telling) < 3:
            telling.append(f"{PARTS[part.part]} ({'+' if change > 0 else '-'}{duration(abs(change))})")
    because = f" What changed it: {listed(telling)}." if telling else ""
    return Statement(f"{what} is {whole}, {how}.{because}", Tone.ANSWER)


def _basis(answer: AnalysisComparison) -> str:
    if answer.basis is Basis.STEP:
        return (
            f"Compared: the whole span of each trace, with what lies between its steps, over their number: "
            f"{answer.before.steps} of the baseline and {answer.after.steps} of this. Both as traced."
        )
    several = max(len(answer.before.ranks), len(answer.after.ranks)) > 1
    return f"Compared: the whole span of each trace{', summed over ranks' if several else ''}, as traced."


def _facts(answer: AnalysisComparison) -> tuple[Fact, ...]:
    facts = []
    for label, side in (("baseline", answer.before), ("this", answer.after)):
        name = side.ranks[0] if len(side.ranks) == 1 else f"{len(side.ranks)} ranks"
        facts.append(Fact(label, name, _held(side)))
    return tuple(facts)


def _held(side: Side) -> str:
    if not side.held_back_by:
        return "no verdict"
    held, ranks = listed(klass.value for klass in side.held_back_by), len(side.ranks)
    if side.clear == ranks:
        return f"held back by {held}"
    return f"inconclusive: {held} leads" if not side.clear else f"{held} leads, clear in {side.clear} of {ranks} ranks"


def _columns(view: _View, *first: Column) -> tuple[Column, ...]:
    return (
        *first,
        Column("before ms", numeric=True),
        Column("after ms", numeric=True),
        Column("change", numeric=True),
        Column(f"of old {view.unit}", numeric=True, drop=1),
    )


def _of_old(view: _View, before_ns: int, after_ns: int) -> str:
    """The change as a part of the whole span or step before, so that it has the sign of the change and they sum."""
    if not view.old:
        return ""
    text = percent(view.ms(before_ns, after_ns)[2] / view.old)
    return text if text.startswith(("-", "<", ">", "0%")) else f"+{text}"


def _row(view: _View, change: PartChange | FamilyChange | OperationChange) -> tuple[str, ...]:
    return (*view.cells(change.before_ns, change.after_ns), _of_old(view, change.before_ns, change.after_ns))


def _parts(answer: AnalysisComparison, view: _View) -> Grid:
    rows = [(PARTS[part.part], *_row(view, part)) for part in answer.parts]
    total = (
        f"sum (the {view.unit})",
        *view.cells(answer.before.span_ns, answer.after.span_ns),
        _of_old(view, answer.before.span_ns, answer.after.span_ns),
    )
    return Grid(_columns(view, Column("part", flexible=True, shortest=32)), (*rows, total), total=True)


def _steps(answer: AnalysisComparison) -> Grid:
    columns = (
        Column("phase"),
        Column("steps before", numeric=True),
        Column("after", numeric=True),
        Column("median ms before", numeric=True),
        Column("after", numeric=True),
    )
    rows = tuple(
        (
            step.phase,
            count(step.before_steps),
            count(step.after_steps),
            duration(step.before_ns / _NS_PER_MS),
            duration(step.after_ns / _NS_PER_MS),
        )
        for step in answer.steps
    )
    return Grid(columns, rows)


def _families(answer: AnalysisComparison, view: _View) -> Grid:
    columns = _columns(view, Column("family"), Column("calls", numeric=True, drop=2))
    rows = tuple(
        (
            family.family.value.replace("_", "-"),
            view.calls(family.before_kernels, family.after_kernels),
            *_row(view, family),
        )
        for family in answer.families
    )
    return Grid(columns, rows)


def _operations(answer: AnalysisComparison, view: _View) -> Grid:
    columns = _columns(
        view,
        Column("operation, or kernel where it is not known", flexible=True, shortest=28),
        Column("calls", numeric=True, drop=2),
    )
    shown, others = answer.operations[:_SHOWN], answer.operations[_SHOWN:]
    rows = [(_name(each), view.calls(each.before_calls, each.after_calls), *_row(view, each)) for each in shown]
    if others:
        before, after = sum(each.before_ns for each in others), sum(each.after_ns for each in others)
        calls = view.calls(sum(each.before_calls for each in others), sum(each.after_calls for each in others))
        rows.append((f"{len(others)} others", calls, *view.cells(before, after), _of_old(view, before, after)))
    busy = (answer.before.busy_ns, answer.after.busy_ns)
    total = ("sum (busy)", "", *view.cells(*busy), _of_old(view, *busy))
    return Grid(columns, (*rows, total), total=True)


def _name(change: OperationChange) -> str:
    name = change.name if change.matched_by is MatchedBy.OPERATION else short_kernel_name(change.name)
    if change.before_calls and change.after_calls:
        return name
    if change.may_be_renamed:
        return f"only {'before' if change.before_calls else 'after'}: {name}"
    return f"{'gone' if change.before_calls else 'added'}: {name}"


def _number(calls: float) -> str:
    """A count, or the mean of a few that are no whole number."""
    return count(round(calls)) if calls == round(calls) else f"{calls:,.1f}"
