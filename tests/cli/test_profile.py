"""`bottleneck profile`: what is typed becomes a request, what comes back reaches stdout and the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from profiler import errors
from profiler.cli import choices
from profiler.cli.application import application
from profiler.progress import Progress
from profiler.report.records import Report
from profiler.report.store import decode, encode, load_report
from profiler.session.request import ProfileRequest
from profiler.workload import spec
from tests.cli import fake_session
from tests.unit.render import sample

runner = CliRunner()


def run(*arguments: str, **options: Any) -> Any:
    return runner.invoke(application, list(arguments), **options)


def test_the_defaults_are_those_of_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = fake_session.install(monkeypatch)
    assert run("profile", "tiny").exit_code == 0
    assert requests == [ProfileRequest(model="tiny", new_tokens=64, command="bottleneck profile tiny")]


def test_every_option_reaches_the_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    requests = fake_session.install(monkeypatch)
    trace = tmp_path / "trace.json.gz"
    command = (
        "profile my/model --weights random --device cuda:1 --dtype float16 --batch-size 3 --prompt-tokens 7 "
        "--new-tokens 5 --mode graph --attention flash --offload cpu --seed 9 --thorough --trust-remote-code "
        f"--trace-out {trace}"
    )
    assert run(*command.split()).exit_code == 0
    assert requests == [
        ProfileRequest(
            model="my/model",
            weights="random",
            device="cuda:1",
            dtype="float16",
            batch_size=3,
            prompt_tokens=7,
            new_tokens=5,
            mode="graph",
            attention="flash",
            offload="cpu",
            seed=9,
            effort="thorough",
            trust_remote_code=True,
            trace_out=trace,
            command=f"bottleneck {command}",
        )
    ]


def test_quick_generates_fewer_tokens_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = fake_session.install(monkeypatch)
    run("profile", "tiny", "--quick")
    run("profile", "tiny", "--quick", "--new-tokens", "64")
    assert [(request.effort, request.new_tokens) for request in requests] == [("quick", 32), ("quick", 64)]


def test_a_mistyped_model_is_told_before_the_session_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = fake_session.install(monkeypatch)
    result = run("profile", "lama-3.1-8b")
    assert (result.exit_code, requests) == (2, [])
    assert "did you mean llama-3.1-8b" in result.stderr


def test_the_command_is_quoted_so_that_it_can_be_typed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    requests = fake_session.install(monkeypatch)
    (tmp_path / "my model").mkdir()
    (tmp_path / "my model" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    run("profile", "./my model")
    assert requests[0].command == "bottleneck profile './my model'"


def test_the_choices_are_those_of_the_workload() -> None:
    assert tuple(choices.Weights) == spec.WEIGHTS
    assert tuple(choices.DType) == spec.DTYPES
    assert tuple(choices.Mode) == spec.MODES
    assert tuple(choices.Attention) == spec.ATTENTIONS
    assert tuple(choices.Offload) == spec.OFFLOADS


def test_stdout_begins_with_the_answer_and_progress_goes_to_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_session.install(monkeypatch)
    result = run("profile", "tiny")
    assert result.stdout.startswith("decode is held back by scheduling: the host.")
    assert "building the model" in result.stderr
    assert "weights are random" in result.stderr
    assert "building the model" not in result.stdout


def test_json_on_stdout_is_the_report_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def chatty(request: ProfileRequest, progress: Progress) -> Report:
        print("a library that cannot be quiet")
        return sample.report()

    fake_session.install(monkeypatch, chatty)
    result = run("profile", "tiny", "--format", "json")
    assert decode(result.stdout_bytes) == sample.report()
    assert "a library that cannot be quiet" in result.stderr


def test_the_report_is_kept_beside_what_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_session.install(monkeypatch)
    path = tmp_path / "report.json"
    result = run("profile", "tiny", "-o", str(path), "--format", "markdown")
    assert load_report(path) == sample.report()
    assert result.stdout.startswith("**decode is held back")


@pytest.mark.parametrize("option", ["-o", "--trace-out"])
def test_an_existing_output_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str
) -> None:
    requests = fake_session.install(monkeypatch)
    path = tmp_path / "kept.json"
    path.write_text("old")
    result = run("profile", "tiny", option, str(path))
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert "try: add --force" in result.stderr
    assert requests == []
    assert path.read_text() == "old"


def test_force_replaces_an_existing_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_session.install(monkeypatch)
    path = tmp_path / "report.json"
    path.write_text("old")
    assert run("profile", "tiny", "-o", str(path), "--force").exit_code == 0
    assert load_report(path) == sample.report()


def test_an_unwritable_output_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    requests = fake_session.install(monkeypatch)
    result = run("profile", "tiny", "-o", str(tmp_path / "nowhere" / "report.json"))
    assert result.exit_code == 2
    assert "there is no folder" in result.stderr
    assert "try: mkdir -p" in result.stderr
    assert requests == []


def test_one_file_cannot_be_both_report_and_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_session.install(monkeypatch)
    path = str(tmp_path / "both.json")
    assert run("profile", "tiny", "-o", path, "--trace-out", path).exit_code == 2


def test_an_interrupted_run_keeps_shows_and_marks_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    partial = replace(sample.report(), complete=False, phases=[sample.load(), sample.prefill()])
    fake_session.install(monkeypatch, errors.InterruptedByUser(partial=partial))
    path = tmp_path / "report.json"
    result = run("profile", "tiny", "-o", str(path))
    assert result.exit_code == 130
    assert load_report(path).complete is False
    assert result.stdout.startswith("INCOMPLETE")
    assert result.stderr.endswith("interrupted: what was measured before is kept\n")


def test_a_run_that_failed_half_way_is_kept_and_shown_before_its_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failure = errors.OutOfMemoryError("the device ran out of memory", "lower --batch-size")
    failure.partial = replace(sample.report(), complete=False, phases=[sample.load(), sample.prefill()])
    fake_session.install(monkeypatch, failure)
    path = tmp_path / "report.json"
    result = run("profile", "tiny", "-o", str(path))
    assert result.exit_code == 1
    assert load_report(path) == failure.partial
    assert result.stdout.startswith("INCOMPLETE")
    assert result.stderr.endswith("error: the device ran out of memory\ntry: lower --batch-size\n")


def test_a_report_that_cannot_be_written_in_the_end_is_shown_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def gone_meanwhile(request: ProfileRequest, progress: Progress) -> Report:
        folder.rmdir()
        return sample.report()

    fake_session.install(monkeypatch, gone_meanwhile)
    result = run("profile", "tiny", "-o", str(folder / "report.json"))
    assert result.exit_code == 2
    assert result.stdout.startswith("decode is held back by")
    assert "cannot write" in result.stderr


def test_json_of_an_interrupted_run_is_still_pure(monkeypatch: pytest.MonkeyPatch) -> None:
    partial = replace(sample.report(), complete=False)
    fake_session.install(monkeypatch, errors.InterruptedByUser(partial=partial))
    result = run("profile", "tiny", "--format", "json")
    assert result.exit_code == 130
    assert result.stdout_bytes == encode(partial)


@pytest.mark.parametrize("interrupt", [errors.InterruptedByUser(), KeyboardInterrupt()], ids=["session", "early"])
def test_an_interrupt_before_anything_was_measured_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, interrupt: BaseException
) -> None:
    fake_session.install(monkeypatch, interrupt)
    path = tmp_path / "report.json"
    result = run("profile", "tiny", "-o", str(path))
    assert result.exit_code == 130
    assert result.stdout == ""
    assert not path.exists()


@pytest.mark.parametrize(
    ("option", "value", "valid"),
    [
        ("--weights", "rnadom", ("auto", "pretrained", "random")),
        ("--dtype", "int4", ("bfloat16", "float16", "float32")),
        ("--mode", "fast", ("eager", "compile", "graph", "paged")),
        ("--attention", "sparse", ("sdpa", "flash", "cudnn")),
        ("--offload", "disk", ("none", "cpu")),
        ("--format", "xml", ("table", "json", "markdown")),
    ],
)
def test_a_bad_choice_lists_the_valid_ones(
    monkeypatch: pytest.MonkeyPatch, option: str, value: str, valid: tuple[str, ...]
) -> None:
    requests = fake_session.install(monkeypatch)
    result = run("profile", "tiny", option, value)
    assert result.exit_code == 2
    for choice in valid:
        assert f"'{choice}'" in result.stderr
    assert requests == []


@pytest.mark.parametrize("option", ["--batch-size", "--prompt-tokens", "--new-tokens"])
@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_size_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, option: str, value: str) -> None:
    requests = fake_session.install(monkeypatch)
    assert run("profile", "tiny", option, value).exit_code == 2
    assert requests == []


def test_quick_and_thorough_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = fake_session.install(monkeypatch)
    result = run("profile", "tiny", "--quick", "--thorough")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr
    assert requests == []
