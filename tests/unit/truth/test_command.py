"""`python -m benchmarks.truth`: sections one by one, whatever becomes of the others."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.truth import __main__ as command
from benchmarks.truth.results import read_section
from benchmarks.truth.section import Claim, Section


def section(holds: bool | None) -> Section:
    return Section(name="swap", title="t", environment={}, claims=[Claim("c", holds, "m")], tables=[])


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the one section that is asked for find this."""

    def install(found: Section) -> None:
        module = SimpleNamespace(run=lambda options: found)
        monkeypatch.setattr(command, "import_module", lambda name: module)

    return install


@pytest.mark.parametrize(("holds", "code"), [(True, 0), (False, 1), (None, 1)])
def test_the_exit_code_says_whether_the_claims_hold(here: Any, tmp_path: Path, holds: bool | None, code: int) -> None:
    here(section(holds))
    assert command.main(["swap", "--out", str(tmp_path / "new")]) == code
    assert read_section(tmp_path / "new" / "swap.json") == section(holds)


def test_a_run_that_claims_nothing_is_no_failure(here: Any, tmp_path: Path) -> None:
    here(Section(name="swap", title="t", environment={}, claims=[], tables=[]))
    assert command.main(["swap", "--measure-only", "--out", str(tmp_path)]) == 0


def test_several_sections_are_processes_in_a_fixed_order_with_the_same_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []

    def fake_run(arguments: list[str]) -> SimpleNamespace:
        ran.append(arguments[1:])
        return SimpleNamespace(returncode=1 if "zoo" in arguments else 0)

    monkeypatch.setattr(subprocess, "run", fake_run)
    code = command.main(["repeatability", "zoo", "--out", str(tmp_path), "--device", "cpu", "--small", "--runs", "3"])

    assert code == 1  # the first failed, and the second ran all the same
    common = ["--out", str(tmp_path), "--device", "cpu", "--runs", "3", "--small"]
    assert ran == [["-m", "benchmarks.truth", name, *common] for name in ("zoo", "repeatability")]
    assert "zoo: DOES NOT HOLD\nrepeatability: holds" in capsys.readouterr().out


def test_a_section_that_there_is_not_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as error:
        command.main(["nothing", "--out", str(tmp_path)])
    assert error.value.code == 2


def test_options_of_one_section_survive_being_passed_on() -> None:
    options = command.parser().parse_args(["swap", "zoo", "--out", "swap", "--measure-only", "--again"])
    again = command.parser().parse_args(command._command("swap", options)[2:])
    assert again.sections == ["swap"]
    assert (again.out, again.measure_only, again.again, again.small) == (Path("swap"), True, True, False)
