"""How rows get into the tables: their rank among equals, partitions, trades, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import DataError, SettingsError, StorageError, UsageError
from barograph.store import Commit, Scan, read
from barograph.store.postgres import Address, PostgresStore
from barograph.store.postgres.escaping import escaped, escaped_text, unescaped
from barograph.store.postgres.preparing import in_groups, prepared
from barograph.store.postgres.schema import ORDINAL, physical
from barograph.store.traded import table_of
from barograph.tables import COMPLETED_TRADES

from ..contract import content
from ..making import DAY_0, DAY_1, commit, completed, rows, tick
from .loads import step
from .making_tables import run

ROOT = Path(__file__).resolve().parents[3]
TICKS = physical("ticks")


@settings(deadline=None)
@given(st.lists(st.none() | st.text("\x00\x01\x02a\U0001f600", max_size=6)), st.integers(0, 3))
def test_escaped_text_has_no_nul_keeps_its_order_and_comes_back(
    texts: list[str | None], skipped: int
) -> None:
    column = pa.array(texts, pa.string())[min(skipped, len(texts)) :]
    made = escaped(column)
    assert not any("\x00" in text for text in made.to_pylist() if text is not None)
    assert unescaped(made).equals(column)
    known = [text for text in column.to_pylist() if text is not None]
    assert sorted(known) == sorted(known, key=lambda text: escaped_text(text).encode())


def test_plain_text_is_not_even_copied() -> None:
    column = pa.array(["BTC-USD", None, "é"])
    assert escaped(column) is column


def ranks(table: pa.Table) -> list[tuple[int, int]]:
    made = prepared(TICKS, table).rows
    return list(zip(made["trade_id"].to_pylist(), made[ORDINAL].to_pylist(), strict=True))


def test_rows_are_ranked_among_those_with_an_equal_key_in_the_sort_order() -> None:
    given = rows(
        "ticks",
        tick(DAY_0, 5, trade_id=1, seq=9),
        tick(DAY_0, 5, trade_id=2, seq=None),
        tick(DAY_0, 4, trade_id=3, seq=9),
        tick(DAY_0, 5, trade_id=4, seq=2),
        tick(DAY_0, 5, trade_id=5, seq=9),
        tick(DAY_0 + 1, 5, trade_id=6),
    )
    assert ranks(given) == [(3, 0), (4, 0), (1, 1), (5, 2), (2, 3), (6, 0)]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.none() | st.integers(0, 2)), max_size=30),
    st.data(),
)
def test_a_sorted_file_cut_anywhere_ranks_rows_as_their_commit_did(
    keys: list[tuple[int, int, int | None]], data: st.DataObject
) -> None:
    given = rows(
        "ticks", *(tick(DAY_0 + at, pos, trade_id=n, seq=seq) for n, (at, pos, seq) in enumerate(keys))
    )
    whole = prepared(TICKS, given).rows if keys else None
    sort = [(name, "ascending") for name in ("ts", "seq", "tape_pos", "trade_id")]
    pieces = given.sort_by(sort).to_batches(max_chunksize=data.draw(st.integers(1, 5)))
    found = [
        prepared(TICKS, each).rows for each in in_groups(iter(pieces), TICKS, data.draw(st.integers(1, 9)))
    ]
    assert (pa.concat_tables(found) if found else None) == whole


def test_rows_lie_in_the_order_of_the_index(store: PostgresStore, emptied: Address) -> None:
    random = Random(1)
    given = [tick(DAY_0 + random.randrange(9), n, random.choice("AB")) for n in range(200)]
    store.commit(commit(0, 200, ticks=given))
    key = ", ".join(TICKS.key)
    found = run(emptied, f"SELECT {key} FROM ticks ORDER BY ctid")
    assert found == run(emptied, f"SELECT {key} FROM ticks ORDER BY {key}")


def test_a_partition_is_made_for_days_that_come_and_again_when_it_was_dropped(
    store: PostgresStore, emptied: Address
) -> None:
    store.commit(commit(0, 2, ticks=[tick(DAY_0, 0), tick(DAY_1, 1)]))
    names = "SELECT relname FROM pg_class WHERE relname LIKE 'ticks_2024_08_0_' AND relkind = 'r' ORDER BY 1"
    assert run(emptied, names) == [("ticks_2024_08_08",), ("ticks_2024_08_09",)]
    run(emptied, "DROP TABLE ticks_2024_08_08")
    with pytest.raises(StorageError):
        store.commit(commit(2, 3, ticks=[tick(DAY_0, 2)]))
    store.commit(commit(2, 3, ticks=[tick(DAY_0, 2)]))
    assert read(store, Scan("ticks")).column("tape_pos").to_pylist() == [2, 1]


def test_days_far_apart_make_no_partitions_between_them(store: PostgresStore, emptied: Address) -> None:
    last = 253_402_300_799_999_999
    far = rows("ticks", tick(-62_135_596_800_000_000, 0), tick(DAY_0, 1), tick(last, 2))
    store.commit(Commit(0, 3, {"ticks": far}))
    assert read(store, Scan("ticks")).equals(far)
    assert read(store, Scan("ticks", start_us=DAY_0, end_us=DAY_1)).num_rows == 1
    assert read(store, Scan("ticks", start_us=last)).num_rows == 1
    assert read(store, Scan("ticks", start_us=last + 1)).num_rows == 0
    assert read(store, Scan("ticks", end_us=last + 1)).num_rows == 3
    assert read(store, Scan("ticks", end_us=-(2**63))).num_rows == 0
    assert run(emptied, "SELECT count(*) FROM pg_class WHERE relname ~ '^ticks_(0001|9999)_'")[0][0] > 0


def test_loading_the_same_rows_again_writes_nothing(store: PostgresStore, emptied: Address) -> None:
    """A row that is there is not even locked, which would write it anew."""
    made = step(1).tables
    for name, table in made.items():
        store.absorb(name, table.to_batches())
    stamps = "SELECT xmin::text, xmax::text, ctid::text FROM {} ORDER BY ctid"
    before = [run(emptied, stamps.format(physical(name).name)) for name in made]
    for name, table in made.items():
        assert store.absorb(name, table.to_batches()).changed == 0
    assert [run(emptied, stamps.format(physical(name).name)) for name in made] == before


def test_trades_are_put_in_once_and_stay_as_they_are(store: PostgresStore, emptied: Address) -> None:
    writer = PostgresStore(emptied)
    writer.commit(step(0))  # the recorder writes meanwhile
    schema = COMPLETED_TRADES.schema()
    store.add_trades(table_of(schema, [completed("b", profit=1.0), completed("a", profit=1.0)]))
    store.add_trades(table_of(schema, [completed("a", profit=9.0), completed("c", profit=1.0)]))
    store.add_trades(table_of(schema, []))
    found = pa.Table.from_batches(store.scan(Scan("completed_trades")))
    assert found.column("trade_key").to_pylist() == ["a", "b", "c"]
    assert found.column("profit").to_pylist() == [1.0, 1.0, 1.0]
    assert found.schema == schema
    writer.close()
    assert store.absorb("completed_trades", found.to_batches()).changed == 0


def test_null_where_it_may_not_be_is_refused(store: PostgresStore) -> None:
    given = rows("ticks", tick(DAY_0, 0))
    price = given.schema.get_field_index("price")
    wrong = given.set_column(price, given.schema.field("price"), pa.nulls(1, pa.float64()))
    with pytest.raises(DataError, match="null in price"):
        store.commit(Commit(0, 1, {"ticks": wrong}))
    assert store.commits(0) == []


def hold(store: PostgresStore) -> int:
    with store.snapshot() as held:
        return held.committed()


def test_without_tables_every_call_says_how_to_make_them(postgres: Address) -> None:
    bare = PostgresStore(postgres)
    for call in (
        lambda: bare.commit(step(0)),
        bare.committed,
        bare.lineage,
        bare.symbols,
        lambda: read(bare, Scan("ticks")),
        lambda: hold(bare),
    ):
        with pytest.raises(SettingsError, match="barograph db init"):
            call()
    bare.close()


def test_a_wrong_password_is_a_setting_and_is_not_shown(tables: Address) -> None:
    wrong = PostgresStore(Address(tables.parameters, "not the horse", tables.namespace))
    for call in (wrong.committed, lambda: read(wrong, Scan("ticks"))):
        with pytest.raises(SettingsError) as told:
            call()
        assert "not the horse" not in f"{told.value!r} {told.value.__context__!r} {told.value.__cause__!r}"
    assert "not the horse" not in repr(wrong.address)


def test_another_namespace_is_another_store(store: PostgresStore, emptied: Address) -> None:
    from .making_tables import with_tables

    beside = with_tables(Address(emptied.parameters, emptied.password, "beside"))
    other = PostgresStore(beside)
    store.commit(step(0))
    other.commit(step(0))
    other.commit(step(1))
    assert store.committed() < other.committed()
    assert store.lineage() != other.lineage()
    other.clear()
    assert read(other, Scan("ticks")).num_rows == 0
    assert read(store, Scan("ticks")).num_rows > 0
    other.close()


def test_the_writer_may_write_and_the_reader_may_read(emptied: Address) -> None:
    """With the rights of the roles and nothing else, days and revisions that are new included."""
    from barograph.store.postgres.connection import connect
    from barograph.store.postgres.roles import Role, make_roles, verifier

    kinds: tuple[Literal["writer", "reader"], ...] = ("writer", "reader")
    with connect(emptied) as connection:
        roles = [Role(f"load_{kind}", kind, verifier(connection, f"load_{kind}", "x")) for kind in kinds]
        make_roles(connection, emptied.namespace, roles)
    writer, reader = (
        PostgresStore(Address({**emptied.parameters, "user": f"load_{kind}"}, "x", emptied.namespace))
        for kind in kinds
    )
    for number in range(3):
        writer.commit(step(number))
    writer.commit(commit(writer.committed(), 10_000, ticks=[tick(DAY_1 + 40 * (DAY_1 - DAY_0), 9_999)]))
    writer.add_trades(table_of(COMPLETED_TRADES.schema(), [completed("a")]))
    assert content(reader) == content(writer)
    assert reader.lineage() == writer.lineage() != ""
    assert pa.Table.from_batches(reader.scan(Scan("completed_trades"))).num_rows == 1
    assert reader.symbols().num_rows == 3 + 1
    writer.close()
    with pytest.raises(SettingsError, match="permission denied"):
        reader.commit(step(500))
    reader.close()


def test_commit_of_trades_is_refused(store: PostgresStore) -> None:
    with pytest.raises(UsageError, match="completed_trades"):
        store.commit(Commit(0, 1, {"completed_trades": COMPLETED_TRADES.schema().empty_table()}))


def test_absorbing_much_holds_little(emptied: Address) -> None:
    """A million rows of one symbol and moment, in a process that may hold a fraction of them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.postgres.absorbing_much", emptied.uri()],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert int(done.stdout) < 150_000, done.stdout  # kB
