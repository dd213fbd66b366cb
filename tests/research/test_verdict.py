"""The verdict: what makes it skill, and what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.research.outcome import Honesty, LuckTests
from barograph.research.selecting import fall
from barograph.research.verdict import LEVEL, Case, judge, luck_p_value

N = 500


def honesty(p: float, repetitions: int = 1_000, missing: dict[str, str] | None = None) -> Honesty:
    p_values = np.ones(N)
    p_values[3] = p
    superior = ("best",) if p <= LEVEL else ()
    luck = LuckTests(p, p, p, p, superior, 5.0, repetitions, p_values)
    return Honesty(None, None, None if missing else luck, {}, (), None, None, missing or {})


def case(p: float = 0.5, **changes: Any) -> Case:
    facts: dict[str, Any] = {
        "honesty": honesty(p),
        "fall": fall("win_rate", 0.8, 0.6, 0.15),
        "strategies": N,
        "best": 3,
        "tries": N,
        "chance_alone": 0.01,
        "whole": {"sharpe_ratio": 2.14, "num_trades": 100.0},
        "walked_by": "win_rate_periods",
        "idealised": False,
        "free": False,
        "per_trade": False,
    }
    return Case(**(facts | changes))


def test_luck_is_told_with_the_tries_and_the_sharpe_that_they_explain() -> None:
    verdict = judge(case(0.4))
    assert verdict.skill is False
    assert verdict.headline == "skill not shown: 500 tries explain a Sharpe of 2.1 on this data"
    assert verdict.reasons[0].startswith("overfit: win_rate fell by 20.0 points from 80.0 % to 60.0 %")


def test_skill_is_told_with_its_p_value() -> None:
    verdict = judge(case(0.012))
    assert verdict.skill is True
    assert verdict.headline == (
        "skill shown: 500 tries do not explain a Sharpe of 2.1 on this data (p 0.012)"
    )


@pytest.mark.parametrize(("p", "skill"), [(0.0, True), (0.05, True), (0.0501, False), (1.0, False)])
def test_without_other_studies_stepm_decides_at_5_percent(p: float, skill: bool) -> None:
    assert judge(case(p)).skill is skill


def test_tries_of_other_studies_leave_this_one_its_share() -> None:
    assert judge(case(0.012, tries=4 * N)).skill is True  # 0.048
    assert judge(case(0.013, tries=4 * N)).skill is False
    reasons = judge(case(0.013, tries=4 * N)).reasons
    assert any("2,000 tries" in reason and "1,500 of them" in reason for reason in reasons)


def test_where_the_draws_cannot_tell_p_from_0_the_strategy_by_itself_does() -> None:
    many = {"honesty": honesty(0.0, 10_000), "tries": 1_000_000}
    assert luck_p_value(case(**many)) == pytest.approx(0.2)
    assert judge(case(**many, chance_alone=4e-8)).skill is True
    assert judge(case(**many, chance_alone=6e-8)).skill is False


@given(st.floats(0, 1), st.integers(N, 10**7), st.floats(0, 1))
def test_the_ledger_only_ever_takes_skill_away(p: float, tries: int, alone: float) -> None:
    with_others = case(p, tries=tries, chance_alone=alone)
    if judge(with_others).skill:
        assert judge(case(p)).skill
        # What was found among all tries of all studies is what Bonferroni allows.
        assert min(max(p, 1e-3) * tries / N, tries * alone) <= LEVEL


def test_what_could_not_be_tested_is_no_skill_and_says_why() -> None:
    verdict = judge(case(honesty=honesty(0.0, missing={"luck": "12 periods are too few"})))
    assert verdict.skill is False
    assert verdict.headline == "skill not shown: 12 periods are too few"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tries": 1, "strategies": 1}, "1 try explains a Sharpe"),
        ({"whole": {"sharpe_ratio": -0.3, "num_trades": 5.0}}, "made nothing"),
        ({"whole": {"sharpe_ratio": float("nan"), "num_trades": 0.0}}, "made nothing"),
        ({"tries": 12_345}, "12,345 tries explain"),
    ],
)
def test_headlines(changes: dict[str, Any], said: str) -> None:
    assert said in judge(case(0.9, **changes)).headline


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"free": True}, "no costs were charged"),
        ({"per_trade": True}, "per_trade"),
        ({"idealised": True}, "idealised"),
        ({"whole": {"sharpe_ratio": 1.0, "num_trades": 7.0}}, "only 7 trades"),
        ({"fall": fall("sharpe_ratio", 0.0, -1.0, 0.15)}, "more than can be told in percent"),
        ({"whole": {"sharpe_ratio": 1.0, "num_trades": 1.0}}, "only 1 trade,"),
        ({"fall": fall("win_rate", 0.6, 0.6, 0.15)}, "not overfit: win_rate stayed at 60.0 %"),
        ({"fall": fall("volatility", 0.1, 0.2, 0.15)}, "overfit: volatility rose by 100 %"),
        ({"fall": fall("win_rate", 0.6, float("nan"), 0.15)}, "undefined in validation"),
        ({"fall": fall("sharpe_ratio", 1.0, 1.2, 0.15)}, "not overfit: sharpe_ratio rose by 20 %"),
    ],
)
def test_reasons(changes: dict[str, Any], said: str) -> None:
    assert any(said in reason for reason in judge(case(0.9, **changes)).reasons)
