"""Figures: what is drawn is what was recorded."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from barograph.anomalies.settings import RuleSettings
from barograph.coverage.summary import Tally
from barograph.dashboard.charts.calendar import LEAST_DAYS, calendar
from barograph.dashboard.charts.candles import Look, candles
from barograph.dashboard.charts.spark import sparkline, table
from barograph.dashboard.charts.timeline import timeline
from barograph.dashboard.overview import Glance, Series
from barograph.dashboard.theme import DARK, LIGHT, MARKS, MODEL, Theme
from barograph.tables import ANOMALIES, MARKET_MICROSTRUCTURE

START = datetime(2024, 8, 8, tzinfo=UTC)


def bars(count: int, **given: Any) -> pl.DataFrame:
    """Minutes that rise by one each."""
    schema = pl.Schema(MARKET_MICROSTRUCTURE.schema())
    rows = [
        {
            "timestamp": START + timedelta(minutes=k),
            "symbol": "BTC-USD",
            "venue": "sim",
            **dict.fromkeys(("open", "price", "vwap"), 100.0 + k),
            "high": 101.0 + k,
            "low": 99.0 + k,
            "volume": 5.0,
            "buy_volume": 3.0,
            "sell_volume": 1.0,
            "order_imbalance": 0.5,
            "rsi_14": None if k < 14 else 60.0,
            **given,
        }
        for k in range(count)
    ]
    return pl.DataFrame(rows, schema=schema)


def anomalies(*found: tuple[int, str, float]) -> pl.DataFrame:
    """Anomalies: minute, kind, score."""
    rows = [
        {
            "ts": START + timedelta(minutes=minute),
            "venue": "sim",
            "symbol": "BTC-USD",
            "kind": kind,
            "score": score,
            "threshold": 3.0,
            "model_version": "rules-1",
            "detail": '{"window":60}',
            "revision": 0,
            "tape_pos": 0,
        }
        for minute, kind, score in found
    ]
    return pl.DataFrame(rows, schema=pl.Schema(ANOMALIES.schema()))


def named(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


def test_a_chart_has_price_volume_by_side_pressure_and_rsi() -> None:
    traces = named(candles(bars(30), anomalies(), 60_000_000, Look(LIGHT)))
    assert set(traces) == {"price", "bought", "sold", "side unknown", "pressure", "RSI 14"}
    assert list(traces["side unknown"].y) == [1.0] * 30
    assert len(traces["price"].close) == 30


def test_candles_without_sides_show_their_volume() -> None:
    unsigned = bars(5, buy_volume=None, sell_volume=None, order_imbalance=None)
    assert set(named(candles(unsigned, anomalies(), 60_000_000, Look(DARK)))) == {"price", "volume", "RSI 14"}


def test_a_bar_without_a_trade_has_no_candle_and_keeps_its_place_below() -> None:
    quoted = bars(30).with_columns(
        pl.when(pl.col("timestamp") == START).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "vwap")
    )
    traces = named(candles(quoted, anomalies(), 60_000_000, Look(LIGHT)))
    assert len(traces["price"].x) == 29
    assert len(traces["RSI 14"].x) == 30


def test_an_anomaly_is_marked_above_the_bar_that_it_lies_in() -> None:
    found = anomalies((7, "price_jump", -8.0), (8, "price_jump", 9.5), (7, "volume_spike", 4.0))
    fives = bars(30).filter(pl.col("timestamp").dt.minute() % 5 == 0)
    traces = named(candles(fives, found, 300_000_000, Look(LIGHT)))
    jump = traces["price jump"]
    assert [str(each)[:16] for each in jump.x] == ["2024-08-08T00:05"]
    assert jump.y[0] > 106.0
    assert traces["volume spike"].y[0] > jump.y[0], "two of one bar stand above each other"
    assert "score 9.50 (and 1 more)" in jump.text[0]


def test_a_chart_of_nothing_is_no_trouble() -> None:
    assert (
        named(candles(bars(0), anomalies((1, "stale", 10.0)), 60_000_000, Look(LIGHT)))["price"] is not None
    )


def test_the_timeline_counts_all_and_marks_each() -> None:
    found = anomalies((1, "stale", 10.0), (2, "stale", 11.0), (50, "price_jump", -7.0))
    figure = timeline(found, START, START + timedelta(hours=1), LIGHT)
    counts = [trace for trace in figure.data if trace.type == "bar"]
    marks = [trace for trace in figure.data if trace.type == "scatter"]
    assert sum(sum(trace.y) for trace in counts) == 3
    assert sorted(len(trace.x) for trace in marks) == [1, 2]


def test_the_calendar_has_a_square_for_each_day_and_grey_where_nothing_is_known() -> None:
    days = [
        ("A", date(2024, 8, 8), Tally(complete=99, missing=1)),
        ("A", date(2024, 8, 9), Tally(closed=1_440)),
        ("B", date(2024, 8, 9), Tally(complete=10)),
    ]
    grey, shares = calendar(days, LIGHT).data
    assert len(shares.x) == LEAST_DAYS
    assert list(shares.y) == ["B", "A"]
    assert list(shares.z[1][-2:]) == [0.99, None]
    assert list(shares.z[0][-2:]) == [None, 1.0]
    assert list(grey.z[1][-2:]) == [None, 0]
    assert "market closed" in grey.text[1][-1]
    assert "missing 1" in shares.text[1][-2]


def test_every_rule_has_a_colour_and_a_shape_of_its_own() -> None:
    assert set(MARKS) == set(RuleSettings().kinds)
    looks = [*MARKS.values(), MODEL]
    assert len({look.symbol for look in looks}) == len(looks)
    assert len({look.light for look in looks}) == len(looks)
    assert len({look.dark for look in looks}) == len(looks)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_names_in_the_table_are_not_taken_for_markup(theme: Theme) -> None:
    series = Series("<b>&X", "a b", START, START, 60)
    shown = table([Glance(series, 1.0, None, 1.0, 1.0, None, None, None, ())], theme)
    assert "<b>&X" not in shown
    assert "&lt;b&gt;&amp;X" in shown
    assert "symbol=%3Cb%3E%26X&amp;venue=a+b" in shown


def test_a_spark_line_goes_from_low_to_high() -> None:
    assert 'points="2.0,25.0 118.0,3.0"' in sparkline([1.0, 2.0], "#123456")
    assert sparkline([5.0, 5.0], "#123456").count("14.0") == 2
