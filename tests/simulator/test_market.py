from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from barograph.clock import MINUTE_US
from barograph.errors import UsageError
from barograph.simulator import DEFAULT_SYMBOLS, INSTRUMENTS, Market, frames
from barograph.simulator.stream import Batch

START_US = 1_723_075_200_000_000  # 2024-08-08, a Thursday


def digest(batches: Iterable[Batch]) -> str:
    hashed = hashlib.sha256()
    for batch in batches:
        hashed.update(b"\n".join(batch.payloads))
        hashed.update(batch.recv_ns.tobytes())
        hashed.update(b"\n")
    return hashed.hexdigest()


def every(market: Market, batch: int = 8_192) -> tuple[list[int], list[bytes]]:
    recv_ns: list[int] = []
    payloads: list[bytes] = []
    for part in frames(market, batch):
        recv_ns += part.recv_ns.tolist()
        payloads += part.payloads
    return recv_ns, payloads


def test_a_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def made(seed: int) -> str:
        return digest(frames(Market(seed, start_us=START_US, minutes=45)))

    assert made(3) == made(3)
    assert made(3) != made(4)


def test_one_market_can_be_read_twice() -> None:
    market = Market(3, ["BTC-USD"], start_us=START_US, minutes=25)
    assert digest(frames(market)) == digest(frames(market))


@pytest.mark.parametrize("batch", [1, 7, 1_000, 10**6])
def test_the_size_of_the_batches_changes_nothing(batch: int) -> None:
    market = Market(5, ["BTC-USD", "ETH-USD"], start_us=START_US, minutes=12)
    assert every(market, batch) == every(market)
    sizes = [len(part.payloads) for part in frames(market, batch)]
    assert set(sizes[:-1]) <= {batch}
    assert 0 < sizes[-1] <= batch


def test_a_shorter_market_is_the_beginning_of_a_longer_one() -> None:
    long = every(Market(5, ["BTC-USD", "ETH-USD"], start_us=START_US, minutes=40, disturbed=False))
    short = every(Market(5, ["BTC-USD", "ETH-USD"], start_us=START_US, minutes=33, disturbed=False))
    kept = len(short[1])
    assert kept < len(long[1])
    assert short[1] == long[1][:kept]


def test_a_symbol_does_the_same_whoever_else_is_traded() -> None:
    def of_btc(*symbols: str) -> list[bytes]:
        _, payloads = every(Market(5, symbols, start_us=START_US, minutes=20, disturbed=False))
        return [payload for payload in payloads if b'"BTC-USD"' in payload]

    assert of_btc("BTC-USD") == of_btc("ADA-USD", "BTC-USD", "AAPL")


def test_a_market_without_end_goes_on() -> None:
    endless = frames(Market(5, ["BTC-USD"], start_us=START_US, minutes=None), 500)
    first = [next(endless).payloads for _ in range(20)]
    assert first[0] == next(frames(Market(5, ["BTC-USD"], start_us=START_US), 500)).payloads


def test_receipt_never_goes_back_and_comes_after_the_venue_s_time() -> None:
    market = Market(5, start_us=START_US, minutes=30)
    recv_ns, payloads = every(market)
    sent_us = [int(payload.split(b'"t":')[1].split(b",")[0]) for payload in payloads]
    assert (np.diff(sent_us) >= 0).all()
    assert (np.diff(recv_ns) >= 0).all()
    late_ns = np.array(recv_ns) - np.array(sent_us) * 1_000
    assert late_ns.min() > 0
    assert late_ns.max() < 10**8
    assert sent_us[0] >= START_US
    assert sent_us[-1] < START_US + 30 * MINUTE_US


def test_numbers_have_no_holes_and_spreads_are_positive() -> None:
    market = Market(9, start_us=START_US, minutes=150)
    next_trade, next_quote = Counter[str](), Counter[str]()
    for block in market.blocks():
        for symbol in block:
            name, trades, quotes = symbol.instrument.symbol, symbol.trades, symbol.quotes
            for number, counter in ((trades.number, next_trade), (quotes.number, next_quote)):
                assert number.tolist() == list(range(counter[name] + 1, counter[name] + 1 + len(number)))
                counter[name] += len(number)
            assert (quotes.ask > quotes.bid).all()
            assert (quotes.bid > 0).all()
            assert min(*quotes.bid_size, *quotes.ask_size, *trades.size) > 0
            assert (np.diff(trades.ts_us) >= 0).all()
            assert (np.diff(quotes.ts_us) >= 0).all()
    assert min(next_trade[name] for name in DEFAULT_SYMBOLS) > 1_000


def test_a_trade_is_done_at_the_last_quote() -> None:
    market = Market(9, ["ETH-USD"], start_us=START_US, minutes=60)
    made = [symbol for block in market.blocks() for symbol in block]
    quoted_us = np.concatenate([symbol.quotes.ts_us for symbol in made])
    bid = np.concatenate([symbol.quotes.bid for symbol in made])
    ask = np.concatenate([symbol.quotes.ask for symbol in made])
    traded_us = np.concatenate([symbol.trades.ts_us for symbol in made])
    price = np.concatenate([symbol.trades.price for symbol in made])
    side = np.concatenate([symbol.trades.side for symbol in made])
    last = np.searchsorted(quoted_us, traded_us, side="right") - 1
    assert (last >= 0).all()
    assert (price == np.where(side > 0, ask[last], bid[last])).all()


def test_rate_scales_the_number_of_frames() -> None:
    def count(rate: float) -> int:
        return len(every(Market(2, start_us=START_US, minutes=30, rate=rate, disturbed=False))[1])

    assert count(3.0) / count(1.0) == pytest.approx(3.0, rel=0.05)
    assert count(0.01) > 0


def test_a_default_day_has_about_a_million_frames() -> None:
    hours_four = sum(len(part.payloads) for part in frames(Market(1, start_us=START_US, minutes=240)))
    assert 800_000 < 6 * hours_four < 1_500_000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"symbols": []}, "needs symbols"),
        ({"symbols": ["BTC-USD", "BTC-USD"]}, "each once"),
        ({"symbols": ["BTC-USDT"]}, "did you mean 'BTC-USD'"),
        ({"start_us": START_US + 1}, "whole minute"),
        ({"minutes": 0}, "minutes is 0"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"rate": 1e9}, "rate is"),
    ],
)
def test_a_market_that_cannot_be_is_refused(arguments: dict[str, object], says: str) -> None:
    given: dict[str, object] = {"seed": 1, "start_us": START_US} | arguments
    with pytest.raises(UsageError, match=says):
        Market(**given)  # type: ignore[arg-type]


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="batch is 0"):
        next(frames(Market(1, start_us=START_US), 0))


def test_an_endless_market_has_no_list_of_all_labels() -> None:
    market = Market(1, start_us=START_US, minutes=None)
    with pytest.raises(UsageError, match="without an end"):
        market.labels()
    day = Market(1, start_us=START_US).labels()
    assert market.labels(1_440) == day
    assert market.labels(2_880)[: len(day)] == day
    assert len(market.labels(2_880)) > len(day)


def test_prices_begin_where_the_instrument_says() -> None:
    for symbol, instrument in INSTRUMENTS.items():
        open_us = START_US + (13 * 60 + 30) * MINUTE_US  # 09:30 in New York
        block = next(Market(1, [symbol], start_us=open_us, minutes=10).blocks())
        first = block[0].quotes.bid[0] / 10**instrument.decimals
        assert first == pytest.approx(instrument.price, rel=0.01)
