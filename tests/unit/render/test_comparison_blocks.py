"""What people read of two traces: the change first, then which parts make it, then what the device ran."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from profiler.render import markdown, table
from profiler.render.comparison_blocks import comparison_blocks
from tests.unit.compare.test_against import compared


def shown(after: str, before: str, width: int = 80) -> str:
    text = io.StringIO()
    blocks = comparison_blocks(compared(after, before))
    table.render_blocks(blocks, Console(file=text, width=width, color_system=None))
    return text.getvalue()


def test_the_first_line_says_by_how_much_and_which_part_explains_it() -> None:
    text = " ".join(shown("decode_b1_graph", "decode_b1_eager").split())
    assert text.startswith(
        "A step is 17.77 ms instead of 88.22 ms, 4.97x faster. What changed it: idle: the host launches"
    )
    assert "over their number: 2 of the baseline and 3 of this. Both as traced." in text


def test_slower_is_said_as_such_and_no_change_as_none() -> None:
    assert "4.97x slower" in " ".join(shown("decode_b1_eager", "decode_b1_graph").split())
    assert "is as long as before" in shown("tiny_kernels", "tiny_kernels")


@pytest.mark.parametrize("width", [80, 160])
def test_tables_fit_the_width_and_end_with_their_sum(width: int) -> None:
    text = shown("decode_b1_graph", "decode_b1_eager", width)
    assert max(len(line) for line in text.splitlines()) <= width
    for words in (
        "sum (the step)",
        "sum (busy)",
        "Kernels by family",
        "only after: ",
        "only before: aten::cat",
        "23 others",
    ):
        assert words in text


def test_what_changed_has_the_sign_of_its_change_and_calls_are_those_of_a_step() -> None:
    text = shown("decode_b1_graph", "decode_b1_eager", 160)
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert rows["idle: the host launches late"][-2:] == ["-70.79", "-80%"]
    assert rows["kernels: limiter not known"][-2:] == ["+5.80", "+6.6%"]
    assert rows["sum (the step)"][-2:] == ["-70.46", "-80%"]
    assert rows["gemm"][1] == "386"  # in two eager steps 772, in three captured ones 1,158
    assert rows["decode"][1:3] == ["2", "3"]  # as many as the times are divided by


def test_work_without_a_name_is_not_called_gone_or_added() -> None:
    text = shown("decode_b1_graph", "decode_b1_eager", 160)
    assert "only before: aten::_flash_attention_forward" in text
    assert "may be what stands under the other" in " ".join(text.split())
    both_known = shown("decode_b1_graph_body", "decode_b1_eager", 160)
    assert "gone: aten::_flash_attention_forward" in both_known
    assert "only before" not in both_known


def test_markdown_says_the_same() -> None:
    text = markdown.render_blocks(comparison_blocks(compared("decode_b1_graph", "decode_b1_eager")))
    assert "4.97x faster" in text
    assert "sum (the step)" in text
