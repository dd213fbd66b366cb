"""Whatever is committed in whatever order, PostgreSQL gives the rows that the lake gives."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.store import Lake, Scan, read
from barograph.store.postgres import Address, PostgresStore
from barograph.tables import TABLES

from ..contract import absorb_all, content, rows_of
from ..test_lake_model import NAMES, ROWS, Model
from .making_tables import empty

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), ROWS),
        st.tuples(st.just("again"), st.integers(0, 9)),
        st.tuples(st.just("reopen"), st.none()),
    ),
    max_size=8,
)
WANTED = st.builds(
    Scan,
    st.sampled_from(NAMES),
    symbols=st.none() | st.lists(st.sampled_from("AB"), max_size=2),
    start_us=st.none() | st.integers(0, 3).map(lambda n: 1_723_075_200_000_000 + n * 43_200_000_000),
    end_us=st.none() | st.integers(0, 4).map(lambda n: 1_723_075_200_000_000 + n * 43_200_000_000),
)


@settings(max_examples=15, deadline=None)
@given(STEPS, st.lists(WANTED, max_size=4))
def test_any_sequence_of_commits_gives_the_rows_of_the_lake(
    tables: Address, steps: list[tuple[str, Any]], scans: list[Scan]
) -> None:
    empty(tables)
    store, model = PostgresStore(tables), Model()
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        for step, detail in steps:
            if step == "commit":
                made = model.make(detail)
                lake.commit(made)
                store.commit(made)
            elif step == "again" and model.commits:
                store.commit(model.commits[detail % len(model.commits)])
            elif step == "reopen":
                store.close()
                store = PostgresStore(tables)
        for name in NAMES:
            assert read(store, Scan(name)).to_pylist() == model.expected(name)
        for wanted in scans:
            assert read(store, wanted).equals(read(lake, wanted))
        assert store.commits(0) == lake.commits(0)
        lake.close()
    store.close()


@settings(max_examples=10, deadline=None)
@given(
    st.lists(ROWS, min_size=1, max_size=6),
    st.integers(1, 5),
    st.sampled_from([1, 3, 1000]),
    st.randoms(use_true_random=False),
)
def test_any_increments_absorbed_in_any_order_give_the_same_tables(
    tables: Address, commits: list[list[Any]], batch_rows: int, at_once: int, random: Any
) -> None:
    empty(tables)
    store, model = PostgresStore(tables), Model()
    increments = []
    for wanted in commits:
        made = model.make(wanted)
        store.commit(made)
        increments.append(
            {name: rows_of(store, Scan(name, from_pos=made.first_pos, withdrawn=True)) for name in TABLES}
        )
    whole = content(store)
    store.close()
    store = PostgresStore(tables, rows_at_once=at_once)
    store.clear()
    random.shuffle(increments)
    for each in increments:
        absorb_all(store, each, batch_rows)
    assert content(store) == whole
    store.close()
