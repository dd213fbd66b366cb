"""The live market: numbers, times, memory, its walk."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.clock import ManualClock
from barograph.errors import UsageError
from barograph.testing import LiveMarket, Quote, Trade
from barograph.testing.history import History

NOW_NS = 1_723_161_255_000_000_000


def test_numbers_run_without_holes_for_each_symbol_and_kind() -> None:
    market = LiveMarket(["A-USD", "B-USD"], clock=ManualClock(NOW_NS), first=100)
    made = [*market.make(trades=50, quotes=70), market.trade("A-USD"), *market.make(trades=30)]
    for kind in (Trade, Quote):
        for symbol in market.symbols:
            numbers = [event.number for event in made if type(event) is kind and event.symbol == symbol]
            assert numbers == list(range(100, 100 + len(numbers)))
            assert numbers


def test_the_same_seed_gives_the_same_market_and_another_does_not() -> None:
    def made(seed: int) -> list[object]:
        clock = ManualClock(NOW_NS)
        market = LiveMarket(["BTC-USDT"], seed, clock)
        first = market.make(trades=20, quotes=20)
        clock.advance(1)
        return [*first, *market.make(trades=20)]

    assert made(7) == made(7)
    assert made(7) != made(8)


def test_times_are_of_the_clock_and_never_fall() -> None:
    clock = ManualClock(NOW_NS)
    market = LiveMarket(["BTC-USDT"], clock=clock)
    first = market.make(trades=10)
    clock.advance(0.5)
    second = market.make(trades=10)
    times = [event.ts_us for event in first + second]
    assert times == sorted(times)
    assert times[-1] == clock.now_ns() // 1000
    assert times[10] > times[9]


def test_prices_and_sizes_are_decimals_and_quotes_are_not_crossed() -> None:
    market = LiveMarket(["BTC-USDT", "NSE:INFY"], clock=ManualClock(NOW_NS))
    for event in market.make(trades=500, quotes=500):
        if isinstance(event, Trade):
            assert Decimal(event.price) > 0
            assert Decimal(event.size) > 0
            assert event.side in (1, -1)
        else:
            assert Decimal(event.bid) < Decimal(event.ask)


def test_what_is_given_by_hand_goes_out_as_it_is_and_the_walk_goes_on_from_there() -> None:
    market = LiveMarket(["BTC-USDT"], clock=ManualClock(NOW_NS))
    trade = market.trade("BTC-USDT", price="100.10", size="0.50", side=-1, ts_us=5)
    assert trade == Trade("BTC-USDT", 1, 5, "100.10", "0.50", -1)
    assert abs(Decimal(market.trade("BTC-USDT").price) - 100) < 1


@pytest.mark.parametrize("symbols", [[], ["A-USD", "A-USD"]])
def test_a_market_needs_symbols_each_once(symbols: list[str]) -> None:
    with pytest.raises(UsageError, match="symbols"):
        LiveMarket(symbols)


def test_a_symbol_or_a_price_that_cannot_be_is_refused() -> None:
    market = LiveMarket(["BTC-USDT"])
    with pytest.raises(UsageError, match="BTC-USDT"):
        market.trade("ETH-USDT")
    with pytest.raises(UsageError, match="not a price"):
        market.trade("BTC-USDT", price="cheap")
    assert len(market.trades["BTC-USDT"]) == 0


def test_a_market_by_itself_keeps_its_rates_on_average() -> None:
    market = LiveMarket(["BTC-USDT", "ETH-USDT"])
    asyncio.run(market.run(2_000, 1_000, seconds=0.3))
    trades = sum(len(history) for history in market.trades.values())
    quotes = sum(len(history) for history in market.quotes.values())
    assert (trades, quotes) == (600, 300)


def test_listeners_hear_every_batch_until_forgotten() -> None:
    market = LiveMarket(["BTC-USDT"])
    heard: list[int] = []

    def listener(events: object) -> None:
        heard.append(len(events))  # type: ignore[arg-type]

    market.listen(listener)
    market.make(trades=3)
    market.make()
    market.quote("BTC-USDT")
    market.forget(listener)
    market.trade("BTC-USDT")
    assert heard == [3, 1]


def test_two_threads_leave_no_hole_and_no_number_twice() -> None:
    market = LiveMarket(["BTC-USDT"])
    threads = [
        threading.Thread(target=lambda: [market.trade("BTC-USDT") for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [trade.number for trade in market.trades["BTC-USDT"].newest(1_000)] == list(range(1, 801))


def test_a_restored_market_numbers_on() -> None:
    first = LiveMarket(["BTC-USDT"], first=40)
    events = first.make(trades=5, quotes=3)
    market = LiveMarket(["BTC-USDT"])
    market.restore(events)
    assert market.trade("BTC-USDT").number == 45
    assert market.quote("BTC-USDT").number == 43
    assert [trade.number for trade in market.trades["BTC-USDT"].newest(9)] == list(range(40, 46))


class Numbered(NamedTuple):
    number: int
    ts_us: int


@given(
    first=st.integers(0, 5),
    steps=st.lists(st.integers(0, 3), max_size=40),
    keep=st.integers(1, 20),
    number=st.integers(-2, 50),
    ts_us=st.integers(-1, 80),
    limit=st.integers(0, 10),
)
def test_a_history_answers_as_a_plain_list_would(
    first: int, steps: list[int], keep: int, number: int, ts_us: int, limit: int
) -> None:
    history: History[Numbered] = History(first, keep)
    events, at = [], 0
    for n, step in enumerate(steps):
        at += step
        events.append(Numbered(first + n, at))
        history.add(events[-1])
    assert history.next_number == first + len(steps)
    assert min(keep, len(steps)) <= len(history) <= keep + keep // 4
    held = events[len(events) - len(history) :]
    assert history.last == (held[-1] if held else None)
    assert history.from_number(number, limit) == [e for e in held if e.number >= number][:limit]
    before = [e for e in held if e.number < number]
    assert history.before_number(number, limit) == before[max(0, len(before) - limit) :]
    assert history.after_time(ts_us, limit) == [e for e in held if e.ts_us > ts_us][:limit]
    between = [e for e in held if ts_us <= e.ts_us < ts_us + 9]
    assert history.between(ts_us, ts_us + 9, limit) == between[:limit]
