"""Make your own luck: how good the best of many looks where there is nothing to find."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from barograph.dashboard.noise import KINDS, TRAIN, Bet, Kind, Luck, make
from barograph.research.report import formats as fmt

if TYPE_CHECKING:
    from barograph.dashboard.house import House

COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
YEARS = (1, 8)
VOLATILITIES = (10, 150)
SEEDS = 999_999

_NAMES: dict[Kind, str] = {"coins": "coin flips", "rules": "chart rules"}
_CONFIG = {"displayModeBar": False, "scrollZoom": False}
_INTRODUCTION = """
The prices below are pure chance: each day's move is drawn by lot, and nothing about tomorrow can be known.
The strategies know nothing either. Still, **the best of them will look brilliant**, and the more you try, the
more brilliant it looks. Turn the knobs and see.
"""


def show(house: House) -> None:
    """Draw the page."""
    st.subheader("Make your own luck", anchor=False)
    st.markdown(_INTRODUCTION)
    _part(house)


@st.fragment
def _part(house: House) -> None:
    """All that hangs on the knobs; the rest of the page stays."""
    bet = _knobs()
    luck = make(bet)
    _figures(bet, luck)
    _equity(house, luck)
    left, right = st.columns(2, gap="medium")
    with left:
        _crowd(house, bet, luck)
    with right:
        _collapse(house, luck)
    _more(house, bet, luck)
    _moral(bet, luck)


def _knobs() -> Bet:
    first, second, third = st.columns([3, 2, 2], vertical_alignment="bottom", gap="medium")
    with first:
        count = st.select_slider("Strategies tried", COUNTS, value=500, key="luck-count")
    with second:
        years = st.slider("Years of daily prices", *YEARS, value=4, key="luck-years")
    with third:
        volatility = st.slider(
            "Volatility a year", *VOLATILITIES, value=60, step=10, format="%d %%", key="luck-volatility"
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "What is tried", KINDS, format_func=_NAMES.__getitem__, default="coins", required=True
        )
        seed = st.number_input("Seed of chance", 0, SEEDS, value=1, key="luck-seed", width=170)
        st.button("Roll again", icon=":material/casino:", on_click=_roll, help="Other prices, other luck")
    return Bet(int(count), int(years), volatility / 100.0, int(seed), kind)


def _roll() -> None:
    st.session_state["luck-seed"] = (int(st.session_state["luck-seed"]) + 1) % (SEEDS + 1)


class _Figure(NamedTuple):
    name: str
    value: str
    explained: str


def _figures(bet: Bet, luck: Luck) -> None:
    before, after = (float(each[luck.best]) for each in (luck.before, luck.after))
    of = f"The best of {bet.strategies:,} {_NAMES[bet.kind]}" if bet.strategies > 1 else "The only try"
    st.markdown(
        f"##### {of} shows a Sharpe ratio of {fmt.ratio(before)}. "
        f"On days that it had not seen: {fmt.ratio(after)}."
    )
    with st.container(horizontal=True, gap="medium"):
        for each in _tiles(luck, before, after):
            st.metric(each.name, each.value, help=each.explained, width="content")


def _tiles(luck: Luck, before: float, after: float) -> list[_Figure]:
    made, held = (fmt.percent(float(each[-1]) - 1.0, 0) for each in (luck.winner, luck.market))
    expected = "By formula, before anything is tried: what luck alone brings to the top"
    as_lucky = "How often the best of so many independent tries is as good as this one, or better"
    return [
        _Figure("In training", fmt.ratio(before), "Annual Sharpe ratio: what is earned for a risk taken"),
        _Figure("In validation", fmt.ratio(after), "On the last days, which nobody had looked at"),
        _Figure("Expected of luck", fmt.ratio(luck.expected), expected),
        _Figure("As lucky", fmt.percent(luck.as_lucky, 0), as_lucky),
        _Figure("Winner made", made, "Over all days, without costs"),
        _Figure("Market made", held, "Buying and holding the noise over the same days"),
    ]


def _equity(house: House, luck: Luck) -> None:
    from barograph.dashboard.charts.equity import Curve, Look, equity

    curves = [
        Curve("buy and hold", luck.times_us, luck.market),
        Curve(f"the winner: {luck.name}", luck.times_us, luck.winner, is_main=True),
    ]
    look = Look(house.theme, border_us=luck.border_us, floor=1.0, relative=True, height=400)
    alt = "Growth of 1 in the winner and in the noise"
    st.plotly_chart(equity(curves, look), key="luck-equity", config=_CONFIG, alt=alt)
    st.caption(
        f"Growth of 1. The winner was chosen on the first {TRAIN:.0%} of the days; shaded: the days after, "
        "on which its luck is as good as anybody's."
    )


def _crowd(house: House, bet: Bet, luck: Luck) -> None:
    from barograph.dashboard.charts.histogram import Axis, Mark, histogram

    marks = [
        Mark(float(luck.before[luck.best]), "the winner", "winner"),
        Mark(luck.expected, "best expected of luck", "luck"),
    ]
    st.markdown("**Everybody who was tried**")
    figure = histogram(luck.before, marks, Axis("annual Sharpe ratio in training"), house.theme, 340)
    alt = "All Sharpe ratios in training, with the winner and the best that luck is expected to show"
    st.plotly_chart(figure, key="luck-crowd", config=_CONFIG, alt=alt)
    st.caption(
        "Nobody here has skill: the crowd stands around 0, half of it below. The winner is only its "
        f"right-hand end, about where the formula expects the end of a crowd of {bet.strategies:,} to be."
    )


def _collapse(house: House, luck: Luck) -> None:
    from barograph.dashboard.charts.study import cloud
    from barograph.research.plots.in_and_out import rank_correlation

    st.markdown("**And afterwards**")
    figure = cloud(luck.before, luck.after, luck.best, ("Sharpe ratio", ".1f"), house.theme)
    alt = "Training against validation of every strategy"
    st.plotly_chart(figure, key="luck-after", config=_CONFIG, alt=alt)
    order = rank_correlation(luck.before, luck.after)
    told = "" if math.isnan(order) else f" Rank correlation {order:.2f}: near 0 the past tells nothing."
    st.caption(
        "One point a strategy. With skill, who was good before would be good after, and points would lie "
        f"along the line.{told}"
    )


def _more(house: House, bet: Bet, luck: Luck) -> None:
    from barograph.dashboard.charts.study import tries

    st.markdown("**The more you try, the better it looks**")
    found = [(float(bet.strategies), float(luck.before[luck.best]), "your winner")]
    alt = "The best that luck is expected to show, against the number of tries"
    st.plotly_chart(tries(found, luck.deviation, house.theme), key="luck-tries", config=_CONFIG, alt=alt)
    st.caption(_of_tries(bet, luck))


def _of_tries(bet: Bet, luck: Luck) -> str:
    told = (
        f"Over {bet.years * TRAIN:.1f} years of training, the Sharpe ratio of one strategy without skill is "
        f"off by about ±{luck.deviation:.2f} by chance (1 / √years). The best of {bet.strategies:,} "
        f"independent ones is expected at {luck.expected:.2f}. Longer data makes luck smaller, "
        "more tries make it larger."
    )
    if bet.kind == "coins":
        return told
    return (
        f"{told} Chart rules do much the same as each other: they are fewer tries than they seem, and their "
        "best is usually below the line."
    )


def _moral(bet: Bet, luck: Luck) -> None:
    st.markdown("##### What to take home")
    st.markdown(
        f"- A winner says nothing until you know **how many were tried**. Of {bet.strategies:,}, luck alone "
        f"shows about {luck.expected:.2f}.\n"
        "- The number to beat is the expected best, not 0. The *deflated Sharpe ratio* of a study does just "
        "that.\n"
        "- Days that nobody has looked at are honest, once. Who looks, and tries again, has used them up: "
        "that is why Barograph keeps a ledger of every try."
    )
    st.code("barograph research run --data arch:sp500", language="bash")
