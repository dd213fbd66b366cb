"""What a family says about the market: conditions on indicators, nothing else.

Conditions are data, so that one kernel trades every family: for 100,000 strategies at once in a
sweep, and bar by bar in live operation.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Indicator(NamedTuple):
    """A column that looks back from the close of a bar: its kind and its windows, in bars.

    Kinds, with what ``a``, ``b``, ``c`` are:

    - ``close`` (the close itself), ``sma`` (a), ``ema`` (a: span), ``rsi`` (a: Wilder's),
      ``zscore`` (a: (close - mean) / sample std of the last a closes, this one included),
    - ``highest`` and ``lowest`` (a: of the highs and lows of the a bars *before* this one),
    - ``change`` (a: close / close a bars before - 1),
    - ``drawdown`` (a: close / highest close of the last a - 1),
      ``rise`` (a: close / lowest close of the last a - 1),
    - ``macd`` (a: fast, b: slow) and ``macd_signal`` (a, b, c: its span),
    - ``volatility`` (a: sample std of the last a log returns),
    - ``signal`` (a: number of the external array, one value a bar).
    """

    kind: str
    a: int = 0
    b: int = 0
    c: int = 0


class Condition(NamedTuple):
    """``x - y`` above or below ``level``; without ``y`` it is ``x`` itself. Never true where one is NaN."""

    x: Indicator
    is_: Literal["above", "below"]
    level: float = 0.0
    y: Indicator | None = None


class Rules(NamedTuple):
    """When positions are taken and left. All conditions of a tuple must be true at the close of a bar.

    Entries are *fresh*: the entry must have been false (all its columns known) on an earlier bar since the
    last entry by it, so that nobody buys again on the old signal right after a stop. ``level`` entries
    (external arrays) need not be: the array says what is held.

    Attributes:
        enter_long, enter_short: empty where the side is not offered.
        exit_long, exit_short: empty: only a stop, a target or the other side ends it.
        level: entries need not be fresh.
    """

    enter_long: tuple[Condition, ...] = ()
    exit_long: tuple[Condition, ...] = ()
    enter_short: tuple[Condition, ...] = ()
    exit_short: tuple[Condition, ...] = ()
    level: bool = False
