"""`bottleneck whatif`: a kept report at other speeds."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from profiler.attribute.verdict import refuse
from profiler.cli.application import application
from profiler.report.records import Report
from profiler.report.store import encode
from profiler.report.whatif import WhatIf, whatif_schema
from tests.cli.test_startup import imported_by
from tests.unit.attribute.kept_reports import kept_report, without_evidence

runner = CliRunner()


def stored(folder: Path, report: Report) -> str:
    path = folder / "report.json"
    path.write_bytes(encode(report))
    return str(path)


@pytest.fixture
def report(tmp_path: Path) -> str:
    return stored(tmp_path, kept_report(decode="decode_offload_4layers"))


def test_it_predicts_a_kept_report(report: str) -> None:
    result = runner.invoke(application, ["whatif", report, "--pcie", "2", "--phase", "decode"])
    assert result.exit_code == 0
    assert result.stdout.startswith("With host-device copies at 2x, decode would take ")


def test_json_is_what_a_file_would_hold_and_follows_its_schema(report: str, tmp_path: Path) -> None:
    kept = tmp_path / "whatif.json"
    typed = ["whatif", report, "--pcie", "2", "--phase", "decode", "--format", "json", "-o", str(kept)]
    result = runner.invoke(application, typed)
    assert result.stdout_bytes == kept.read_bytes()
    answer = msgspec.json.decode(kept.read_bytes(), type=WhatIf)
    assert (answer.kind, answer.schema_version) == ("whatif", "1.0")
    assert [phase.name for phase in answer.phases] == ["decode"]
    assert runner.invoke(application, typed).exit_code == 2
    assert runner.invoke(application, [*typed, "--force"]).exit_code == 0


def test_compute_turns_two_resources_and_latency_stays(report: str) -> None:
    result = runner.invoke(application, ["whatif", report, "--compute", "2", "--phase", "decode", "--format", "json"])
    speeds = {change["resource"]: change["factor"] for change in json.loads(result.stdout)["speeds"]}
    assert speeds == {"tensor": 2.0, "issue": 2.0}


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_another_device_can_be_read_by_people(report: str, form: str) -> None:
    typed = ["whatif", report, "--device", "a100-sxm-80gb", "--phase", "decode", "--format", form]
    result = runner.invoke(application, typed)
    assert result.exit_code == 0
    assert "A100 SXM4 80GB" in result.stdout


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e9", "0.001", "fast"])
def test_a_factor_that_cannot_be_meant_is_a_usage_error(report: str, value: str) -> None:
    result = runner.invoke(application, ["whatif", report, "--memory", value])
    assert result.exit_code == 2
    assert "--memory" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("name", "meant"),
    [("a100", "a100-sxm-80gb"), ("rtx4090", "rtx-4090"), ("h1000", "h100-"), ("tpu", "one of a10"), ("", "one of a10")],
)
def test_an_unknown_device_is_a_usage_error_that_names_those_that_could_be_meant(
    report: str, name: str, meant: str
) -> None:
    result = runner.invoke(application, ["whatif", report, "--device", name])
    assert result.exit_code == 2
    assert meant in " ".join(result.stderr.split())


def test_an_empty_device_is_told_to_be_none(report: str) -> None:
    assert "--device names no device" in runner.invoke(application, ["whatif", report, "--device", ""]).stderr


def test_a_card_of_several_forms_is_the_one_like_the_reports(report: str) -> None:
    typed = ["whatif", report, "--phase", "decode", "--device"]
    named = runner.invoke(application, [*typed, "h100-sxm"])
    assert named.exit_code == 0
    assert runner.invoke(application, [*typed, "h100"]).stdout == named.stdout


def test_an_unknown_phase_is_a_usage_error(report: str) -> None:
    result = runner.invoke(application, ["whatif", report, "--phase", "encode"])
    assert result.exit_code == 2
    assert "load, prefill, decode" in result.stderr


def test_an_old_report_fails_in_one_line_that_says_what_to_type(tmp_path: Path) -> None:
    result = runner.invoke(application, ["whatif", stored(tmp_path, without_evidence(kept_report()))])
    assert result.exit_code == 1
    assert "keeps no evidence" in result.stderr
    assert "profile again" in result.stderr


def test_what_is_no_report_fails_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("{}")
    result = runner.invoke(application, ["whatif", str(path)])
    assert result.exit_code == 1
    assert "is not a bottleneck report" in result.stderr


def test_a_report_whose_phases_have_no_verdict_is_done_with_nothing_predicted(tmp_path: Path) -> None:
    kept = kept_report()
    phases = [msgspec.structs.replace(phase, verdict=refuse("the trace is not whole")) for phase in kept.phases]
    path = stored(tmp_path, msgspec.structs.replace(kept, phases=phases))
    result = runner.invoke(application, ["whatif", path, "--memory", "2"])
    assert result.exit_code == 0
    assert "No phase of this report can be predicted." in result.stdout
    assert "the trace is not whole" in " ".join(result.stdout.split())


def test_it_never_imports_torch(report: str) -> None:
    assert not imported_by("whatif", report, "--pcie", "2", "--phase", "decode").intersection({"torch", "transformers"})


def test_its_schema_can_be_printed() -> None:
    assert json.loads(runner.invoke(application, ["schema", "whatif"]).stdout) == whatif_schema()


def test_a_terminal_without_unicode_is_shown_plain_curves(report: str) -> None:
    result = CliRunner(charset="ascii").invoke(application, ["whatif", report, "--pcie", "2", "--phase", "decode"])
    assert result.exit_code == 0
    assert "p pcie" in result.stdout_bytes.decode("ascii")
