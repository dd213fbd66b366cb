"""One instrument's trades and quotes over a few minutes, made as columns.

- The **middle price** moves every second: a share (beta) of the market's common shock and
  one of its own, times the minute's volatility; between seconds it goes straight.
- **Trades arrive in clusters**: ancestors as a Poisson process, each with a Poisson number of
  followers after exponential delays. That is a Hawkes process (Hawkes 1971) cut off after
  the first generation, a Neyman-Scott process; a third of all trades are followers.
- **Sides are autocorrelated** (Lillo and Farmer 2004): the chance that a trade is a buy
  follows a slow autoregression, and leans the way in which the price is moving.
- **Quotes** are a Poisson process around the middle price, a spread of at least one tick,
  wider when volatility is high. A trade is done at the last quote's ask or bid.

Times are microseconds, prices ticks, sizes lots: integers, so that the wire has them exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from barograph.clock import MINUTE_US, US_PER_S
from barograph.rows import Floats, Ints, Mask
from barograph.simulator.instruments import Instrument

SECONDS = 60
FOLLOWERS = 0.5
"""Followers of each ancestor on average."""
_FOLLOW_S = 1.5
QUOTES_A_TRADE = 1.6
"""Quotes for each trade on average."""
_FLOW_MEMORY = 0.97
_FLOW_LEAN, _PRICE_LEAN = 0.20, 0.08
_SIZE_SPREAD, _DEPTH_SPREAD, _WIDTH_SPREAD = 0.45, 0.9, 0.15
_DEPTH = 4.0
"""Mean size of a quote in mean sizes of a trade."""


@dataclass(frozen=True, slots=True)
class Minutes:
    """What governs each of the minutes to come; arrays of shape (minutes,).

    Attributes:
        start_us: where the first begins.
        sigma: standard deviation of the minute's log return.
        beta: correlation with the common shock.
        trades: expected trades; 0 while closed.
        spread: expected ticks from bid to ask.
        buys: share of trades that buy, NaN where it is left to the flow.
        jump: log return that happens at once, in the minute's seventh second.
        silent: nothing comes.
    """

    start_us: int
    sigma: Floats
    beta: Floats
    trades: Floats
    spread: Floats
    buys: Floats
    jump: Floats
    silent: Mask

    def __len__(self) -> int:
        return len(self.sigma)


@dataclass(frozen=True, slots=True)
class Trades:
    """``side`` is the aggressor's: +1 or -1. ``number`` counts from 1 without holes."""

    ts_us: Ints
    number: Ints
    price: Ints
    size: Ints
    side: Ints


@dataclass(frozen=True, slots=True)
class Quotes:
    """``number`` counts from 1 without holes."""

    ts_us: Ints
    number: Ints
    bid: Ints
    bid_size: Ints
    ask: Ints
    ask_size: Ints


@dataclass(slots=True)
class FlowState:
    """What an instrument remembers from one block to the next."""

    log_middle: float
    flow: float = 0.0
    open: bool = False
    bid: int = 0
    ask: int = 0
    trades: int = 0
    quotes: int = 0
    followers_us: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def advance(
    state: FlowState, instrument: Instrument, minutes: Minutes, common: Floats, rng: np.random.Generator
) -> tuple[Trades, Quotes]:
    """The next minutes' trades and quotes. ``common`` is the market's shock of every second."""
    middle, shocks = _middle(state, minutes, common, rng)
    quotes = _quotes(state, instrument, minutes, middle, rng)
    trades = _trades(state, instrument, minutes, shocks, quotes, rng)
    if len(quotes.bid):
        state.bid, state.ask = int(quotes.bid[-1]), int(quotes.ask[-1])
    state.log_middle = float(middle[-1])
    state.open = bool(minutes.trades[-1] > 0)
    return trades, quotes


def _middle(
    state: FlowState, minutes: Minutes, common: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Log middle price at the ends of all seconds, its start first; and the shocks in sigmas."""
    beta = np.repeat(minutes.beta, SECONDS)
    shocks = beta * common + np.sqrt(1 - beta**2) * rng.standard_normal(len(common))
    moves = shocks * np.repeat(minutes.sigma / np.sqrt(SECONDS), SECONDS)
    moves[7::SECONDS] += minutes.jump
    middle = np.empty(len(moves) + 1)
    middle[0] = state.log_middle
    np.cumsum(moves, out=middle[1:])
    middle[1:] += state.log_middle
    return middle, shocks


def _poisson_times(rate: Floats, start_us: int, rng: np.random.Generator) -> Ints:
    """Times of a Poisson process with ``rate`` a minute, sorted."""
    counts = rng.poisson(np.repeat(rate / SECONDS, SECONDS))
    second = np.repeat(np.arange(len(counts)), counts)
    return np.sort(start_us + second * US_PER_S + rng.integers(0, US_PER_S, len(second)))


def _minute_of(ts_us: Ints, minutes: Minutes) -> Ints:
    return (ts_us - minutes.start_us) // MINUTE_US


def _heard(ts_us: Ints, minutes: Minutes) -> Ints:
    """Those of ``ts_us`` at which the instrument is traded and the venue is not silent."""
    minute = _minute_of(ts_us, minutes)
    return ts_us[(minutes.trades[minute] > 0) & ~minutes.silent[minute]]


def _quotes(
    state: FlowState, instrument: Instrument, minutes: Minutes, middle: Floats, rng: np.random.Generator
) -> Quotes:
    ts_us = _poisson_times(minutes.trades * QUOTES_A_TRADE, minutes.start_us, rng)
    open_ = minutes.trades > 0
    opens = open_ & ~np.concatenate(([state.open], open_[:-1]))
    at_open = minutes.start_us + np.flatnonzero(opens) * MINUTE_US
    ts_us = _heard(np.sort(np.concatenate((at_open, ts_us))), minutes)
    n = len(ts_us)
    since_us = ts_us - minutes.start_us
    second, fraction = since_us // US_PER_S, since_us % US_PER_S / US_PER_S
    log_middle = middle[second] + fraction * (middle[second + 1] - middle[second])
    in_ticks = np.exp(log_middle) * 10**instrument.decimals
    width = minutes.spread[_minute_of(ts_us, minutes)] * np.exp(_WIDTH_SPREAD * rng.standard_normal(n))
    ticks = np.maximum(np.rint(width), 1).astype(np.int64)
    bid = np.maximum(np.floor(in_ticks - ticks / 2), 1).astype(np.int64)
    sizes = _lots(instrument, _DEPTH, _DEPTH_SPREAD, 2 * n, rng)
    number = state.quotes + 1 + np.arange(n)
    state.quotes += n
    return Quotes(ts_us, number, bid, sizes[:n], bid + ticks, sizes[n:])


def _lots(instrument: Instrument, times: float, spread: float, n: int, rng: np.random.Generator) -> Ints:
    """Sizes in lots: lognormal with the instrument's mean size, ``times`` over, at least one lot."""
    mean = instrument.size * 10**instrument.size_decimals * times
    sizes = mean * np.exp(spread * rng.standard_normal(n) - spread**2 / 2)
    lots: Ints = np.maximum(np.rint(sizes), 1).astype(np.int64)
    return lots


def _trades(
    state: FlowState,
    instrument: Instrument,
    minutes: Minutes,
    shocks: Floats,
    quotes: Quotes,
    rng: np.random.Generator,
) -> Trades:
    ts_us = _arrivals(state, minutes, rng)
    last_quote = np.searchsorted(quotes.ts_us, ts_us, side="right") - 1
    bid = np.concatenate(([state.bid], quotes.bid))[last_quote + 1]
    ask = np.concatenate(([state.ask], quotes.ask))[last_quote + 1]
    if not state.ask:
        quoted = last_quote >= 0
        ts_us, bid, ask = ts_us[quoted], bid[quoted], ask[quoted]
    n = len(ts_us)
    second = (ts_us - minutes.start_us) // US_PER_S
    buys = rng.random(n) < _buying(state, minutes, shocks, rng)[second]
    number = state.trades + 1 + np.arange(n)
    state.trades += n
    size = _lots(instrument, 1.0, _SIZE_SPREAD, n, rng)
    return Trades(ts_us, number, np.where(buys, ask, bid), size, np.where(buys, 1, -1))


def _arrivals(state: FlowState, minutes: Minutes, rng: np.random.Generator) -> Ints:
    """Times of trades: ancestors and followers, also those whose ancestors came in an earlier block."""
    ancestors = _poisson_times(minutes.trades / (1 + FOLLOWERS), minutes.start_us, rng)
    born = rng.poisson(FOLLOWERS, len(ancestors))
    delays = rng.exponential(_FOLLOW_S * US_PER_S, int(born.sum())).astype(np.int64)
    followers = np.repeat(ancestors, born) + delays
    every = np.sort(np.concatenate((state.followers_us, ancestors, followers)))
    within = every < minutes.start_us + len(minutes) * MINUTE_US
    state.followers_us = every[~within]
    return _heard(every[within], minutes)


def _buying(state: FlowState, minutes: Minutes, shocks: Floats, rng: np.random.Generator) -> Floats:
    """The chance that a trade buys, for every second."""
    news = rng.standard_normal(len(shocks)) * np.sqrt(1 - _FLOW_MEMORY**2)
    flow = np.empty(len(shocks))
    now = state.flow
    for n, new in enumerate(news.tolist()):
        now = _FLOW_MEMORY * now + new
        flow[n] = now
    state.flow = now
    leaning = 0.5 + _FLOW_LEAN * np.tanh(flow) + _PRICE_LEAN * np.clip(shocks, -2, 2)
    forced = np.repeat(minutes.buys, SECONDS)
    return np.where(np.isnan(forced), leaning, forced)
