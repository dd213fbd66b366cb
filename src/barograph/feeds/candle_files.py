"""Candle files of all kinds, read line by line into frames for the tape.

The header names the columns, in any order and case, separated by commas or semicolons:

=========  ==========================================================================
time       ``timestamp``, ``time``, ``date``, ``datetime``, ``dt`` or ``open time``
prices     ``open``, ``high``, ``low`` (all or none of the three); ``close`` or ``price``
volume     ``volume`` or ``vol``, if there is one
=========  ==========================================================================

Without open, high and low each of them is the price. Times may be ISO 8601 (UTC unless a
zone is given), ``dd.mm.yyyy HH:MM:SS``, eight digits ``yyyymmdd``, or seconds,
milliseconds, microseconds or nanoseconds since 1970, told apart by their magnitude. A row
that cannot be a candle, or does not come after the one before, is named with its line and
the reason, and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from barograph.clock import US_PER_S, to_us
from barograph.errors import DataError
from barograph.feeds.candles import Candle, Heading, encode_candles, why_not

ROWS_A_FRAME = 4_096

_ACCEPTED = {
    "time": ("timestamp", "time", "date", "datetime", "dt", "open time"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close", "price"),
    "volume": ("volume", "vol"),
}
_RANGE = ("open", "high", "low")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out. ``line`` counts the file's lines from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class CandleFrame:
    """Up to 4,096 rows as a frame's payload (empty when none was good), and what was left out."""

    payload: bytes
    rows: int
    first_us: int
    last_us: int
    bad: list[BadRow]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a file's columns stand. ``width`` is how many there are."""

    at: dict[str, int]
    width: int

    def candle(self, cells: Sequence[str]) -> Candle:
        """The candle in one line's cells; ``ValueError`` says what cannot be read."""
        if len(cells) != self.width:
            raise ValueError(f"{len(cells)} columns; the header has {self.width}")
        close = _number("close", cells[self.at["close"]])
        open_, high, low = (
            _number(name, cells[self.at[name]]) if name in self.at else close for name in _RANGE
        )
        volume = cells[self.at["volume"]] if "volume" in self.at else ""
        amount = _number("volume", volume) if volume else float("nan")
        return Candle(time_us(cells[self.at["time"]]), open_, high, low, close, amount)


@dataclass(slots=True)
class _Batch:
    rows: list[Candle] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


def parse_candles(
    lines: Iterable[str], *, venue: str, symbol: str, interval_s: int | None = None
) -> Iterator[CandleFrame]:
    r"""Frames of the candles in ``lines``, in constant memory.

    Args:
        lines: the file's lines, the header first.
        venue, symbol: what the file is of; neither may contain ``|`` .
        interval_s: seconds from one candle to the next; None takes the commonest step of
            the first 4,096 rows.

    Raises:
        DataError: no header, an unknown one, a file that runs backwards, or an interval
            that cannot be told.

    >>> text = ["timestamp,price\n", "2024-08-08 00:00,1.5\n", "2024-08-08 00:01,oops\n"]
    >>> [frame] = parse_candles(text, venue="file", symbol="X-USD", interval_s=60)
    >>> frame.rows, frame.bad
    (1, [BadRow(line=3, reason="close 'oops' is not a number")])
    """
    if "|" in venue + symbol:
        raise DataError(f"venue {venue!r} and symbol {symbol!r} must not contain '|'")
    numbered = enumerate(lines, start=1)
    header = next((line for _, line in numbered if line.strip("\ufeff \t\r\n")), "").lstrip("\ufeff")
    separator = ";" if ";" in header else ","
    layout = _layout(_cells(header, separator) if header else [])
    heading = Heading(venue, symbol, interval_s) if interval_s else None
    rows = ((line, _cells(text, separator)) for line, text in numbered)
    for batch in _batches(rows, layout):
        if heading is None:
            heading = Heading(venue, symbol, _commonest_step(batch))
        yield _frame(heading, batch)


def _frame(heading: Heading, batch: _Batch) -> CandleFrame:
    if not batch.rows:
        return CandleFrame(b"", 0, 0, 0, batch.bad)
    first_us, last_us = batch.rows[0].timestamp_us, batch.rows[-1].timestamp_us
    return CandleFrame(encode_candles(heading, batch.rows), len(batch.rows), first_us, last_us, batch.bad)


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]


def _layout(header: list[str]) -> _Layout:
    at: dict[str, int] = {}
    for index, cell in enumerate(header):
        name = cell.lower().replace("_", " ")
        for column, accepted in _ACCEPTED.items():
            if name in accepted:
                at.setdefault(column, index)
    ranged = [name for name in _RANGE if name in at]
    if "time" in at and "close" in at and len(ranged) in (0, 3):
        return _Layout(at, len(header))
    names = "; ".join(f"{column}: {' or '.join(accepted)}" for column, accepted in _ACCEPTED.items())
    raise DataError(
        f"the header has the columns {header}; needed are a time and a close or price, "
        f"and open, high and low together or not at all. Accepted names are {names}"
    )


def _batches(rows: Iterator[tuple[int, list[str]]], layout: _Layout) -> Iterator[_Batch]:
    """The good and bad rows of the file in batches of :data:`ROWS_A_FRAME` lines."""
    batch = _Batch()
    newest_us, newest_line = -1, 1
    for line, cells in rows:
        if len(batch.rows) + len(batch.bad) == ROWS_A_FRAME:
            yield batch
            batch = _Batch()
        if not any(cells):
            continue
        try:
            candle = layout.candle(cells)
            reason = why_not(candle) or _disorder(candle.timestamp_us, newest_us, newest_line)
        except (ValueError, OverflowError) as error:
            reason = str(error)
        if reason is None:
            newest_us, newest_line = candle.timestamp_us, line
            batch.rows.append(candle)
        else:
            batch.bad.append(BadRow(line, reason))
    if batch.rows or batch.bad:
        yield batch


def _disorder(us: int, newest_us: int, newest_line: int) -> str | None:
    if us > newest_us:
        return None
    return f"{'the same time as' if us == newest_us else 'earlier than'} line {newest_line}"


def _commonest_step(batch: _Batch) -> int:
    """Whole seconds between most of the rows; of steps equally common the shortest."""
    backwards = sum(row.reason.startswith("earlier") for row in batch.bad)
    if backwards > len(batch.rows):
        raise DataError(
            f"{backwards} rows are earlier than the row before; sort the file by time, oldest first"
        )
    times = [row.timestamp_us for row in batch.rows]
    steps = Counter(after - before for before, after in pairwise(times))
    if not steps:
        reasons = f" (line {batch.bad[0].line}: {batch.bad[0].reason})" if batch.bad else ""
        raise DataError(f"{len(times)} good rows{reasons} do not tell the interval; say it in seconds")
    step = min(steps, key=lambda us: (-steps[us], us))
    if step % US_PER_S:
        raise DataError(f"most rows are {step} us apart; an interval is whole seconds")
    return step // US_PER_S


def _number(name: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{name} {cell!r} is not a number") from None


def time_us(text: str) -> int:
    """Microseconds since 1970 of a time in any of the forms that this module reads.

    >>> time_us("01.08.2024 00:05:00") == time_us("2024-08-01T02:05+02:00") == time_us("1722470700")
    True

    Raises:
        ValueError: it is in none of them.
    """
    text = text.strip()
    whole, _, fraction = text.partition(".")
    if whole.isascii() and whole.isdigit() and len(whole) > 8 and (fraction.isdigit() or not fraction):
        return _epoch_us(whole, fraction)
    if len(text) >= 10 and text[2] == text[5] == ".":
        text = f"{text[6:10]}-{text[3:5]}-{text[:2]}{text[10:]}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"time {text!r} is in no form that is known") from None
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _epoch_us(whole: str, fraction: str) -> int:
    number = int(whole)
    if number < 10**11:
        return number * US_PER_S + int(fraction[:6].ljust(6, "0"))
    if number < 10**14:
        return number * 1_000 + int(fraction[:3].ljust(3, "0"))
    return number if number < 10**17 else number // 1_000
