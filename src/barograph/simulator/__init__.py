"""A market of our own: seeded, as large as asked, with anomalies put in and labelled.

It looks like a market (fat tails, clusters of volatility and of arrivals, symbols that move
together) and sends frames in a wire format of its own, as a venue does; see
``docs/simulator.md``.

>>> from barograph.simulator import Market, frames
>>> market = Market(7, ["BTC-USD", "ETH-USD"], start_us=1_723_075_200_000_000, minutes=20)
>>> sum(len(batch.payloads) for batch in frames(market)) > 1_000
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barograph.simulator.instruments import DEFAULT_SYMBOLS, INSTRUMENTS, Instrument
    from barograph.simulator.labels import Label
    from barograph.simulator.market import Market
    from barograph.simulator.pace import paced, paced_async
    from barograph.simulator.stream import Batch, frames

__all__ = [
    "DEFAULT_SYMBOLS",
    "INSTRUMENTS",
    "Batch",
    "Instrument",
    "Label",
    "Market",
    "frames",
    "paced",
    "paced_async",
]

_HOMES = {
    "DEFAULT_SYMBOLS": "instruments",
    "INSTRUMENTS": "instruments",
    "Instrument": "instruments",
    "Label": "labels",
    "Market": "market",
    "Batch": "stream",
    "frames": "stream",
    "paced": "pace",
    "paced_async": "pace",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
