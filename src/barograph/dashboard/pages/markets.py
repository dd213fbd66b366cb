"""Markets: every symbol at a glance, and one of them in a chart."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from barograph.clock import to_us
from barograph.dashboard import empty
from barograph.dashboard.charts import spark
from barograph.dashboard.formats import amount, length, moment, percent, price
from barograph.dashboard.overview import Glance, Series, glances, series
from barograph.dashboard.troubles import Unavailable
from barograph.dashboard.windows import LADDER, SPANS, Window, spans_for, window

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from barograph.dashboard.charts.candles import Look
    from barograph.dashboard.house import House
    from barograph.market import Market

_TICKS_S = 1_800
"""Up to this span "auto" takes bars shorter than a minute, which are made from ticks."""


def show(house: House) -> None:
    """Draw the page."""
    st.subheader("Markets", anchor=False)
    house.live(partial(_glances, house))
    house.live(partial(_chart, house))


def _first_steps(house: House) -> tuple[str, ...]:
    data = f" --data {house.data.folder}"
    return (f"barograph record --feed sim{data}", f"barograph import prices.csv --symbol BTC-USD{data}")


def _glances(house: House) -> None:
    found = glances(house.data)
    if not found:
        empty.nothing(
            "No prices yet",
            f"There are no bars in {house.data.place}. Record a market, or import candles from a file. "
            "They appear here by themselves.",
            *_first_steps(house),
        )
        return
    st.html(spark.table(found, house.theme))
    newest = max(each.series.end for each in found)
    age_s = (datetime.now(UTC) - newest).total_seconds()
    told = "live" if age_s < 180 else f"{length(age_s)} ago"
    st.caption(
        f"Newest minute ends {moment(newest)} UTC ({told}). Change, volume and trades: of the day before it."
    )


def _chart(house: House) -> None:
    """The controls and the chart; a change of one draws only this part anew."""
    with suppress(Unavailable):  # the table above tells
        if glances(house.data):
            _controlled(house)


def _controlled(house: House) -> None:
    left, middle, right = st.columns([3, 4, 2], vertical_alignment="top")
    with left:
        chosen = _series(house)
    with middle:
        span = _span(chosen)
    with right:
        every = st.selectbox("Interval", ["auto", *_intervals(chosen)], key="interval")
    zoom = _zoomed(chosen)
    start, end = zoom or _stretch(chosen, span)
    drawn = window(start, end, every or "auto", _shortest(chosen, start, end, every or "auto"))
    _figures(house, chosen)
    _draw(house, chosen, drawn, zoomed=zoom is not None)


def _series(house: House) -> Series:
    known = {(each.symbol, each.venue): each for each in series(house.data)}
    if st.session_state.get("symbol") not in known:
        asked = (st.query_params.get("symbol", ""), st.query_params.get("venue", ""))
        st.session_state["symbol"] = asked if asked in known else glances(house.data)[0].series[:2]
    alone = len({venue for _, venue in known}) == 1

    def named(name: tuple[str, str]) -> str:
        return name[0] if alone else " · ".join(name)

    return known[st.selectbox("Symbol", list(known), format_func=named, key="symbol")]


def _span(chosen: Series) -> str:
    names = spans_for(chosen.end - chosen.first)
    usual = "1 d" if "1 d" in names else names[-1]

    def forget() -> None:
        st.session_state.pop("zoom", None)

    picked = st.segmented_control(
        "Span", names, default=usual, key=f"span-{'-'.join(names)}", on_change=forget, required=True
    )
    return picked or usual


def _intervals(chosen: Series) -> list[str]:
    """Those that bars can be made in: of recorded series all, of candles multiples of theirs."""
    if chosen.is_recorded:
        return list(LADDER)
    return [name for name, seconds in LADDER.items() if seconds % chosen.interval_s == 0]


def _shortest(chosen: Series, start: datetime, end: datetime, every: str) -> int:
    """Seconds of the shortest bars that make sense."""
    if not chosen.is_recorded:
        return chosen.interval_s
    return 60 if every == "auto" and (end - start).total_seconds() > _TICKS_S else 1


def _stretch(chosen: Series, span: str) -> tuple[datetime, datetime]:
    length_ = SPANS[span]
    start = chosen.first if length_ is None else max(chosen.first, chosen.end - length_)
    return start, chosen.end


def _zoomed(chosen: Series) -> tuple[datetime, datetime] | None:
    """The stretch that the viewer dragged across, of this series."""
    zoom = st.session_state.get("zoom")
    if zoom is None or zoom[0] != chosen[:2]:
        return None
    start, end = zoom[1:]
    return start, end


def _figures(house: House, chosen: Series) -> None:
    found = [each for each in glances(house.data) if each.series[:2] == chosen[:2]]
    if not found:
        return
    with st.container(horizontal=True, gap="medium"):
        for label, value, delta in _metrics(found[0]):
            st.metric(label, value, delta, width="content")


def _metrics(of: Glance) -> list[tuple[str, str, str | None]]:
    spread = "–" if of.spread_bps is None else f"{of.spread_bps:.2f} bp"
    rsi = "–" if of.rsi is None else f"{of.rsi:.0f}"
    return [
        ("Last", price(of.price), None if of.change_pct is None else percent(of.change_pct, signed=True)),
        ("Volume, 24 h", amount(of.volume), None),
        ("Spread", spread, None),
        ("RSI 14", rsi, None),
    ]


def _draw(house: House, chosen: Series, drawn: Window, *, zoomed: bool) -> None:
    from barograph.dashboard.charts.candles import Look

    look = Look(house.theme, zooms=not house.is_phone, height=560 if house.is_phone else 660)
    key = (chosen.symbol, chosen.venue, drawn.start, drawn.end, drawn.every, look)
    figure = house.data.ask("candles", key, partial(_figure, chosen, drawn, look))
    if figure is None:
        empty.nothing(
            "No bars in this stretch",
            f"Of {chosen.symbol} nothing was recorded from {moment(drawn.start)} to {moment(drawn.end)} UTC. "
            "Bars below a minute need ticks, which imported candles do not have.",
        )
        _back(zoomed=zoomed)
        return
    place = f"chart-{chosen.symbol}-{chosen.venue}-{drawn.every}-{zoomed and drawn.start}"
    # New bars put a new chart in the old one's place: it is held open, so that nothing below jumps.
    st.html(f"<style>.st-key-candles {{ min-height: {look.height}px; }}</style>")
    with st.container(key="candles"):
        st.plotly_chart(
            figure,
            key=place,
            on_select=_zooming(place, chosen) if look.zooms else "ignore",
            selection_mode="box",
            config={"displayModeBar": False, "scrollZoom": False},
            alt=f"{chosen.symbol}: candles, volume, pressure, RSI and anomalies",
        )
    _remarks(drawn, zoomed=zoomed, zooms=look.zooms)


def _figure(chosen: Series, drawn: Window, look: Look, market: Market) -> go.Figure | None:
    """The chart; None where there are no bars."""
    from barograph.dashboard.charts.candles import candles
    from barograph.dashboard.stretches import bars_of
    from barograph.market.intervals import frame
    from barograph.store import Scan

    def scan(table: str) -> Scan:
        return Scan(table, None, [chosen.symbol], [chosen.venue], to_us(drawn.start), to_us(drawn.end))

    rows = bars_of(market.store, scan("market_microstructure"), drawn.every)
    if rows.is_empty():
        return None
    return candles(rows, frame(market.store, scan("anomalies")), drawn.interval_us, look)


def _zooming(place: str, chosen: Series) -> Callable[[], None]:
    """What is done when the viewer has dragged across the chart of ``chosen``."""

    def zoom() -> None:
        boxes = st.session_state[place].selection.get("box", [])
        if boxes and len(boxes[0]["x"]) == 2:
            start, end = sorted(_moment(str(each)) for each in boxes[0]["x"])
            if end - start >= timedelta(seconds=5):
                st.session_state["zoom"] = (chosen[:2], start, end)

    return zoom


def _moment(text: str) -> datetime:
    # The browser writes fractions of any length; a second is exact enough.
    return datetime.fromisoformat(text.partition(".")[0].replace(" ", "T")).replace(tzinfo=UTC)


def _remarks(drawn: Window, *, zoomed: bool, zooms: bool) -> None:
    told = [f"Bars of {drawn.every}, {moment(drawn.start)} to {moment(drawn.end)} UTC."]
    if drawn.wanted:
        told.append(f"{drawn.wanted} would be more than a browser draws well: choose a shorter span for it.")
    if zooms and not zoomed:
        told.append("Drag across the chart to look closer.")
    st.caption(" ".join(told))
    _back(zoomed=zoomed)


def _back(*, zoomed: bool) -> None:
    if zoomed and st.button("Back to the whole span", icon=":material/zoom_out_map:"):
        st.session_state.pop("zoom", None)
        st.rerun(scope="fragment")
