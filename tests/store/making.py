"""Rows for tests: only what a case is about is written down, the rest is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from barograph.clock import DAY_US, MINUTE_US
from barograph.paper.positions import Trade
from barograph.store import Commit
from barograph.tables import TABLES, Column

DAY_0 = 1_723_075_200_000_000
"""2024-08-08 00:00 UTC in microseconds."""
DAY_1 = DAY_0 + DAY_US
MINUTE = MINUTE_US

Row = Mapping[str, Any]


def rows(table: str, *given: Row) -> pa.Table:
    """A table with one row for each mapping; columns left out are null, zero or a fixed word."""
    schema = TABLES[table].schema()
    values = {c.name: [row.get(c.name, _filling(c)) for row in given] for c in TABLES[table].columns}
    return pa.table(
        {name: pa.array(column, schema.field(name).type) for name, column in values.items()}
    ).cast(schema)


def tick(ts: int, pos: int, symbol: str = "BTC-USD", **more: Any) -> Row:
    return {
        "ts": ts,
        "recv_ts": ts + 7,
        "tape_pos": pos,
        "symbol": symbol,
        "venue": "sim",
        "price": 1.5,
        **more,
    }


def bar(ts: int, pos: int, symbol: str = "BTC-USD", revision: int = 0, **more: Any) -> Row:
    named = {"symbol": symbol, "venue": "sim", "revision": revision}
    return {"timestamp": ts, "as_of": ts, "tape_pos": pos, "price": 100.0 + revision, **named, **more}


def anomaly(ts: int, pos: int, score: float | None, revision: int = 0, **more: Any) -> Row:
    named = {"symbol": "BTC-USD", "venue": "sim", "kind": "volume_spike", "score": score}
    return {"ts": ts, "tape_pos": pos, "revision": revision, **named, **more}


def completed(key: str, **more: Any) -> Trade:
    """A completed trade; fields left out are those of one that earned a little."""
    entry = {"quantity": 1.0, "entry_ts_us": DAY_0, "entry_price": 5.0, "entry_id": "a"}
    end = {"exit_ts_us": DAY_0 + MINUTE, "exit_price": 6.0, "exit_id": "b", "reason": "profit"}
    earned = {"fees": 0.1, "profit": 0.9, "profit_pct": 18.0}
    named = {"strategy": "dip", "venue": "sim", "symbol": "BTC-USD"}
    return Trade(**{"trade_key": key, **named, **entry, **end, **earned, **more})


def commit(first_pos: int, next_pos: int, **tables: Sequence[Row]) -> Commit:
    """A commit of the given rows, by table name."""
    return Commit(first_pos, next_pos, {name: rows(name, *given) for name, given in tables.items()})


def _filling(column: Column) -> Any:
    if column.nullable:
        return None
    return {"string": "x", "bool": False, "double": 1.0}.get(column.type, 0)
