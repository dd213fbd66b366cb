"""Flags of a batch's rows: every row stays, what is doubtful is marked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from barograph.etl.cleaning import Cleaning, clean, counts, usable
from barograph.etl.sources import empty
from barograph.tables import Flag


def frame(make: SimpleNamespace, table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    made = pl.from_arrow(make.arrow_rows(table, rows))
    assert isinstance(made, pl.DataFrame)
    return made


def flags(
    make: SimpleNamespace, table: str, rows: list[dict[str, Any]], before: pl.DataFrame | None = None
) -> list[int]:
    given = empty(table) if before is None else before
    return clean(table, frame(make, table, rows), given, Cleaning())["flags"].to_list()


def candle(k: int, close: float = 100.0, **given: Any) -> dict[str, Any]:
    prices = {"open": close, "high": close + 1, "low": close - 1, "price": close, "volume": 1.0}
    return {"timestamp": k * 300_000_000, "symbol": "X", "interval_s": 300, "tape_pos": k} | prices | given


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"price": 0.0}, Flag.NONPOSITIVE),
        ({"price": -5.0}, Flag.NONPOSITIVE),
        ({"price": float("nan")}, Flag.NONPOSITIVE),
        ({"size": 0.0}, Flag.NONPOSITIVE),
        ({"price": 150.0}, Flag.OUTLIER),
        ({"price": 60.0}, Flag.OUTLIER),
        ({"price": 110.0}, 0),
        ({"trade_id": 3}, Flag.DUPLICATE),
        ({"recv_ts": 0}, Flag.FUTURE),
        ({"flags": Flag.LATE}, Flag.LATE),
    ],
)
def test_given_a_tick_its_flag_is_set(make: SimpleNamespace, given: dict[str, Any], flag: int) -> None:
    rows = [make.tick(k) for k in range(20)] + [make.tick(20, **given)]
    assert flags(make, "ticks", rows) == [0] * 20 + [flag]


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"bid_price": 102.0}, Flag.CROSSED),
        ({"bid_price": 0.0}, Flag.NONPOSITIVE),
        ({"ask_size": -1.0}, Flag.NONPOSITIVE),
        ({"ask_size": None}, 0),
        ({"seq": 1}, Flag.DUPLICATE),
        ({"seq": None}, 0),
    ],
)
def test_given_a_quote_its_flag_is_set(make: SimpleNamespace, given: dict[str, Any], flag: int) -> None:
    rows = [make.quote(k) for k in range(5)] + [make.quote(5, **given)]
    assert flags(make, "quotes", rows) == [0] * 5 + [flag]


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"price": 0.0}, Flag.NONPOSITIVE),
        ({"low": float("nan")}, Flag.NONPOSITIVE),
        ({"volume": -1.0}, Flag.NONPOSITIVE),
        ({"volume": None}, 0),
        ({"high": 99.5}, Flag.RANGE),
        ({"low": 100.5}, Flag.RANGE),
        ({"high": 98.0, "low": 102.0}, Flag.RANGE),
        ({"high": 150.0}, Flag.OUTLIER),
        ({"low": 60.0}, Flag.OUTLIER),
        ({"open": 150.0, "high": 150.0, "low": 150.0, "price": 150.0}, Flag.OUTLIER),
        ({"timestamp": 0}, Flag.DUPLICATE),
    ],
)
def test_given_a_candle_its_flag_is_set(make: SimpleNamespace, given: dict[str, Any], flag: int) -> None:
    rows = [candle(k) for k in range(20)] + [candle(20, **given)]
    assert flags(make, "candles", rows) == [0] * 20 + [flag]


def test_given_daily_candles_the_bound_grows_with_their_length(make: SimpleNamespace) -> None:
    days = [candle(k, interval_s=86_400) for k in range(20)]
    moved = candle(20, 150.0, interval_s=86_400)
    assert flags(make, "candles", [*days, moved])[-1] == 0
    assert flags(make, "candles", [*days, candle(20, 250.0, interval_s=86_400)])[-1] == Flag.OUTLIER


def test_given_rows_before_the_day_its_first_rows_are_judged_by_them(make: SimpleNamespace) -> None:
    before = frame(make, "ticks", [make.tick(k) for k in range(51)])
    assert flags(make, "ticks", [make.tick(60, price=200.0)]) == [0]
    assert flags(make, "ticks", [make.tick(60, price=200.0)], before) == [Flag.OUTLIER]
    assert flags(make, "ticks", [make.tick(60, trade_id=50)], before) == [Flag.DUPLICATE]


def test_given_two_venues_their_prices_are_not_compared(make: SimpleNamespace) -> None:
    rows = [make.tick(k, venue="a", price=100.0) for k in range(20)]
    rows += [make.tick(k + 20, venue="b", trade_id=k, price=500.0) for k in range(20)]
    assert flags(make, "ticks", rows) == [0] * 40


def test_given_flags_they_are_counted_and_unusable_rows_are_left_out(make: SimpleNamespace) -> None:
    rows = [make.tick(k) for k in range(20)]
    rows += [make.tick(20, price=0.0), make.tick(21, trade_id=3), make.tick(22, price=200.0)]
    made = clean("ticks", frame(make, "ticks", rows), empty("ticks"), Cleaning())
    assert made.height == 23
    assert counts(made["flags"]) == {"nonpositive": 1, "outlier": 1, "duplicate": 1}
    assert usable(made, Cleaning()).height == 21
    from barograph.bars.settings import BarSettings

    strict = Cleaning(bars=BarSettings(exclude_outliers=True))
    assert usable(made, strict).height == 20
