"""What a scan leaves to the server, and how connections for reading are used."""

from __future__ import annotations

import gc
import re
import threading
from random import Random

import pytest

from barograph.clock import ManualClock
from barograph.store import Scan, read
from barograph.store.postgres import Address, PostgresStore
from barograph.store.postgres.reading import scan_sql, selected

from ..contract import several
from ..making import DAY_0, DAY_1, commit, tick
from .loads import step
from .making_tables import run

CONNECTED = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
)


def plan(address: Address, wanted: Scan) -> str:
    query = scan_sql('"public"', selected(wanted), wanted.from_pos, wanted.withdrawn)
    return "\n".join(line for (line,) in run(address, f"EXPLAIN {query}"))


def test_a_scan_looks_into_the_partitions_of_its_days_only(store: PostgresStore, emptied: Address) -> None:
    store.commit(commit(0, 9, ticks=[tick(DAY_0, 0), tick(DAY_1, 1)]))
    found = plan(emptied, Scan("ticks", start_us=DAY_1, end_us=DAY_1 + 5))
    assert "ticks_2024_08_09" in found
    assert "ticks_2024_08_08" not in found


def test_a_scan_of_one_symbol_goes_along_the_index(store: PostgresStore, emptied: Address) -> None:
    random = Random(1)
    given = [tick(DAY_0 + n, n, random.choice("ABCDEFGHIJKLMNOP")) for n in range(20_000)]
    store.commit(commit(0, 20_000, ticks=given))
    run(emptied, "ANALYZE ticks")
    found = plan(emptied, Scan("ticks", symbols=["C"], venues=["sim"], start_us=DAY_0, end_us=DAY_0 + 5_000))
    assert "Index" in found
    assert "symbol = 'C'" in found


def test_columns_that_are_not_asked_for_are_not_sent(emptied: Address) -> None:
    query = scan_sql('"public"', selected(Scan("ticks", columns=["price"])), None, False)
    assert query.startswith('SELECT "price" FROM')


def test_symbols_are_found_with_their_first_and_last_times(store: PostgresStore) -> None:
    several(store)
    candle = {
        "timestamp": DAY_0 - 60_000_000,
        "symbol": "A",
        "venue": "file",
        "interval_s": 60,
        "tape_pos": 13,
    }
    quote = {"ts": DAY_1 + 9, "symbol": "BTC-USD", "venue": "sim", "tape_pos": 14}
    store.commit(commit(12, 20, candles=[candle], quotes=[quote]))
    found = [tuple(row.values()) for row in store.symbols().to_pylist()]
    us = [(symbol, venue, *(round(at.timestamp() * 1e6) for at in ends)) for symbol, venue, *ends in found]
    assert us == [
        ("A", "file", DAY_0 - 60_000_000, DAY_0 - 60_000_000),
        ("A", "sim", DAY_1, DAY_1),
        ("BTC-USD", "sim", DAY_0, DAY_1 + 9),
    ]


def test_symbols_of_an_empty_store_are_none(store: PostgresStore) -> None:
    assert store.symbols().num_rows == 0
    assert store.symbols().column_names == ["symbol", "venue", "first", "last"]


def test_symbols_step_along_the_index(store: PostgresStore, emptied: Address) -> None:
    """However many rows a symbol has, finding the next one is a lookup."""
    store.commit(commit(0, 20_000, ticks=[tick(DAY_0 + n, n, "AB"[n % 2]) for n in range(20_000)]))
    run(emptied, "ANALYZE ticks")
    from barograph.store.postgres.reading import symbols_sql

    lines = "\n".join(
        line for (line,) in run(emptied, f"EXPLAIN (ANALYZE, TIMING OFF) {symbols_sql('public')}")
    )
    touched = [int(count) for count in re.findall(r"actual rows=(\d+)", lines)]
    assert max(touched) < 100, lines


def test_scans_go_on_side_by_side_and_leave_few_connections(store: PostgresStore, emptied: Address) -> None:
    several(store)
    open_ones = [iter(store.scan(Scan("ticks"))) for _ in range(7)]
    assert [next(each).num_rows for each in open_ones] == [7] * 7
    assert [list(each) for each in open_ones] == [[]] * 7
    left = run(emptied, CONNECTED)[0][0]
    assert left <= 6
    for _ in range(5):
        read(store, Scan("ticks"))
    assert run(emptied, CONNECTED)[0][0] <= left


def wait_until_gone(address: Address, most: int) -> None:
    watch = threading.Event()
    for _ in range(1_000):
        if run(address, CONNECTED)[0][0] <= most:
            return
        watch.wait(0.01)
    raise AssertionError(f"more than {most} connections are left")


def test_a_scan_that_is_dropped_half_way_leaves_nothing_open(store: PostgresStore, emptied: Address) -> None:
    store.commit(commit(0, 60_000, ticks=[tick(DAY_0, n) for n in range(60_000)]))
    store.close()
    for _ in range(3):
        rows = iter(store.scan(Scan("ticks")))
        next(rows)
        del rows
        store.scan(Scan("ticks"))  # nobody ever asks for a row
    gc.collect()
    store.close()
    wait_until_gone(emptied, 0)


def test_closing_lets_go_of_all_connections_and_the_store_can_be_used_again(
    store: PostgresStore, emptied: Address
) -> None:
    for _ in range(2):
        several_or_more(store)
        with store.snapshot() as held:
            list(held.scan(Scan("ticks")))
        read(store, Scan("ticks"))
        store.close()
        wait_until_gone(emptied, 0)


def several_or_more(store: PostgresStore) -> None:
    store.commit(step(store.committed() // 40))


def test_a_connection_that_was_idle_for_long_is_not_used_again(emptied: Address) -> None:
    clock = ManualClock(0)
    store = PostgresStore(emptied, clock)
    pids = CONNECTED.replace("count(*)", "array_agg(pid::text)")
    read(store, Scan("ticks"))
    first = run(emptied, pids)
    read(store, Scan("ticks"))
    assert run(emptied, pids) == first
    clock.advance(1_000_000_000_000)
    read(store, Scan("ticks"))
    assert run(emptied, pids) != first
    store.close()


@pytest.mark.parametrize("name", ["market_microstructure", "anomalies", "quotes", "rejects", "coverage"])
def test_scans_of_any_table_can_ask_for_any_of_its_columns(store: PostgresStore, name: str) -> None:
    from barograph.tables import TABLES

    several(store)
    whole = read(store, Scan(name))
    for column in TABLES[name].names:
        assert read(store, Scan(name, columns=[column])).column(0).equals(whole.column(column))


def test_threads_share_a_store(store: PostgresStore) -> None:
    errors: list[Exception] = []

    def look() -> None:
        try:
            for _ in range(10):
                last = store.committed()
                seen = read(store, Scan("ticks", columns=["tape_pos"])).num_rows
                assert seen >= last // 40 * 42
        except Exception as error:  # noqa: BLE001 - whatever it was, it is reported
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        store.commit(step(number))
    for thread in threads:
        thread.join()
    assert errors == []
