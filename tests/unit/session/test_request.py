"""What was asked for: the same from Python as from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

import profiler
from profiler.errors import UsageError
from profiler.session.profile import PLANS
from profiler.session.request import ProfileRequest
from profiler.workload.effort import NEW_TOKENS
from profiler.workload.spec import WorkloadSpec


def test_a_request_and_its_workload_generate_as_many_tokens() -> None:
    assert ProfileRequest(model="tiny").new_tokens == WorkloadSpec(model="tiny").new_tokens == NEW_TOKENS["standard"]
    assert NEW_TOKENS.keys() == PLANS.keys()


@pytest.mark.parametrize(
    ("name", "instead"), [("trace.txt", "trace.json.gz"), ("trace", "trace.json.gz"), ("a.gz", "a.json.gz")]
)
def test_a_trace_is_refused_a_name_that_nothing_opens(name: str, instead: str) -> None:
    with pytest.raises(UsageError) as raised:
        ProfileRequest(model="tiny", trace_out=Path("kept") / name)
    assert raised.value.hint == f"name it {instead}"


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz", "llama.3.json"])
def test_a_trace_may_be_named_as_what_opens_it_wants(name: str) -> None:
    assert ProfileRequest(model="tiny", trace_out=Path(name)).trace_out == Path(name)


def test_an_unknown_effort_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as raised:
        ProfileRequest(model="tiny", effort="heroic")
    assert raised.value.hint == "use one of quick, standard, thorough"


def test_python_refuses_a_trace_that_cannot_be_written_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        profiler.profile("tiny", device="cpu", trace_out=str(tmp_path / "nowhere" / "trace.json"))


def test_the_package_exports_what_it_promises() -> None:
    assert set(profiler.__all__) == {
        "Analysis",
        "Report",
        "__version__",
        "analyze",
        "capture",
        "load_report",
        "profile",
    }
    for name in profiler.__all__:
        assert getattr(profiler, name)
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        profiler.analyse  # noqa: B018
