"""Coverage: how complete the data is, day by day, and why what is missing is."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from barograph.clock import from_us
from barograph.coverage.summary import Tally
from barograph.dashboard import empty, feeds, ledger
from barograph.dashboard.formats import length, percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from barograph.dashboard.house import House
    from barograph.dashboard.ledger import Day
    from barograph.dashboard.theme import Theme
    from barograph.market import Market

SPANS = {"1 week": 7, "1 month": 30, "3 months": 91, "1 year": 365}
PROMISE_PCT = 99.9
CALENDAR_S = 30.0
"""How often the calendar is looked at again: minutes come no faster."""


def show(house: House) -> None:
    """Draw the page."""
    st.subheader("Coverage", anchor=False)
    house.live(partial(_covered, house), every_s=CALENDAR_S)
    st.markdown("##### Feeds now")
    house.live(partial(feeds.health, house))


def _covered(house: House) -> None:
    span = ledger.coverage_span(house.data)
    if span is None:
        empty.nothing(
            "Nothing is known of any minute yet",
            "The completeness ledger is written with the first minute that is recorded: "
            "for each symbol and minute whether it is whole, repaired, or missing and why.",
            f"barograph record --feed sim --data {house.data.folder}",
        )
        return
    start, end = _stretch(span[1])
    days = ledger.covered(house.data, start, end)
    days = _filtered(days)
    _totals([each.tally for each in days])
    figure = house.data.ask("calendar", (tuple(days), house.theme), partial(_calendar, days, house.theme))
    st.plotly_chart(
        figure, key="calendar", config={"displayModeBar": False}, alt="share of whole minutes by day"
    )
    st.caption(
        "Share of the minutes with an open market that are complete, repaired, or proven to be quiet. "
        "Empty squares: nothing is known, or the market was closed."
    )
    _gaps(house, start, end, {each[:3] for each in days})


def _stretch(last: datetime) -> tuple[datetime, datetime]:
    """Whole days up to the newest one of which anything is known."""
    name = (
        st.segmented_control("Span", list(SPANS), default="1 month", key="days", required=True) or "1 month"
    )
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    return end - timedelta(days=SPANS[name]), end


def _filtered(days: list[Day]) -> list[Day]:
    venues, channels = sorted({each.venue for each in days}), sorted({each.channel for each in days})
    places = iter(st.columns(2))
    offered = [("Venue", venues), ("Channel", channels)]
    venue, channel = (
        next(places).multiselect(label, names, placeholder="all", key=label) if len(names) > 1 else []
        for label, names in offered
    )
    return [
        each
        for each in days
        if (not venue or each.venue in venue) and (not channel or each.channel in channel)
    ]


def _totals(tallies: list[Tally]) -> None:
    whole = _sum(tallies)
    promised = None if whole.uptime_pct is None else whole.uptime_pct - PROMISE_PCT
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Uptime",
            percent(whole.uptime_pct),
            None if promised is None else f"{promised:+.2f} against {PROMISE_PCT:g} %",
            width="content",
        )
        for label, count in (
            ("Missing", whole.missing),
            ("Repaired", whole.repaired),
            ("Complete", whole.complete),
            ("Quiet", whole.idle),
        ):
            st.metric(label, f"{count:,} min", width="content")


def _sum(tallies: list[Tally]) -> Tally:
    whole = Tally()
    for each in tallies:
        whole = whole.plus(each)
    return whole


def _calendar(days: list[Day], theme: Theme, _: Market) -> go.Figure:
    from barograph.dashboard.charts.calendar import calendar

    by_series: dict[tuple[str, date], Tally] = defaultdict(Tally)
    alone = len({each.venue for each in days}) == 1
    for each in days:
        name = each.symbol if alone else f"{each.symbol} · {each.venue}"
        by_series[name, each.day] = by_series[name, each.day].plus(each.tally)
    return calendar([(name, day, tally) for (name, day), tally in by_series.items()], theme)


def _gaps(house: House, start: datetime, end: datetime, wanted: set[tuple[str, ...]]) -> None:
    st.markdown("##### Gaps")
    found = [gap for gap in ledger.gaps(house.data, start, end) if gap[:3] in wanted]
    if not found:
        st.markdown(":material/check_circle: Nothing is missing in this time.")
        return
    rows = [
        {
            "from, UTC": from_us(gap.time.begin_us),
            "length": length((gap.time.end_us - gap.time.begin_us) / 1e6),
            "minutes": (gap.time.end_us - gap.time.begin_us) // 60_000_000,
            "symbol": gap.symbol,
            "venue": gap.venue,
            "channel": gap.channel,
            "cause": gap.time.reason or "not told",
        }
        for gap in found
    ]
    import polars as pl

    st.dataframe(
        pl.DataFrame(rows),
        key="gaps",
        hide_index=True,
        column_config={
            "from, UTC": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", pinned=True),
            "cause": st.column_config.TextColumn(width="large"),
        },
    )
    if len(found) == ledger.GAPS_MOST:
        st.caption(f"The newest {ledger.GAPS_MOST}; `barograph coverage --gaps 0` lists all.")
