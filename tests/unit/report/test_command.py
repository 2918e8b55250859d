"""The command of a report, to be typed again."""

from __future__ import annotations

import pytest

from profiler.report.command import without_files


@pytest.mark.parametrize("output", ["-o old.json", "--output old.json", "--output=old.json", "-oold.json", ""])
def test_what_is_typed_again_replaces_no_file(output: str) -> None:
    command = f"bottleneck profile some/llama --batch-size 4 {output} --force --trace-out 'my trace.json'"
    assert without_files(command) == "bottleneck profile some/llama --batch-size 4"


def test_quotes_stay_where_a_shell_needs_them() -> None:
    assert without_files("bottleneck profile 'my models/llama' -o a.json") == "bottleneck profile 'my models/llama'"


def test_a_command_that_no_shell_would_read_stays_as_it_is() -> None:
    assert without_files("bottleneck profile 'llama -o a.json") == "bottleneck profile 'llama -o a.json"
