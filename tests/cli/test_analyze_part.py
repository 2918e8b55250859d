"""`bottleneck analyze --step, --from, --to`: a part of a trace, in every output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiler.cli.application import application
from profiler.cli.narrowing import narrowing
from profiler.errors import UsageError
from profiler.trace.narrowing import Narrowing

runner = CliRunner()
TRACE = str(Path(__file__).parents[1] / "data" / "own" / "smollm135m-graph-trace.json.gz")


@pytest.mark.parametrize(
    ("step", "start", "end", "meant"),
    [
        (None, None, None, None),
        ("3", None, None, Narrowing(3, 3)),
        ("3-7", None, None, Narrowing(3, 7)),
        (None, "1.5s", None, Narrowing(from_ns=1_500_000_000)),
        (None, "300", "0.5 s", Narrowing(from_ns=300_000_000, to_ns=500_000_000)),
        (None, "2.5us", "300ms", Narrowing(from_ns=2_500, to_ns=300_000_000)),
        (None, None, "1.0000000001s", Narrowing(to_ns=1_000_000_000)),
        ("0", "1ms", "2ms", Narrowing(0, 0, 1_000_000, 2_000_000)),
    ],
)
def test_what_is_typed_is_understood_to_the_nanosecond(
    step: str | None, start: str | None, end: str | None, meant: Narrowing | None
) -> None:
    assert narrowing(step, start, end) == meant


@pytest.mark.parametrize(
    ("step", "start", "end"),
    [
        ("x", None, None),
        ("-1", None, None),
        ("7-3", None, None),
        ("1-2-3", None, None),
        ("9" * 5_000, None, None),
        (None, "soon", None),
        (None, "-3ms", None),
        (None, "1h", None),
        (None, "1" * 5_000, None),
        (None, "2s", "300ms"),
        (None, None, "0"),
    ],
)
def test_what_cannot_be_meant_says_what_to_type(step: str | None, start: str | None, end: str | None) -> None:
    with pytest.raises(UsageError) as raised:
        narrowing(step, start, end)
    assert raised.value.hint
    assert len(raised.value.message) < 100


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_people_read_the_phases_and_what_was_looked_at(form: str) -> None:
    result = runner.invoke(application, ["analyze", TRACE, "--step", "2-3", "--format", form])
    assert result.exit_code == 0
    assert "after the first start on the device" in " ".join(result.stdout.split())
    assert "Phases" in result.stdout
    assert "decode" in result.stdout
    assert "prefill" not in result.stdout


def test_json_has_the_phases_and_what_was_looked_at() -> None:
    result = runner.invoke(application, ["analyze", TRACE, "--from", "1s", "--format", "json"])
    (rank,) = json.loads(result.stdout)["ranks"]
    assert rank["window"]["from_ns"] == 1_000_000_000
    assert [(phase["name"], phase["kind_from"], phase["steps"]) for phase in rank["phases"]] == [
        ("decode", "annotation", [{"first": 2, "last": 3}])
    ]
    assert sum(part["ns"] for part in rank["parts"]) == rank["span_ns"]


def test_a_step_that_is_not_there_ends_in_one_line() -> None:
    result = runner.invoke(application, ["analyze", TRACE, "--step", "9"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "its steps are numbered 0 to 3" in result.stderr
    assert "--step 0-3" in result.stderr


def test_ranks_without_such_a_step_are_named_and_the_others_analysed() -> None:
    other = str(Path(TRACE).parents[1] / "recordings" / "tiny_kernels.json.gz")
    result = runner.invoke(application, ["analyze", TRACE, other, "--step", "3", "--format", "json"])
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [rank["name"] for rank in answer["ranks"]] == [TRACE]
    assert "it has no step 3: its steps are numbered 0 to 1" in answer["unreadable"][0]["reason"]
