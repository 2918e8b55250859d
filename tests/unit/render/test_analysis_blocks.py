"""What people read of analysed traces: the verdict first, then parts that sum, then why to doubt it."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from profiler.render import markdown, table
from profiler.render.analysis_blocks import analysis_blocks
from profiler.render.words import PARTS
from profiler.report.analysis import Analysis, PartName
from profiler.session.analyze import analyze
from tests.unit.trace.side_by_side import side_by_side
from tests.unit.trace.trace_events import CPU_TRACE, PUBLIC_TRACES, RECORDINGS


@cache
def analysis(*names: str) -> Analysis:
    return analyze(*(RECORDINGS / f"{name}.json.gz" for name in names))


def shown(answer: Analysis, width: int = 80) -> str:
    text = io.StringIO()
    table.render_blocks(analysis_blocks(answer), Console(file=text, width=width, color_system=None))
    return text.getvalue()


def joined(text: str) -> str:
    return " ".join(text.split())


def test_every_part_has_words() -> None:
    assert PARTS.keys() == set(PartName)


def test_the_first_line_is_the_verdict() -> None:
    text = joined(shown(analysis("tiny_kernels")))
    assert text.startswith("This trace is held back by scheduling: the host. The GPU was idle 94% of 18.5 ms.")


@pytest.mark.parametrize("width", [80, 160])
def test_parts_families_and_streams_fit_the_width(width: int) -> None:
    text = shown(analysis("h2d_pinned_overlapped"), width)
    assert max(len(line) for line in text.splitlines()) <= width
    for words in ("The span, part by part", "kernels: matrix units", "(the span)", "Kernels by family", "Streams"):
        assert words in text
    assert "100%" in text


def test_what_it_rests_on_is_said() -> None:
    text = joined(shown(analysis("tiny_kernels")))
    assert "Judged as traced" in text
    assert "of the datasheet of NVIDIA H100 SXM5 80GB" in text


def test_a_refused_trace_says_why_and_shows_its_parts() -> None:
    text = joined(shown(analysis("decode_b256_graph")))
    assert text.startswith(
        "NO VERDICT This trace: the evidence cannot carry a verdict. 99% of the busy time is in kernels"
    )
    assert "kernels: limiter not known" in text
    assert "What would help" not in text


def test_several_traces_are_a_job_with_a_line_each() -> None:
    text = shown(analysis("tiny_kernels", "gemm_large", "decode_b256_graph"))
    assert joined(text).startswith("3 traces: 1 held back by compute, 1 held back by scheduling, 1 without verdict.")
    for words in ("tiny_kernels", "gemm_large", "Trace by trace"):
        assert words in text


def test_separate_traces_are_not_compared_part_by_part() -> None:
    text = shown(analysis("tiny_kernels", "gemm_large"))
    assert "These are separate traces" in text
    assert "What to do" not in text
    assert "Part by part, over the ranks" not in text


def test_why_a_verdict_is_not_clear_is_said_rank_by_rank() -> None:
    text = joined(shown(analysis("tiny_kernels", "gemm_large", "decode_b256_graph")))
    assert "decode_b256_graph: refused; 9" in text
    assert "of the busy time is in kernels of which nobody knows what limits them" in text
    assert str(RECORDINGS) not in text


def test_devices_of_one_trace_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "both.json").write_bytes(side_by_side("tiny_kernels", "gemm_large"))
    text = joined(shown(analyze(tmp_path / "both.json")))
    assert text.startswith("2 devices in 1 trace: 1 held back by compute, 1 held back by scheduling.")
    for words in ("Rank by rank", "Part by part, over the ranks"):
        assert words in text
    assert "both.json [GPU 1]" in text


def test_what_was_not_read_is_listed(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("no json")
    answer = analyze(RECORDINGS / "tiny_kernels.json.gz", tmp_path / "b.json")
    assert "Not read" in shown(answer)


def test_an_interrupted_analysis_says_so_first() -> None:
    assert shown(replace(analysis("tiny_kernels"), complete=False)).startswith("INCOMPLETE")


def test_markdown_says_the_same() -> None:
    text = markdown.render_blocks(analysis_blocks(analysis("tiny_kernels")))
    assert text.startswith("**This trace is held back by scheduling: the host.")
    assert "| scheduling | idle: the host launches late |" in text


@pytest.mark.parametrize("width", [80, 160])
def test_a_job_says_who_waits_for_whom(width: int) -> None:
    path = PUBLIC_TRACES / "v100x8_dlrm.tar.gz"
    if not path.exists():
        pytest.skip("the public trace v100x8_dlrm is not on this machine; it is not part of the repository")
    text = shown(analyze(path), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "Straggler: worker7_step_12.1694128201553. It was the last to arrive at 5 of 8 collectives" in joined(text)
    assert (
        "worker1_step_12.1694128201556 waited 9.15 ms for worker7_step_12.1694128201553, in 5 collectives."
        in joined(text)
    )
    assert "64 of 64 calls were matched by their order in their process group." in joined(text)
    assert "1. Capture the step into a CUDA graph, or compile it" in joined(text)
    assert "Advised to 8 of 8 ranks: predicted 1.09–4.47x as fast as traced, each rank by itself." in joined(text)
    assert "Time the same steps without the profiler; `bottleneck profile` does both. Advised to 7 of 8" in joined(text)
    assert text.index("Rank by rank") < text.index("Phases") < text.index("Part by part") < text.index("Who waits")


def test_a_verdict_that_hinges_on_the_tracer_says_so_in_its_first_sentence() -> None:
    text = joined(shown(analysis("prefill_b1_512")))
    assert text.startswith("INCONCLUSIVE This trace, as traced, is held back by scheduling: the host; how much of that")
    assert "the tracer did cannot be told (with a host 4 times as fast, compute leads)" in text
    assert "What to do 1. Time the same steps without the profiler" in text


def test_the_rival_of_an_unclear_verdict_is_what_may_have_most_and_missing_records_are_named() -> None:
    path = PUBLIC_TRACES / "h100_qwen1.5_0.5b.json.gz"
    if not path.exists():
        pytest.skip("the public trace h100_qwen1.5_0.5b is not on this machine; it is not part of the repository")
    text = joined(shown(analyze(path)))
    assert "too close to call between compute and memory" in text
    assert "then memory 0.15, 0.42 at most; confidence 46%, lowered since launch records are missing." in text


def test_a_slow_input_pipeline_is_not_called_storage() -> None:
    path = PUBLIC_TRACES / "h100_owlv2_large.json.gz"
    if not path.exists():
        pytest.skip("the public trace h100_owlv2_large is not on this machine; it is not part of the repository")
    text = joined(shown(analyze(path)))
    assert "the input pipeline █" in text
    assert "storage" not in text
    assert "1. Prepare the input in more processes ahead of time" in text


def test_what_no_single_speed_gains_stands_below_the_shares() -> None:
    (rank,) = analysis("tiny_kernels").ranks
    halved = replace(rank, shares=[replace(share, share=share.share / 2) for share in rank.shares])
    told = "50% of the time depends on several of them at once: no single one gains it."
    text = joined(shown(replace(analysis("tiny_kernels"), ranks=[halved])))
    assert told in text
    assert text.index("What would help") < text.index(told) < text.index("Kernels by family")
    assert told not in joined(shown(analysis("tiny_kernels")))


def test_a_refused_trace_says_what_to_record() -> None:
    text = joined(shown(analysis("decode_b256_graph")))
    assert "What to do 1. Let `bottleneck profile --mode graph` join the replay with its operations" in text
    assert "Slowest kernels kernel" in text
    assert "it is one of those replayed from a CUDA graph" in text


def test_the_parts_alone_were_asked_for_and_are_no_failed_verdict() -> None:
    names = [str(RECORDINGS / f"{name}.json.gz") for name in ("tiny_kernels", "gemm_large")]
    one, two = (joined(shown(analyze(*names[:count], parts_only=True))) for count in (1, 2))
    assert one.startswith("The device was busy 6.3% of 18.52 ms, and idle 94%.")
    assert "Only the parts were asked for (--parts-only)" in one
    assert two.startswith("2 traces, the parts only, as asked for (--parts-only)")
    for text in (one, two):
        assert "NO VERDICT" not in text
        assert "refused" not in text


def test_a_trace_of_a_cpu_says_what_to_record() -> None:
    text = joined(shown(analyze(CPU_TRACE)))
    assert "activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]" in text
    assert "bottleneck profile MODEL --device cpu" in text
