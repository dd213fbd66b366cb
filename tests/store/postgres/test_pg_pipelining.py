"""Long loads in pieces: made ready ahead, put in side by side; nothing half, nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random

import psycopg
import pyarrow as pa
import pytest
from tests.servers.postgres import Server

from barograph.errors import StorageError
from barograph.store import Scan, read
from barograph.store.postgres import Address, PostgresStore
from barograph.store.postgres.pipelining import put_all
from barograph.store.postgres.preparing import Prepared, ascending
from barograph.store.postgres.schema import physical

from ..making import DAY_0, DAY_1, bar, rows, tick
from .making_tables import run

TICKS = physical("ticks")
AT_ONCE = 50
WITHIN_S = 60.0
AT_WORK = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'"
)


def piece(number: int) -> Prepared:
    return Prepared(TICKS, rows("ticks", tick(DAY_0, number)))


def number_of(part: Prepared) -> int:
    found: int = part.rows.column("tape_pos")[0].as_py()
    return found


def no_way() -> None:
    return None


def loaders() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("barograph-load")]


def test_all_pieces_are_put_in_once_and_what_they_changed_is_added_up() -> None:
    seen: list[int] = []

    def put(part: Prepared) -> int:
        seen.append(number_of(part))
        return number_of(part)

    assert put_all((piece(number) for number in range(20)), put, no_way) == sum(range(20))
    assert seen == list(range(20))
    assert put_all(iter(()), put, no_way) == 0


def test_the_next_piece_is_made_while_the_first_is_on_its_way_and_no_more_than_that() -> None:
    made: list[int] = []
    second_made, third_asked = threading.Event(), threading.Event()

    def pieces() -> Iterator[Prepared]:
        for number in range(4):
            made.append(number)
            if number == 1:
                second_made.set()
            if number == 2:
                third_asked.set()
            yield piece(number)

    def put(part: Prepared) -> int:
        if number_of(part) == 0:
            assert second_made.wait(WITHIN_S)
            assert not third_asked.is_set()
        return 1

    assert put_all(pieces(), put, no_way) == 4
    assert made == [0, 1, 2, 3]


def test_two_ways_are_used_at_the_same_time_and_the_second_is_asked_for_once() -> None:
    asked: list[int] = []
    both = threading.Barrier(2, timeout=WITHIN_S)

    def put(part: Prepared) -> int:
        if number_of(part) < 2:
            both.wait()  # only gets on if the other is there too
        return 1

    def beside() -> Callable[[Prepared], int]:
        asked.append(1)
        return put

    assert put_all((piece(number) for number in range(10)), put, beside) == 10
    assert asked == [1]


def test_one_piece_needs_no_second_way() -> None:
    def beside() -> None:
        raise AssertionError("nobody needs it")

    assert put_all(iter([piece(0)]), lambda _: 1, beside) == 1


def test_after_an_error_no_piece_is_begun_and_none_is_on_its_way() -> None:
    begun: list[int] = []
    ended: list[int] = []
    failed = threading.Event()

    def put(part: Prepared) -> int:
        begun.append(number_of(part))
        if number_of(part) == 3:
            failed.set()
            raise StorageError("piece 3")
        ended.append(number_of(part))
        return 1

    def beside_it(part: Prepared) -> int:
        begun.append(number_of(part))
        assert failed.wait(WITHIN_S)
        ended.append(number_of(part))
        return 1

    with pytest.raises(StorageError, match="piece 3"):
        put_all((piece(n) for n in (0, 1, 2, 3, 4, 5, 6, 7)), put, lambda: beside_it)
    assert sorted(begun) == sorted([*ended, 3])
    assert max(begun) < 6
    assert loaders() == []


def test_an_error_of_whoever_makes_the_pieces_ends_the_load_when_the_last_one_has_arrived() -> None:
    ended: list[int] = []
    asked = threading.Event()

    def pieces() -> Iterator[Prepared]:
        yield piece(0)
        asked.set()
        raise KeyboardInterrupt

    def put(part: Prepared) -> int:
        assert asked.wait(WITHIN_S)
        ended.append(number_of(part))
        return 1

    with pytest.raises(KeyboardInterrupt):
        put_all(pieces(), put, no_way)
    assert ended == [0]
    assert loaders() == []


def test_rows_are_in_order_where_the_first_key_that_differs_ascends() -> None:
    def numbers(*given: int) -> pa.Array:
        return pa.array(given, pa.int64()).to_numpy()

    assert ascending([numbers(1, 1, 2), numbers(5, 5, 0)])
    assert not ascending([numbers(1, 1, 2), numbers(5, 4, 9)])
    assert not ascending([numbers(2, 1)])
    assert ascending([numbers(7)])
    assert ascending([numbers()])


def many(count: int) -> pa.Table:
    """Sorted ticks of three symbols and two days, each with another alike in every key."""
    random = Random(1)
    given = [
        tick((DAY_0, DAY_1)[n % 2] + n // 12, n // 12, "ABC"[n % 3], price=random.random())
        for n in range(count)
    ]
    keys = ("symbol", "venue", "ts", "tape_pos")
    return rows("ticks", *given).sort_by([(name, "ascending") for name in keys])


def batches(table: pa.Table) -> list[pa.RecordBatch]:
    made: list[pa.RecordBatch] = table.combine_chunks().to_batches(max_chunksize=20)
    return made


def test_many_pieces_give_the_rows_and_the_ranks_that_one_gives(emptied: Address) -> None:
    given = many(1_500)
    stored = "SELECT symbol, ts, tape_pos, ordinal, price FROM ticks ORDER BY 1, 2, 3, 4"
    with closing(PostgresStore(emptied)) as store:
        assert store.absorb("ticks", batches(given)).changed == 1_500
        at_once = run(emptied, stored)
        store.clear()
    with closing(PostgresStore(emptied, rows_at_once=AT_ONCE)) as store:
        assert store.absorb("ticks", batches(given)).changed == 1_500
        assert run(emptied, stored) == at_once
        assert store.absorb("ticks", batches(given)).changed == 0
        assert run(emptied, stored) == at_once


def test_versions_of_a_row_in_pieces_that_follow_each_other_leave_the_newest(emptied: Address) -> None:
    revisions = [7, 3, 9, 1, 8, 2]
    given = rows("market_microstructure", *(bar(DAY_0, 10 + each, revision=each) for each in revisions))
    with closing(PostgresStore(emptied, rows_at_once=1)) as store:
        store.absorb("market_microstructure", given.to_batches(max_chunksize=1))
        assert read(store, Scan("market_microstructure"))["revision"].to_pylist() == [9]


@pytest.fixture
def admin(postgres_server: Server) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(**postgres_server.address().conninfo(), autocommit=True) as connection:
        yield connection


def kill(admin: psycopg.Connection[tuple[object, ...]], address: Address, which: str = "true") -> int:
    query = (
        "SELECT count(pg_terminate_backend(a.pid, 10000)) FROM pg_stat_activity a"
        f" WHERE a.datname = %s AND a.backend_type = 'client backend' AND {which}"
    )
    row = admin.execute(query, [address.parameters["dbname"]]).fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


HAS_WRITER_LOCK = (
    "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory'"
    " AND l.mode = 'ExclusiveLock')"
)


def test_connections_that_are_cut_in_the_middle_leave_whole_pieces_and_the_rest_comes_when_done_again(
    admin: psycopg.Connection[tuple[object, ...]], emptied: Address
) -> None:
    given, random, refused = many(1_000), Random(1), 0
    with closing(PostgresStore(emptied, rows_at_once=AT_ONCE)) as store:
        for which in ["true", HAS_WRITER_LOCK, f"NOT {HAS_WRITER_LOCK}"] * 3:
            after = random.randrange(15, 45)

            def cut_off(after: int = after, which: str = which) -> Iterator[pa.RecordBatch]:
                for number, batch in enumerate(batches(given)):
                    if number == after:
                        kill(admin, emptied, which)
                    yield batch

            try:
                store.absorb("ticks", cut_off())
            except StorageError:
                refused += 1
            assert loaders() == []
            assert run(emptied, AT_WORK) == [(0,)]
        assert refused > 0
        store.absorb("ticks", batches(given))
        assert read(store, Scan("ticks")).equals(given)


def test_who_is_the_writer_no_more_puts_nothing_in_over_the_second_connection(
    admin: psycopg.Connection[tuple[object, ...]], emptied: Address
) -> None:
    given = batches(many(1_000))
    next_writer = PostgresStore(emptied)

    def overtaken() -> Iterator[pa.RecordBatch]:
        yield from given[:25]
        assert kill(admin, emptied, HAS_WRITER_LOCK) == 1
        next_writer.clear()
        yield from given[25:]

    with closing(next_writer), closing(PostgresStore(emptied, rows_at_once=AT_ONCE)) as store:
        with pytest.raises(StorageError):
            store.absorb("ticks", overtaken())
        assert run(emptied, "SELECT count(*) FROM ticks") == [(0,)]


def test_rows_that_are_refused_in_the_middle_leave_no_transaction_open(emptied: Address) -> None:
    given = many(400)
    run(emptied, "ALTER TABLE ticks ADD CONSTRAINT odd CHECK (symbol <> 'B')")
    try:
        with closing(PostgresStore(emptied, rows_at_once=AT_ONCE)) as store:
            with pytest.raises(StorageError, match="odd"):
                store.absorb("ticks", batches(given))
            assert loaders() == []
            assert run(emptied, AT_WORK) == [(0,)]
            found = read(store, Scan("ticks"))
            assert 0 < found.num_rows < 400
            assert found.equals(given.slice(0, found.num_rows))
    finally:
        run(emptied, "ALTER TABLE ticks DROP CONSTRAINT odd")


def test_a_server_with_no_second_connection_to_spare_takes_all_rows_over_one(emptied: Address) -> None:
    from barograph.store.postgres.connection import connect
    from barograph.store.postgres.roles import Role, make_roles, verifier

    with connect(emptied) as connection:
        role = Role("load_alone", "writer", verifier(connection, "load_alone", "x"))
        make_roles(connection, emptied.namespace, [role])
        connection.execute("ALTER ROLE load_alone CONNECTION LIMIT 1")
    alone = Address({**emptied.parameters, "user": "load_alone"}, "x", emptied.namespace)
    given = many(400)
    with closing(PostgresStore(alone, rows_at_once=AT_ONCE)) as store:
        assert store.absorb("ticks", batches(given)).changed == 400
    with closing(PostgresStore(emptied)) as store:
        assert read(store, Scan("ticks")).equals(given)
