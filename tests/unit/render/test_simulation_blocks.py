"""What people read of a simulation: verdicts first, then policies side by side, then each with its picture."""

from __future__ import annotations

import io
from functools import cache

import pytest
from msgspec.structs import replace
from rich.console import Console

from profiler.cli.output import _PLAIN
from profiler.render import markdown, table
from profiler.render.document import Slots, SlotSpan
from profiler.render.serving_words import SERVING_PARTS
from profiler.render.simulation_blocks import simulation_blocks
from profiler.render.slot_picture import slot_rows
from profiler.report.simulation import ServingPartName, Simulation
from profiler.serving.generated import Lengths, generated_requests, inline_requests
from profiler.serving.outcome import Slo
from profiler.serving.policies import POLICIES
from profiler.serving.policies.policy import Limits
from profiler.session.simulate import constant_basis, simulate

BASIS = constant_basis(20_000, 50)


@cache
def four() -> Simulation:
    log = inline_requests("500:100,1000:100,1000:300,4000:700")
    return simulate(log, BASIS, name="four", slo=Slo(ttft_ms=1000))


@cache
def many() -> Simulation:
    lengths = Lengths("lognormal", 800, 1), Lengths("lognormal", 100, 1)
    log = generated_requests(9, 400, *lengths, burstiness=0.3, seed=1)
    return simulate(log, BASIS, name="bursty", limits=Limits(slots=12, kv_tokens=30_000), replicas=2)


def shown(answer: Simulation, width: int = 80) -> str:
    text = io.StringIO()
    table.render_blocks(simulation_blocks(answer), Console(file=text, width=width, color_system=None))
    return text.getvalue()


def test_every_part_has_words() -> None:
    assert SERVING_PARTS.keys() == set(ServingPartName)


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("answer", [four, many])
def test_it_fits_the_width(answer: object, width: int) -> None:
    text = shown(answer(), width)  # type: ignore[operator]
    assert max(len(line) for line in text.splitlines()) <= width
    for words in ("Side by side", "Where the requests' time went", "Latencies", "The slots until", "Who is slowed"):
        assert words in text


def test_side_by_side_no_number_is_cut_at_80_columns_whatever_the_policies_are_called() -> None:
    log = inline_requests("500:100,4000:70000")
    answer = simulate(log, BASIS, name="two", policies=list(POLICIES), slo=Slo(ttft_ms=1000))
    side_by_side = shown(answer).partition("Side by side")[2].partition("Carries:")[0]
    assert "shortest-first" in side_by_side
    assert "carries" in side_by_side
    assert "…" not in side_by_side


def test_of_replicas_it_is_said_which_one_a_request_goes_to() -> None:
    assert "each request goes to the one with the fewest unfinished" in " ".join(shown(many(), 160).split())


def test_the_verdicts_come_first() -> None:
    first, *_ = shown(many(), 160).splitlines()
    assert first.startswith("Serial is held back by scheduling: requests wait in the queue.")


def test_the_rest_of_the_evidence_stands_with_the_policy() -> None:
    text = " ".join(shown(many(), 160).split())
    assert "Why - Of the waiting, " in text
    assert "the queue grows for as long as that lasts." in text


def test_few_requests_are_shown_one_by_one_and_many_are_not() -> None:
    assert "Request by request" in shown(four())
    assert "Request by request" not in shown(many())


@pytest.mark.parametrize(("ratio", "said"), [(32.49, "8.80 arrive, 32.5 times it"), (0.9, "8.80 arrive, 90% of it")])
def test_what_arrives_is_set_beside_what_is_carried(ratio: float, said: str) -> None:
    policy = four().policies[0]
    load = replace(policy.load, offered_requests_per_s=8.8, utilisation_ratio=ratio)
    assert said in " ".join(shown(replace(four(), policies=[replace(policy, load=load)])).split())


def test_the_sentence_rounds_as_the_table_does() -> None:
    text = " ".join(shown(four(), 160).split())
    assert "queue 0.2%, prefill 1.7%, decode 98%" in text
    assert "0.201%" not in text


def test_what_is_not_known_of_the_costs_is_said() -> None:
    assert "Constant speeds are those of each stream" in " ".join(shown(four()).split())


def test_an_interrupted_simulation_says_so_first() -> None:
    assert shown(replace(four(), complete=False)).startswith("INCOMPLETE")


def test_requests_of_one_token_have_no_gaps_and_the_reason_stands_below() -> None:
    text = shown(simulate(inline_requests("5:1,5:1"), BASIS, name="", policies=["serial"]))
    assert "TPOT" in text
    assert "– [1]" in text
    assert "[1] every request has a single token" in text


def test_markdown_says_the_same() -> None:
    text = markdown.render_blocks(simulation_blocks(four()))
    assert (
        "**Inconclusive:** Serial: probably scheduling (0.40): requests wait in the queue, but decode takes 59%" in text
    )
    assert "| serial | 24.3 s | 40% | 0.8% | 59% | 0.00 |" in text
    assert "```text\nslot 0" in text


SPANS = (
    SlotSpan("prefill", "1", 0, 10),
    SlotSpan("decode", "1", 10, 60),
    SlotSpan("hole", "1", 60, 80),
    SlotSpan("decode", "12", 90, 100),
)


def test_a_moment_shows_what_takes_most_of_it() -> None:
    slot, waiting, axis, *legend = slot_rows(Slots(100, (("slot 0", SPANS),), (0,) * 60 + (7,) * 60), 88)
    assert slot == "slot 0  ▒▒▒▒▒▒▒▒█1██████████████████████████████████████················        █12█████"
    assert waiting.split() == ["waiting", *"000000", "0", *"777777"]
    assert axis.split() == ["0", "100", "ms"]
    assert "prefill" in " ".join(legend)


def test_a_span_that_is_shorter_than_a_column_does_not_hide_a_longer_one() -> None:
    spans = (SlotSpan("decode", "1", 0, 50), SlotSpan("prefill", "2", 50, 50.1), SlotSpan("decode", "2", 50.1, 100))
    slot, *_ = slot_rows(Slots(100, (("slot 0", spans),), (0,)), 48)
    assert "▒" not in slot
    assert slot.count("█") == 38


def test_every_sign_has_a_stand_in_for_terminals_without_unicode() -> None:
    text = "".join(slot_rows(Slots(100, (("slot 0", SPANS),), (3,)), 80))
    assert text.translate(_PLAIN).isascii()
