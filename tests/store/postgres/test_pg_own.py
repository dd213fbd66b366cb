"""Users' own tables: read in a snapshot, put back, with whatever types they have."""

from __future__ import annotations

import pytest
from tests.servers.postgres import Server

from barograph.errors import SettingsError
from barograph.store.own import OwnTable
from barograph.store.postgres import Address, PostgresStore
from barograph.store.postgres.connection import connect

from .making_tables import run

HOLDINGS = """
    CREATE SCHEMA IF NOT EXISTS mine;
    CREATE TABLE mine."Hold ings" (
        run_date date NOT NULL, account text NOT NULL, quantity numeric(20, 8), at timestamptz,
        local timestamp, good boolean, note varchar(40), extra jsonb, raw json, code char(3), n2 smallint,
        n4 integer, n8 bigint, f4 real, f8 double precision, id uuid, words text[], grid int[][],
        took interval, data bytea, span int4range, address inet, number bigint GENERATED ALWAYS AS IDENTITY,
        twice double precision GENERATED ALWAYS AS (f8 * 2) STORED, "select" time,
        PRIMARY KEY (account, run_date));
    INSERT INTO mine."Hold ings" VALUES
        ('2026-11-19', 'a', 1.23456789, '2026-11-19 10:00+05:30', 'infinity', true, E'tab\\t"quote" \\\\N é',
         '{"a": [1, null]}', '{"b":  2}', 'xy', 1, 2, 3, 0.1, 0.1, 'a3bb189e-8bf9-3893-b3ae-9ace654501a7',
         ARRAY['x', NULL, '{,"'], '{{1,2},{3,4}}', '1 mon 2 days 03:04:05.6', '\\x00ff01', '[1,5)',
         '10.0.0.1/8', DEFAULT, DEFAULT, '10:11:12.5'),
        ('2026-11-20', 'b', 'NaN', '-infinity', '0044-03-15 10:00 BC', false, '', 'null', NULL, NULL, -32768,
         -2147483648, -9223372036854775808, 'NaN', '-Infinity', NULL, '{}', NULL, '-00:00:00.000001', '',
         'empty', NULL, DEFAULT, DEFAULT, NULL);
    INSERT INTO mine."Hold ings" VALUES ('2026-11-20', 'c');
"""
ALL = 'SELECT * FROM mine."Hold ings" ORDER BY account, run_date'
PRINTED = f"SELECT rows::text FROM ({ALL}) AS rows"


@pytest.fixture
def other(postgres: Address) -> Address:
    """Another database, without that table."""
    return postgres


@pytest.fixture
def own(postgres_server: Server) -> Address:
    address = postgres_server.create()
    with connect(address) as connection:
        connection.execute(HOLDINGS)
    return address


def taken(
    address: Address, name: str, column: str, since: str | None, until: str | None
) -> tuple[OwnTable, list]:  # type: ignore[type-arg]
    store = PostgresStore(address)
    with store.snapshot() as held:
        table, batches = held.rows_of(name, column, since, until)
        found = list(batches)
    store.close()
    return table, found


def test_rows_of_all_types_survive_the_way_to_another_database(own: Address, other: Address) -> None:
    table, batches = taken(own, "mine.Hold ings", "run_date", None, None)
    assert table.key == ("account", "run_date")
    assert dict(table.columns)["quantity"] == "numeric(20,8)"
    target = PostgresStore(other)
    assert target.restore_own(table, batches) == 3
    names = ", ".join(f'"{name}"' for name, _ in table.columns)
    chosen = (
        f'SELECT rows::text FROM (SELECT {names} FROM mine."Hold ings" ORDER BY account, run_date) AS rows'
    )
    assert run(other, chosen) == run(own, chosen)
    assert target.restore_own(table, batches) == 3
    assert run(other, chosen) == run(own, chosen)
    target.close()


def test_rows_put_back_take_the_place_of_those_with_their_key(own: Address) -> None:
    before = run(own, PRINTED)
    table, batches = taken(own, "mine.Hold ings", "run_date", None, None)
    run(own, "UPDATE mine.\"Hold ings\" SET quantity = 7, words = NULL WHERE account = 'a'")
    run(own, "DELETE FROM mine.\"Hold ings\" WHERE account = 'c'")
    run(own, "INSERT INTO mine.\"Hold ings\" VALUES ('2026-11-20', 'd')")
    store = PostgresStore(own)
    store.restore_own(table, batches)
    store.close()
    after = run(own, PRINTED)
    assert after[:3] == before
    assert len(after) == 4


def test_a_stretch_of_time_is_taken_half_open(own: Address) -> None:
    for since, until, count in (
        ("2026-11-20", None, 2),
        (None, "2026-11-20", 1),
        ("2026-11-19T00:00:00+05:30", "2026-11-20T00:00:00+05:30", 1),
        ("2026-11-21", None, 0),
    ):
        _, batches = taken(own, "mine.Hold ings", "run_date", since, until)
        assert sum(batch.num_rows for batch in batches) == count


def test_without_a_key_rows_take_the_place_of_their_stretch(own: Address, other: Address) -> None:
    run(own, "CREATE TABLE notes (at timestamptz, text text)")
    run(own, "INSERT INTO notes VALUES ('2026-11-19', 'old'), ('2026-11-20', 'same'), ('2026-11-20', 'same')")
    table, batches = taken(own, "notes", "at", "2026-11-20", "2026-11-21")
    assert (table.name, table.key) == ("public.notes", ())
    target = PostgresStore(other)
    for _ in range(2):
        assert target.restore_own(table, batches) == 2
    run(other, "INSERT INTO notes VALUES ('2026-11-19', 'stays'), ('2026-11-20 23:00', 'goes')")
    target.restore_own(table, batches)
    target.close()
    assert run(other, "SELECT text FROM notes ORDER BY at") == [("stays",), ("same",), ("same",)]


def test_it_is_read_as_it_was_when_the_snapshot_was_taken(own: Address) -> None:
    store = PostgresStore(own)
    with store.snapshot() as held:
        run(own, 'DELETE FROM mine."Hold ings"')
        _, batches = held.rows_of("mine.Hold ings", "run_date")
        assert sum(batch.num_rows for batch in batches) == 3
    store.close()


def test_what_is_not_there_is_told(own: Address) -> None:
    with pytest.raises(SettingsError, match=r"no table public\.nonsense"):
        taken(own, "nonsense", "at", None, None)
    with pytest.raises(SettingsError, match="it has: run_date, account"):
        taken(own, "mine.Hold ings", "at_all", None, None)


def test_a_restore_that_fails_leaves_what_was_there(own: Address) -> None:
    before = run(own, PRINTED)
    table, batches = taken(own, "mine.Hold ings", "run_date", None, None)
    run(own, "ALTER TABLE mine.\"Hold ings\" ADD CONSTRAINT late CHECK (account <> 'c') NOT VALID")
    store = PostgresStore(own)
    with pytest.raises(Exception, match="late"):
        store.restore_own(table, batches)
    store.close()
    assert run(own, PRINTED) == before
