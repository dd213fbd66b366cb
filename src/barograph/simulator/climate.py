"""How excited the market is, minute by minute: what all of its instruments share and what each has alone.

Volatility is the product of a regime of the whole market (calm, normal or stormy, a Markov
chain whose steps are smoothed) and of each instrument's own stochastic volatility (an
autoregression of its logarithm, Taylor 1986). That gives returns their fat tails and
volatility its clusters.

Trading comes in bursts: each minute's rate is half or one and a half times the usual, by the
toss of a coin (a Poisson process modulated by two states), on top of slow waves and the
regime's share. That is bounded on purpose. Were the rate heavy-tailed, or constant, volumes
would cross three standard deviations of the hour before by themselves many times a day:
even independent Gaussian volumes do so three times, judged by a window of 60. So here it
is about once a day and symbol, and what a rule reports is mostly what was put in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barograph.rows import Floats

_LEVELS = np.array([0.65, 1.0, 1.9])
_ACTIVITY_SHARE = 0.15
_STAY = np.array([59 / 60, 49 / 50, 19 / 20])
"""Chance to stay in a regime for another minute: they last 60, 50 and 20 minutes on average."""
_SMOOTHING = 0.25
_PERSISTENCE, _SPREAD_OF_LOG = 0.97, 0.25
_WAVES = ((0.10, 50.0, 90.0), (0.03, 20.0, 40.0))
"""Amplitude, shortest and longest period in minutes."""
_BURST = 0.5


@dataclass(slots=True)
class Regime:
    """The market's regime (0 calm, 1 normal, 2 stormy) and its smoothed logarithmic level."""

    now: int = 1
    log_level: float = 0.0


def regime_levels(state: Regime, rng: np.random.Generator, minutes: int) -> Floats:
    """The market's volatility for each of the next ``minutes``, 1 when normal."""
    draws = rng.random((minutes, 2))
    levels = np.empty(minutes)
    for n in range(minutes):
        if draws[n, 0] > _STAY[state.now]:
            others = [regime for regime in range(3) if regime != state.now]
            state.now = others[int(draws[n, 1] * 2)]
        state.log_level += _SMOOTHING * (float(np.log(_LEVELS[state.now])) - state.log_level)
        levels[n] = np.exp(state.log_level)
    return levels


def own_levels(log_level: float, rng: np.random.Generator, minutes: int) -> tuple[Floats, float]:
    """An instrument's own volatility for each of the next ``minutes``, and the logarithm to go on from."""
    shocks = rng.standard_normal(minutes) * _SPREAD_OF_LOG * np.sqrt(1 - _PERSISTENCE**2)
    levels = np.empty(minutes)
    for n in range(minutes):
        log_level = _PERSISTENCE * log_level + float(shocks[n])
        levels[n] = np.exp(log_level)
    return levels, log_level


@dataclass(frozen=True, slots=True)
class Waves:
    """An instrument's waves of activity: amplitudes, periods in minutes and phases in turns."""

    amplitude: Floats
    period: Floats
    phase: Floats

    def at(self, minutes: Floats) -> Floats:
        """How busy it is at ``minutes`` since the market began, 1 on average."""
        turns = minutes[:, None] / self.period + self.phase
        busy: Floats = 1 + (self.amplitude * np.sin(2 * np.pi * turns)).sum(axis=1)
        return busy


def waves(rng: np.random.Generator) -> Waves:
    """Waves with periods and phases drawn from ``rng``."""
    shape = np.array(_WAVES)
    return Waves(shape[:, 0], rng.uniform(shape[:, 1], shape[:, 2]), rng.random(len(_WAVES)))


def bursts(rng: np.random.Generator, minutes: int) -> Floats:
    """For each minute whether trading bursts or pauses, as a factor, 1 on average."""
    busy: Floats = np.where(rng.random(minutes) < 0.5, 1 - _BURST, 1 + _BURST)
    return busy


def regime_activity(levels: Floats) -> Floats:
    """How much busier a regime makes the market: a storm somewhat, a calm somewhat less."""
    busier: Floats = levels**_ACTIVITY_SHARE
    return busier
