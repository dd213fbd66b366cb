"""It must look like a market: the stylised facts (Cont 2001), each with a wide margin, on fixed seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from barograph.clock import MINUTE_US, US_PER_S
from barograph.rows import Floats, Ints
from barograph.simulator import DEFAULT_SYMBOLS, Market

START_US = 1_723_075_200_000_000  # 2024-08-08 00:00 UTC, a Thursday
DAY = 1_440


@dataclass(frozen=True)
class Day:
    """One symbol's day by minutes. ``seconds`` counts its trades a second."""

    close: Floats
    volume: Floats
    trades: Ints
    buys: Floats
    spread: Floats
    seconds: Ints

    @property
    def returns(self) -> Floats:
        return np.diff(np.log(self.close))


def day_of(market: Market, symbol: str) -> Day:
    which = [instrument.symbol for instrument in market.instruments].index(symbol)
    made = [block[which] for block in market.blocks()]
    ts_us = np.concatenate([part.trades.ts_us for part in made]) - market.start_us
    size = np.concatenate([part.trades.size for part in made]).astype(float)
    side = np.concatenate([part.trades.side for part in made])
    price = np.concatenate([part.trades.price for part in made]).astype(float)
    quoted_us = np.concatenate([part.quotes.ts_us for part in made]) - market.start_us
    spread = np.concatenate([part.quotes.ask - part.quotes.bid for part in made]).astype(float)
    minute = ts_us // MINUTE_US
    ends = np.arange(1, DAY + 1) * MINUTE_US
    last_trade = np.maximum(np.searchsorted(ts_us, ends) - 1, 0)
    last_quote = np.maximum(np.searchsorted(quoted_us, ends) - 1, 0)
    return Day(
        close=price[last_trade],
        volume=np.bincount(minute, size, DAY),
        trades=np.bincount(minute, minlength=DAY),
        buys=np.bincount(minute, size * (side > 0), DAY),
        spread=spread[last_quote],
        seconds=np.bincount(ts_us // US_PER_S, minlength=DAY * 60),
    )


@cache
def quiet(symbol: str, seed: int = 1) -> Day:
    return day_of(Market(seed, [symbol], start_us=START_US, disturbed=False), symbol)


def autocorrelation(values: Floats, lag: int) -> float:
    centred = values - values.mean()
    return float((centred[lag:] * centred[:-lag]).sum() / (centred**2).sum())


def spike_scores(volume: Floats) -> Floats:
    """``volume_spike_score`` as docs/tables.md has it, from the twentieth bar on."""
    scores = []
    for n in range(20, len(volume)):
        before = volume[max(0, n - 60) : n]
        scores.append((volume[n] - before.mean()) / before.std(ddof=1))
    return np.array(scores)


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_returns_have_fat_tails(symbol: str) -> None:
    returns = quiet(symbol).returns
    kurtosis = ((returns - returns.mean()) ** 4).mean() / returns.var() ** 2
    assert 3.5 < kurtosis < 40


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_volatility_clusters_and_returns_do_not(symbol: str) -> None:
    returns = quiet(symbol).returns
    assert np.mean([autocorrelation(np.abs(returns), lag) for lag in range(1, 11)]) > 0.1
    assert abs(autocorrelation(returns, 5)) < 0.15


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_arrivals_cluster(symbol: str) -> None:
    seconds = quiet(symbol).seconds[600:1_200]
    by_five = seconds.reshape(-1, 5).sum(axis=1)
    assert by_five.var() / by_five.mean() > 1.2, "a Poisson process has a Fano factor of 1"


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_both_sides_trade_about_as_much_and_in_runs(symbol: str) -> None:
    day = quiet(symbol)
    assert 0.45 < day.buys.sum() / day.volume.sum() < 0.55
    imbalance = 2 * day.buys / day.volume - 1
    assert autocorrelation(imbalance, 1) > 0.05
    busy = day.trades >= 20
    assert (np.abs(imbalance[busy]) >= 0.9).mean() < 0.001, "one-sided minutes are put in, not usual"


def test_symbols_move_together() -> None:
    returns = np.array([quiet(symbol).returns for symbol in DEFAULT_SYMBOLS])
    correlations = np.corrcoef(returns)[np.triu_indices(len(DEFAULT_SYMBOLS), 1)]
    assert correlations.min() > 0.4
    assert correlations.max() < 0.95


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_volatility_is_about_what_the_instrument_says(symbol: str) -> None:
    days = [quiet(symbol, seed) for seed in (1, 2, 3)]
    realised = np.sqrt(np.mean([(day.returns**2).sum() for day in days]))
    from barograph.simulator import INSTRUMENTS

    assert 0.5 < realised / INSTRUMENTS[symbol].volatility < 2.0


def test_natural_volume_spikes_are_rare() -> None:
    scores = np.concatenate(
        [spike_scores(quiet(symbol, seed).volume) for symbol in DEFAULT_SYMBOLS for seed in (1, 2, 3)]
    )
    share = (scores > 3).mean()
    assert 0 < share < 0.002, f"{share:.2%} of the quiet minutes look like spikes"


def test_natural_spread_blowouts_are_none() -> None:
    for symbol in DEFAULT_SYMBOLS:
        spread = quiet(symbol).spread
        usual = np.array([np.median(spread[n - 60 : n]) for n in range(60, DAY)])
        assert (spread[60:] / usual).max() < 4


def test_stocks_are_u_shaped_and_rest_at_night() -> None:
    day = quiet("AAPL")
    open_, close = 13 * 60 + 30, 20 * 60
    assert day.trades[:open_].sum() == day.trades[close:].sum() == 0
    thirds = day.trades[open_:close].reshape(3, -1).sum(axis=1)
    assert thirds[0] > 1.2 * thirds[1]
    assert thirds[2] > 1.2 * thirds[1]
    assert day.trades[open_ : open_ + 10].mean() > 2 * day.trades[open_ + 180 : open_ + 210].mean()


def test_stocks_rest_on_saturdays_and_follow_summer_time() -> None:
    saturday_us = START_US + 2 * DAY * MINUTE_US
    market = Market(1, ["SPY"], start_us=saturday_us, minutes=DAY)
    assert all(len(block[0].trades.ts_us) == 0 for block in market.blocks())
    winter_us = 1_705_449_600_000_000  # 2024-01-17
    trades = day_of(Market(1, ["SPY"], start_us=winter_us, disturbed=False), "SPY").trades
    assert trades[: 14 * 60 + 30].sum() == 0
    assert trades[14 * 60 + 30] > 0
