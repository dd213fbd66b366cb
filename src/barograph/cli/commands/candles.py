"""``barograph import``: candle files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barograph.cli.options import DEFAULTS, Everywhere, Options
from barograph.cli.output import write_object
from barograph.cli.times import span_s
from barograph.errors import DataError, UsageError
from barograph.text_files import open_text

if TYPE_CHECKING:
    from barograph.feeds.candle_files import BadRow, CandleFrame
    from barograph.records import Stream
    from barograph.settings import Settings

FEED = "candles"
_SHOWN = 5


def import_(
    file: Path,
    /,
    *,
    symbol: str,
    venue: str = "file",
    interval: str | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Put a file of candles on the tape, and its rows in the table candles.

    The header names a time and a close or price, perhaps open, high, low and volume. A row
    that cannot be a candle is named and left out. A file that is on the tape already is
    not recorded twice.

    Parameters
    ----------
    file
        CSV, with commas or semicolons, plain or .gz.
    symbol
        What it is of: BTC-USD.
    venue
        Where it is from.
    interval
        From one candle to the next: 1m, 5m, 1h, 1d. Told from the rows when absent.
    """
    from barograph.cli.commands.replay import bring_up
    from barograph.clock import from_us

    settings = common.settings()
    seconds = _seconds(interval)
    frames = list(_frames(file, venue, symbol, seconds))
    bad = [row for frame in frames for row in frame.bad]
    _tell_bad(bad, common)
    good = [frame for frame in frames if frame.rows]
    if not good:
        raise DataError(f"{file} has no row that is a candle; see the reasons above")
    recorded = _record(settings, _stream(file, venue, symbol), good)
    bring_up(settings, common)
    fields: dict[str, Any] = {
        "file": str(file),
        "venue": venue,
        "symbol": symbol,
        "recorded": recorded,
        "candles": sum(frame.rows for frame in good),
        "left_out": len(bad),
        "first": from_us(good[0].first_us).isoformat().replace("+00:00", "Z"),
        "last": from_us(good[-1].last_us).isoformat().replace("+00:00", "Z"),
    }
    write_object(fields, as_json=common.json)


def _seconds(interval: str | None) -> int | None:
    if interval is None:
        return None
    seconds = span_s(interval, "--interval")
    if seconds != int(seconds):
        raise UsageError(f"--interval {interval!r} is not a whole number of seconds")
    return int(seconds)


def _frames(file: Path, venue: str, symbol: str, seconds: int | None) -> Iterator[CandleFrame]:
    from barograph.feeds.candle_files import parse_candles

    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    with open_text(file) as lines:
        yield from parse_candles(lines, venue=venue, symbol=symbol, interval_s=seconds)


def _tell_bad(bad: list[BadRow], common: Everywhere) -> None:
    for row in bad[:_SHOWN]:
        common.remark(f"line {row.line} left out: {row.reason}")
    if len(bad) > _SHOWN:
        common.remark(f"and {len(bad) - _SHOWN} more lines")


def _stream(file: Path, venue: str, symbol: str) -> Stream:
    """The connection is named by what is imported, so that the same import has the same name."""
    from barograph.records import Stream

    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Stream(FEED, f"import:{venue}:{symbol}:{digest[:16]}")


def _record(settings: Settings, stream: Stream, frames: list[CandleFrame]) -> bool:
    """Append the frames, all in one block; False when they are on the tape already."""
    import numpy as np

    from barograph.cli.taping import open_tape
    from barograph.clock import SystemClock
    from barograph.records import Kind

    with open_tape(settings) as tape:
        if stream in tape.streams:
            return False
        now_ns = np.full(len(frames), SystemClock().now_ns(), np.int64)
        tape.append_many([stream], 0, now_ns, Kind.FRAME, [frame.payload for frame in frames])
    return True
