"""What ``barograph demo`` shows: what was recorded, the features, what was found, where it lies."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barograph.cli.text_table import text_table

if TYPE_CHECKING:
    from barograph.anomalies.scoring import Scores
    from barograph.recorder.demo import Demo

_BARS = "▁▂▃▄▅▆▇█"

FEATURES = {
    "timestamp": "minute",
    "price": "price",
    "volume": "volume",
    "bid_ask_spread": "spread",
    "order_imbalance": "imbalance",
    "volatility_1min": "volatility",
    "volume_spike_score": "spike",
    "rsi_14": "rsi",
}
"""Columns of a minute that the demo shows, with their headings."""

_LAST_MINUTES = 5
_LINE_WIDTH = 24
_ROOM = 130


@dataclass(frozen=True, slots=True)
class SymbolMinutes:
    """The newest minutes of one symbol, oldest first, with at least the columns of :data:`FEATURES`."""

    symbol: str
    venue: str
    minutes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class DemoReport:
    """Everything that the demo shows.

    Attributes:
        demo: what the line did.
        symbols: each with its newest minutes; those with most trades first.
        tape_bytes: size of the tape.
        lake_bytes: size of the tables.
        fresh: whether this run did all the work; else its seconds say nothing about speed.
    """

    demo: Demo
    symbols: Sequence[SymbolMinutes]
    tape_bytes: int
    lake_bytes: int
    fresh: bool

    @property
    def frames_per_s(self) -> int | None:
        """From the first frame to the last row; None when the work was done before."""
        return round(self.demo.counts.frames / self.demo.seconds) if self.fresh else None


def sparkline(values: Sequence[float | None]) -> str:
    """A line of bars, one a value; a gap where a value is missing.

    >>> sparkline([1, 2, None, 3])
    '▁▄ █'
    """
    known = [v for v in values if v is not None and not math.isnan(v)]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)

    def bar(value: float | None) -> str:
        if value is None or math.isnan(value):
            return " "
        return _BARS[int((value - low) / span * (len(_BARS) - 1)) if span else 0]

    return "".join(map(bar, values))


def size(count: int) -> str:
    """``count`` bytes as a person says it.

    >>> size(999), size(1_500_000)
    ('999 B', '1.5 MB')
    """
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def try_next(report: DemoReport) -> list[str]:
    """Three commands that work on what the demo made."""
    data = shlex.quote(str(report.demo.data))
    symbol = shlex.quote(report.symbols[0].symbol) if report.symbols else "BTC-USD"
    sql = "SELECT symbol, count(*) AS trades, sum(price * size) AS turnover FROM ticks GROUP BY symbol"
    program = command_name()
    return [
        f"{program} bars {symbol} --every 5m --data {data}",
        f'{program} query "{sql}" --data {data}',
        f"{program} anomalies --data {data}",
    ]


def look_at(report: DemoReport) -> str:
    """The command that opens the dashboard on what the demo made."""
    return f"{command_name()} dashboard --data {shlex.quote(str(report.demo.data))}"


def command_name() -> str:
    """How this user can call us again: by name where the shell finds it, else by the path just used."""
    used = sys.argv[0]
    if shutil.which("barograph") or Path(used).stem != "barograph":
        return "barograph"
    return shlex.quote(used)


def as_json(report: DemoReport) -> dict[str, Any]:
    """The report for ``--json``."""
    demo = report.demo
    return {
        "source": demo.source,
        "data": str(demo.data),
        "frames": demo.counts.frames,
        "ticks": demo.counts.ticks,
        "quotes": demo.counts.quotes,
        "minutes": demo.minutes,
        "anomalies": demo.anomalies,
        "rejects": demo.counts.rejects,
        "seconds": round(demo.seconds, 3),
        "frames_per_s": report.frames_per_s,
        "scores": _scores(demo.scores) if demo.scores else None,
        "tape_bytes": report.tape_bytes,
        "lake_bytes": report.lake_bytes,
    }


def as_text(report: DemoReport) -> str:
    """The report for a person."""
    sections = [
        _title("Recorded") + _recorded(report),
        _title("Features, the last minute of each symbol") + _last_minutes(report.symbols),
        *(_title(f"{s.symbol}, the last minutes") + _minutes(s) for s in report.symbols[:1]),
        _title("Anomalies") + _anomalies(report.demo),
        _title("Files") + _files(report),
        _title("Try next") + "".join(f"  {command}\n" for command in try_next(report)),
        _title("Look at it in a browser") + f"  {look_at(report)}\n",
    ]
    return "\n".join(sections)


def _title(text: str) -> str:
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return f"\x1b[1m{text}\x1b[0m\n"
    return f"{text}\n"


def _recorded(report: DemoReport) -> str:
    demo, counts = report.demo, report.demo.counts
    speed = f", {report.frames_per_s:,} frames/s" if report.frames_per_s else ", most of it done before"
    return (
        f"  {demo.source}\n"
        f"  {counts.frames:,} frames -> {counts.ticks:,} ticks, {counts.quotes:,} quotes, "
        f"{demo.minutes:,} minutes; {counts.rejects:,} frames could not be read\n"
        f"  {demo.seconds:.2f} s from the first frame to the last row{speed}\n"
    )


def _last_minutes(symbols: Sequence[SymbolMinutes]) -> str:
    rows = []
    for each in symbols:
        prices = [minute["price"] for minute in each.minutes[-_LINE_WIDTH:]]
        rows.append([each.symbol, sparkline(prices), *_cells(each.minutes[-1])])
    names = ["symbol", f"last {_LINE_WIDTH} minutes", *FEATURES.values()]
    return _indented(text_table(names, rows, room=_ROOM))


def _minutes(symbol: SymbolMinutes) -> str:
    rows = [_cells(minute) for minute in symbol.minutes[-_LAST_MINUTES:]]
    return _indented(text_table(list(FEATURES.values()), rows, room=_ROOM))


def _cells(minute: Mapping[str, Any]) -> list[Any]:
    return [_rounded(name, minute[name]) for name in FEATURES]


def _rounded(name: str, value: Any) -> Any:
    if name == "timestamp":
        return f"{value:%H:%M}"
    return float(f"{value:.5g}" if name != "price" else f"{value:.9g}") if isinstance(value, float) else value


def _scores(scores: Scores) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "put_in": score.labels,
            "found": score.labels_found,
            "reported": score.rows,
            "true": score.rows_true,
            "precision": score.precision,
            "recall": score.recall,
        }
        for kind, score in [*scores.kinds.items(), ("all", scores.total)]
    ]


def _anomalies(demo: Demo) -> str:
    if demo.scores is None:
        return f"  {demo.anomalies:,} found; nothing was put in on purpose, so nothing can be scored\n"
    rows = _scores(demo.scores)
    for row in rows:
        row["precision"], row["recall"] = _percent(row["precision"]), _percent(row["recall"])
    table = text_table([name.replace("_", " ") for name in rows[0]], [list(row.values()) for row in rows])
    return _indented(table + "reported counts minutes; those that nobody put in count against precision\n")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _files(report: DemoReport) -> str:
    data = report.demo.data
    return (
        f"  tape    {size(report.tape_bytes):>9}  {data / 'tape'}  every frame as it came\n"
        f"  tables  {size(report.lake_bytes):>9}  {data / 'lake'}  Parquet, made from the tape\n"
    )


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
