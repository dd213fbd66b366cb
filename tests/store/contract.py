"""What every store promises. A test module inherits it and gives a ``make_store`` fixture.

``make_store()`` opens the same place again each time, as a process that starts anew would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

from barograph.errors import UsageError
from barograph.store import Commit, Scan, Store, read
from barograph.tables import TABLES

from .making import DAY_0, DAY_1, MINUTE, anomaly, bar, commit, rows, tick

MakeStore = Callable[[], Store]


def positions(store: Store, wanted: Scan) -> list[int]:
    return read(store, wanted).column("tape_pos").to_pylist()


class StoreContract:
    """Tests that hold for every implementation of ``barograph.store.Store``."""

    @pytest.fixture
    def store(self, make_store: MakeStore) -> Any:
        opened = make_store()
        yield opened
        opened.close()

    @pytest.mark.parametrize("name", TABLES)
    def test_scan_given_empty_store_yields_no_rows_in_the_schema(self, store: Store, name: str) -> None:
        found = read(store, Scan(name))
        assert found.num_rows == 0
        assert found.schema.equals(TABLES[name].schema())

    @pytest.mark.parametrize("name", TABLES)
    def test_commit_given_rows_returns_them_unchanged(self, store: Store, name: str) -> None:
        time = TABLES[name].time
        score = {"score": 4.0} if name == "anomalies" else {}
        given = rows(name, {time: DAY_0 + 1, "tape_pos": 3, "symbol": "é", **score})
        store.commit(Commit(0, 10, {name: given}))
        assert read(store, Scan(name)).equals(given)

    def test_commits_lists_ranges_from_a_position_also_those_without_rows(self, store: Store) -> None:
        store.commit(commit(0, 5, ticks=[tick(DAY_0, 1)]))
        store.commit(commit(5, 8))
        store.commit(commit(8, 8))
        store.commit(commit(8, 8))
        store.commit(commit(8, 10))
        store.commit(commit(8, 10))
        store.commit(commit(10, 12, ticks=[tick(DAY_0, 11)]))
        assert store.commits(0) == [(0, 5), (5, 8), (8, 8), (8, 10), (10, 12)]
        assert store.commits(5) == [(5, 8), (8, 8), (8, 10), (10, 12)]
        assert store.commits(6) == [(8, 8), (8, 10), (10, 12)]
        assert store.commits(13) == []

    def test_committed_is_where_the_last_commit_ends(self, store: Store) -> None:
        assert store.committed() == 0
        store.commit(Commit(0, 5, {}))
        store.commit(Commit(5, 9, {}))
        assert store.committed() == 9

    def test_commit_given_twice_changes_nothing(self, store: Store, make_store: MakeStore) -> None:
        first = commit(0, 5, ticks=[tick(DAY_0, 1)], market_microstructure=[bar(DAY_0, 2)])
        second = commit(5, 9, ticks=[tick(DAY_0 + 1, 6)], market_microstructure=[bar(DAY_0, 6, revision=1)])
        for each in (first, first, second, first, second):
            store.commit(each)
        store.close()
        again = make_store()
        again.commit(first)
        again.commit(second)
        assert again.commits(0) == [(0, 5), (5, 9)]
        assert positions(again, Scan("ticks")) == [1, 6]
        assert positions(again, Scan("market_microstructure")) == [6]
        again.close()

    @pytest.mark.parametrize("bounds", [(0, 4), (0, 6), (3, 8), (4, 5), (7, 9), (9, 7)])
    def test_commit_given_overlap_is_refused_and_leaves_nothing(
        self, store: Store, bounds: tuple[int, int]
    ) -> None:
        store.commit(commit(0, 5, ticks=[tick(DAY_0, 1)]))
        store.commit(commit(5, 8))
        with pytest.raises(UsageError, match="commit"):
            store.commit(commit(*bounds, ticks=[tick(DAY_0, bounds[0])]))
        assert store.commits(0) == [(0, 5), (5, 8)]
        assert positions(store, Scan("ticks")) == [1]

    def test_commit_given_another_schema_is_refused(self, store: Store) -> None:
        wrong = rows("ticks", tick(DAY_0, 1)).drop_columns(["flags"])
        with pytest.raises(UsageError, match="ticks"):
            store.commit(Commit(0, 5, {"ticks": wrong}))
        with pytest.raises(UsageError, match="nonsense"):
            store.commit(Commit(0, 5, {"nonsense": wrong}))
        assert store.commits(0) == []

    def test_scan_sorts_by_symbol_venue_and_time_with_nulls_last(self, store: Store) -> None:
        given = [
            tick(DAY_1, 0, "B"),
            tick(DAY_0 + 5, 1, "B", venue="kraken"),
            tick(DAY_0 + 5, 2, "B"),
            tick(DAY_0 + 5, 3, "B", seq=9),
            tick(DAY_0 + 5, 4, "B", seq=2),
            tick(DAY_1 + 1, 5, "A"),
            tick(DAY_0, 6, "A"),
        ]
        store.commit(commit(0, 3, ticks=given[:3]))
        store.commit(commit(3, 7, ticks=given[3:]))
        assert positions(store, Scan("ticks")) == [6, 5, 1, 4, 3, 2, 0]

    def test_scan_keeps_the_order_of_rows_that_sort_equal(self, store: Store) -> None:
        same = [tick(DAY_0, 4, trade_id=number) for number in (5, 3, 9, 1)]
        store.commit(commit(0, 5, ticks=[*same, tick(DAY_0, 2, trade_id=0)]))
        assert read(store, Scan("ticks")).column("trade_id").to_pylist() == [0, 5, 3, 9, 1]

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            (None, None, [0, 1, 2, 3]),
            (DAY_0 + 10, None, [1, 2, 3]),
            (DAY_0 + 11, None, [2, 3]),
            (None, DAY_1, [0, 1]),
            (None, DAY_1 + 1, [0, 1, 2]),
            (DAY_0 + 10, DAY_1, [1]),
            (DAY_1, DAY_1, []),
        ],
    )
    def test_scan_takes_times_half_open(
        self, store: Store, start: int | None, end: int | None, expected: list[int]
    ) -> None:
        times = (DAY_0, DAY_0 + 10, DAY_1, DAY_1 + 10)
        store.commit(commit(0, 4, ticks=[tick(ts, pos) for pos, ts in enumerate(times)]))
        assert positions(store, Scan("ticks", start_us=start, end_us=end)) == expected

    @pytest.mark.parametrize(
        ("symbols", "venues", "expected"),
        [
            (["A"], None, [0, 1]),
            (["B", "A", "B"], None, [0, 1, 2, 3]),
            (None, ["kraken"], [1, 3]),
            (["B"], ["kraken"], [3]),
            (["nobody"], None, []),
            ([], None, []),
        ],
    )
    def test_scan_filters_symbols_and_venues(
        self, store: Store, symbols: Sequence[str] | None, venues: Sequence[str] | None, expected: list[int]
    ) -> None:
        kinds = [("A", "binance"), ("A", "kraken"), ("B", "binance"), ("B", "kraken")]
        given = [tick(DAY_0, pos, symbol, venue=venue) for pos, (symbol, venue) in enumerate(kinds)]
        store.commit(commit(0, 4, ticks=given))
        assert positions(store, Scan("ticks", symbols=symbols, venues=venues)) == expected

    def test_scan_gives_the_columns_asked_for_in_their_order(self, store: Store) -> None:
        store.commit(commit(0, 4, ticks=[tick(DAY_0, 1, price=3.5)]))
        found = read(store, Scan("ticks", columns=["price", "tape_pos"]))
        assert found.to_pydict() == {"price": [3.5], "tape_pos": [1]}

    @pytest.mark.parametrize(
        "wanted",
        [
            Scan("nonsense"),
            Scan("ticks", columns=["nonsense"]),
            Scan("rejects", symbols=["BTC-USD"]),
        ],
    )
    def test_scan_given_what_is_not_there_says_what_is(self, store: Store, wanted: Scan) -> None:
        with pytest.raises(UsageError, match=r"(it has|there are): "):
            store.scan(wanted)

    def test_scan_returns_the_newest_version_of_a_bar(self, store: Store) -> None:
        store.commit(commit(0, 4, market_microstructure=[bar(DAY_0, 1), bar(DAY_0 + MINUTE, 2)]))
        store.commit(commit(4, 8, market_microstructure=[bar(DAY_0, 5, revision=1)]))
        store.commit(commit(8, 9, market_microstructure=[bar(DAY_0, 8, revision=2), bar(DAY_0, 8, "A")]))
        found = read(store, Scan("market_microstructure", columns=["symbol", "revision"]))
        assert found.to_pylist() == [
            {"symbol": "A", "revision": 0},
            {"symbol": "BTC-USD", "revision": 2},
            {"symbol": "BTC-USD", "revision": 0},
        ]

    def test_scan_returns_the_newest_version_within_one_commit(self, store: Store) -> None:
        versions = [bar(DAY_0, 1, revision=number) for number in (0, 2, 1)]
        store.commit(commit(0, 4, market_microstructure=versions))
        assert read(store, Scan("market_microstructure")).column("revision").to_pylist() == [2]

    def test_scan_drops_an_anomaly_that_was_withdrawn(self, store: Store) -> None:
        store.commit(commit(0, 4, anomalies=[anomaly(DAY_0, 1, 3.5), anomaly(DAY_1, 2, 4.5)]))
        store.commit(commit(4, 6, anomalies=[anomaly(DAY_0, 5, None, revision=1)]))
        assert read(store, Scan("anomalies")).column("score").to_pylist() == [4.5]
        store.commit(commit(6, 8, anomalies=[anomaly(DAY_0, 7, 9.5, revision=2)]))
        assert read(store, Scan("anomalies")).column("score").to_pylist() == [9.5, 4.5]

    def test_scan_keeps_candles_of_different_intervals_apart(self, store: Store) -> None:
        def candle(pos: int, interval: int) -> dict[str, Any]:
            return {"timestamp": DAY_0, "symbol": "A", "venue": "x", "interval_s": interval, "tape_pos": pos}

        store.commit(commit(0, 9, candles=[candle(1, 300), candle(2, 60), candle(3, 300)]))
        assert positions(store, Scan("candles")) == [2, 3]

    def test_rows_survive_closing_and_opening(self, store: Store, make_store: MakeStore) -> None:
        store.commit(commit(0, 5, ticks=[tick(DAY_0, 1)]))
        store.close()
        again = make_store()
        again.commit(commit(5, 6, ticks=[tick(DAY_0, 5)]))
        assert positions(again, Scan("ticks")) == [1, 5]
        assert again.commits(0) == [(0, 5), (5, 6)]
        again.close()

    def test_scan_streams_batches_of_bounded_size(self, store: Store) -> None:
        count = 200_000
        one = rows("ticks", tick(DAY_0, 0))
        many = one.take(pa.array([0] * count)).set_column(
            TABLES["ticks"].names.index("tape_pos"), one.schema.field("tape_pos"), pa.array(range(count))
        )
        for part in range(4):
            quarter = many.slice(part * count // 4, count // 4)
            store.commit(Commit(part * count // 4, (part + 1) * count // 4, {"ticks": quarter}))
        found = pa.Table.from_batches(list(store.scan(Scan("ticks"))))
        assert found.column("tape_pos").to_pylist() == list(range(count))
