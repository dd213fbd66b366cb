"""Rows of a batch with their flags: every row stays, and every flag is counted.

=============  =====  ===============================================================================
flag           value  set on
=============  =====  ===============================================================================
nonpositive        1  a price or size that is not above zero and finite (see ``bars.cleaning``)
outlier            2  a price far from the median of the 51 before it
crossed            4  a quote whose bid is above its ask
future             8  a row stamped later than it was received
late              16  set by the recorder
repaired          32  set by the recorder
duplicate         64  a row whose identity has come before: trade id, sequence, or a candle's start
range            128  a candle whose high is below its low, open or close, or its low above them
=============  =====  ===============================================================================

Ticks and quotes are judged by :class:`barograph.bars.cleaning.Cleaner`, the same that the recorder
uses. A candle is an outlier by its close, in the same way, or by a high or low that is as far
from both open and close. Prices move with the square root of time, so for candles longer than an
hour the bound is ``outlier_pct`` times the square root of their hours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from barograph.bars.cleaning import WINDOW, Cleaner
from barograph.bars.settings import OUTLIER_PCT, BarSettings
from barograph.clock import NS_PER_US
from barograph.rows import Bits, Mask, Quotes, Ticks, columns, none_of
from barograph.tables import Flag

if TYPE_CHECKING:
    import polars as pl

FLAGS: Mapping[str, int] = {
    "nonpositive": Flag.NONPOSITIVE,
    "outlier": Flag.OUTLIER,
    "crossed": Flag.CROSSED,
    "future": Flag.FUTURE,
    "late": Flag.LATE,
    "repaired": Flag.REPAIRED,
    "duplicate": Flag.DUPLICATE,
    "range": Flag.RANGE,
}
"""Names of the bits of ``flags``, in derived tables."""

UNUSABLE = Flag.NONPOSITIVE | Flag.CROSSED | Flag.DUPLICATE | Flag.RANGE
"""Rows with one of these make no bars."""

LOOKS_BACK = WINDOW
"""Rows before a day that its flags may depend on."""

_HOUR_S = 3_600
_SERIES = ["venue", "symbol"]


class Cleaning(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are judged and bars are made; part of what a file was made from.

    Attributes:
        outlier_pct: how far a price may be from the median of those before it, in percent.
        bars: the kernel's settings; ``exclude_outliers`` keeps flagged prices out of bars.
    """

    outlier_pct: float = OUTLIER_PCT
    bars: BarSettings = BarSettings()

    @property
    def unusable(self) -> int:
        """Bits that keep a row out of bars."""
        return UNUSABLE | (Flag.OUTLIER if self.bars.exclude_outliers else 0)


def clean(table: str, rows: pl.DataFrame, before: pl.DataFrame, how: Cleaning) -> pl.DataFrame:
    """``rows`` of ``table`` in the order of their arrival, with ``flags``.

    Args:
        table: ticks, quotes or candles; the rows have its columns.
        before: rows before them, for the median and for duplicates.
    """
    import polars as pl

    whole = pl.concat([before, rows]).with_row_index("_given").sort("tape_pos", maintain_order=True)
    judge = {"ticks": _tick_flags, "quotes": _quote_flags, "candles": _candle_flags}[table]
    flags = pl.Series("flags", judge(whole, how), dtype=pl.Int16)
    return whole.with_columns(flags).filter(pl.col("_given") >= before.height).drop("_given")


def counts(flags: pl.Series) -> dict[str, int]:
    """How many rows have each flag; those that none has are left out.

    >>> import polars as pl
    >>> counts(pl.Series([0, 1, 65], dtype=pl.Int16))
    {'nonpositive': 2, 'duplicate': 1}
    """
    bits = flags.to_numpy()
    found = {name: int(np.count_nonzero(bits & bit)) for name, bit in FLAGS.items()}
    return {name: count for name, count in found.items() if count}


def usable(rows: pl.DataFrame, how: Cleaning) -> pl.DataFrame:
    """The rows that bars may be made of."""
    import polars as pl

    return rows.filter((pl.col("flags") & how.unusable) == 0)


def _tick_flags(rows: pl.DataFrame, how: Cleaning) -> Bits:
    ticks = columns(
        Ticks,
        record=np.arange(rows.height),
        ts_us=_us(rows, "ts"),
        instrument=_instruments(rows),
        price=rows["price"].to_numpy(),
        size=rows["size"].to_numpy(),
        flags=rows["flags"].to_numpy(writable=True),
    )
    made, _ = _cleaner(how).advance(ticks, none_of(Quotes), _us(rows, "recv_ts") * NS_PER_US)
    return made.flags | _repeated(rows, [*_SERIES, "trade_id"])


def _quote_flags(rows: pl.DataFrame, how: Cleaning) -> Bits:
    names = ("bid_price", "bid_size", "ask_price", "ask_size")
    quotes = columns(
        Quotes,
        record=np.arange(rows.height),
        ts_us=_us(rows, "ts"),
        instrument=_instruments(rows),
        flags=rows["flags"].to_numpy(writable=True),
        **{name: rows[name].fill_null(float("nan")).to_numpy() for name in names},
    )
    _, made = _cleaner(how).advance(none_of(Ticks), quotes, _us(rows, "recv_ts") * NS_PER_US)
    return made.flags | _repeated(rows, [*_SERIES, "seq"])


def _candle_flags(rows: pl.DataFrame, how: Cleaning) -> Bits:
    open_, high, low, close = (rows[name].to_numpy() for name in ("open", "high", "low", "price"))
    volume = rows["volume"].fill_null(0.0).fill_nan(0.0).to_numpy()
    prices = np.stack([open_, high, low, close])
    with np.errstate(invalid="ignore"):
        bad: Mask = ~((prices > 0) & (prices < np.inf)).all(axis=0) | ~((volume >= 0) & (volume < np.inf))
        outside = (high < np.maximum(np.maximum(open_, close), low)) | (low > np.minimum(open_, close))
    flags = _repeated(rows, [*_SERIES, "interval_s", "timestamp"])
    flags[bad] |= Flag.NONPOSITIVE
    flags[outside & ~bad] |= Flag.RANGE
    flags[_far_candles(rows, prices, bad, how)] |= Flag.OUTLIER
    return flags


def _far_candles(rows: pl.DataFrame, prices: np.ndarray, bad: Mask, how: Cleaning) -> Mask:
    """Candles with a price too far from the closes before, or a wick as long as that."""
    far = np.zeros(rows.height, dtype=np.bool_)
    hours = rows["interval_s"].to_numpy() / _HOUR_S
    for length in np.unique(hours).tolist():
        pct = how.outlier_pct * math.sqrt(max(length, 1.0))
        mine = np.flatnonzero(hours == length)
        closes = columns(
            Ticks,
            record=np.arange(len(mine)),
            ts_us=np.zeros(len(mine)),
            instrument=_instruments(rows)[mine],
            price=np.where(bad[mine], 0.0, prices[3, mine]),
            size=np.ones(len(mine)),
        )
        made, _ = Cleaner(pct).advance(closes, none_of(Quotes), np.zeros(len(mine), dtype=np.int64))
        far[mine] = (made.flags & Flag.OUTLIER) != 0
        open_, high, low, close = prices[:, mine]
        with np.errstate(invalid="ignore"):
            wick = (high > np.maximum(open_, close) * (1 + pct / 100)) | (
                low < np.minimum(open_, close) / (1 + pct / 100)
            )
        far[mine] |= wick & ~bad[mine]
    return far


def _cleaner(how: Cleaning) -> Cleaner:
    return Cleaner(how.outlier_pct, max(how.bars.max_ahead_us, 1))


def _repeated(rows: pl.DataFrame, key: Sequence[str]) -> Bits:
    """DUPLICATE for every row with a whole key that has come before."""
    import polars as pl

    known = pl.all_horizontal(pl.col(name).is_not_null() for name in key)
    again = rows.select((known & ~pl.struct(key).is_first_distinct()).alias("again"))["again"]
    return np.where(again.to_numpy(), np.int16(Flag.DUPLICATE), np.int16(0))


def _instruments(rows: pl.DataFrame) -> np.ndarray:
    codes = rows.select(_SERIES).unique(maintain_order=True).with_row_index("_code")
    return rows.join(codes, on=_SERIES, how="left", maintain_order="left")["_code"].to_numpy()


def _us(rows: pl.DataFrame, name: str) -> np.ndarray:
    return rows[name].dt.epoch("us").to_numpy()
