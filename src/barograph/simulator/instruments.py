"""What is traded in the simulated market: invented instruments with familiar names."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from barograph.errors import UsageError


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument.

    Attributes:
        price: where its middle price begins.
        decimals: of prices; a tick is one unit of the last of them.
        size_decimals: of sizes; a lot is one unit of the last of them.
        size: mean size of a trade.
        volatility: standard deviation of a day's log return in a normal market.
        beta: correlation of its returns with the market's.
        trades: a minute, on average while it is traded.
        spread: usual distance from bid to ask in ticks.
        new_york: traded from 09:30 to 16:00 in New York only; else around the clock.
    """

    symbol: str
    price: float
    decimals: int
    size_decimals: int
    size: float
    volatility: float
    beta: float
    trades: float
    spread: float
    new_york: bool = False


_KNOWN = (
    Instrument("BTC-USD", 64_000.0, 2, 5, 0.08, 0.026, 0.85, 64.0, 1_100.0),
    Instrument("ETH-USD", 3_400.0, 2, 4, 1.1, 0.032, 0.85, 52.0, 66.0),
    Instrument("SOL-USD", 150.0, 3, 3, 12.0, 0.042, 0.80, 42.0, 36.0),
    Instrument("XRP-USD", 0.62, 5, 1, 1_800.0, 0.040, 0.75, 38.0, 16.0),
    Instrument("DOGE-USD", 0.125, 6, 0, 9_000.0, 0.046, 0.75, 36.0, 34.0),
    Instrument("ADA-USD", 0.41, 5, 1, 2_400.0, 0.042, 0.80, 34.0, 11.0),
    Instrument("AAPL", 228.0, 2, 0, 90.0, 0.015, 0.70, 90.0, 5.0, new_york=True),
    Instrument("MSFT", 415.0, 2, 0, 70.0, 0.014, 0.75, 80.0, 9.0, new_york=True),
    Instrument("NVDA", 126.0, 2, 0, 140.0, 0.028, 0.75, 110.0, 3.0, new_york=True),
    Instrument("SPY", 560.0, 2, 0, 110.0, 0.009, 0.90, 110.0, 12.0, new_york=True),
)

INSTRUMENTS = {instrument.symbol: instrument for instrument in _KNOWN}
"""Every instrument by its symbol."""

DEFAULT_SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "DOGE-USD", "ADA-USD")


def instruments(symbols: Sequence[str]) -> tuple[Instrument, ...]:
    """The instruments of ``symbols``.

    Raises:
        UsageError: none or one twice, or one that is not simulated; the message has the list.
    """
    if not symbols or len(set(symbols)) < len(symbols):
        raise UsageError(f"a market needs symbols, each once; these are {', '.join(symbols) or 'none'}")
    for symbol in symbols:
        if symbol not in INSTRUMENTS:
            near = difflib.get_close_matches(symbol, INSTRUMENTS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"{symbol!r} is not simulated; {hint}There are: {', '.join(INSTRUMENTS)}")
    return tuple(INSTRUMENTS[symbol] for symbol in symbols)
