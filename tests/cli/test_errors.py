"""Every failure is one line that says what and why, one that says what to type next, and the right exit code."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiler import errors
from profiler.cli import failures, main
from profiler.cli.application import application
from tests.cli import fake_session

runner = CliRunner()

EXIT_CODES = {
    errors.BottleneckError: 1,
    errors.FailedError: 1,
    errors.OutOfMemoryError: 1,
    errors.UnreadableError: 1,
    errors.UsageError: 2,
    errors.UnknownModelError: 2,
    errors.OutputExistsError: 2,
    errors.GateError: 3,
    errors.UnsupportedError: 4,
    errors.NoDeviceError: 4,
    errors.WillNotFitError: 4,
    errors.InterruptedByUser: 130,
}


def test_every_error_class_is_in_the_table() -> None:
    def family(kind: type[errors.BottleneckError]) -> set[type[errors.BottleneckError]]:
        return {kind}.union(*(family(child) for child in kind.__subclasses__()))

    ours = {kind for kind in family(errors.BottleneckError) if kind.__module__ == errors.__name__}
    assert ours == EXIT_CODES.keys()


@pytest.mark.parametrize(("kind", "code"), EXIT_CODES.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_an_error_says_what_and_what_next_and_exits_with_its_code(
    monkeypatch: pytest.MonkeyPatch, kind: type[errors.BottleneckError], code: int
) -> None:
    fake_session.install(monkeypatch, kind("it needs [16] GB and 8 are free", "use --dtype float16"))
    result = runner.invoke(application, ["profile", "tiny"])
    assert result.exit_code == code
    assert result.stdout == ""
    if kind is errors.InterruptedByUser:
        assert result.stderr.endswith("interrupted: it needs [16] GB and 8 are free\n")
    else:
        assert result.stderr.endswith("error: it needs [16] GB and 8 are free\ntry: use --dtype float16\n")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("failure", "kept"),
    [
        (errors.InterruptedByUser(), "nothing was measured yet"),
        (KeyboardInterrupt(), "nothing was measured yet"),
        (errors.InterruptedByUser(partial="a report"), "what was measured before is kept"),
    ],
)
def test_an_interrupt_says_what_is_kept(monkeypatch: pytest.MonkeyPatch, failure: BaseException, kept: str) -> None:
    fake_session.install(monkeypatch, failure)
    result = runner.invoke(application, ["profile", "tiny"])
    assert result.exit_code == 130
    assert result.stderr.endswith(f"interrupted: {kept}\n")


def test_a_long_line_is_not_broken_so_that_it_can_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = "bottleneck profile " + "x" * 200
    fake_session.install(monkeypatch, errors.FailedError("no", hint))
    assert f"try: {hint}\n" in runner.invoke(application, ["profile", "tiny"]).stderr


def test_a_bug_is_one_line_that_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_session.install(monkeypatch, ZeroDivisionError("division\nby zero"))
    result = runner.invoke(application, ["profile", "tiny"])
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "error: ZeroDivisionError: division by zero\ntry: re-run with --debug, and please report this\n"
    )


@pytest.mark.parametrize("failure", [ZeroDivisionError("no"), errors.FailedError("no")])
def test_debug_shows_the_traceback_first(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    fake_session.install(monkeypatch, failure)
    result = runner.invoke(application, ["profile", "tiny", "--debug"])
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert "profile_model" in result.stderr
    assert result.stderr.index("Traceback") < result.stderr.index("error: ")


def test_a_second_ctrl_c_while_the_first_is_told_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def again(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    fake_session.install(monkeypatch, errors.InterruptedByUser())
    monkeypatch.setattr(failures, "_say", again)
    result = runner.invoke(application, ["profile", "tiny"])
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr


def test_ctrl_c_before_the_command_line_is_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("profiler.cli.application.application", interrupted)
    try:
        with pytest.raises(SystemExit) as raised:
            main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert raised.value.code == 130
    assert capsys.readouterr().err == "interrupted: nothing was measured yet\n"


def test_a_mistyped_verb_offers_the_nearest() -> None:
    result = runner.invoke(application, ["profle", "tiny"])
    assert result.exit_code == 2
    assert "'profile'" in result.stderr


def test_a_mistyped_option_offers_the_nearest() -> None:
    result = runner.invoke(application, ["profile", "tiny", "--batchsize", "2"])
    assert result.exit_code == 2
    assert "--batch-size" in result.stderr


DATA = Path(__file__).resolve().parents[1] / "data"
REPORT, TRACE = (str(DATA / "own" / f"smollm135m-graph{end}.json.gz") for end in ("", "-trace"))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["show", TRACE], f"try: bottleneck analyze {TRACE}"),
        (["check", TRACE, "--budget", "interactive"], f"try: bottleneck analyze {TRACE}"),
        (["check", REPORT, "--baseline", TRACE], f"try: bottleneck analyze {TRACE}"),
        (["analyze", REPORT], f"try: bottleneck show {REPORT}"),
        (["show", "nope.json"], "try: name a file that a verb kept with -o"),
        (["check", REPORT, "--baseline", "nope.json"], "try: name a file that a verb kept with -o"),
        (["version"], "No such command 'version'. Did you mean --version?"),
        (["help"], "No such command 'help'. Did you mean --help?"),
        (["profile", "tiny", "--mode", "grph"], "Did you mean graph?"),
        (["show", REPORT, "--format", "tabel"], "Did you mean table?"),
        (
            [
                "simulate",
                "poisson",
                "--prefill-tokens-per-s",
                "1",
                "--decode-tokens-per-s",
                "1",
                "--policy",
                "contiuous",
            ],
            "did you mean continuous?",
        ),
    ],
    ids=lambda value: " ".join(value).replace(str(DATA), "") if isinstance(value, list) else "",
)
def test_what_was_probably_meant_is_named(typed: list[str], meant: str) -> None:
    result = runner.invoke(application, typed, env={"COLUMNS": "200"})
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert meant in result.stderr


def test_a_choice_that_is_like_none_is_answered_with_all_of_them() -> None:
    result = runner.invoke(application, ["profile", "tiny", "--mode", "xyz"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "'xyz' is not one of 'eager', 'compile', 'graph', 'paged'." in result.stderr
    assert "mean" not in result.stderr
