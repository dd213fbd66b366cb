"""Every closed trade is archived, whatever dies in between: once, whole, and none whose position is open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.clock import SystemClock
from barograph.errors import StorageFull
from barograph.market import connect
from barograph.paper.archive import Archivist, LakeArchive, object_name, safe_name
from barograph.paper.archiving import Archiving
from barograph.paper.ledger import Item, Key
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Trade
from barograph.paper.trade_json import encoded, record
from barograph.recorder.replaying import rebuild
from barograph.records import Kind, Stream
from barograph.store.traded import MANY, add_trades, table_of, tidy_trades, trade_files
from barograph.tables import COMPLETED_TRADES, POSITIONS
from barograph.tape import TapeWriter

from .ledger_contract import KEY, bought, position, trade

DAY_US = 86_400_000_000
KILLED = Path(__file__).with_name("archive_killed.py")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def ledger(data: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(data / "state" / "ledger.sqlite")
    yield opened
    opened.shut()


def some(count: int, start: int = 0, apart_us: int = 1, symbol: str = "BTC-USD") -> list[Trade]:
    numbers = range(start, start + count)
    return [trade(position(f"t{n}", symbol=symbol), f"x{n}", n * apart_us, 100 + n / 7) for n in numbers]


def files(data: Path) -> dict[str, bytes]:
    found = (data / "completed-trades").rglob("*")
    return {path.relative_to(data).as_posix(): path.read_bytes() for path in found if path.is_file()}


def rows(data: Path) -> list[Trade]:
    """What SQL tells, as trades."""
    with connect(data) as market:
        found = market.sql("SELECT * FROM completed_trades ORDER BY exit_ts, trade_key")
    return [Trade(*map(_plain, row)) for row in found.rows()]


def _plain(value: Any) -> Any:
    return round(value.timestamp() * 1e6) if isinstance(value, datetime) else value


def test_a_trade_is_a_file_and_a_row(data: Path) -> None:
    (one,) = made = some(1, 3, symbol="NSE:INFY")
    LakeArchive(data).put(made)
    name = f"completed-trades/NSE%3AINFY/{one.trade_key}.json"
    assert files(data) == {name: encoded(one)}
    assert json.loads(files(data)[name]) == record(one)
    assert rows(data) == made
    assert not list((data / "lake" / ".hot" / "tmp").iterdir())


def test_the_record_has_the_tables_columns_and_exact_numbers() -> None:
    (one,) = some(1, 1)
    found = json.loads(encoded(one))
    assert tuple(found) == COMPLETED_TRADES.names
    assert found["exit_ts"] == "1970-01-01T00:00:00.000001Z"
    assert (found["exit_price"], found["profit_pct"]) == (one.exit_price, one.profit_pct)


def test_given_again_trades_change_nothing(data: Path) -> None:
    archive, made = LakeArchive(data), some(5)
    archive.put(made)
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    for again in (made, made[2:], made[:1], []):
        archive.put(again)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()} == before
    assert rows(data) == made


def test_given_with_others_a_trade_is_still_one_row(data: Path) -> None:
    archive = LakeArchive(data)
    archive.put(some(3))
    archive.put(some(5))
    assert rows(data) == some(5)
    assert [path.name[:6] for path in trade_files(data / "lake")] == ["000002", "000003"]


def test_two_archivers_at_once_leave_each_trade_once(data: Path) -> None:
    """Each has listed the files before the other wrote: a row lies in two files, and is told once."""
    lake = data / "lake"
    for made in (some(3), some(4, 1)):
        other = data / f"{len(made)}" / "lake"
        add_trades(other, table_of(COMPLETED_TRADES.schema(), made))
        for path in trade_files(other):
            target = lake / path.relative_to(other)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    assert rows(data) == some(5)
    with connect(data) as market:
        assert market.completed_trades().sort("exit_ts")["trade_key"].to_list() == [
            t.trade_key for t in some(5)
        ]
    tidy_trades(lake, before_s=time.time() + 60, many=2)
    assert [path.name[:6] for path in trade_files(lake)] == ["000005"]
    assert rows(data) == some(5)


def test_days_are_those_of_the_exit(data: Path) -> None:
    made = some(4, apart_us=DAY_US // 2)
    LakeArchive(data).put(made)
    assert [path.parent.name for path in trade_files(data / "lake")] == ["date=1970-01-01", "date=1970-01-02"]
    assert rows(data) == made


def test_many_files_of_a_day_become_one_and_readers_notice_nothing(data: Path) -> None:
    lake = data / "lake"
    archive = LakeArchive(data, grace_s=3600)
    for made in some(MANY):
        archive.put([made])
        assert len(rows(data)) == made.exit_ts_us + 1
    assert len(trade_files(lake)) == MANY + 1
    assert rows(data) == some(MANY)
    assert tidy_trades(lake, before_s=time.time() - 3600) == 0
    assert tidy_trades(lake, before_s=time.time() + 60) == MANY
    assert [path.name[:6] for path in trade_files(lake)] == [f"{MANY:06d}"]
    assert rows(data) == some(MANY)
    archive.put(some(MANY))
    assert len(trade_files(lake)) == 1


@pytest.mark.parametrize(
    "symbol", ["..", ".", "a/b", "NUL", "com1.x", "A.", "ä€", "a%3Ab", "", "-", "\\", "~"]
)
def test_symbols_become_one_name_each_and_come_back(symbol: str) -> None:
    name = safe_name(symbol)
    assert unquote(name) == symbol
    assert not set(name) & set('<>:"/\\|?*\0 ')
    assert name not in (".", "..")
    assert not name.endswith(".")
    assert name.partition(".")[0].lower() not in ("nul", "con", "com1")


@given(st.lists(st.text(), unique=True, max_size=5))
def test_no_two_symbols_share_a_name(symbols: list[str]) -> None:
    symbols = [one for one in symbols if one.isprintable()]
    assert len({safe_name(one) for one in symbols}) == len(symbols)


def test_a_name_that_a_killed_process_has_left_is_made_to_last(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LakeArchive(data).put(some(1))
    synced: list[Path] = []
    monkeypatch.setattr("barograph.paper.archive.sync_directory", synced.append)
    LakeArchive(data).put(some(1))  # its file is there; whether its name is on the disk nobody knows
    assert data / "completed-trades" / "BTC-USD" in synced


def test_a_symbol_that_is_too_long_for_a_name_keeps_no_other_trade_out(
    ledger: SqliteLedger, data: Path
) -> None:
    long = ["x" * 300, "x" * 299 + "y", "€" * 100, "<script>" * 40, "x" * 200]
    made = [one for number, symbol in enumerate(long) for one in some(1, number, symbol=symbol)]
    ledger.write(Item(KEY), [*made, *some(1, 7)])
    assert Archivist(ledger, LakeArchive(data)).drain() == len(long) + 1
    names = {safe_name(symbol) for symbol in long}
    assert len(names) == len(long)
    assert max(map(len, names)) == 200
    assert unquote(safe_name(long[-1])) == long[-1]
    assert {json.loads(content)["symbol"] for content in files(data).values()} == {*long, "BTC-USD"}
    assert rows(data) == [*made, *some(1, 7)]


def test_what_is_pending_is_archived_and_then_the_ledger_is_told(ledger: SqliteLedger, data: Path) -> None:
    ledger.write(Item(KEY), some(7))
    assert Archivist(ledger, LakeArchive(data)).drain(at_once=3) == 7
    assert ledger.pending() == []
    assert rows(data) == some(7)
    assert Archivist(ledger, LakeArchive(data)).drain() == 0


class Refusing:
    """An archive whose disk is full for its first ``times`` calls."""

    def __init__(self, archive: LakeArchive, times: int) -> None:
        self._archive = archive
        self.left = times
        self.calls = 0

    def put(self, trades: Sequence[Trade]) -> None:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise StorageFull("no space left on this disk")
        self._archive.put(trades)


def test_a_failure_leaves_trades_pending(ledger: SqliteLedger, data: Path) -> None:
    ledger.write(Item(KEY), some(2))
    archivist = Archivist(ledger, Refusing(LakeArchive(data), 1))
    with pytest.raises(StorageFull):
        archivist.drain()
    assert ledger.pending() == some(2)
    assert archivist.drain() == 2


def test_a_crash_between_archive_and_ledger_archives_again_and_nothing_twice(
    ledger: SqliteLedger, data: Path
) -> None:
    ledger.write(Item(KEY), some(3))
    LakeArchive(data).put(ledger.pending())
    before = files(data)
    ledger.write(Item(KEY, 1), some(1, 3))
    assert Archivist(ledger, LakeArchive(data)).drain() == 4
    assert rows(data) == some(4)
    assert before.items() <= files(data).items()


@pytest.mark.parametrize("after", [0, 3])
def test_killed_at_any_time_the_archive_has_what_the_ledger_has(
    ledger: SqliteLedger, data: Path, after: int
) -> None:
    """A process closes and archives; it is killed some lines after it began; the next one goes on."""
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, str(KILLED), str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(after * 3 + 1):
            process.stdout.readline()
        process.kill()
        process.communicate(timeout=60)
        known = {one.trade_key for one in ledger.trades()}
        open_entries = {one.entry_id for item in ledger.items() for one in item.positions}
        archived = files(data)
        for name, content in archived.items():
            assert json.loads(content)["trade_key"] in known, name
            assert json.loads(content)["entry_id"] not in open_entries
    Archivist(ledger, LakeArchive(data)).drain()
    trades = list(ledger.trades())
    assert trades
    assert files(data) == {object_name(one): encoded(one) for one in trades}
    assert sorted(rows(data)) == sorted(trades)


def waits_for(what: Callable[[], bool]) -> None:
    """Returns as soon as it is so."""
    deadline = time.monotonic() + 30
    pause = threading.Event()
    while not what():
        assert time.monotonic() < deadline
        pause.wait(0.002)


def test_the_thread_archives_what_comes_and_what_was_left(ledger: SqliteLedger, data: Path) -> None:
    ledger.write(Item(KEY), some(2))
    with Archiving(Archivist(ledger, LakeArchive(data)), every_s=3600) as archiving:
        waits_for(lambda: archiving.archived == 2)
        ledger.write(Item(KEY, 1), some(1, 2))
        archiving.ring()
        waits_for(lambda: archiving.archived == 3)
        ledger.write(Item(KEY, 2), some(1, 3))
    assert archiving.archived == 4
    assert rows(data) == some(4)


def test_the_thread_outlives_a_failing_archive_and_tells_it_once(
    ledger: SqliteLedger, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.write(Item(KEY), some(2))
    refusing = Refusing(LakeArchive(data), 1_000_000)
    with Archiving(Archivist(ledger, refusing), every_s=0.001, longest_s=0.002) as archiving:
        waits_for(lambda: archiving.failures >= 3)
        assert "no space left" in archiving.trouble
        assert archiving.archived == 0
        refusing.left = 0
        waits_for(lambda: archiving.archived == 2)
    told = capsys.readouterr()
    assert (told.out + told.err).count("cannot be archived") == 1
    assert (told.out + told.err).count("archived again") == 1
    assert archiving.trouble == ""


def test_pauses_grow_and_a_bell_does_not_shorten_them(ledger: SqliteLedger, data: Path) -> None:
    ledger.write(Item(KEY), some(1))
    refusing = Refusing(LakeArchive(data), 1_000_000)
    with Archiving(Archivist(ledger, refusing), every_s=1800) as archiving:
        waits_for(lambda: archiving.failures == 1)
        for _ in range(5):
            archiving.ring()
        refusing.left = 0
    assert refusing.calls == 2  # the second is the one at the end
    assert archiving.archived == 1


def test_the_tables_can_be_asked_before_anything_was_traded(data: Path) -> None:
    (data / "lake").mkdir(parents=True)
    with connect(data) as market:
        for table in (COMPLETED_TRADES, POSITIONS):
            asked = market.stream(f"SELECT * FROM {table.name}")
            assert asked.schema.names == list(table.names)
            assert asked.schema.types == table.schema().types
            assert market.lazy(table.name).collect().columns == list(table.names)
            assert market.sql(f"SELECT count(*) AS n FROM {table.name}")["n"].to_list() == [0]


def test_trades_are_told_by_symbol_venue_and_time(data: Path) -> None:
    LakeArchive(data).put(some(3, apart_us=DAY_US) + some(2, symbol="ETH-USD"))
    with connect(data) as market:
        assert market.completed_trades("BTC-USD").height == 3
        assert market.completed_trades(venue="kraken").is_empty()
        assert market.completed_trades("BTC-USD", "1970-01-02", "1970-01-03").height == 1
        assert market.sql("SELECT sum(profit) AS p FROM completed_trades")["p"][0] == pytest.approx(
            sum(one.profit for one in some(3) + some(2))
        )


def test_positions_are_a_table_over_the_ledger(ledger: SqliteLedger, data: Path) -> None:
    item, one = bought(ledger)
    ledger.write(item._replace(mark=104.5, tape_pos=17))
    many = Key("many")
    ledger.open(Item(many, mark=3.0), position("b5", strategy="cross", bar_version=12, symbol="ETH-USD"))
    (data / "lake").mkdir()
    with connect(data) as market:
        found = market.sql("SELECT * FROM positions ORDER BY strategy").to_dicts()
        assert market.positions("BTC-USD").to_dicts() == found[1:]
    assert [row["last_price"] for row in found] == [None, 104.5]
    assert [row["bar_version"] for row in found] == [12, None]
    assert found[1] == {
        "strategy": "dip",
        "venue": "sim",
        "symbol": "BTC-USD",
        "quantity": one.quantity,
        "entry_price": 100.0,
        "entry_ts": datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC),
        "entry_fee": 0.01,
        "entry_id": "t1",
        "bar_version": None,
        "last_price": 104.5,
        "version": 2,
        "tape_pos": 17,
    }


def test_a_rebuild_of_the_tables_keeps_completed_trades(data: Path) -> None:
    with TapeWriter(data / "tape", clock=SystemClock()) as tape:
        tape.append(Stream("sim", "1"), 0, Kind.CLOCK, b"")
    made = some(3, apart_us=DAY_US)
    LakeArchive(data).put(made)
    rebuild(data)
    assert rows(data) == made


def test_pauses_grow_while_the_archive_says_no_and_begin_anew_when_it_does_not(
    ledger: SqliteLedger, data: Path
) -> None:
    pauses: list[float | None] = []

    class Noted(threading.Event):
        """Takes no time."""

        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout)
            if len(pauses) == 8:
                archiving._end.set()
            return False

    ledger.write(Item(KEY), some(2))
    archive = Refusing(LakeArchive(data), times=5)
    archiving = Archiving(Archivist(ledger, archive), every_s=1.0, longest_s=10.0)
    archiving._end, archiving._bell = Noted(), Noted()
    archiving._run()
    assert pauses == [2.0, 4.0, 8.0, 10.0, 10.0, 1.0, 1.0, 1.0]
    assert (archiving.archived, archiving.failures, archiving.trouble) == (2, 5, "")


def test_a_half_written_file_is_never_seen_by_its_name(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("barograph.store.durable.sync_data", refuse)
    with pytest.raises(StorageFull):
        LakeArchive(data).put(some(2))
    assert files(data) == {}
    assert trade_files(data / "lake") == []
