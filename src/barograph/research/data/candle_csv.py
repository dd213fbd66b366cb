"""CSVs of candles, in every form that ``feeds.candle_files`` reads, with three columns more.

``split`` says train or validation of each row; ``exec_price`` where an order decided at the close before
could have been filled, empty where it could not; ``bid_ask_spread`` what lay between the last quotes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from barograph.errors import DataError
from barograph.feeds.candle_files import BadRow, CandleFrame, parse_candles
from barograph.research.data.clean_csv import read_clean
from barograph.research.data.source import Rows, Wanted, floats, ints
from barograph.research.data.splits import parts
from barograph.rows import Floats
from barograph.text_files import open_text

_SHOWN = 3


class _Extra(NamedTuple):
    """What a line says in the three columns."""

    line: int
    split: str
    exec_price: str
    bid_ask_spread: str


@dataclass(slots=True)
class _Noting:
    """Lines on their way to the reader of candles; what it does not read is noted."""

    lines: Iterable[str]
    at: dict[str, int] = field(default_factory=dict)
    noted: deque[_Extra] = field(default_factory=deque)

    def __iter__(self) -> Iterator[str]:
        separator = ""
        for number, line in enumerate(self.lines, start=1):
            if not separator:
                separator = self._header(line)
            elif self.at and any(cells := _cells(line, separator)):
                self.noted.append(_Extra(number, *(self._cell(cells, name) for name in _Extra._fields[1:])))
            yield line

    def _header(self, line: str) -> str:
        """The separator that a header uses; nothing for an empty line before it."""
        if not line.strip("\ufeff \t\r\n"):
            return ""
        separator = ";" if ";" in line else ","
        names = [name.lower().replace(" ", "_") for name in _cells(line.lstrip("\ufeff"), separator)]
        self.at = {name: names.index(name) for name in _Extra._fields if name in names}
        return separator

    def _cell(self, cells: list[str], name: str) -> str:
        at = self.at.get(name, len(cells))
        return cells[at] if at < len(cells) else ""

    def good(self, frame: CandleFrame) -> list[_Extra]:
        """Of the rows in ``frame``."""
        if not self.at:
            return []
        bad = {row.line for row in frame.bad}
        passed = [self.noted.popleft() for _ in range(frame.rows + len(frame.bad))]
        return [extra for extra in passed if extra.line not in bad]


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]


def read_candles(path: Path, wanted: Wanted) -> Rows:
    """The rows of a file, bad ones named and left out.

    Raises:
        DataError: it cannot be read, more rows are bad than good, or a column more holds something else.
    """
    with _text(path) as lines:
        header = lines.readline()
    found = read_clean(path, wanted, header) if header.strip("\ufeff \t\r\n") else None
    return read_carefully(path, wanted) if found is None else found


def read_carefully(path: Path, wanted: Wanted) -> Rows:
    """The rows of any file, 4,096 lines at a time."""
    pieces: list[Floats] = [np.empty((6, 0))]
    extras: list[_Extra] = []
    bad: list[BadRow] = []
    with _text(path) as lines:
        noting = _Noting(lines)
        # A second stands in for the interval, which is told from all rows later.
        for frame in parse_candles(noting, venue="file", symbol="-", interval_s=1):
            pieces.append(_values(frame))
            extras += noting.good(frame)
            bad += frame.bad
    values = np.concatenate(pieces, axis=1)
    _check_bad(path, bad, values.shape[1])
    numbers = [extra.line for extra in extras]
    return Rows(
        name=path.name,
        symbol=wanted.symbol or path.name.split(".", maxsplit=1)[0],
        ts_us=ints(values[0]),
        open=floats(values[1]),
        high=floats(values[2]),
        low=floats(values[3]),
        close=floats(values[4]),
        volume=floats(values[5]),
        exec_price=_numbers(path, extras, "exec_price") if "exec_price" in noting.at else None,
        spread=_numbers(path, extras, "bid_ask_spread") if "bid_ask_spread" in noting.at else None,
        split=parts((e.split for e in extras), str(path), numbers) if "split" in noting.at else None,
        dropped=len(bad),
        remarks=_told(bad),
    )


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """The file's lines; what is wrong with them is told with its name."""
    with open_text(path) as lines:
        try:
            yield lines
        except DataError as error:
            raise DataError(f"{path}: {error}") from error


def _values(frame: CandleFrame) -> Floats:
    """(6, rows) of a frame; float64 holds its microseconds exactly, until the year 2255."""
    import polars as pl

    _, _, body = frame.payload.partition(b"\n")
    if not body:
        return np.empty((6, 0))
    table = pl.read_csv(body, has_header=False, schema={f"{k}": pl.Float64 for k in range(6)})
    return np.array([column.fill_null(math.nan).to_numpy() for column in table])


def _check_bad(path: Path, bad: list[BadRow], good: int) -> None:
    if good and len(bad) <= good:
        return
    backwards = sum(row.reason.startswith("earlier") for row in bad)
    remedy = "sort it by time, oldest first" if 2 * backwards > len(bad) else "see what its columns hold"
    reasons = "; ".join(f"line {row.line}: {row.reason}" for row in bad[:_SHOWN])
    raise DataError(
        f"{path}: {good:,} rows are candles, {len(bad):,} are not ({reasons or 'it has none'}); {remedy}"
    )


def _told(bad: list[BadRow]) -> tuple[str, ...]:
    shown = tuple(f"line {row.line} left out: {row.reason}" for row in bad[:_SHOWN])
    more = len(bad) - len(shown)
    return (*shown, f"and {more:,} more lines") if more else shown


def _numbers(path: Path, extras: list[_Extra], name: str) -> Floats:
    found = []
    for extra in extras:
        said: str = getattr(extra, name)
        try:
            found.append(float(said or math.nan))
        except ValueError:
            raise DataError(
                f"{path}, line {extra.line}: {name} {said!r} is not a number; "
                "leave it empty where there was none"
            ) from None
    return floats(found)
