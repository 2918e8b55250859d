"""What people read of a comparison and of a history."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from profiler.compare.history import history_of
from profiler.compare.results import Named, compare_results
from profiler.render.change_blocks import change_blocks
from profiler.render.document import Block, Bullets, Gauge, Grid, Heading, Statement, Tone
from profiler.render.history_blocks import history_blocks
from profiler.report.comparison import Basis, ChangeState, Comparison, Leading
from profiler.report.history import ChangePoint
from profiler.report.kinds import load_result
from tests.failing_endpoint import refusing, served

DATA = Path(__file__).parents[2] / "data"


def side(folder: str, name: str) -> list[Named]:
    return [(path.name, load_result(path)) for path in sorted((DATA / folder).glob(f"{name}-*.json.gz"))]


A, SLOWED = side("turns", "a"), side("turns", "slowed")


@pytest.fixture(scope="module")
def slowed() -> Comparison:
    return compare_results(side("quiet_turns", "a"), side("quiet_turns", "slowed"))


def answers(blocks: list[Block]) -> list[str]:
    return [block.text for block in blocks if isinstance(block, Statement) and block.tone is not Tone.FAINT]


def grid_under(title: str, blocks: list[Block]) -> Grid:
    at = next(i for i, block in enumerate(blocks) if isinstance(block, Heading) and block.text == title)
    found = blocks[at + 1]
    assert isinstance(found, Grid)
    return found


def test_a_change_whose_cause_is_not_sure_says_so(slowed: Comparison) -> None:
    unsure = replace(slowed, times=[replace(time, because=[], leading=None) for time in slowed.times])
    decode = next(text for text in answers(change_blocks(unsure)) if text.startswith("Decode takes"))
    assert "longer" in decode
    assert decode.endswith("Which cause changed it cannot be told: its parts differ as much from run to run.")


@pytest.mark.parametrize(("probability", "said"), [(0.93, "93%"), (0.9999, "99%")])
def test_a_likely_cause_comes_with_its_probability_which_is_no_certainty(
    slowed: Comparison, probability: float, said: str
) -> None:
    leading = Leading("scheduling.host", probability)
    likely = replace(slowed, times=[replace(time, because=[], leading=leading) for time in slowed.times])
    decode = next(text for text in answers(change_blocks(likely)) if text.startswith("Decode takes"))
    assert "What changed it most is likely the host (+" in decode
    assert decode.endswith(f", with a probability of {said}.")


def test_a_named_cause_comes_with_its_change(slowed: Comparison) -> None:
    named = replace(slowed, times=[replace(time, because=["scheduling.host"]) for time in slowed.times])
    decode = next(text for text in answers(change_blocks(named)) if text.startswith("Decode takes"))
    assert "What changed it: the host (+" in decode


def test_a_file_from_elsewhere_may_name_a_cause_that_it_does_not_list(slowed: Comparison) -> None:
    unlisted, likely = (
        replace(slowed, times=[replace(time, because=because, leading=Leading("who", 0.9)) for time in slowed.times])
        for because in (["who"], [])
    )
    assert any("What changed it: who." in text for text in answers(change_blocks(unlisted)))
    assert any("likely who, with" in text for text in answers(change_blocks(likely)))


def test_one_against_one_that_tells_nothing_says_that_more_runs_tell_more() -> None:
    (text,) = answers(change_blocks(compare_results(A[:1], A[1:2])))
    assert text.startswith("No change can be told")
    assert text.endswith("bottleneck compare A... vs B...")
    (many,) = answers(change_blocks(compare_results(A[::2], A[1::2])))
    assert "More runs" not in many


def test_nothing_changed_says_within_what(slowed: Comparison) -> None:
    same = replace(
        slowed,
        state=ChangeState.UNCHANGED,
        times=[replace(time, state=ChangeState.UNCHANGED) for time in slowed.times],
    )
    assert answers(change_blocks(same)) == ["Nothing changed by more than 3%."]


def test_the_parts_that_are_shown_come_with_their_sum(slowed: Comparison) -> None:
    grid = grid_under("decode, part by part", change_blocks(slowed))
    assert grid.total
    assert str(grid.rows[-1][1]).startswith("sum")


def test_a_warning_that_many_share_is_said_once(slowed: Comparison) -> None:
    notes = next(
        block.items for block in change_blocks(slowed) if isinstance(block, Bullets) and "steady" in str(block.items)
    )
    assert len(notes) == len(set(notes))


def test_a_history_has_a_row_and_a_bar_for_each_result_and_marks_new_levels() -> None:
    answer = history_of([*A, *SLOWED])
    (group,) = answer.groups
    point = ChangePoint(
        at=6,
        before_ms=1.0,
        after_ms=1.1,
        change_ratio=0.1,
        low_ratio=0.05,
        high_ratio=0.15,
        basis=Basis.RESULTS,
        state=ChangeState.CHANGED,
        because=["scheduling.host"],
    )
    times = [replace(time, change_points=[point] if time.name == "request" else []) for time in group.times]
    blocks = history_blocks(replace(answer, groups=[replace(group, times=times)]))
    (text,) = answers(blocks)
    assert text.startswith("Request went from 1.00 ms to 1.10 ms (+10%), by the host with 2026-11-22")
    table, plot = grid_under("Over time", blocks), grid_under("request, result by result", blocks)
    assert len(table.rows) == len(plot.rows) == 12
    assert all(isinstance(row[1], Gauge) for row in plot.rows)
    assert [row[3] for row in plot.rows if row[3]] == ["+10% from here"]


def test_a_history_says_once_what_all_results_share_and_where_all_files_lie() -> None:
    """Folders and common facts would push what tells results and groups apart out of sight."""
    answer = history_of([(f"kept/{name}", result) for name, result in (*A[:1], *side("own", "llama8b"))])
    blocks = history_blocks(answer)
    headings = [block.text for block in blocks if isinstance(block, Heading) and block.text.startswith("profile")]
    assert len(headings) == len(set(headings)) == len(answer.groups) > 3
    grids = [block for block in blocks if isinstance(block, Grid) and block.columns[-1].title == "result"]
    assert {str(row[-1]) for grid in grids for row in grid.rows} == {
        name for name, _ in (*A[:1], *side("own", "llama8b"))
    }


def test_a_history_without_a_new_level_says_so() -> None:
    answer = history_of([*A, *SLOWED])
    (group,) = answer.groups
    quiet = replace(group, times=[replace(time, change_points=[]) for time in group.times])
    assert answers(history_blocks(replace(answer, groups=[quiet]))) == ["No time changed for good in 12 results."]


def test_a_history_of_nothing_but_refusals_is_shown_with_the_reason() -> None:
    blocks = history_blocks(history_of([("refused.json", refusing())]))
    assert answers(blocks) == ["Nothing here has times to follow."]
    assert grid_under("Over time", blocks).rows == (("no date", "scheduling", "refused.json"),)
    (notes,) = (block.items for block in blocks if isinstance(block, Bullets))
    assert any("40 of 40 requests failed" in str(note) for note in notes)


def test_a_refusal_beside_good_results_has_a_row_without_times() -> None:
    blocks = history_blocks(history_of([("a", served()), ("b", refusing())]))
    good, refused = grid_under("Over time", blocks).rows
    assert good[1] != "–"
    assert refused[1:4] == ("–", "–", "–")
