"""The oracle itself, against cases worked out by hand: who watches the watchman."""

from __future__ import annotations

from math import log, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from . import captures, reference

MINUTE_US = reference.MINUTE_US


def ticks(*rows: tuple[int, float, float, int]) -> pd.DataFrame:
    """Trades from ``(ts, price, size, side)``, every second place on the tape."""
    table = pd.DataFrame(rows, columns=["ts", "price", "size", "side"])
    return table.assign(order=2 * table.index, seq=-1, venue="v", symbol="s")


def quotes(*rows: tuple[int, int, float, float]) -> pd.DataFrame:
    """Quotes from ``(place on the tape, ts, bid, ask)``."""
    types = {"order": "int64", "ts": "int64", "bid_price": "float64", "ask_price": "float64"}
    table = pd.DataFrame(rows, columns=list(types)).astype(types)
    return table.assign(bid_size=np.nan, ask_size=np.nan, seq=-1, venue="v", symbol="s")


NO_QUOTES = quotes()


def test_minute_of_three_trades_given_by_hand() -> None:
    table = reference.minutes(
        ticks((0, 10.0, 1.0, 1), (1_999_999, 12.0, 2.0, -1), (2_000_000, 11.0, 1.0, 1)), NO_QUOTES
    )
    (row,) = table.to_dict("records")
    assert (row["open"], row["high"], row["low"], row["price"]) == (10.0, 12.0, 10.0, 11.0)
    assert row["exec_price"] == 11.0
    assert (row["volume"], row["notional"], row["vwap"], row["trade_count"]) == (4.0, 45.0, 11.25, 3)
    assert (row["buy_volume"], row["sell_volume"], row["order_imbalance"]) == (2.0, 2.0, 0.0)
    assert row["volatility_1min"] == pytest.approx(sqrt(log(1.2) ** 2 + log(11 / 12) ** 2))
    assert np.isnan(row["bid_price"])


def test_volatility_takes_its_first_return_from_the_previous_minute() -> None:
    table = reference.minutes(ticks((0, 10.0, 1.0, 1), (MINUTE_US, 11.0, 1.0, 1)), NO_QUOTES)
    assert table["volatility_1min"].tolist() == [0.0, pytest.approx(log(1.1))]
    assert table["price_change_pct"].iloc[1] == pytest.approx(10.0)


def test_order_given_equal_times_is_sequence_then_tape() -> None:
    trades = ticks((5, 1.0, 1.0, 1), (5, 2.0, 1.0, 1), (5, 3.0, 1.0, 1)).assign(seq=[9, 7, 7])
    (row,) = reference.minutes(trades, NO_QUOTES).to_dict("records")
    assert (row["open"], row["price"]) == (2.0, 1.0)


def test_quoted_minute_without_trade_carries_the_close() -> None:
    table = reference.minutes(
        ticks((MINUTE_US, 10.0, 1.0, 1)), quotes((1, 5, 8.0, 9.0), (3, 2 * MINUTE_US, 9.5, 10.5))
    )
    assert table["timestamp"].tolist() == [0, MINUTE_US, 2 * MINUTE_US]
    assert np.isnan(table["price"].iloc[0])
    carried = table.iloc[2]
    assert [carried[c] for c in ("open", "high", "low", "price")] == [10.0] * 4
    assert [carried[c] for c in ("volume", "trade_count", "price_change_pct")] == [0.0, 0, 0.0]
    assert carried[["exec_price", "vwap", "order_imbalance", "volatility_1min"]].isna().all()
    assert table["bid_price"].tolist() == [8.0, 8.0, 9.5]


@pytest.mark.parametrize(
    ("row", "column"),
    [((1, 5, 11.0, 9.0), "crossed"), ((1, 5, 0.0, 9.0), "no bid"), ((1, 5, -1.0, 9.0), "negative bid")],
)
def test_unusable_quote_makes_no_minute(row: tuple[int, int, float, float], column: str) -> None:
    table = reference.minutes(ticks((MINUTE_US, 10.0, 1.0, 1)), quotes(row))
    assert table["timestamp"].tolist() == [MINUTE_US], column


def test_lee_ready_looks_at_the_midpoint_then_at_the_last_change() -> None:
    book = quotes((1, 10, 9.0, 11.0), (9, 20, 11.0, 13.0)).sort_values("ts")
    trades = ticks(
        (5, 10.0, 1.0, 0),  # no quote yet, no change yet
        (10, 10.5, 1.0, 0),  # the quote of the same time stands earlier on the tape: above 10
        (15, 10.0, 1.0, 0),  # at the midpoint, after a fall
        (15, 10.0, 1.0, 0),  # at the midpoint, nothing changed since
        (20, 11.0, 1.0, 0),  # the second quote came later on the tape: still against 10
        (20, 11.0, 1.0, 0),  # and now it has come: below 12
    )
    assert reference.lee_ready(trades, book).tolist() == [0, 1, -1, -1, 1, -1]


def test_spike_score_by_hand() -> None:
    volume = np.array([1.0, 3.0] * 10 + [5.0, 2.0])
    score = reference.spike_score(volume)
    assert np.isnan(score[:20]).all()
    assert score[20] == pytest.approx(3 / sqrt(20 / 19))
    assert np.isnan(reference.spike_score(np.full(80, 0.25))).all()


def test_spike_window_forgets_what_is_sixty_bars_ago() -> None:
    volume = np.array([1e6] + [1.0, 3.0] * 30 + [5.0])
    assert reference.spike_score(volume)[61] == pytest.approx(3 / sqrt(60 / 59))


def test_rsi_by_hand() -> None:
    price = np.array([float(step) for step in range(15)] + [13.0])
    rsi = reference.wilder_rsi(price)
    assert np.isnan(rsi[:14]).all()
    assert rsi[14:].tolist() == pytest.approx([100.0, 100 * 13 / 14])
    assert reference.wilder_rsi(np.ones(20))[14:].tolist() == [50.0] * 6


def test_offset_is_a_maximum_that_leaks() -> None:
    offset = captures.Offset()
    assert offset.at(1_000) == 0
    offset.learn(venue_ns=1_000_500, recv_ns=1_000_000)
    assert offset.at(1_000_000) == 500
    assert offset.at(2_000_000) == 400
    offset.learn(venue_ns=2_000_300, recv_ns=2_000_000)
    assert offset.at(2_000_000) == 400, "a smaller sample does not lower the estimate"
    assert offset.at(1_000_000 + 10_000 * 500) == 300 - 300, "both have leaked the same"


def test_five_minutes_from_minutes() -> None:
    table = reference.minutes(
        ticks((MINUTE_US, 10.0, 1.0, 1), (2 * MINUTE_US, 12.0, 3.0, 1), (5 * MINUTE_US, 9.0, 1.0, 1)),
        quotes((1, 0, 9.0, 11.0), (3, 6 * MINUTE_US, 8.0, 10.0)),
    )
    longer = reference.resampled(table, 5 * MINUTE_US)
    assert longer["open"].tolist() == [10.0, 9.0]
    assert longer["high"].tolist() == [12.0, 9.0]
    assert longer["vwap"].tolist() == [11.5, 9.0]
    assert longer["trade_count"].tolist() == [2, 1]


def test_both_line_formats_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mixed.txt"
    path.write_text('wss://x <-> 1.5\nwss://x <- 1.6: {"a":1}\n1.7654321: {"b":1}\n\n1765432101 {"c":1}\n')
    assert list(captures.frames(path)) == [(1, 1_765_432_100, '{"b":1}'), (1, 1_765_432_101, '{"c":1}')]


@pytest.mark.parametrize(
    ("file", "venue", "trades", "books"),
    [
        ("binance-spot-btcusdt_20240808.jsonl.gz", "binance", 9_757, 28_040),
        ("binance-spot-ethusdt_20240808.jsonl.gz", "binance", 6_106, 24_077),
        ("binance-usdm-btcusdt_20240808.jsonl.gz", "binance", 21_313, 66_089),
        ("binance-1-text.txt.gz", "binance", 0, 84),
        ("coinbase-28-text.txt.gz", "coinbase", 97, 107),
        ("kraken-48-text.txt.gz", "kraken", 10, 0),
        ("kraken-49-text.txt.gz", "kraken", 0, 18),
    ],
)
def test_counts_of_the_real_recordings(
    recordings: Path, file: str, venue: str, trades: int, books: int
) -> None:
    capture = captures.read(recordings / file, venue)
    assert (len(capture.ticks), len(capture.quotes)) == (trades, books)
