"""A budget is read strictly: what is not understood would otherwise be a rule that always holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.catalogue.budgets import budget_names, budget_text
from profiler.compare.budget import POLICY_SCOPES, Limit, Verdicts, parse_budget
from profiler.errors import UsageError
from profiler.report.outcome import CountsAs
from profiler.serving.policies import POLICIES


def refused(text: str) -> UsageError:
    with pytest.raises(UsageError) as raised:
        parse_budget(text)
    assert "\n" not in raised.value.message
    assert raised.value.hint
    return raised.value


@pytest.mark.parametrize("name", budget_names())
def test_every_budget_that_is_installed_along_is_understood_and_says_how_to_use_it(name: str) -> None:
    text = budget_text(name)
    assert parse_budget(text).rules
    assert text.startswith("#")


def test_rules_keep_the_order_of_the_file_and_carry_their_units() -> None:
    budget = parse_budget('[decode]\nmax_ms = 10\nmust_be = "memory"\n[overall]\nmin_tokens_per_s = 20\n')
    assert budget.rules == (
        Limit("decode", "ms", "max_", 10.0, "ms"),
        Verdicts("decode", "must_be", ("memory",)),
        Limit("overall", "tokens_per_s", "min_", 20.0, "tokens/s"),
    )
    assert [rule.key for rule in budget.rules] == ["decode.max_ms", "decode.must_be", "overall.min_tokens_per_s"]


def test_without_a_policy_what_cannot_be_told_passes() -> None:
    assert parse_budget("[decode]\nmax_ms = 10\n").inconclusive is CountsAs.PASS
    assert parse_budget('[policy]\ninconclusive = "fail"\n[decode]\nmax_ms = 10\n').inconclusive is CountsAs.FAIL


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[overal]\nmax_ttft_ms = 1", "overall"),
        ("[overall]\nmax_tttf_ms = 1", "max_ttft_ms"),
        ("[decode]\nmax_idle_share = 1", "max_idle_ratio"),
        ("[decode]\nmin_ms = 1", "max_ms"),
        ("[policy]\ninconclusiv = 1", "inconclusive"),
        ('[decode]\nmust_be = "memry"', "memory"),
        ('[decode]\nmust_not_be = ["scheduling.hosts"]', "scheduling.host"),
        ("[regression]\nmax_tpto_ratio = 1", "max_tpot_ratio"),
        ("[regression]\nconfidense = 0.9", "confidence"),
        ("[continous]\nmax_ttft_ms = 1", "continuous"),
    ],
)
def test_a_word_that_is_not_known_is_refused_with_the_nearest_that_is(text: str, meant: str) -> None:
    hint = refused(text).hint
    assert hint.startswith("did you mean ")
    assert meant in hint.removesuffix("?").split()


@pytest.mark.parametrize("value", ["true", '"10"', "nan", "inf", "-1", "[1]", "2020-01-01"])
def test_a_limit_is_a_number_that_can_be_meant(value: str) -> None:
    assert "decode.max_ms is no number" in refused(f"[decode]\nmax_ms = {value}").message


def test_a_percentage_is_no_ratio() -> None:
    assert "from 0 to 1" in refused("[decode]\nmax_idle_ratio = 20").message


@pytest.mark.parametrize(
    "text",
    [
        *(
            "max_ms",
            "[decode]\nmax_ms = ",
            "[decode]\nmax_ms = 1\nmax_ms = 2",
            "",
            "[policy]",
            "decode = 1",
            "phases = 1",
        ),
        *("[phases]\nx = 1", "[decode.x]\nmax_ms = 1", "[decode]\nmust_be = []", "[decode]\nmust_be = [1]"),
        *("[regression]\nconfidence = 1", "[regression]\nconfidence = 0.95", "[regression]\nmust_be = ['io']"),
    ],
)
def test_what_is_no_budget_is_refused_in_one_line(text: str) -> None:
    refused(text)


def test_every_policy_that_can_be_simulated_has_a_table() -> None:
    assert tuple(POLICIES) == POLICY_SCOPES


def test_a_phase_of_ones_own_has_a_table_by_its_name() -> None:
    (rule,) = parse_budget('[phases."my step"]\nmax_ms = 10\n').rules
    assert rule.key == "phases.my step.max_ms"


@given(st.text(max_size=200))
def test_any_text_is_a_budget_or_refused(text: str) -> None:
    try:
        rules = parse_budget(text).rules
    except UsageError:
        return
    assert rules


def test_a_budget_that_is_neither_a_file_nor_installed_names_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        budget_text("interactiv")
    assert raised.value.hint == "interactive"
