"""Columns on their way down the house: what a decoder returns and the kernels take.

Structs of NumPy arrays, one row an index. ``record`` is the index of a row's record
within the run that is being processed (its tape position is ``first_pos + record``);
it never decreases along the rows. ``instrument`` is a small number for a venue's
symbol, given out in order of first appearance. ``ABSENT`` stands for a missing id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Sides = npt.NDArray[np.int8]
Bits = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]

ABSENT = -1
"""Stands in ``trade_id`` and ``seq`` where the venue gives none (null in the tables)."""


class _Columns:
    """What all structs of columns can do."""

    def __len__(self) -> int:
        return len(self.record)  # type: ignore[attr-defined]

    def take(self, index: Ints | Mask | slice) -> Self:
        """The rows that ``index`` names: positions, a mask or a slice."""
        return type(self)(*(getattr(self, name)[index] for name in _names(self)))

    def with_(self, **columns: npt.NDArray[Any]) -> Self:
        """The same rows with some columns replaced."""
        return type(self)(**({name: getattr(self, name) for name in _names(self)} | columns))


def _names(rows: _Columns) -> tuple[str, ...]:
    """The columns in order; what ``dataclasses`` would look up anew for each of a live market's many runs."""
    names: tuple[str, ...] = rows.__match_args__  # type: ignore[attr-defined]
    return names


C = TypeVar("C", bound=_Columns)
_NONE: dict[type[Any], Any] = {}


@dataclass(frozen=True, slots=True)
class Ticks(_Columns):
    """Trades, in the order of the tape. Sizes in units of the instrument.

    ``side`` is the venue's aggressor: +1 buyer, -1 seller, 0 not given.
    """

    record: Ints
    ts_us: Ints
    instrument: Codes
    price: Floats
    size: Floats
    side: Sides
    trade_id: Ints
    seq: Ints
    flags: Bits


@dataclass(frozen=True, slots=True)
class Quotes(_Columns):
    """Best bids and asks, in the order of the tape. A size not given is NaN.

    ``estimated``: the venue gave no time; ``ts_us`` is receipt time corrected by the
    connection's clock offset.
    """

    record: Ints
    ts_us: Ints
    estimated: Mask
    instrument: Codes
    bid_price: Floats
    bid_size: Floats
    ask_price: Floats
    ask_size: Floats
    seq: Ints
    flags: Bits


@dataclass(frozen=True, slots=True)
class Marks(_Columns):
    """Messages that carry the venue's time but no row (heartbeats): they move time on."""

    record: Ints
    ts_us: Ints


@dataclass(frozen=True, slots=True)
class Bars(_Columns):
    """Minutes, or versions of them, in the order in which they were made.

    The columns are those of ``market_microstructure`` (docs/tables.md), null as NaN.
    ``record`` is the record whose arrival closed or revised the minute and ``as_of_us``
    its receipt time; ``timestamp_us`` is the start of the minute.
    """

    record: Ints
    as_of_us: Ints
    timestamp_us: Ints
    instrument: Codes
    open: Floats
    high: Floats
    low: Floats
    price: Floats
    exec_price: Floats
    volume: Floats
    notional: Floats
    vwap: Floats
    trade_count: Ints
    buy_volume: Floats
    sell_volume: Floats
    bid_price: Floats
    ask_price: Floats
    bid_ask_spread: Floats
    order_imbalance: Floats
    volatility_1min: Floats
    volume_spike_score: Floats
    price_change_pct: Floats
    rsi_14: Floats
    revision: Codes


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One crossing of a threshold at one bar. ``score`` None takes an earlier one back.

    ``model_version`` names the trained model that found it; empty where a rule did.
    """

    record: int
    ts_us: int
    instrument: int
    kind: str
    score: float | None
    threshold: float
    detail: str
    revision: int
    model_version: str = ""


@dataclass(frozen=True, slots=True)
class Candles(_Columns):
    """Candles imported from files; ``timestamp_us`` is the start of the interval."""

    record: Ints
    timestamp_us: Ints
    instrument: Codes
    interval_s: Codes
    open: Floats
    high: Floats
    low: Floats
    price: Floats
    volume: Floats


@dataclass(frozen=True, slots=True)
class Reject:
    """A frame, or a part of one, that could not be decoded."""

    record: int
    reason: str
    excerpt: str


_TYPES: Mapping[str, Any] = {
    "record": np.int64,
    "ts_us": np.int64,
    "timestamp_us": np.int64,
    "as_of_us": np.int64,
    "trade_count": np.int64,
    "revision": np.int32,
    "estimated": np.bool_,
    "instrument": np.int32,
    "interval_s": np.int32,
    "side": np.int8,
    "trade_id": np.int64,
    "seq": np.int64,
    "flags": np.int16,
}


def columns(kind: type[C], /, **values: Sequence[Any] | npt.NDArray[Any]) -> C:
    """Build a struct of columns from sequences, each cast to its column's type.

    Columns that are left out are filled: ``flags`` and ``side`` with 0, ``estimated``
    with False, ids with :data:`ABSENT`, sizes with NaN.
    """
    n = len(values["record"])
    built = {}
    for f in fields(kind):  # type: ignore[arg-type]
        dtype = _TYPES.get(f.name, np.float64)
        if f.name in values:
            built[f.name] = np.asarray(values[f.name], dtype=dtype)
        elif f.name in ("trade_id", "seq"):
            built[f.name] = np.full(n, ABSENT, dtype=dtype)
        elif dtype is np.float64:
            built[f.name] = np.full(n, np.nan)
        else:
            built[f.name] = np.zeros(n, dtype=dtype)
    return kind(**built)


def none_of(kind: type[C]) -> C:
    """No rows of ``kind``; the same object each time."""
    if kind not in _NONE:
        _NONE[kind] = columns(kind, record=[])
    found: C = _NONE[kind]
    return found


def concatenate(parts: Sequence[C], kind: type[C]) -> C:
    """All rows of ``parts``, in order."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return none_of(kind)
    joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**joined)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder made of a run of frames.

    Attributes:
        unknown: how often each event type was seen that the decoder does not use.
    """

    ticks: Ticks = field(default_factory=lambda: none_of(Ticks))
    quotes: Quotes = field(default_factory=lambda: none_of(Quotes))
    marks: Marks = field(default_factory=lambda: none_of(Marks))
    candles: Candles = field(default_factory=lambda: none_of(Candles))
    rejects: list[Reject] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
