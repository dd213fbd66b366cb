"""What venues made and sent, out of their own logs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

MINUTE_US = 60_000_000

Named = tuple[str, int]
"""Symbol and the venue's number."""


class Made(NamedTuple):
    """A trade or a quote as the venue made it."""

    ts_us: int
    at_ns: int
    """When the server logged it, by its clock."""
    values: tuple[float, ...]
    """Of a trade price, size, side; of a quote bid, bid size, ask, ask size."""


@dataclass
class Truth:
    """One venue's life over all its processes."""

    trades: dict[Named, Made] = field(default_factory=dict)
    quotes: dict[Named, Made] = field(default_factory=dict)
    handed: set[Named] = field(default_factory=set)
    """Quotes that were handed to some connection's socket."""


def read(path: Path) -> Truth:
    """The truth out of a server's log. A line that a kill has cut counts for nothing: nothing was sent."""
    truth = Truth()
    for line in path.read_bytes().split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        at_ns = entry.get("at_ns", 0)
        for symbol, number, ts_us, price, size, side in entry.get("trades", ()):
            truth.trades[symbol, number] = Made(ts_us, at_ns, (float(price), float(size), float(side)))
        for symbol, number, ts_us, *values in entry.get("quotes", ()):
            truth.quotes[symbol, number] = Made(ts_us, at_ns, tuple(map(float, values)))
        for span in entry.get("handed", ()):
            if span["channel"] == "quotes":
                truth.handed.update((span["symbol"], n) for n in range(span["first"], span["last"] + 1))
    return truth
