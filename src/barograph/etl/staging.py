"""A CSV of candles as Parquet, made once, in constant memory: batches then read only their own rows.

Lines that cannot be candles (see ``feeds.candle_files``) are kept with their number, the reason and
their text, beside the day of the last good line before them.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from barograph.errors import DataError
from barograph.etl.files import FileSource
from barograph.feeds.candle_files import BadRow, CandleFrame, parse_candles
from barograph.feeds.candles import Heading
from barograph.store.durable import publish, storage_errors, temporary
from barograph.text_files import open_text

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_VERSION = 1
_LONGEST_TEXT = 200
_BLANK = ' \t\r\n,;"'
_EPOCH = date(1970, 1, 1)

KINDS = (
    ("duplicate", "the same time as"),
    ("disorder", "earlier than"),
    ("nonpositive", "above zero and finite"),
    ("range", "is below low"),
)
"""Words of a line's reason, by the name that it is counted under; others are ``unreadable``."""


def staged(path: Path, name: str, symbol: str, staging: Path) -> FileSource:
    """The candles of a CSV file as a source; it is read only if it was not staged before.

    Raises:
        DataError: it is no file of candles, or has none that is good.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
    folder = staging / name / "staged"
    candles, rejects = (
        folder / f"{digest}-{_VERSION}.parquet",
        folder / f"{digest}-{_VERSION}-rejects.parquet",
    )
    if not candles.exists() or not rejects.exists():
        with storage_errors("staging", path):
            _stage(path, candles, rejects)
    return FileSource.of(name, [candles], symbol, rejects)


def kind_of(reason: str) -> str:
    """What a line that was left out is counted as.

    >>> kind_of("the same time as line 7"), kind_of("volume 'x' is not a number")
    ('duplicate', 'unreadable')
    """
    return next((kind for kind, said in KINDS if said in reason), "unreadable")


def _stage(path: Path, candles: Path, rejects: Path) -> None:
    """Write both files; the candles get their name last, so that with them everything is there."""
    candles.parent.mkdir(parents=True, exist_ok=True)
    parts = [temporary(target.parent, target.name) for target in (rejects, candles)]
    try:
        rows = _write(path, *parts)
        if not rows:
            raise DataError(f"{path} has no row that is a candle: {_first_reason(parts[0])}")
        publish(parts[0], rejects)
        publish(parts[1], candles)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    for old in candles.parent.glob("*.parquet"):
        if old not in (candles, rejects):
            old.unlink(missing_ok=True)  # of what the file was before


def _write(path: Path, rejects: Path, candles: Path) -> int:
    """Write the good and the bad lines of the file; how many good ones."""
    import pyarrow.parquet as pq

    rows = 0
    day: date | None = None
    undated: list[_Bad] = []
    with ExitStack() as stack:
        good = stack.enter_context(pq.ParquetWriter(candles, _candle_schema(), compression="zstd"))
        bad = stack.enter_context(pq.ParquetWriter(rejects, _reject_schema(), compression="zstd"))
        for frame, texts in _frames(path):
            made = _rows(frame) if frame.rows else None
            days = [] if made is None else made["timestamp"].dt.date().to_list()
            undated += _placed(frame.bad, texts, days, day)
            day = days[-1] if days else day
            if day is not None:
                # Lines before the first good row go with its day.
                bad.write_table(_reject_table(undated, days[0] if days else day))
                undated = []
            if made is not None:
                rows += made.height
                good.write_table(made.to_arrow().cast(_candle_schema()))
        bad.write_table(_reject_table(undated, _EPOCH))
    return rows


def _frames(path: Path) -> Iterator[tuple[CandleFrame, dict[int, str]]]:
    """The file's frames, with the text of the lines that they were made of."""
    texts: dict[int, str] = {}

    def remembered(lines: Iterable[str]) -> Iterator[str]:
        for number, line in enumerate(lines, start=1):
            texts[number] = line
            yield line

    with open_text(path) as lines:
        for frame in parse_candles(remembered(lines), venue="file", symbol="file"):
            yield frame, texts
            # The newest line has been read to see that the frame is full: it belongs to the next.
            for number in sorted(texts)[:-1]:
                del texts[number]


class _Bad(NamedTuple):
    row: BadRow
    text: str
    day: date | None


def _placed(
    bad: Sequence[BadRow], texts: dict[int, str], days: list[date], before: date | None
) -> list[_Bad]:
    """The bad lines of a frame, each with the day of the good row before it, if there is any."""
    reasons = {row.line: row for row in bad}
    lines = [number for number in sorted(texts) if texts[number].strip(_BLANK)]
    if before is None and 1 in texts:
        lines = lines[1:]  # the header
    placed = []
    count = 0
    for number in lines:
        if number in reasons:
            day = days[count - 1] if 0 < count <= len(days) else before
            placed.append(_Bad(reasons[number], texts[number].rstrip("\r\n")[:_LONGEST_TEXT], day))
        else:
            count += 1
    return placed


def _reject_table(bad: Sequence[_Bad], otherwise: date) -> pa.Table:
    import pyarrow as pa

    rows = [
        {
            "day": each.day or otherwise,
            "line": each.row.line,
            "kind": kind_of(each.row.reason),
            "reason": each.row.reason,
            "text": each.text,
        }
        for each in bad
    ]
    return pa.Table.from_pylist(rows, schema=_reject_schema())


def _rows(frame: CandleFrame) -> pl.DataFrame:
    """The candles of a frame, in the columns of :func:`_candle_schema`."""
    import polars as pl

    head, _, body = frame.payload.partition(b"\n")
    names = ("timestamp", "open", "high", "low", "price", "volume")
    types = {name: pl.Float64() for name in names} | {"timestamp": pl.Int64()}
    made = pl.read_csv(io.BytesIO(body), has_header=False, schema=types)
    return made.select(
        pl.from_epoch("timestamp", "us").dt.replace_time_zone("UTC"),
        pl.lit(msgspec.json.decode(head, type=Heading).interval_s, pl.Int32).alias("interval_s"),
        *names[1:],
    )


def _first_reason(rejects: Path) -> str:
    import polars as pl

    first = pl.scan_parquet(rejects).head(1).collect()
    return f"line {first['line'][0]}: {first['reason'][0]}" if first.height else "it has no rows"


def _candle_schema() -> pa.Schema:
    import pyarrow as pa

    prices = [(name, pa.float64()) for name in ("open", "high", "low", "price", "volume")]
    return pa.schema([("timestamp", pa.timestamp("us", "UTC")), ("interval_s", pa.int32()), *prices])


def _reject_schema() -> pa.Schema:
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("kind", "reason", "text")]
    return pa.schema([("day", pa.date32()), ("line", pa.int64()), *texts])
