"""`bottleneck VERB --help`: every verb says what it does, shows examples that work, and what its exit code means."""

from __future__ import annotations

import re
import shlex

import pytest
import typer.main
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.cli.help import laid_out

VERBS = sorted(info.callback.__name__ for info in application.registered_commands if info.callback is not None)


def shown(verb: str, width: int) -> str:
    result = CliRunner().invoke(
        application, [verb, "--help"], env={"COLUMNS": str(width), "TERMINAL_WIDTH": str(width)}
    )
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_has_examples_and_exit_codes_and_fits(verb: str, width: int) -> None:
    text = shown(verb, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert re.search(rf"^ Examples\s*\n   bottleneck {verb}", text, re.MULTILINE)
    assert "Exit codes: 0 done" in text
    assert "<bool>" not in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_example_is_a_command_line_that_the_verb_understands(verb: str) -> None:
    command = typer.main.get_command(application).commands[verb]  # type: ignore[attr-defined]
    examples = re.findall(r"^  bottleneck \S+ ?(.*)$", command.help, re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example.partition(">")[0])
        command.make_context(verb, words)


def test_a_reader_who_went_before_the_last_line_of_a_help_ends_it_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("typer._click.decorators.echo", gone)
    for typed in (["--help"], ["show", "--help"]):
        result = CliRunner().invoke(application, typed)
        assert (result.exit_code, result.stderr) == (1, "")


def test_prose_flows_and_each_example_is_a_line() -> None:
    text = laid_out("Do it.\n\nIt is\ndone so.\n\n[bold]Examples[/bold]\n\n  bottleneck a\n\n  bottleneck b")
    assert text.startswith("Do it.\n\nIt is done so.\n\n[bold]Examples[/bold]\n  bottleneck a\n  bottleneck b\n\n")
