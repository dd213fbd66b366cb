"""What every store promises. A test module inherits it and gives a ``make_store`` fixture.

``make_store()`` opens the same place again each time, as a process that starts anew would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from barograph.errors import DataError, UsageError
from barograph.store import Commit, Scan, read
from barograph.store.store import Absorbed, Absorbing, Reader
from barograph.tables import TABLES

from .making import DAY_0, DAY_1, MINUTE, Row, anomaly, bar, commit, rows, tick

MakeStore = Callable[[], Absorbing]


def positions(store: Reader, wanted: Scan) -> list[int]:
    return rows_of(store, wanted).column("tape_pos").to_pylist()


def rows_of(store: Reader, wanted: Scan) -> pa.Table:
    """Like ``read``, of a snapshot as well."""
    table = TABLES[wanted.table].schema()
    names = wanted.columns or table.names
    return pa.Table.from_batches(store.scan(wanted), pa.schema([table.field(name) for name in names]))


def content(store: Reader) -> dict[str, pa.Table]:
    """All rows of all tables, with those that were taken back."""
    return {name: rows_of(store, Scan(name, withdrawn=True)) for name in TABLES}


def absorb_all(store: Absorbing, tables: Mapping[str, pa.Table], batch_rows: int = 2) -> dict[str, Absorbed]:
    """Put rows in, a few at a time."""

    def batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
        yield from table.combine_chunks().to_batches(max_chunksize=batch_rows)

    return {name: store.absorb(name, batches(table)) for name, table in tables.items()}


def several(store: Absorbing) -> None:
    """Commits with revisions, rows that were taken back, rows of two days and rows that sort equal."""
    same = [tick(DAY_0, 4, trade_id=number) for number in (5, 3, 9)]
    other = [tick(DAY_1, 2, "A", seq=7), tick(DAY_1, 3, "A", seq=2), tick(DAY_1, 2, "A", seq=1)]
    store.commit(
        commit(0, 5, ticks=[*same, *other], anomalies=[anomaly(DAY_0, 1, 3.5), anomaly(DAY_1, 2, 4.5)])
    )
    store.commit(commit(5, 8, market_microstructure=[bar(DAY_0, 6), bar(DAY_1, 7)], rejects=[reject(6)]))
    store.commit(
        commit(
            8,
            12,
            ticks=[tick(DAY_0, 9)],
            anomalies=[anomaly(DAY_0, 10, None, revision=1)],
            market_microstructure=[bar(DAY_0, 11, revision=1)],
        )
    )


def reject(pos: int, excerpt: str = "no frame") -> Row:
    return {"recv_ts": DAY_0, "venue": "sim", "reason": "what is this", "excerpt": excerpt, "tape_pos": pos}


class StoreContract:
    """Tests that hold for every implementation of ``barograph.store.Store``."""

    @pytest.fixture
    def store(self, make_store: MakeStore) -> Any:
        opened = make_store()
        yield opened
        opened.close()

    @pytest.mark.parametrize("name", TABLES)
    def test_scan_given_empty_store_yields_no_rows_in_the_schema(self, store: Absorbing, name: str) -> None:
        found = read(store, Scan(name))
        assert found.num_rows == 0
        assert found.schema.equals(TABLES[name].schema())

    @pytest.mark.parametrize("name", TABLES)
    def test_commit_given_rows_returns_them_unchanged(self, store: Absorbing, name: str) -> None:
        time = TABLES[name].time
        score = {"score": 4.0} if name == "anomalies" else {}
        given = rows(name, {time: DAY_0 + 1, "tape_pos": 3, "symbol": "é", **score})
        store.commit(Commit(0, 10, {name: given}))
        assert read(store, Scan(name)).equals(given)

    def test_commits_lists_ranges_from_a_position_also_those_without_rows(self, store: Absorbing) -> None:
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

    def test_committed_is_where_the_last_commit_ends(self, store: Absorbing) -> None:
        assert store.committed() == 0
        store.commit(Commit(0, 5, {}))
        store.commit(Commit(5, 9, {}))
        assert store.committed() == 9

    def test_commit_given_twice_changes_nothing(self, store: Absorbing, make_store: MakeStore) -> None:
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
        self, store: Absorbing, bounds: tuple[int, int]
    ) -> None:
        store.commit(commit(0, 5, ticks=[tick(DAY_0, 1)]))
        store.commit(commit(5, 8))
        with pytest.raises(UsageError, match="commit"):
            store.commit(commit(*bounds, ticks=[tick(DAY_0, bounds[0])]))
        assert store.commits(0) == [(0, 5), (5, 8)]
        assert positions(store, Scan("ticks")) == [1]

    def test_commit_given_another_schema_is_refused(self, store: Absorbing) -> None:
        wrong = rows("ticks", tick(DAY_0, 1)).drop_columns(["flags"])
        with pytest.raises(UsageError, match="ticks"):
            store.commit(Commit(0, 5, {"ticks": wrong}))
        with pytest.raises(UsageError, match="nonsense"):
            store.commit(Commit(0, 5, {"nonsense": wrong}))
        assert store.commits(0) == []

    def test_scan_sorts_by_symbol_venue_and_time_with_nulls_last(self, store: Absorbing) -> None:
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

    def test_scan_keeps_the_order_of_rows_that_sort_equal(self, store: Absorbing) -> None:
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
        self, store: Absorbing, start: int | None, end: int | None, expected: list[int]
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
        self,
        store: Absorbing,
        symbols: Sequence[str] | None,
        venues: Sequence[str] | None,
        expected: list[int],
    ) -> None:
        kinds = [("A", "binance"), ("A", "kraken"), ("B", "binance"), ("B", "kraken")]
        given = [tick(DAY_0, pos, symbol, venue=venue) for pos, (symbol, venue) in enumerate(kinds)]
        store.commit(commit(0, 4, ticks=given))
        assert positions(store, Scan("ticks", symbols=symbols, venues=venues)) == expected

    def test_scan_gives_the_columns_asked_for_in_their_order(self, store: Absorbing) -> None:
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
    def test_scan_given_what_is_not_there_says_what_is(self, store: Absorbing, wanted: Scan) -> None:
        with pytest.raises(UsageError, match=r"(it has|there are): "):
            store.scan(wanted)

    def test_scan_returns_the_newest_version_of_a_bar(self, store: Absorbing) -> None:
        store.commit(commit(0, 4, market_microstructure=[bar(DAY_0, 1), bar(DAY_0 + MINUTE, 2)]))
        store.commit(commit(4, 8, market_microstructure=[bar(DAY_0, 5, revision=1)]))
        store.commit(commit(8, 9, market_microstructure=[bar(DAY_0, 8, revision=2), bar(DAY_0, 8, "A")]))
        found = read(store, Scan("market_microstructure", columns=["symbol", "revision"]))
        assert found.to_pylist() == [
            {"symbol": "A", "revision": 0},
            {"symbol": "BTC-USD", "revision": 2},
            {"symbol": "BTC-USD", "revision": 0},
        ]

    def test_scan_returns_the_newest_version_within_one_commit(self, store: Absorbing) -> None:
        versions = [bar(DAY_0, 1, revision=number) for number in (0, 2, 1)]
        store.commit(commit(0, 4, market_microstructure=versions))
        assert read(store, Scan("market_microstructure")).column("revision").to_pylist() == [2]

    def test_scan_drops_an_anomaly_that_was_withdrawn(self, store: Absorbing) -> None:
        store.commit(commit(0, 4, anomalies=[anomaly(DAY_0, 1, 3.5), anomaly(DAY_1, 2, 4.5)]))
        store.commit(commit(4, 6, anomalies=[anomaly(DAY_0, 5, None, revision=1)]))
        assert read(store, Scan("anomalies")).column("score").to_pylist() == [4.5]
        store.commit(commit(6, 8, anomalies=[anomaly(DAY_0, 7, 9.5, revision=2)]))
        assert read(store, Scan("anomalies")).column("score").to_pylist() == [9.5, 4.5]

    def test_scan_keeps_candles_of_different_intervals_apart(self, store: Absorbing) -> None:
        def candle(pos: int, interval: int) -> dict[str, Any]:
            return {"timestamp": DAY_0, "symbol": "A", "venue": "x", "interval_s": interval, "tape_pos": pos}

        store.commit(commit(0, 9, candles=[candle(1, 300), candle(2, 60), candle(3, 300)]))
        assert positions(store, Scan("candles")) == [2, 3]

    def test_rows_survive_closing_and_opening(self, store: Absorbing, make_store: MakeStore) -> None:
        store.commit(commit(0, 5, ticks=[tick(DAY_0, 1)]))
        store.close()
        again = make_store()
        again.commit(commit(5, 6, ticks=[tick(DAY_0, 5)]))
        assert positions(again, Scan("ticks")) == [1, 5]
        assert again.commits(0) == [(0, 5), (5, 6)]
        again.close()

    def test_scan_streams_batches_of_bounded_size(self, store: Absorbing) -> None:
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

    def test_text_with_any_character_comes_back_as_it_was(self, store: Absorbing) -> None:
        given = ["", "a\x00b", "\x00", "\x01", "\x01\x01\x02", "\x02\x00\x01", "\\N", "'\"é\n\t\U0001f600"]
        store.commit(commit(0, 20, rejects=[reject(pos, text) for pos, text in enumerate(given)]))
        assert rows_of(store, Scan("rejects", columns=["excerpt"])).column(0).to_pylist() == given
        symbols = ["A\x00", "A\x01", "A\x02", "A", "A\x00\x01"]
        store.commit(commit(20, 30, ticks=[tick(DAY_0, 20 + n, each) for n, each in enumerate(symbols)]))
        found = rows_of(store, Scan("ticks", columns=["symbol"])).column(0).to_pylist()
        assert found == sorted(symbols)
        assert positions(store, Scan("ticks", symbols=["A\x00"])) == [20]

    def test_numbers_at_their_limits_come_back_as_they_were(self, store: Absorbing) -> None:
        far = 2**63 - 1
        prices = [float("inf"), float("-inf"), -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2]
        given = [tick(DAY_0 + n, n, price=each, trade_id=-far, seq=far) for n, each in enumerate(prices)]
        limits = {"side": -128, "flags": 32_767, "recv_ts": DAY_0 - 10**17}
        end = 10**16 - 1  # a lake's parts have names of 16 digits
        store.commit(commit(0, end, ticks=[*given, tick(DAY_1, end - 1, **limits)]))
        found = rows_of(store, Scan("ticks"))
        assert found.equals(rows("ticks", *given, tick(DAY_1, end - 1, **limits)))
        assert store.committed() == end

    def test_a_row_whose_time_no_calendar_has_is_refused_and_leaves_nothing(self, store: Absorbing) -> None:
        for wrong in (-(2**63), 2**63 - 1, 253_402_300_800_000_000, -62_135_596_800_000_001):
            with pytest.raises(DataError, match="calendar"):
                store.commit(commit(0, 5, ticks=[tick(DAY_0, 1), {**tick(DAY_0, 1), "ts": wrong}]))
        assert store.commits(0) == []
        assert positions(store, Scan("ticks")) == []

    def test_scan_from_a_position_gives_what_was_made_since(self, store: Absorbing) -> None:
        several(store)
        assert positions(store, Scan("ticks", from_pos=4)) == [4, 4, 4, 9]
        assert positions(store, Scan("market_microstructure", from_pos=8)) == [11]
        assert positions(store, Scan("market_microstructure", from_pos=7)) == [11, 7]
        assert positions(store, Scan("ticks", from_pos=12)) == []

    def test_scan_of_withdrawn_rows_gives_them_too(self, store: Absorbing) -> None:
        several(store)
        assert positions(store, Scan("anomalies")) == [2]
        assert positions(store, Scan("anomalies", withdrawn=True)) == [10, 2]
        assert positions(store, Scan("anomalies", withdrawn=True, from_pos=5)) == [10]

    def test_lineage_is_given_once_and_stays(self, store: Absorbing, make_store: MakeStore) -> None:
        assert store.lineage() == ""
        several(store)
        name = store.lineage()
        assert name
        store.close()
        again = make_store()
        again.commit(commit(12, 13))
        assert again.lineage() == name
        again.close()

    def test_snapshot_stays_as_it_is_while_others_commit(self, store: Absorbing) -> None:
        several(store)
        before, commits = content(store), store.commits(0)
        with store.snapshot() as held:
            store.commit(commit(12, 15, ticks=[tick(DAY_0, 12), tick(DAY_1, 13)], anomalies=[]))
            store.commit(commit(15, 18, market_microstructure=[bar(DAY_0, 16, revision=2)]))
            assert content(held) == before
            assert (held.committed(), held.commits(0), held.lineage()) == (12, commits, store.lineage())
            store.commit(commit(18, 20, ticks=[tick(DAY_0, 18)]))
            assert content(held) == before
        assert len(positions(store, Scan("ticks"))) == before["ticks"].num_rows + 3

    def test_snapshot_gives_two_tables_side_by_side(self, store: Absorbing) -> None:
        several(store)
        with store.snapshot() as held:
            ticks, bars = iter(held.scan(Scan("ticks"))), iter(held.scan(Scan("market_microstructure")))
            first = [next(each).num_rows for each in (ticks, bars)]
            rest = [sum(batch.num_rows for batch in each) for each in (ticks, bars)]
            assert min(first) > 0
            assert [first[0] + rest[0], first[1] + rest[1]] == [7, 2]

    def test_snapshot_of_an_empty_store_is_empty(self, store: Absorbing) -> None:
        with store.snapshot() as held:
            assert (held.committed(), held.commits(0), held.lineage()) == (0, [], "")
            assert rows_of(held, Scan("ticks")).num_rows == 0

    def test_what_was_cleared_is_gone_and_the_store_can_begin_anew(
        self, store: Absorbing, make_store: MakeStore
    ) -> None:
        several(store)
        first = store.lineage()
        store.clear()
        assert (store.committed(), store.commits(0), store.lineage()) == (0, [], "")
        assert all(table.num_rows == 0 for table in content(store).values())
        store.close()
        again = make_store()
        assert positions(again, Scan("ticks")) == []
        again.commit(commit(0, 3, ticks=[tick(DAY_0, 1)]))
        assert positions(again, Scan("ticks")) == [1]
        assert again.lineage() not in ("", first)
        again.close()

    @pytest.mark.parametrize("batch_rows", [1, 2, 100])
    def test_absorbing_everything_gives_an_equal_store(
        self, store: Absorbing, make_store: MakeStore, batch_rows: int
    ) -> None:
        several(store)
        made, commits, name = content(store), store.commits(0), store.lineage()
        store.clear()
        done = absorb_all(store, made, batch_rows)
        store.take_over(name, commits)
        assert done["ticks"] == Absorbed(7, 7)
        assert done["anomalies"] == Absorbed(2, 2)
        assert content(store) == made
        assert (store.committed(), store.commits(0), store.lineage()) == (12, commits, name)
        store.close()
        again = make_store()
        assert content(again) == made
        assert (again.committed(), again.commits(0), again.lineage()) == (12, commits, name)
        again.close()

    def test_absorbing_again_changes_nothing(self, store: Absorbing) -> None:
        several(store)
        made = content(store)
        store.clear()
        absorb_all(store, made)
        done = absorb_all(store, made)
        assert {name: each.changed for name, each in done.items()} == dict.fromkeys(TABLES, 0)
        assert content(store) == made

    def test_absorbing_pieces_in_any_order_gives_the_same(self, store: Absorbing) -> None:
        several(store)
        made, whole = content(store), {name: rows_of(store, Scan(name, from_pos=8)) for name in TABLES}
        late = {name: rows_of(store, Scan(name, from_pos=8, withdrawn=True)) for name in TABLES}
        assert whole["anomalies"].num_rows == 0
        store.clear()
        absorb_all(store, late)
        absorb_all(store, made)
        absorb_all(store, late)
        assert content(store) == made

    def test_absorbing_lets_the_newer_version_win(self, store: Absorbing) -> None:
        old = rows("market_microstructure", bar(DAY_0, 1), bar(DAY_1, 2, revision=4))
        new = rows("market_microstructure", bar(DAY_0, 5, revision=1), bar(DAY_1, 3, revision=3))
        kernel = rows("market_microstructure", bar(DAY_0, 4, revision=0, kernel_version=2))
        taken = rows("anomalies", anomaly(DAY_0, 7, None, revision=3))
        wanted = Scan("market_microstructure", columns=["revision"])
        for given, changed, there in (
            (old, 2, [0, 4]),
            (new, 1, [1, 4]),
            (old, 0, [1, 4]),
            (kernel, 1, [0, 4]),
        ):
            assert absorb_all(store, {"market_microstructure": given})["market_microstructure"] == Absorbed(
                given.num_rows, changed
            )
            assert rows_of(store, wanted).column(0).to_pylist() == there
        absorb_all(store, {"anomalies": taken})
        absorb_all(store, {"anomalies": rows("anomalies", anomaly(DAY_0, 1, 5.0, revision=2))})
        assert positions(store, Scan("anomalies")) == []
        assert positions(store, Scan("anomalies", withdrawn=True)) == [7]

    def test_absorbing_rows_of_another_schema_is_refused(self, store: Absorbing) -> None:
        wrong = rows("ticks", tick(DAY_0, 1)).drop_columns(["flags"])
        with pytest.raises(UsageError, match="ticks"):
            store.absorb("ticks", wrong.to_batches())
        with pytest.raises(UsageError, match="nonsense"):
            store.absorb("nonsense", [])

    def test_content_that_was_taken_over_can_be_gone_on_with(self, store: Absorbing) -> None:
        several(store)
        made, commits, name = content(store), store.commits(0), store.lineage()
        store.clear()
        absorb_all(store, made)
        store.take_over(name, commits[1:])
        store.take_over(name, commits[1:])
        assert store.commits(0) == commits[1:]
        store.commit(commit(*commits[2], ticks=[tick(DAY_0, 9)]))
        store.commit(commit(12, 14, ticks=[tick(DAY_1 + 1, 13)]))
        assert store.lineage() == name
        assert store.committed() == 14
        assert positions(store, Scan("ticks", from_pos=9)) == [9, 13]

    def test_content_is_taken_over_step_by_step(self, store: Absorbing) -> None:
        store.take_over("first", [(0, 5)])
        store.take_over("first", [(5, 9), (9, 12)])
        assert store.committed() == 12
        with pytest.raises(UsageError, match="first"):
            store.take_over("second", [(0, 5)])
        store.clear()
        store.take_over("second", [(0, 5)])
        assert (store.lineage(), store.committed()) == ("second", 5)

    def test_a_store_with_rows_of_its_own_takes_nothing_over(self, store: Absorbing) -> None:
        several(store)
        for name in (store.lineage(), "other"):
            with pytest.raises(UsageError):
                store.take_over(name, [(12, 20)])
        assert store.committed() == 12
