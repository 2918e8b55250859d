"""What people read of the host's costly operations and of the critical path."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from profiler.render import markdown, table
from profiler.render.waits_blocks import operation_label, waits_blocks
from profiler.render.words import PATH_KINDS
from profiler.report.analysis import RankAnalysis
from profiler.report.trace_waits import PathKind
from profiler.session.analyze import analyze_trace
from tests.unit.trace.trace_events import RECORDINGS, Event, call, kernel, operation, trace_bytes

CUDNN_PLAN = Path(__file__).parents[2] / "data" / "frames" / "cudnn_plan.json.gz"


@cache
def analysed(path: Path) -> RankAnalysis:
    (rank,) = analyze_trace(path.name, path.read_bytes())
    return rank


def shown(rank: RankAnalysis, width: int = 80) -> str:
    text = io.StringIO()
    table.render_blocks(waits_blocks(rank), Console(file=text, width=width, color_system=None))
    return text.getvalue()


def joined(text: str) -> str:
    return " ".join(text.split())


def eager_step(layers: int, plan_us: float, rest_us: float) -> RankAnalysis:
    """A step in which each layer plans its attention for so long, and the host does other work for so long."""
    events: list[Event] = [call("cudaLaunchKernel", 0, 2, 999), kernel(2, 1, 999)]
    at = 3.0
    for layer in range(layers):
        events += [
            operation("aten::_cudnn_attention_forward", at, plan_us),
            call("cudaLaunchKernel", at + plan_us - 2, 2, layer + 1),
            kernel(at + plan_us, 253, layer + 1),
            operation("aten::linear", at + plan_us + 253, rest_us - 253),
        ]
        at += plan_us + rest_us
    events += [call("cudaLaunchKernel", at - 2, 2, 500), kernel(at, 1, 500)]
    (rank,) = analyze_trace("a.json", trace_bytes(events))
    return rank


def test_every_kind_of_the_path_has_words() -> None:
    assert PATH_KINDS.keys() == set(PathKind)


def test_an_eager_decode_of_a_new_length_says_what_its_planning_costs() -> None:
    """As such a step of Llama-3.1-8B was seen: 32 layers, 80 ms and more, of which the device works 8.1 ms."""
    text = joined(shown(eager_step(32, 1_200, 1_158)))
    assert "cuDNN attention plan: 1.20 ms of host time a call (32 calls), 57% of all GPU idle." in text
    assert "torch.backends.cuda.enable_cudnn_sdp(False)" in text


def test_attention_that_finds_its_plan_is_no_planning() -> None:
    rank = eager_step(32, 90, 1_158)
    labels = [operation_label(each) for each in rank.host_operations]
    assert "aten::_cudnn_attention_forward" in labels
    assert "cuDNN attention plan" not in labels


@pytest.mark.parametrize("width", [80, 160])
def test_both_tables_fit_the_width(width: int) -> None:
    text = shown(analysed(CUDNN_PLAN), width)
    assert max(len(line) for line in text.splitlines()) <= width
    for words in ("What the GPU waited for on the host", "The critical path through host and GPU", "% of idle"):
        assert words in text


def test_a_wide_table_says_where_in_the_program_it_was() -> None:
    text = shown(analysed(CUDNN_PLAN), 160)
    row = next(line for line in text.splitlines() if line.startswith("cuDNN attention plan  "))
    assert row.rstrip().endswith("  forward (record_cudnn.py:22)")


def test_what_is_not_charged_to_an_operation_in_the_table_is_said() -> None:
    text = joined(shown(analysed(CUDNN_PLAN)))
    assert "14.55 ms of host time a call (8 calls, the longest 60.54 ms)" in text
    assert "Each nanosecond counts for the innermost operation alone; " in text
    assert "of the idle time in other operations and 0.2% while no operation of the host was waited for." in text


def test_time_between_operations_has_no_time_of_its_own() -> None:
    text = joined(shown(analysed(RECORDINGS / "slow_host.json.gz")))
    assert "Python between operations: 94% of all GPU idle." in text


def test_a_device_that_is_hardly_idle_has_no_table_of_idle_time() -> None:
    rank = analysed(RECORDINGS / "gemm_large.json.gz")
    assert "What the GPU waited for" in shown(rank)
    busier = replace(rank, idle_ns=rank.span_ns // 1_000)
    assert "What the GPU waited for" not in shown(busier)
    assert "The critical path" in shown(busier)


def test_a_refused_trace_has_neither() -> None:
    assert shown(replace(analysed(CUDNN_PLAN), critical_path=None, host_operations=[])) == ""


def test_markdown_says_the_same() -> None:
    text = markdown.render_blocks(waits_blocks(analysed(CUDNN_PLAN)))
    assert "| cuDNN attention plan | 8 |" in text
    assert "| cuDNN attention plan | host | 8 |" in text
