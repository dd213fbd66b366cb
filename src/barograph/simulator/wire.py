"""The simulated venue's own wire format: compact JSON, one event a frame.

::

    {"e":"trade","s":"BTC-USD","t":1723075200123456,"i":1,"p":64000.12,"q":0.08123,"b":1}
    {"e":"quote","s":"BTC-USD","t":1723075200120001,"u":1,"bp":63999.5,"bq":0.3,"ap":64000.12,"aq":0.2}

``t`` is the venue's time in microseconds; ``i`` numbers a symbol's trades and ``u`` its
quotes from 1 without holes; ``b`` is the aggressor: 1 bought, -1 sold. Prices and sizes
always have all of their decimals. The decoder, :mod:`barograph.feeds.sim`, shares no code
with this module.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from barograph.rows import Ints
from barograph.simulator.instruments import Instrument
from barograph.simulator.market import Symbol

_NumberColumns = list[list[Any]]


def encode(symbol: Symbol) -> tuple[Ints, list[bytes]]:
    """Times and payloads of a symbol's quotes and then its trades, each in the order of time."""
    ts_us = np.concatenate((symbol.quotes.ts_us, symbol.trades.ts_us))
    return ts_us, _quotes(symbol) + _trades(symbol)


def _quotes(symbol: Symbol) -> list[bytes]:
    instrument, rows = symbol.instrument, symbol.quotes
    price, size = _formats(instrument)
    sides = f'"bp":{price},"bq":{size},"ap":{price},"aq":{size}'
    text = f'{{"e":"quote","s":"{instrument.symbol}","t":%d,"u":%d,{sides}}}'
    columns = [
        *(rows.ts_us.tolist(), rows.number.tolist()),
        *_parts(rows.bid, instrument.decimals),
        *_parts(rows.bid_size, instrument.size_decimals),
        *_parts(rows.ask, instrument.decimals),
        *_parts(rows.ask_size, instrument.size_decimals),
    ]
    return _filled(text, columns)


def _trades(symbol: Symbol) -> list[bytes]:
    instrument, rows = symbol.instrument, symbol.trades
    price, size = _formats(instrument)
    text = f'{{"e":"trade","s":"{instrument.symbol}","t":%d,"i":%d,"p":{price},"q":{size},"b":%d}}'
    columns = [
        *(rows.ts_us.tolist(), rows.number.tolist()),
        *_parts(rows.price, instrument.decimals),
        *_parts(rows.size, instrument.size_decimals),
        rows.side.tolist(),
    ]
    return _filled(text, columns)


def _filled(text: str, columns: _NumberColumns) -> list[bytes]:
    # One template and tuples of integers: half the time of formatting floats, and exact.
    template = text.encode()
    return [template % row for row in zip(*columns, strict=True)]


def _formats(instrument: Instrument) -> tuple[str, str]:
    return _format(instrument.decimals), _format(instrument.size_decimals)


def _format(decimals: int) -> str:
    return f"%d.%0{decimals}d" if decimals else "%d"


def _parts(units: npt.NDArray[np.int64], decimals: int) -> _NumberColumns:
    """Before and behind the decimal point, as :func:`_format` takes them."""
    if not decimals:
        return [units.tolist()]
    whole, rest = np.divmod(units, 10**decimals)
    return [whole.tolist(), rest.tolist()]
