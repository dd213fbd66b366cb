"""Which column is which, by the names that ``feeds.candle_files`` accepts, and a few more."""

from __future__ import annotations

from collections.abc import Sequence

RANGE = ("open", "high", "low")
ACCEPTED = {
    "time": ("timestamp", "time", "date", "datetime", "dt", "open_time", "ts"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close", "price"),
    "volume": ("volume", "vol"),
    "exec_price": ("exec_price",),
    "spread": ("bid_ask_spread",),
    "split": ("split",),
    "symbol": ("symbol",),
    "venue": ("venue",),
    "interval_s": ("interval_s",),
}


def named(there: Sequence[str]) -> dict[str, str] | None:
    """Our name -> the file's, in any case, for every column that is wanted and there.

    None when there is no time or no close, or a part only of open, high and low.

    >>> named(["Open time", "Price", "note"])
    {'time': 'Open time', 'close': 'Price'}
    """
    by_name = {name.strip().lower().replace(" ", "_"): name for name in reversed(there)}
    found = {
        ours: next(by_name[name] for name in accepted if name in by_name)
        for ours, accepted in ACCEPTED.items()
        if not by_name.keys().isdisjoint(accepted)
    }
    whole = {"time", "close"} <= found.keys() and len(found.keys() & set(RANGE)) in (0, 3)
    return found if whole else None
