"""The same study on prices without a pattern: how good does the best strategy look there?

Prices are made from the real ones by randomising the phases of the log returns' Fourier transform
(Theiler, Eubank, Longtin, Galdrikian and Farmer 1992). Kept: their mean (so the same first and last
close), their variance, and all linear autocorrelations. Gone: everything else, such as patterns in the
order of moves, clustered volatility, and fat tails (the returns become close to normal). A strategy
that lives on linear autocorrelation alone is as good there, and this test does not speak against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from barograph.errors import DataError, UsageError
from barograph.research.outcome import NoiseTest
from barograph.rows import Floats, Ints
from barograph.strategies.prices import Prices

_LEAST_BARS = 16


def noise_test(
    prices: Prices,
    study_once: Callable[[Prices], float],
    *,
    metric: str,
    repetitions: int = 50,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> NoiseTest:
    """Run the same study on the real prices and on ``repetitions`` sets of noise.

    Args:
        study_once: from prices to the metric of the best strategy; it must do all that the study did,
            selecting included. NaN counts as worse than any number.
        metric: its name.
        repetitions: R; the least p-value is 1 / (R + 1).
        seed: the same seed gives the same noise, whatever the order it is asked for in.
        progress: called with how many are done.

    Raises:
        UsageError: fewer than one repetition.
        DataError: see ``noise_prices``.
    """
    if repetitions < 1:
        raise UsageError(f"{repetitions} repetitions of the noise test; at least 1 is needed, better 20")
    real = study_once(prices)
    noise = np.empty(repetitions)
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(repetitions)):
        noise[i] = study_once(noise_prices(prices, np.random.default_rng(child)))
        if progress is not None:
            progress(i + 1)
    as_good = repetitions if math.isnan(real) else int(np.count_nonzero(noise >= real))
    return NoiseTest(metric, real, noise, (1 + as_good) / (repetitions + 1))


def phase_randomised(values: Floats, rng: np.random.Generator) -> Floats:
    """A series with the amplitudes of ``values``' spectrum and phases that chance gives.

    Mean, variance and circular autocorrelations stay as they are.

    Args:
        values: (n,), none NaN.
    """
    n = len(values)
    spectrum = np.fft.rfft(values)
    turns = np.exp(2j * math.pi * rng.random(len(spectrum)))
    turns[0] = 1.0  # the mean
    if n % 2 == 0:
        turns[-1] = 1.0 if rng.random() < 0.5 else -1.0  # the highest frequency has no phase, only a sign
    made: Floats = np.fft.irfft(spectrum * turns, n)
    return made


@dataclass(frozen=True, slots=True)
class _Shapes:
    """What bars look like, apart from where they are: logs relative to the close before or the bar's body."""

    move: Floats
    gap: Floats
    above: Floats
    below: Floats
    execution: Floats
    volume: Floats
    spread: Floats

    def take(self, rows: Ints) -> _Shapes:
        return _Shapes(*(getattr(self, name)[rows] for name in self.__slots__))


def noise_prices(prices: Prices, rng: np.random.Generator) -> Prices:
    """Bars at the same times whose closes follow phase-randomised log returns.

    Each bar takes the shape of a real bar (gap from the close before to the open, wicks, volume,
    ``exec_price``, spread): the bar with the k-th largest new return that of the bar with the k-th largest
    real one, so every real shape is used once, and moves, gaps and ranges fit together as they did. The first
    bar and unknown bars stay as and where they are; steps over unknown bars count as one.

    Raises:
        DataError: fewer than 16 known bars.
    """
    known = np.flatnonzero(np.isfinite(prices.close))
    if len(known) < _LEAST_BARS:
        raise DataError(
            f"{prices.symbol}: {len(known)} known bars are too few for noise; {_LEAST_BARS} are needed"
        )
    shapes = _shapes(prices, known)
    move = phase_randomised(shapes.move, rng)
    ranked = np.empty(len(move), dtype=np.int64)
    ranked[np.argsort(move, kind="stable")] = np.argsort(shapes.move, kind="stable")
    return _rebuilt(prices, known, move, shapes.take(ranked))


def _shapes(prices: Prices, known: Ints) -> _Shapes:
    now, before = known[1:], known[:-1]
    last = prices.close[before]
    open_, high, low, close = (getattr(prices, name)[now] for name in ("open", "high", "low", "close"))
    return _Shapes(
        move=np.log(close / last),
        gap=np.log(open_ / last),
        above=np.log(high / np.maximum(open_, close)),
        below=np.log(np.minimum(open_, close) / low),
        execution=np.log(prices.fill_price[now] / last),
        volume=prices.volume[now],
        spread=np.full(len(now), np.nan) if prices.spread is None else prices.spread[now] / last,
    )


def _rebuilt(prices: Prices, known: Ints, move: Floats, shapes: _Shapes) -> Prices:
    now = known[1:]
    close = prices.close[known[0]] * np.exp(np.cumsum(move))
    last = np.concatenate([prices.close[known[:1]], close[:-1]])
    open_ = last * np.exp(shapes.gap)
    high = np.maximum(open_, close) * np.exp(shapes.above)
    low = np.minimum(open_, close) * np.exp(-shapes.below)
    made = {"open": open_, "high": high, "low": low, "close": close, "volume": shapes.volume}
    if prices.exec_price is not None:
        made["exec_price"] = np.clip(last * np.exp(shapes.execution), low, high)
    if prices.spread is not None:
        made["spread"] = last * shapes.spread
    columns = {name: getattr(prices, name).copy() for name in made}
    for name, values in made.items():
        columns[name][now] = values
    return replace(prices, **columns)
