"""Real daily series that need no network: they lie inside the package arch.

The files are read as they are; arch itself, and pandas with it, is not imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from barograph.clock import DAY_US
from barograph.errors import UsageError
from barograph.research.data.source import Rows, Wanted, floats, ints

_NAMED = {"sp500": "S&P 500", "nasdaq": "NASDAQ"}


def read_bundled(source: str, wanted: Wanted) -> Rows:
    """``arch:sp500`` or ``arch:nasdaq``: 1999 to 2018, a bar a session, stamped with its day.

    All four prices are adjusted by ``Adj Close`` / ``Close`` of their day, so that they stay consistent
    with each other; the volume is as it was. Where the two columns are the same, nothing changes.

    Raises:
        UsageError: no such series, or arch is not installed.
    """
    import polars as pl

    series = source.removeprefix("arch:")
    if series not in _NAMED:
        raise UsageError(f"there is no source {source!r}; arch has {', '.join(f'arch:{n}' for n in _NAMED)}")
    frame = pl.read_csv(_file(series))
    day = frame["Date"].str.to_date("%m/%d/%Y").to_physical()
    factor = floats(frame["Adj Close"]) / floats(frame["Close"])
    changed = int((factor != 1.0).sum())
    told = f"Adj Close differs from Close on {changed:,} of {len(frame):,} days"
    return Rows(
        name=source,
        symbol=wanted.symbol or _NAMED[series],
        ts_us=ints(day) * DAY_US,
        open=floats(frame["Open"]) * factor,
        high=floats(frame["High"]) * factor,
        low=floats(frame["Low"]) * factor,
        close=floats(frame["Close"]) * factor,
        volume=floats(frame["Volume"]),
        interval_us=DAY_US,
        remarks=(f"{told}: {'prices are adjusted by it' if changed else 'prices are as traded'}",),
    )


def _file(series: str) -> Path:
    # Looked for, not imported: arch brings pandas and statsmodels with it, a second or two.
    found = find_spec("arch")
    if found is None or found.origin is None:
        raise UsageError(f"arch:{series} needs the package arch: pip install 'barograph[research]'")
    path = Path(found.origin).parent / "data" / series / f"{series}.csv.gz"
    if not path.is_file():
        raise UsageError(f"the package arch that is installed has no {path.name}; install arch 8.0 or later")
    return path
