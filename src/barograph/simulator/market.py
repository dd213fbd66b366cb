"""The simulated market: a seed and a few symbols give the same days for ever.

It is made in blocks of ten minutes, counted from its start. Each block, symbol and purpose
has random numbers of its own, drawn from the seed and those names; so neither the number of
minutes asked for, nor the size of the batches, nor which other symbols there are changes
what a symbol does (its labels apart, since they are dealt among the symbols).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar
from zlib import crc32

import numpy as np

from barograph.clock import MINUTE_US, from_us
from barograph.errors import UsageError
from barograph.rows import Floats, Ints
from barograph.simulator.climate import (
    Regime,
    Waves,
    bursts,
    own_levels,
    regime_activity,
    regime_levels,
    waves,
)
from barograph.simulator.flow import SECONDS, FlowState, Minutes, Quotes, Trades, advance
from barograph.simulator.instruments import DEFAULT_SYMBOLS, Instrument, instruments
from barograph.simulator.labels import Label, plan
from barograph.simulator.sessions import activity

BLOCK_MINUTES = 10
WINDOW_MINUTES = 1_440
"""Labels are dealt for so many minutes at a time: a day."""
_DAY_MINUTES = 1_440
_SPREAD_OF_VOLATILITY = 0.35
_NIGHT = 0.2
"""Volatility while closed, as a share of that while open."""
_FASTEST = 1_000.0
_LATENCY_NS, _LATENCY_SPREAD = 6_000_000.0, 0.4


R = TypeVar("R", Trades, Quotes)


@dataclass(frozen=True, slots=True)
class Symbol:
    """What one instrument did in one block."""

    instrument: Instrument
    trades: Trades
    quotes: Quotes


@dataclass(slots=True)
class Actor:
    """An instrument on its way through the market."""

    instrument: Instrument
    waves: Waves
    flow: FlowState
    log_level: float = 0.0


class Market:
    """A market with several symbols, from ``start_us`` for ``minutes``.

    Args:
        seed: everything random comes from it.
        symbols: of :data:`~barograph.simulator.instruments.INSTRUMENTS`.
        start_us: where it begins, a whole minute.
        minutes: how long it lasts; None is for ever.
        rate: times the usual number of trades and quotes.
        disturbed: whether anomalies are put in.

    Raises:
        UsageError: an argument outside its bounds.

    >>> market = Market(7, ["BTC-USD"], start_us=1_723_075_200_000_000, minutes=10)
    >>> [block] = market.blocks()
    >>> block[0].trades.number[:3].tolist()
    [1, 2, 3]
    """

    def __init__(
        self,
        seed: int,
        symbols: Sequence[str] = DEFAULT_SYMBOLS,
        *,
        start_us: int,
        minutes: int | None = WINDOW_MINUTES,
        rate: float = 1.0,
        disturbed: bool = True,
    ) -> None:
        if seed < 0:
            raise UsageError(f"seed is {seed}; it must not be negative")
        if start_us % MINUTE_US:
            raise UsageError(f"a market begins at {from_us(start_us)}; it must begin at a whole minute")
        if minutes is not None and minutes < 1:
            raise UsageError(f"minutes is {minutes}; a market lasts for one at least")
        if not 0 < rate <= _FASTEST:
            raise UsageError(f"rate is {rate}; it must lie between 0 and {_FASTEST:g}")
        self.seed = seed
        self.instruments = instruments(symbols)
        self.start_us = start_us
        self.minutes = minutes
        self.rate = rate
        self.disturbed = disturbed
        self._dealt: tuple[int, list[Label]] = (-1, [])

    def labels(self, minutes: int | None = None) -> list[Label]:
        """The disturbances of the market, or of its first ``minutes``, in the order of time.

        Raises:
            UsageError: the market goes on for ever and ``minutes`` is not given.
        """
        asked = minutes if minutes is not None else self.minutes
        if asked is None:
            raise UsageError("a market without an end has no list of all labels; say for how many minutes")
        windows = range(math.ceil(asked / WINDOW_MINUTES))
        end_us = self.start_us + asked * MINUTE_US
        return [label for n in windows for label in self._labels_of_window(n) if label.end_us <= end_us]

    def labels_around(self, number: int) -> list[Label]:
        """The disturbances of the day, counted from the start, that minute ``number`` is in."""
        window = number // WINDOW_MINUTES
        if self._dealt[0] != window:
            self._dealt = (window, self._labels_of_window(window))
        return self._dealt[1]

    def _labels_of_window(self, window: int) -> list[Label]:
        if not self.disturbed:
            return []
        first = window * WINDOW_MINUTES
        lasts = WINDOW_MINUTES if self.minutes is None else min(WINDOW_MINUTES, self.minutes - first)
        start_us = self.start_us + first * MINUTE_US
        return plan(self._rng("labels", window), self.instruments, start_us, lasts)

    def blocks(self) -> Iterator[list[Symbol]]:
        """Block after block from the start, each with every symbol's trades and quotes."""
        regime, labels = Regime(), list[Label]()
        actors = [self.actor(instrument) for instrument in self.instruments]
        block = 0
        while self.minutes is None or block * BLOCK_MINUTES < self.minutes:
            window, begun = divmod(block * BLOCK_MINUTES, WINDOW_MINUTES)
            if not begun:
                labels = self._labels_of_window(window)
            yield self._block(block, regime, actors, labels)
            block += 1

    def minute(self, number: int, actor: Actor, regime: Regime) -> Symbol:
        """What one instrument does in minute ``number``, whoever else is traded; moves its state on.

        For a market that is left and joined again (:mod:`.courses`). Minutes that are made one by one are
        of the same kind as those of :meth:`blocks`, not the same.
        """
        rng = self._rng("minute", number)
        levels = regime_levels(regime, rng, 1)
        common = rng.standard_normal(SECONDS)
        own = self._rng("symbol's minute", number, actor.instrument)
        labels = self.labels_around(number)
        minutes = self._minutes((number, 1), actor, levels, labels, own)
        return Symbol(actor.instrument, *advance(actor.flow, actor.instrument, minutes, common, own))

    def actor(self, instrument: Instrument) -> Actor:
        """``instrument`` as it begins."""
        rng = self._rng("waves", 0, instrument)
        return Actor(instrument, waves(rng), FlowState(math.log(instrument.price)))

    def _block(self, block: int, regime: Regime, actors: list[Actor], labels: list[Label]) -> list[Symbol]:
        rng = self._rng("market", block)
        levels = regime_levels(regime, rng, BLOCK_MINUTES)
        common = rng.standard_normal(BLOCK_MINUTES * SECONDS)
        symbols = []
        for actor in actors:
            own = self._rng("symbol", block, actor.instrument)
            stretch = (block * BLOCK_MINUTES, BLOCK_MINUTES)
            minutes = self._minutes(stretch, actor, levels, labels, own)
            trades, quotes = advance(actor.flow, actor.instrument, minutes, common, own)
            symbols.append(Symbol(actor.instrument, self._until_end(trades), self._until_end(quotes)))
        return symbols

    def _until_end(self, rows: R) -> R:
        """``rows`` before the market's end; the last block is made whole, so that its rows stay the same."""
        if self.minutes is None:
            return rows
        kept = slice(int(np.searchsorted(rows.ts_us, self.start_us + self.minutes * MINUTE_US)))
        return type(rows)(*(getattr(rows, field.name)[kept] for field in fields(rows)))

    def _minutes(
        self,
        stretch: tuple[int, int],
        actor: Actor,
        levels: Floats,
        labels: list[Label],
        rng: np.random.Generator,
    ) -> Minutes:
        """What governs an instrument's minutes: climate, session, and labels on top.

        ``stretch`` is the first minute since the start, and how many.
        """
        instrument, (first, count) = actor.instrument, stretch
        start_us = self.start_us + first * MINUTE_US
        own, actor.log_level = own_levels(actor.log_level, rng, count)
        session = activity(instrument.new_york, start_us, count)
        excitement = levels * own
        swell = actor.waves.at(first + np.arange(count, dtype=np.float64))
        usual = instrument.trades * self.rate * session * swell * regime_activity(levels)
        sigma = instrument.volatility / math.sqrt(open_minutes(instrument))
        waking = np.where(session > 0, np.sqrt(session), _NIGHT)
        minutes = Minutes(
            start_us=start_us,
            sigma=sigma * excitement * waking,
            beta=np.full(count, instrument.beta),
            trades=usual * bursts(rng, count),
            spread=instrument.spread * excitement**_SPREAD_OF_VOLATILITY,
            buys=np.full(count, np.nan),
            jump=np.zeros(count),
            silent=np.zeros(count, dtype=np.bool_),
        )
        for label in labels:
            if label.symbol == instrument.symbol:
                _disturb(minutes, label, usual, sigma)
        return minutes

    def latencies(self, block: int, n: int) -> Ints:
        """Nanoseconds from the venue to us for each of the ``n`` frames of a block."""
        spread = self._rng("latency", block).standard_normal(n)
        return (_LATENCY_NS * np.exp(_LATENCY_SPREAD * spread)).astype(np.int64)

    def _rng(self, purpose: str, number: int, instrument: Instrument | None = None) -> np.random.Generator:
        """The random numbers for one purpose."""
        name = f"{purpose} {instrument.symbol if instrument else ''}"
        entropy = [self.seed, crc32(name.encode()), number]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def open_minutes(instrument: Instrument) -> int:
    """For how many minutes of a day of trading it is traded."""
    return 390 if instrument.new_york else _DAY_MINUTES


def _disturb(minutes: Minutes, label: Label, usual: Floats, sigma: float) -> None:
    """Put ``label`` into those of ``minutes`` that it covers.

    ``usual`` are the expected trades without bursts, ``sigma`` a usual minute's volatility.
    """
    at = minutes.start_us + np.arange(len(minutes)) * MINUTE_US
    covered = (at >= label.start_us) & (at < label.end_us)
    if label.kind == "volume_spike":
        minutes.trades[covered] = usual[covered] * label.magnitude
    elif label.kind == "price_jump":
        # A calm moment's own volatility would make a jump that the hour before hides.
        minutes.jump[covered] += label.magnitude * np.maximum(minutes.sigma[covered], sigma)
    elif label.kind == "spread_blowout":
        minutes.spread[covered] *= label.magnitude
    elif label.kind == "one_sided_flow":
        minutes.buys[covered] = label.magnitude if label.magnitude > 0 else 1 + label.magnitude
        minutes.trades[covered] = usual[covered]
    elif label.kind == "correlation_break":
        minutes.beta[covered] *= label.magnitude
    elif label.kind == "stale":
        minutes.silent[covered] = True
