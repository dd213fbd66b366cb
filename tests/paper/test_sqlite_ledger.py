"""The SQLite ledger keeps the promises of every ledger; and its file: what it refuses, tells and survives."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from barograph.errors import DataError, StorageBusy, StorageError, StoreCorrupt, UsageError
from barograph.paper.ledger import Answer, Item, Ledger
from barograph.paper.ledgers.sqlite import SqliteLedger

from .ledger_contract import KEY, Client, LedgerContract, bought, position, trade


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def client(self, tmp_path: Path) -> Client:
        return lambda: SqliteLedger(tmp_path / "state" / "ledger.sqlite")

    @pytest.fixture
    def elsewhere(self, tmp_path: Path) -> str:
        return (
            "from pathlib import Path\n"
            "from barograph.paper.ledgers.sqlite import SqliteLedger\n"
            f"ledger = SqliteLedger(Path({str(tmp_path / 'state' / 'ledger.sqlite')!r}))\n"
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_it_needs_nothing_but_python() -> None:
    code = (
        "import sys\n"
        "for name in ('numpy', 'numba', 'polars', 'pyarrow', 'msgspec', 'structlog', 'pydantic'):\n"
        "    sys.modules[name] = None\n"
        "from barograph.paper.ledgers.sqlite import SqliteLedger"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_reader_reads_while_another_writes_and_never_writes(path: Path) -> None:
    writer = SqliteLedger(path)
    item, one = bought(writer)
    reader = SqliteLedger(path, read_only=True)
    assert reader.read(KEY) == item
    writer.close(item, trade(one))
    assert list(reader.trades()) == reader.pending() == [trade(one)]
    with pytest.raises(StorageError, match="readonly"):
        reader.write(Item(KEY, 2))
    reader.shut()
    writer.shut()


@pytest.mark.parametrize("content", [None, b""])
def test_a_reader_of_no_ledger_is_told_so_and_makes_none(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError, match="ledger"):
        SqliteLedger(path, read_only=True)
    assert path.exists() == (content is not None)


def test_a_ledger_in_a_folder_that_takes_nothing_is_read_as_it_lies_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has no rights there cannot make the log that SQLite wants beside it."""
    ledger = SqliteLedger(path)
    item, one = bought(ledger)
    ledger.shut()
    before = sorted(path.parent.iterdir())
    monkeypatch.setattr("os.access", lambda *_: False)
    reader = SqliteLedger(path, read_only=True)
    assert reader.read(item.key).positions == (one,)
    assert len(list(reader.items())) == 1
    assert sorted(path.parent.iterdir()) == before
    reader.shut()


def test_a_ledger_that_is_written_meanwhile_is_read_by_its_log(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SqliteLedger(path)
    monkeypatch.setattr("os.access", lambda *_: False)
    reader = SqliteLedger(path, read_only=True)
    item, one = bought(ledger)
    assert reader.read(item.key).positions == (one,)
    reader.shut()
    ledger.shut()


def test_a_long_log_is_begun_anew_when_it_is_quiet_and_never_by_an_order(path: Path) -> None:
    """Who begins it anew waits for the disk (SQLite syncs the log's new head)."""
    log, ledger = path.with_name("ledger.sqlite-wal"), SqliteLedger(path)
    bought(ledger)
    while log.stat().st_size < 2 << 20:
        ledger.write(ledger.read(KEY)._replace(state=b"x" * 100_000))
    begun = _times_begun(log)
    ledger.note("a", b"")
    assert _times_begun(log) == begun  # many orders have come since the last note: another may
    ledger.note("b", b"")
    assert _times_begun(log) == begun + 1
    ledger.write(ledger.read(KEY)._replace(state=b"y"))
    assert _times_begun(log) == begun + 1
    assert log.stat().st_size < 2 << 20  # what is long is told by the file
    for number in range(1, 36):
        ledger.write(ledger.read(KEY)._replace(state=bytes([number]) * 500_000))
    assert _times_begun(log) == begun + 1
    ledger.note("c", b"")
    assert _times_begun(log) == begun + 2  # however many orders come, it does not grow without end
    ledger.shut()


def _times_begun(log: Path) -> int:
    """The log's first salt, one more each time (https://www.sqlite.org/fileformat2.html#walformat)."""
    with log.open("rb") as file:
        return int.from_bytes(file.read(20)[16:], "big")


def test_a_file_of_a_newer_barograph_is_refused_by_both(path: Path) -> None:
    SqliteLedger(path).shut()
    edited(path, "PRAGMA user_version = 2")
    for read_only in (False, True):
        with pytest.raises(DataError, match="format 2, and this one knows 1; upgrade"):
            SqliteLedger(path, read_only)


def test_somebody_elses_database_is_left_alone(path: Path) -> None:
    edited(path, "CREATE TABLE theirs (x)")
    for read_only in (False, True):
        with pytest.raises(StoreCorrupt, match="no ledger"):
            SqliteLedger(path, read_only)


def test_a_file_that_is_no_database_is_told_with_the_remedy(path: Path) -> None:
    path.write_bytes(b"no database at all, " * 100)
    with pytest.raises(StoreCorrupt, match="put it back"):
        SqliteLedger(path)


def test_a_writer_that_holds_the_file_too_long_is_told(path: Path) -> None:
    ledger = SqliteLedger(path, busy_s=0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageBusy, match="another process"):
        ledger.write(Item(KEY))
    holder.execute("ROLLBACK")
    holder.close()
    assert ledger.write(Item(KEY)) is Answer.DONE
    ledger.shut()


def test_a_full_disk_takes_the_whole_write_back(path: Path) -> None:
    ledger = SqliteLedger(path)
    item, one = bought(ledger)
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="make room"):
        ledger.close(item._replace(state=b"x" * 1_000_000), trade(one))
    assert ledger.read(KEY) == item
    assert ledger.pending() == []
    assert ledger.close(item, trade(one)) is Answer.DONE
    ledger.shut()


def test_a_ledger_that_was_shut_says_so(path: Path) -> None:
    ledger = SqliteLedger(path)
    ledger.shut()
    ledger.shut()
    for act in (lambda: ledger.read(KEY), lambda: ledger.write(Item(KEY)), lambda: ledger.note("a", b"")):
        with pytest.raises(UsageError, match="closed"):
            act()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="making the folder"):
        SqliteLedger(tmp_path / "file" / "ledger.sqlite")


def test_the_schema_itself_refuses_what_must_not_be(path: Path) -> None:
    ledger = SqliteLedger(path)
    item, one = bought(ledger)
    ledger.close(item, trade(one))
    bought(ledger, "t2")
    ledger.shut()
    ones = ", ".join("1" * 8)
    wrong = [
        "INSERT INTO positions SELECT * FROM positions",
        "INSERT INTO positions SELECT strategy, venue, symbol, 1, 1, 1, 1, 't1', 1, item, 9 FROM positions",
        "INSERT INTO trades SELECT * FROM trades",
        f"INSERT INTO trades SELECT 'k', strategy, venue, symbol, {ones}, '', 't2', '', 1, 1, 0 FROM trades",
    ]
    for statement in wrong:
        with pytest.raises(sqlite3.IntegrityError):
            edited(path, statement)


def test_pending_trades_and_notes_are_synced_and_usual_writes_wait_for_no_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in SQLite's log is safe once the log is on the disk (https://www.sqlite.org/wal.html)."""
    ledger = SqliteLedger(path)
    log = path.with_name(path.name + "-wal")
    synced: list[bytes] = []

    def sync(descriptor: int) -> None:
        assert os.fstat(descriptor).st_ino == log.stat().st_ino
        synced.append(log.read_bytes())

    monkeypatch.setattr("barograph.paper.ledgers.sqlite_file.sync_data", sync)
    item, one = bought(ledger)
    ledger.close(item, trade(one))
    ledger.note("engine", b"of little worth", durably=False)
    assert synced == []
    ledger.note("engine", b"of much worth")
    assert b"of much worth" in synced[0]
    ledger.close(item, trade(one))
    ledger.pending()
    assert b"t1" in synced[1]
    ledger.shut()


def test_given_a_log_that_is_long_a_durable_note_carries_it_into_the_file(path: Path) -> None:
    ledger = SqliteLedger(path)
    log = path.with_name(path.name + "-wal")
    small = path.stat().st_size
    ledger.note("engine", os.urandom(1 << 21), durably=False)
    assert (log.stat().st_size > 1 << 21, path.stat().st_size) == (True, small)
    ledger.note("little", b"")
    assert path.stat().st_size == small  # much has just come, and more may
    ledger.note("little", b"")
    assert path.stat().st_size > 1 << 21
    ledger.note("engine", b"1")  # and the log begins anew
    assert log.stat().st_size < 1 << 22
    ledger.shut()


def test_two_processes_may_make_the_file_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from barograph.paper.ledgers.sqlite import SqliteLedger\n"
        "sys.stdin.readline()\n"
        "SqliteLedger(Path(sys.argv[1])).shut()"
    )
    path = tmp_path / "ledger.sqlite"
    command = [sys.executable, "-c", code, str(path)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=60)
    assert [process.returncode for process in started] == [0] * 4
    ledger: Ledger = SqliteLedger(path)
    assert ledger.write(Item(KEY, positions=(position(),))) is Answer.DONE
    ledger.shut()


def edited(path: Path, statement: str) -> None:
    """The file changed behind the ledger's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(statement)
    finally:
        connection.close()
