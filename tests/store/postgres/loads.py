"""Loads for tests: commits with everything in them, and what they must leave."""

from __future__ import annotations

from barograph.errors import StorageError
from barograph.store import Commit
from barograph.store.postgres import PostgresStore

from ..making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit, tick

RECORDS = 40


def step(number: int, records: int = RECORDS) -> Commit:
    """The commit of that number: trades and quotes, a new minute, a revision of the one before."""
    first = number * records
    at = DAY_0 + number * MINUTE
    ticks = [tick(at + (n % 7), first + n, "AB"[n % 2], seq=n % 5 or None) for n in range(records)]
    ticks += [tick(DAY_1 + number, first + 3, "C"), tick(DAY_1 + number, first + 3, "C")]
    quotes = [{"ts": at + n, "symbol": "A", "venue": "sim", "tape_pos": first + n} for n in range(5)]
    bars = [bar(at, first + 1, symbol) for symbol in "AB"]
    if number:
        bars.append(bar(at - MINUTE, first + 2, "A", revision=1))
    score = None if number % 3 else 4.0
    found = [anomaly(DAY_0, first + 3, score, revision=number), anomaly(at, first + 3, 5.0, symbol="A")]
    return commit(
        first, first + records, ticks=ticks, quotes=quotes, market_microstructure=bars, anomalies=found
    )


def commit_until_it_works(store: PostgresStore, one: Commit, most: int = 10_000) -> int:
    """Try as the recorder does, though without waiting; how many times it was refused."""
    for refused in range(most):
        try:
            store.commit(one)
        except StorageError:
            continue
        return refused
    raise AssertionError(f"refused {most} times")
