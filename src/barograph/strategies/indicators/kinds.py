"""The kinds of indicators: their numbers in the compiled table, and how far they look back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from barograph.errors import UsageError
from barograph.rows import Ints
from barograph.strategies.rules import Indicator

KINDS = (
    "close",
    "sma",
    "ema",
    "rsi",
    "zscore",
    "highest",
    "lowest",
    "change",
    "drawdown",
    "rise",
    "macd",
    "macd_signal",
    "volatility",
    "signal",
)
"""Every kind; its place is its number."""

(
    CLOSE,
    SMA,
    EMA,
    RSI,
    ZSCORE,
    HIGHEST,
    LOWEST,
    CHANGE,
    DRAWDOWN,
    RISE,
    MACD,
    MACD_SIGNAL,
    VOLATILITY,
    SIGNAL,
) = range(len(KINDS))

_WINDOWS = {"macd": 2, "macd_signal": 3, "close": 0, "signal": 0}
"""How many windows a kind has; others have one."""

_RECURSIVE = ("ema", "rsi", "macd", "macd_signal")

_REACH = {"sma": -1, "zscore": -1, "drawdown": -1, "rise": -1, "volatility": -1}
"""Bars that must be kept beside the window itself; this bar is part of most windows."""


def checked(indicator: Indicator) -> Indicator:
    """``indicator``, if there is such a thing.

    Raises:
        UsageError: its kind is unknown, a window is not above 0, a number is given that means nothing.
    """
    kind = indicator.kind
    if kind not in KINDS:
        raise UsageError(f"there is no indicator {kind!r}; there are {', '.join(KINDS)}")
    windows = indicator[1:]
    used, least = _WINDOWS.get(kind, 1), 2 if kind in ("zscore", "volatility") else 1
    if min(windows[:used], default=least) < least:
        raise UsageError(f"{kind} has windows {windows[:used]}; a window is at least {least} bars")
    if any(windows[max(used, kind == "signal") :]) or indicator.a < 0:
        raise UsageError(f"{kind} takes {used} windows, not {windows}")
    if used > 1 and indicator.a >= indicator.b:
        raise UsageError(f"{kind} has windows {windows[:2]}; the first must be below the second")
    return indicator


def kept(indicator: Indicator) -> int:
    """How many bars before this one must be kept to compute it; a recursion keeps none."""
    if indicator.kind in ("close", "signal", *_RECURSIVE):
        return 0
    return indicator.a + _REACH.get(indicator.kind, 0)


def warm_up(indicator: Indicator) -> int:
    """How many known bars come before the first that has a value.

    >>> warm_up(Indicator("sma", 20)), warm_up(Indicator("macd_signal", 12, 26, 9))
    (19, 33)
    """
    kind, a, b, c = indicator
    if kind in ("rsi", "volatility"):
        return a
    if kind == "ema":
        return a - 1
    if kind == "macd":
        return b - 1
    if kind == "macd_signal":
        return b + c - 2
    return kept(indicator)


def encoded(wanted: Sequence[Indicator]) -> Ints:
    """(K, 4) numbers: kind, a, b, c."""
    rows = [(KINDS.index(kind), a, b, c) for kind, a, b, c in map(checked, wanted)]
    return np.array(rows, dtype=np.int64).reshape(-1, 4)
