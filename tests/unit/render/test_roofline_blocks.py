"""The slowest kernels beneath the roofline, for people."""

from __future__ import annotations

import io
from functools import cache

import pytest
from msgspec.structs import replace
from rich.console import Console

from profiler.render import markdown, table
from profiler.render.document import Block
from profiler.render.numbers import MISSING
from profiler.render.roofline_blocks import roofline_blocks
from profiler.report.source import Source
from profiler.session.analyze import analyze_trace
from tests.unit.trace.trace_events import RECORDINGS


@cache
def blocks(name: str) -> tuple[Block, ...]:
    (rank,) = analyze_trace(name, (RECORDINGS / f"{name}.json.gz").read_bytes())
    return tuple(roofline_blocks(rank.kernels))


def shown(name: str, width: int) -> str:
    text = io.StringIO()
    table.render_blocks(list(blocks(name)), Console(file=text, width=width, color_system=None))
    return text.getvalue()


@pytest.mark.parametrize("width", [80, 160])
def test_it_fits_the_width_and_keeps_what_matters(width: int) -> None:
    text = shown("prefill_b1_8192", width)
    assert max(len(line) for line in text.splitlines()) <= width
    for words in ("of its roof", "limited by", "97% matrix units", "tensor", "flash attention"):
        assert words in text
    assert ("8192x4096, 4096x14336" in text) == (width == 160)


def test_markdown_has_all_columns() -> None:
    text = markdown.render_blocks(list(blocks("prefill_b1_8192")))
    assert "| of its roof | limited by | GB/s | TFLOP/s | FLOP/B | for |" in text


def test_what_is_missing_has_a_footnote() -> None:
    kernels = analyze_trace("step", (RECORDINGS / "decode_b1_eager.json.gz").read_bytes())[0].kernels
    why = {name: Source(missing="nobody knows") for name in ("roof_ratio", "limiter", "flops_per_s")}
    unknown = replace(kernels[0], roof=None, roof_ratio=None, limiter=None, flops_per_s=None, sources=why)
    text = markdown.render_blocks(roofline_blocks([unknown, *kernels[1:]])).replace("\\", "")
    assert f"| {MISSING} [1] | {MISSING} [1] |" in text
    assert "[1] nobody knows" in text


def test_where_no_kernel_has_known_work_the_slowest_are_still_told_and_why() -> None:
    text = markdown.render_blocks(list(blocks("decode_b16_graph"))).replace("\\", "")
    assert "beneath the roofline" not in text
    assert "gemm 64x16 (nvjet)" in text
    assert f"| {MISSING} [1] | {MISSING} [1] |" in text
    assert "[1] it is one of those replayed from a CUDA graph" in text


def test_rates_that_are_known_of_no_kernel_leave_their_room_to_names() -> None:
    text = shown("decode_b256_graph", 80)
    assert "GB/s" not in text
    assert "TFLOP/s" not in text
    assert "of its roof" in text
    assert "GB/s" in shown("gemm_large", 80)


def test_without_kernels_there_is_no_table() -> None:
    assert roofline_blocks([]) == []
