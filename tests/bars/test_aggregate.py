"""Each column of a bar by hand; all of them against a second implementation, from docs/tables.md."""

from __future__ import annotations

import gzip
import json
import math
from itertools import pairwise

import numpy as np
import pytest

from barograph.bars import BarKernel, BarSettings, Run
from barograph.bars.batch import batch
from barograph.errors import UsageError
from barograph.rows import Bars, Quotes, Ticks, columns, concatenate

NAN = math.nan


def bar_of(tape, minute: int = 0):
    """The bar of a minute, by column."""
    run = tape.run()
    bars = batch(run.ticks, run.quotes)
    return {name: getattr(bars, name)[minute] for name in Bars.__slots__}


def test_prices_sums_and_vwap(kit, tape):
    for second, price, size in [(1, 100.0, 1.0), (2, 103.0, 2.0), (3, 98.0, 3.0), (4, 101.0, 4.0)]:
        tape.trade(second * kit.SECOND, price, size)
    bar = bar_of(tape)
    assert (bar["open"], bar["high"], bar["low"], bar["price"]) == (100.0, 103.0, 98.0, 101.0)
    assert (bar["volume"], bar["notional"], bar["trade_count"]) == (10.0, 1004.0, 4)
    assert bar["vwap"] == 100.4
    assert bar["timestamp_us"] == kit.START_US


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1.0, 1.999999, 2.0, 3.0], 102.0),  # at the lateness itself
        ([1.0, 5.0, 6.0], 101.0),
        ([1.0], NAN),
    ],
)
def test_exec_price_is_the_first_trade_at_or_after_the_lateness(kit, tape, times, expected):
    for i, second in enumerate(times):
        tape.trade(round(second * kit.SECOND), 100.0 + i)
    assert bar_of(tape)["exec_price"] == pytest.approx(expected, nan_ok=True)


def test_a_minute_holds_its_first_microsecond_and_not_the_next_ones(kit, tape):
    tape.trade(0, 100.0)
    tape.trade(kit.MINUTE - 1, 101.0)
    tape.trade(kit.MINUTE, 102.0)
    run = tape.run()
    assert batch(run.ticks).trade_count.tolist() == [2, 1]


def test_volatility_is_realised_from_trade_to_trade(kit, tape):
    tape.trade(50 * kit.SECOND, 100.0)
    tape.trade(61 * kit.SECOND, 110.0)
    tape.trade(62 * kit.SECOND, 99.0)
    expected = math.hypot(math.log(1.1), math.log(0.9))
    assert bar_of(tape, 0)["volatility_1min"] == 0.0
    assert bar_of(tape, 1)["volatility_1min"] == pytest.approx(expected, rel=1e-12)


def test_quotes_without_trades_keep_the_last_price(kit, tape):
    tape.quote(1 * kit.SECOND, 99.0, 101.0)
    tape.trade(61 * kit.SECOND, 100.0, 2.0, 1)
    tape.quote(121 * kit.SECOND, 99.5, 100.5)
    before, after = bar_of(tape, 0), bar_of(tape, 2)
    for column in (
        "open",
        "high",
        "low",
        "price",
        "vwap",
        "exec_price",
        "volatility_1min",
        "order_imbalance",
    ):
        assert math.isnan(before[column]), column
    assert before["volume"] == before["notional"] == before["trade_count"] == 0
    assert [after[c] for c in ("open", "high", "low", "price")] == [100.0] * 4
    assert math.isnan(after["volatility_1min"])
    assert after["price_change_pct"] == 0.0
    assert (after["bid_price"], after["ask_price"], after["bid_ask_spread"]) == (99.5, 100.5, 1.0)


def test_the_last_quote_before_the_minutes_end_is_carried_on(kit, tape):
    tape.quote(1 * kit.SECOND, 99.0, 101.0)
    tape.quote(kit.MINUTE - 1, 98.0, 102.0)
    tape.quote(kit.MINUTE, 97.0, 103.0)
    tape.trade(121 * kit.SECOND, 100.0)
    assert [bar_of(tape, i)["bid_price"] for i in range(3)] == [98.0, 97.0, 97.0]


def test_imbalance_and_volumes_by_the_venues_side(kit, tape):
    tape.trade(1 * kit.SECOND, 100.0, 3.0, +1)
    tape.trade(2 * kit.SECOND, 100.0, 1.0, -1)
    tape.trade(3 * kit.SECOND, 100.0, 9.0, 0)  # no quote, price never moved: unknown
    bar = bar_of(tape)
    assert (bar["buy_volume"], bar["sell_volume"], bar["order_imbalance"]) == (3.0, 1.0, 0.5)
    assert bar["volume"] == 13.0


@pytest.mark.parametrize(
    ("price", "side"),
    [(100.6, "buy"), (100.4, "sell"), (101.5, "buy"), (100.5, "tick")],
)
@pytest.mark.parametrize(
    ("earlier", "tick"), [([99.0], "buy"), ([102.0], "sell"), ([99.0, 100.5, 100.5], "buy")]
)
def test_lee_and_ready(kit, tape, price, side, earlier, tick):
    """Above the midpoint of 100 and 101 a buyer, below a seller; at it, the last different price decides."""
    for second, before in enumerate(earlier):
        tape.trade(second * kit.SECOND, before, 5.0, 1)
    tape.quote(10 * kit.SECOND, 100.0, 101.0)
    tape.trade(70 * kit.SECOND, price, 1.0)
    bar = bar_of(tape, 1)
    bought = {"buy": 1.0, "sell": 0.0}[tick if side == "tick" else side]
    assert (bar["buy_volume"], bar["sell_volume"]) == (bought, 1.0 - bought)


def test_a_decimal_midpoint_is_the_midpoint(kit, tape):
    assert (0.1 + 0.2) / 2 != 0.15  # in binary
    tape.trade(0, 1.0, 1.0, 1)
    tape.quote(1 * kit.SECOND, 0.1, 0.2)
    tape.trade(61 * kit.SECOND, 0.15, 1.0)  # a fall, so the tick test says seller
    assert bar_of(tape, 1)["sell_volume"] == 1.0


def test_without_a_quote_the_tick_test_alone_decides(kit, tape):
    for second, price in enumerate([100.0, 101.0, 101.0, 100.0, 100.0]):
        tape.trade(second * kit.SECOND, price, 10.0**second)
    bar = bar_of(tape)
    assert (bar["buy_volume"], bar["sell_volume"]) == (110.0, 11000.0)


@pytest.mark.parametrize("quote_first", [True, False])
def test_a_quote_of_the_same_time_counts_only_if_it_came_first(kit, tape, quote_first):
    tape.trade(0, 100.0, 1.0, 1)
    tape.quote(0, 99.0, 100.0)
    if quote_first:
        tape.quote(70 * kit.SECOND, 101.0, 102.0)
    tape.trade(70 * kit.SECOND, 100.5, 1.0)
    if not quote_first:
        tape.quote(70 * kit.SECOND, 101.0, 102.0)
    bar = bar_of(tape, 1)
    assert (bar["sell_volume"], bar["buy_volume"]) == ((1.0, 0.0) if quote_first else (0.0, 1.0))


def test_a_quote_of_the_trades_own_record_does_not_count(kit, tape):
    tape.trade(0, 100.0, 1.0, 1)
    tape.quote(0, 99.0, 100.0)
    record = tape.quote(70 * kit.SECOND, 101.0, 102.0)
    tape.trade(70 * kit.SECOND, 100.5, 1.0, at=record)
    assert bar_of(tape, 1)["buy_volume"] == 1.0


def test_rows_stand_in_order_of_time_then_sequence_then_tape(kit, tape):
    second = kit.SECOND
    for ts, price, seq in [
        (9, 109.0, 1),
        (5, 103.0, 7),
        (5, 102.0, 3),
        (5, 101.0, -1),
        (5, 104.0, 7),
        (1, 100.0, 9),
    ]:
        tape.trade(ts * second, price, seq=seq, recv=10 * second)
    run = tape.run()
    # Only the order 100, 101, 102, 103, 104, 109 has these returns.
    prices = [100.0, 101.0, 102.0, 103.0, 104.0, 109.0]
    squares = 0.0
    for a, b in pairwise(prices):
        squares += math.log(b / a) * math.log(b / a)
    assert batch(run.ticks).volatility_1min.tolist() == [math.sqrt(squares)]
    kernel = BarKernel(BarSettings())
    kernel.advance(run)
    assert kernel.peek().volatility_1min.tolist() == [math.sqrt(squares)]


@pytest.mark.parametrize("seconds", [1, 5, 60, 300, 3600, 86400])
def test_intervals_are_aligned_to_utc(kit, seconds):
    run = kit.by_chance(1, kit.Chance())
    bars = batch(run.ticks, run.quotes, interval_us=seconds * kit.SECOND)
    assert (bars.timestamp_us % (seconds * kit.SECOND) == 0).all()
    usable = (run.ticks.flags & 5) == 0
    assert bars.trade_count.sum() == np.count_nonzero(usable)


@pytest.mark.parametrize("interval_us", [0, 999_999, 7_000_000, 2 * 86_400_000_000])
def test_an_interval_that_does_not_divide_the_day_is_refused(interval_us):
    with pytest.raises(UsageError, match="divides the day"):
        batch(columns(Ticks, record=[]), interval_us=interval_us)


def test_no_rows_make_no_bars():
    assert len(batch(columns(Ticks, record=[]))) == 0


def reference(ticks: Ticks, quotes: Quotes) -> list[dict[str, float]]:
    """One instrument's minutes in plain Python, from the definitions in docs/tables.md."""
    trades = sorted(
        zip(
            *(getattr(ticks, c).tolist() for c in ("ts_us", "seq", "record", "price", "size", "side")),
            strict=True,
        ),
        key=lambda row: row[:3],
    )
    sides = sorted(
        zip(
            *(getattr(quotes, c).tolist() for c in ("ts_us", "seq", "record", "bid_price", "ask_price")),
            strict=True,
        ),
        key=lambda row: row[:3],
    )
    signed = [signed_volume(i, trades, sides) for i in range(len(trades))]
    bars: list[dict[str, float]] = []
    for start in sorted({row[0] // 60_000_000 * 60_000_000 for row in trades + sides}):
        chosen = [i for i, row in enumerate(trades) if start <= row[0] < start + 60_000_000]
        bars.append(one_minute(start, chosen, trades, sides, signed))
    for i, bar in enumerate(bars):
        look_back(bar, bars[:i])
    return bars


def signed_volume(i, trades, sides):
    ts, _, record, price, size, side = trades[i]
    if side == 0:
        met = [q for q in sides if q[0] < ts or (q[0] == ts and q[2] < record)]
        middle = (met[-1][3] + met[-1][4]) / 2 if met else None
        different = [t[3] for t in trades[:i] if t[3] != price]
        # The last different price is that before the run of equal ones.
        tick = 0 if not different else (1 if price > different[-1] else -1)
        at_middle = middle is None or math.isclose(price, middle, rel_tol=1e-13)
        side = tick if at_middle else (1 if price > middle else -1)
    return side * size


def one_minute(start, chosen, trades, sides, signed):
    prices, sizes = [trades[i][3] for i in chosen], [trades[i][4] for i in chosen]
    before = [row[3] for row in trades if row[0] < start]
    last = before[-1] if before else NAN
    path = before[-1:] + prices
    seen = [q for q in sides if q[0] < start + 60_000_000]
    bid, ask = seen[-1][3:5] if seen else (NAN, NAN)
    late = [trades[i][3] for i in chosen if trades[i][0] >= start + 2_000_000]
    bought = sum(v for i in chosen if (v := signed[i]) > 0)
    sold = -sum(v for i in chosen if (v := signed[i]) < 0)
    volume, notional = sum(sizes), sum(p * s for p, s in zip(prices, sizes, strict=True))
    return {
        "open": prices[0] if prices else last,
        "high": max(prices, default=last),
        "low": min(prices, default=last),
        "price": prices[-1] if prices else last,
        "exec_price": late[0] if late else NAN,
        "volume": volume,
        "notional": notional,
        "vwap": notional / volume if volume else NAN,
        "trade_count": len(prices),
        "buy_volume": bought,
        "sell_volume": sold,
        "bid_price": bid,
        "ask_price": ask,
        "bid_ask_spread": ask - bid,
        "order_imbalance": (bought - sold) / (bought + sold) if bought + sold else NAN,
        "volatility_1min": math.sqrt(sum(math.log(b / a) ** 2 for a, b in pairwise(path))) if prices else NAN,
    }


def look_back(bar, before):
    volumes = np.array([b["volume"] for b in before[-60:]])
    spread = volumes.std(ddof=1) if len(volumes) > 1 and len(set(volumes)) > 1 else 0.0
    scored = len(before) >= 20 and spread > 0
    bar["volume_spike_score"] = (bar["volume"] - volumes.mean()) / spread if scored else NAN
    bar["price_change_pct"] = 100 * (bar["price"] / before[-1]["price"] - 1) if before else NAN
    prices = [b["price"] for b in [*before, bar] if not math.isnan(b["price"])]
    changes = np.diff(prices)
    bar["rsi_14"] = NAN
    if len(changes) >= 14 and not math.isnan(bar["price"]):
        gain, loss = changes[:14].clip(0).mean(), -changes[:14].clip(None, 0).mean()
        for change in changes[14:]:
            gain, loss = (13 * gain + max(change, 0)) / 14, (13 * loss + max(-change, 0)) / 14
        bar["rsi_14"] = 50.0 if gain + loss == 0 else 100 * gain / (gain + loss)


def assert_as_reference(bars: Bars, ticks: Ticks, quotes: Quotes):
    assert set(bars.instrument.tolist()) == set(ticks.instrument.tolist()) | set(quotes.instrument.tolist())
    for k in np.unique(bars.instrument).tolist():
        mine = bars.take(bars.instrument == k)
        expected = reference(ticks.take(ticks.instrument == k), quotes.take(quotes.instrument == k))
        assert len(mine) == len(expected)
        for name in expected[0]:
            values = np.array([bar[name] for bar in expected])
            np.testing.assert_allclose(getattr(mine, name), values, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("seed", range(4))
def test_as_the_second_implementation_has_it_on_random_rows(kit, seed):
    run = kit.by_chance(seed, kit.Chance(n=700, instruments=2, step_s=8.0, flagged=0.0))
    assert_as_reference(batch(run.ticks, run.quotes), run.ticks, run.quotes)


def recorded(path) -> Run:
    """Trades and best quotes of a real recording of Binance; spot quotes have receipt times only."""
    trades, quotes, recv_ns = [], [], []
    with gzip.open(path) as lines:
        for line in lines:
            received, _, frame = line.partition(b" ")
            message = json.loads(frame)
            data = message.get("data", {})
            if data.get("e") == "trade":
                row = (
                    len(recv_ns),
                    data["T"] * 1000,
                    float(data["p"]),
                    float(data["q"]),
                    -1 if data["m"] else 1,
                )
                trades.append((*row, data["t"]))
            elif "bookTicker" in message.get("stream", ""):
                ts_us = data["T"] * 1000 if "T" in data else int(received) // 1000 + 1_200_000
                row = (len(recv_ns), ts_us, float(data["b"]), float(data["a"]))
                quotes.append((*row, data["u"]))
            else:
                continue
            recv_ns.append(int(received))

    def table(kind, names, rows):
        return columns(
            kind, instrument=[0] * len(rows), **dict(zip(names, zip(*rows, strict=True), strict=True))
        )

    n = len(recv_ns)
    return Run(
        0,
        np.array(recv_ns),
        np.ones(n, dtype=np.uint8),
        np.zeros(n, dtype=np.uint32),
        table(Ticks, ("record", "ts_us", "price", "size", "side", "trade_id"), trades),
        table(Quotes, ("record", "ts_us", "bid_price", "ask_price", "seq"), quotes),
    )


@pytest.mark.parametrize("signed", [True, False], ids=["the venue's sides", "no sides"])
def test_a_real_recording(kit, recordings, signed):
    run = recorded(recordings / "binance-spot-ethusdt_20240808.jsonl.gz")
    if not signed:
        run = Run(
            **{name: getattr(run, name) for name in Run.__slots__}
            | {"ticks": run.ticks.with_(side=np.zeros(len(run.ticks), dtype=np.int8))}
        )
    bars = batch(run.ticks, run.quotes)
    assert 6 <= len(bars) <= 8
    assert bars.trade_count.sum() == len(run.ticks)
    whole = BarKernel(BarSettings())
    emitted = [whole.advance(run).bars, whole.peek()]
    kit.same_bits(bars, kit.final(concatenate(emitted, Bars)), but=("record", "as_of_us", "revision"))
    live = BarKernel(BarSettings())
    parts = [live.advance(piece).bars for piece in kit.pieces(run, list(range(7, len(run), 7)))]
    parts = [part for part in parts if len(part)]
    kit.same_bits(emitted[0], concatenate(parts, Bars), but=("record",))
    few = run.ticks.take(slice(0, 1500))
    end = int(few.ts_us.max())
    quotes = run.quotes.take(run.quotes.ts_us <= end).take(slice(None, None, 10))
    assert_as_reference(batch(few, quotes), few, quotes)


def test_lee_and_ready_agrees_with_a_venue_that_gives_sides(recordings):
    """A trade at Binance takes the bid or the ask, so the quote rule should find most sides again."""
    run = recorded(recordings / "binance-usdm-btcusdt_20240808.jsonl.gz")
    known = batch(run.ticks, run.quotes)
    found = batch(run.ticks.with_(side=np.zeros(len(run.ticks), dtype=np.int8)), run.quotes)
    missed = np.abs(known.buy_volume - found.buy_volume).sum()
    assert missed < 0.05 * known.volume.sum()
