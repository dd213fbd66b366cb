"""An array from outside: one digit a bar says what is held during the next."""

from __future__ import annotations

import numpy as np

from barograph.errors import UsageError
from barograph.rows import Floats
from barograph.strategies.families.family import Family, Parameter, Params
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Condition, Indicator, Rules
from barograph.strategies.strategy import Strategy

_SIGNAL = Indicator("signal", 0)

HOLD = Rules(
    enter_long=(Condition(_SIGNAL, "above", 0.5),),
    exit_long=(Condition(_SIGNAL, "below", 0.5),),
    enter_short=(Condition(_SIGNAL, "below", -0.5),),
    exit_short=(Condition(_SIGNAL, "above", -0.5),),
    level=True,
)
"""Hold what the array says: 1 long, 0 flat, -1 short; NaN: go on as before."""


def _rules(params: Params) -> Rules:  # noqa: ARG001
    return HOLD


def _refuse(params: Params) -> str:
    digits = str(params["signals"])
    wrong = digits.strip("01-")
    if not wrong:
        return ""
    return f"signals has {wrong[0]!r} at place {digits.index(wrong[0])}, not 0 (flat), 1 (long) or - (short)"


def digits(values: object) -> str:
    """The parameter for an array of 0, 1 and -1.

    Raises:
        UsageError: another value.

    >>> digits([0, 1, 1, -1])
    '011-'
    """
    array = np.asarray(values, dtype=np.float64)
    wrong = np.flatnonzero(~np.isin(array, (-1.0, 0.0, 1.0)))
    if array.ndim != 1 or len(wrong):
        found = f"{array[wrong[0]]} at place {wrong[0]}" if array.ndim == 1 else f"shape {array.shape}"
        raise UsageError(f"signals must be one row of 0 (flat), 1 (long) and -1 (short), not {found}")
    return (
        np.array([ord("-"), ord("0"), ord("1")], dtype=np.uint8)[array.astype(np.int64) + 1]
        .tobytes()
        .decode()
    )


def _external(strategy: Strategy, bars: Prices, first: int) -> Floats:
    text = str(strategy.params["signals"])[first : first + len(bars)]
    codes = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    values = np.zeros(len(bars))
    values[: len(codes)] = np.where(codes == ord("-"), -1.0, codes == ord("1"))
    return values


SIGNALS = Family(
    name="signals",
    about="holds during the next bar what this bar's digit says: 1 long, 0 flat, - short; flat when they end",
    parameters=(Parameter("signals", "one digit a bar, from the first bar of the data", None, kind="text"),),
    rules=_rules,
    refuse=_refuse,
    external=_external,
    drawable=False,
    usual=False,
)
