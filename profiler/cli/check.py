"""`bottleneck check REPORT`: hold a kept result against a budget; the gate for CI."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from profiler.cli.completion import budgets, reports
from profiler.cli.formats import CheckFormat
from profiler.cli.options import OUTPUT_PANEL, DebugOption, ForceOption, Format
from profiler.report.outcome import CountsAs

if TYPE_CHECKING:
    from profiler.compare.budget import Budget
    from profiler.compare.gate import Checkable

_RULES = "What it must keep"
_NO_BASELINE = Path("none")


def check(
    report: Annotated[
        Path,
        typer.Argument(metavar="REPORT", show_default=False, autocompletion=reports, help="What `-o` wrote."),
    ],
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="FILE",
            show_default=False,
            autocompletion=budgets,
            rich_help_panel=_RULES,
            help="Rules in TOML, or the name of a budget that is installed along, such as interactive.",
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="REPORT",
            show_default=False,
            autocompletion=reports,
            rich_help_panel=_RULES,
            help="What it must not be slower than, by the rules of the budget; without one, by 5% at most. `none`: "
            "there is none yet, and what is asked of it is inconclusive.",
        ),
    ] = None,
    inconclusive: Annotated[
        CountsAs | None,
        typer.Option(
            "--inconclusive",
            metavar="pass|fail",
            show_default=False,
            rich_help_panel=_RULES,
            help="What a rule counts as that cannot be told, instead of what the budget says.",
        ),
    ] = None,
    form: Annotated[
        CheckFormat,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="What stdout carries: table, json, markdown or github.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = CheckFormat.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep the JSON too."),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", rich_help_panel=OUTPUT_PANEL, help="Keep JUnit XML, too."),
    ] = None,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Hold what profile, analyze, simulate or endpoint kept against a budget, a baseline, or both.

    Each rule passes, fails, or is inconclusive: its interval straddles the limit, its number is missing, or the verdict
    is in doubt. Exit code 3 says that one fails; so does a report that is not whole.

    [bold]Examples[/bold]

      bottleneck check report.json --budget interactive

      bottleneck check report.json --budget budget.toml --junit junit.xml

      bottleneck check report.json --baseline main.json --inconclusive fail --format github
    """
    from profiler import __version__
    from profiler.cli.output import hand_over
    from profiler.compare.gate import check as hold
    from profiler.errors import GateError, UsageError
    from profiler.render.check_blocks import check_blocks, headline
    from profiler.report.check import encode_check
    from profiler.report.store import check_writable, write_atomically

    before = None if baseline == _NO_BASELINE else baseline
    for file in (output, junit):
        if file is not None:
            for source in (report, before, None if budget is None else Path(budget)):
                check_writable(file, force=force, source=source)
    if output is not None and output == junit:
        raise UsageError(f"-o and --junit both name {output}", "give each a file of its own")
    rules, name = _budget(budget, baseline, inconclusive)
    answer = hold(
        _checkable(report),
        rules,
        baseline=None if before is None else _checkable(before),
        checked=report.name,
        budget_name=name,
        baseline_name=None if before is None else before.name,
        tool_version=__version__,
    )
    if junit is not None:
        from profiler.render.junit import junit as junit_xml

        write_atomically(junit, junit_xml(answer))
    if form is CheckFormat.GITHUB:
        from profiler.cli.github_job import emit_to_github
        from profiler.render.result_annotations import result_annotations

        if output is not None:
            write_atomically(output, encode_check(answer))
        blocks = check_blocks(answer)
        emit_to_github(result_annotations(answer, blocks, report.name), blocks)
    else:
        hand_over(lambda: check_blocks(answer), Format(form.value), lambda: encode_check(answer), output)
    if not answer.holds:
        # All but JSON began with the same sentence.
        raise GateError(headline(answer) if form is CheckFormat.JSON else "", f"bottleneck show {report}")


def _budget(name: str | None, baseline: Path | None, inconclusive: CountsAs | None) -> "tuple[Budget, str | None]":
    """The rules, and what they are called. With a baseline and no rule about it, or without a
    budget, those that are installed along hold.

    Raises `UsageError` for what cannot be meant.
    """
    from dataclasses import replace

    from profiler.catalogue.budgets import USUAL_AGAINST_A_BASELINE, budget_names
    from profiler.compare.budget import REGRESSION_SCOPE, Budget
    from profiler.errors import UsageError

    if name is None and baseline is None:
        raise UsageError(
            "there is nothing to hold the report against",
            f"--baseline REPORT, or --budget with a file or one of {', '.join(budget_names())}",
        )
    budget = Budget() if name is None else _parsed(name)
    compares = any(rule.scope == REGRESSION_SCOPE for rule in budget.rules)
    if compares and baseline is None:
        raise UsageError(
            f"the budget {name} compares with a baseline, and none is named: those rules would hold for ever",
            "--baseline REPORT, or --baseline none while there is none yet",
        )
    if name is None or (baseline not in (None, _NO_BASELINE) and not compares):
        budget = replace(budget, rules=(*budget.rules, *_parsed(USUAL_AGAINST_A_BASELINE).rules))
    return budget if inconclusive is None else replace(budget, inconclusive=inconclusive), name


def _parsed(name: str) -> "Budget":
    from profiler.catalogue.budgets import budget_text
    from profiler.compare.budget import parse_budget
    from profiler.errors import UsageError

    text = budget_text(name)
    try:
        return parse_budget(text)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", error.hint) from error


def _checkable(path: Path) -> "Checkable":
    from typing import get_args

    from profiler.compare.gate import Checkable
    from profiler.errors import UsageError
    from profiler.report.kinds import load_result

    result = load_result(path)
    if not isinstance(result, get_args(Checkable)):
        kind = getattr(result, "kind", "")
        raise UsageError(f"{path} is what `bottleneck {kind}` answered, to which no budget applies", "check its REPORT")
    return cast("Checkable", result)
