"""What tests of restore and sync share: stores of both kinds to bring back to, and backups to bring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.store.making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit, tick
from tests.store.postgres.making_tables import with_tables

from barograph.clock import SystemClock
from barograph.store import Commit, Lake, Scan
from barograph.store.postgres import PostgresStore
from barograph.store.store import Absorbing, Reader
from barograph.tables import TABLES
from barograph.vault.restore import Restored, plan_restore, restore
from barograph.vault.shelf import Shelf
from barograph.vault.state import state_file
from barograph.vault.sync import Synced, sync


def step(number: int) -> Commit:
    """The commit of that number: trades of two days, some alike, a minute and its revision, an anomaly."""
    first = number * 10
    at = DAY_0 + number * MINUTE
    taken_back = [anomaly(at - MINUTE, first + 4, None, revision=1)] if number % 2 else []
    return commit(
        first,
        first + 10,
        ticks=[
            tick(at, first + 1),
            tick(at, first + 1, seq=3),
            tick(at, first + 1, seq=3, price=2.0),
            tick(at + DAY_1 - DAY_0, first + 2, "A"),
        ],
        quotes=[{"ts": at, "recv_ts": at, "tape_pos": first + 2, "bid_price": 1.0, "symbol": "A"}],
        market_microstructure=[bar(at, first + 3), bar(at - MINUTE, first + 3, revision=1)],
        anomalies=[anomaly(at, first + 4, 4.0 + number), *taken_back],
    )


def rows_of(reader: Reader, wanted: Scan) -> pa.Table:
    return pa.Table.from_batches(list(reader.scan(wanted)), TABLES[wanted.table].schema())


def content(reader: Reader) -> dict[str, pa.Table]:
    """All rows of all tables, those that were taken back too, and then without them."""
    found = {name: rows_of(reader, Scan(name, withdrawn=True)) for name in TABLES}
    return found | {"present": rows_of(reader, Scan("anomalies"))}


def empty_store(request: pytest.FixtureRequest, data: Path) -> Iterator[Absorbing]:
    """A store of the kind that the fixture's parameter names: the lake of ``data``, or a database."""
    if request.param == "lake":
        opened: Absorbing = Lake(data / "lake")
    else:
        opened = PostgresStore(with_tables(request.getfixturevalue("postgres")))
    yield opened
    opened.close()


def quiet(*_: Any) -> None:
    """Nobody is told."""


def synced(shelf: Shelf, store: Absorbing, data: Path, told: list[str] | None = None) -> Synced:
    """Sync, and let go of the store's lock."""
    file = state_file(data, "sync", None)
    try:
        tell = quiet if told is None else told.append
        return sync(shelf, store, data, file, SystemClock(), quiet, tell)
    finally:
        store.close()


def restored(shelf: Shelf, store: Absorbing, data: Path, until_us: int | None = None) -> Restored:
    """Restore, and let go of the store's lock."""
    file = state_file(data, "restore", None)
    try:
        return restore(shelf, plan_restore(shelf, until_us), store, data, file, SystemClock(), quiet)
    finally:
        store.close()
