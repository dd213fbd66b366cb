"""Whatever is done to a lake in whatever order, its rows are those of a plain dictionary."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.market.lazy import lazy
from barograph.store import Commit, Lake, Scan, Sql, read
from barograph.tables import TABLES

from .making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit, tick

TIMES = st.sampled_from([DAY_0, DAY_0 + MINUTE, DAY_1 - 1, DAY_1, DAY_1 + MINUTE])
SYMBOLS = st.sampled_from(["A", "B"])
NAMES = ("ticks", "market_microstructure", "anomalies")
ROWS = st.lists(st.tuples(st.sampled_from(NAMES), TIMES, SYMBOLS, st.booleans()), max_size=6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), ROWS),
        st.tuples(st.just("again"), st.integers(0, 9)),
        st.tuples(st.sampled_from(["seal", "seal first day", "sweep", "reopen"]), st.none()),
        st.tuples(st.just("compact"), st.sampled_from([600.0, -1e9])),
    ),
    max_size=12,
)


class Model:
    """Rows as dictionaries: ticks added up, the other tables by key."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {name: {} for name in TABLES}

    def make(self, wanted: list[tuple[str, int, str, bool]]) -> Commit:
        first = self.commits[-1].next_pos if self.commits else 0
        tables: dict[str, list[Any]] = {"ticks": [], "market_microstructure": [], "anomalies": []}
        for number, (name, ts, symbol, flag) in enumerate(wanted):
            pos = first + number
            if name == "ticks":
                tables[name].append(tick(ts, pos, symbol, seq=pos % 3 if flag else None))
            elif name == "anomalies":
                tables[name].append(anomaly(ts, pos, 4.0 if flag else None, revision=pos, symbol=symbol))
            else:
                tables[name].append(bar(ts, pos, symbol, revision=pos))
        made = commit(first, first + len(wanted) + 1, **tables)
        self.commits.append(made)
        for name, rows in made.tables.items():
            for row in rows.to_pylist():
                self.rows[name][tuple(row[column] for column in TABLES[name].key)] = row
        return made

    def expected(self, name: str) -> list[dict[str, Any]]:
        table = TABLES[name]
        rows = self.rows[name].values()
        kept = [row for row in rows if not table.withdrawn or row[table.withdrawn] is not None]
        return sorted(kept, key=lambda row: [(row[c] is None, row[c]) for c in table.sort])


def done(lake: Lake, model: Model, steps: list[tuple[str, Any]]) -> Iterator[Lake]:
    for step, detail in steps:
        if step == "commit":
            lake.commit(model.make(detail))
        elif step == "again" and model.commits:
            lake.commit(model.commits[detail % len(model.commits)])
        elif step == "seal":
            lake.seal(all=True)
        elif step == "seal first day":
            lake.seal(day=min((day.day for day in lake.days(Scan("ticks"))), default=None), all=False)
        elif step == "sweep":
            lake.sweep(grace_s=-1e9)
        elif step == "compact":
            lake.compact(grace_s=detail)
        elif step == "reopen":
            lake.close()
            lake = Lake(lake.root)
        yield lake


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_any_sequence_of_steps_gives_the_rows_of_a_dictionary(steps: list[tuple[str, Any]]) -> None:
    with mock.patch("barograph.store.compaction.FAN_IN", 2), tempfile.TemporaryDirectory() as folder:
        lake, model = Lake(Path(folder)), Model()
        sql = Sql(lake)
        for each in done(lake, model, steps):
            lake = each
            for name in NAMES:
                assert read(lake, Scan(name)).to_pylist() == model.expected(name)
        for name in NAMES:
            order = ", ".join(TABLES[name].sort)
            queried = sql.query(f"SELECT * FROM {name} ORDER BY {order}").read_all()
            assert queried.to_pylist() == model.expected(name)
            polars = lazy(TABLES[name], lake.days(Scan(name))).sort(TABLES[name].sort, nulls_last=True)
            assert polars.collect().to_dicts() == model.expected(name)
        assert lake.commits(0) == [(made.first_pos, made.next_pos) for made in model.commits]
        sql.close()
        lake.close()
