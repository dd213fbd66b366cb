"""Replay and rebuild into PostgreSQL: the same rows as in the lake, whatever happens to the server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
import stamina.instrumentation
from tests.servers.recorded import with_tables
from tests.store.making import completed

from barograph.bars import BarSettings
from barograph.clock import ManualClock
from barograph.errors import SettingsError, StorageError, UsageError
from barograph.recorder import LineSettings, rebuild, replay, replaying
from barograph.recorder.checkpoint import Checkpoints
from barograph.records import Records
from barograph.store import Commit, Scan, read
from barograph.store.opening import Location
from barograph.store.traded import table_of
from barograph.tables import COMPLETED_TRADES, TABLES
from barograph.tape import TapeWriter

from .making import records

if TYPE_CHECKING:
    from tests.servers.postgres import Server

    from barograph.store.postgres.address import Address

TAPE = records(seed=11, minutes=8)
Tables = dict[str, pa.Table]


def write(data: Path, run: Records) -> None:
    with TapeWriter(data / "tape", clock=ManualClock()) as tape:
        tape.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)


def tables(where: Location) -> Tables:
    with closing(where.open()) as store:
        return {name: read(store, Scan(name)) for name in TABLES}


@pytest.fixture
def database(postgres: Address) -> Location:
    return with_tables(postgres)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables as the lake has them."""
    data = tmp_path_factory.mktemp("undisturbed")
    write(data, TAPE)
    replay(data)
    return tables(Location(data))


def test_a_database_has_the_rows_that_the_lake_has(
    tmp_path: Path, database: Location, undisturbed: Tables
) -> None:
    for start in range(0, len(TAPE), 1_000):
        write(tmp_path, TAPE.cut(start, min(start + 1_000, len(TAPE))))
        replay(tmp_path, tables=database, stride_records=300)
    assert tables(database) == undisturbed
    assert replay(tmp_path, tables=database).records == 0
    assert not (tmp_path / "lake").exists()
    Checkpoints(tmp_path / "state").path.unlink()
    assert replay(tmp_path, tables=database, stride_records=777).records == len(TAPE)
    assert tables(database) == undisturbed


def test_rows_of_minutes_that_left_memory_are_recalled_from_the_database(
    tmp_path: Path, database: Location, undisturbed: Tables
) -> None:
    forgetful = LineSettings(bars=BarSettings(retain_us=0, history_bars=1))
    write(tmp_path, TAPE)
    result = replay(tmp_path, forgetful, tables=database, stride_records=200)
    assert result.counts.late > 0
    assert result.counts.unrevised == 0
    assert tables(database) == undisturbed


def test_a_database_without_tables_says_how_to_make_them(tmp_path: Path, postgres: Address) -> None:
    write(tmp_path, TAPE.cut(0, 100))
    with pytest.raises(SettingsError, match="barograph db init"):
        replay(tmp_path, tables=Location(None, postgres))


def test_a_rebuild_takes_the_old_tables_place_and_leaves_completed_trades(
    tmp_path: Path, database: Location, undisturbed: Tables
) -> None:
    write(tmp_path, TAPE)
    replay(tmp_path, LineSettings(bars=BarSettings(allowed_lateness_us=0)), tables=database)
    with pytest.raises(SettingsError, match="barograph rebuild"):
        replay(tmp_path, tables=database)
    with closing(database.database()) as store:
        store.add_trades(table_of(COMPLETED_TRADES.schema(), [completed("k1")]))
        before = store.lineage()
    rebuild(tmp_path, tables=database)
    assert tables(database) == undisturbed
    assert replay(tmp_path, tables=database).records == 0
    with closing(database.database()) as store:
        assert read_trades(store) == ["k1"]
        assert store.lineage() not in (before, "")
    assert not (tmp_path / "state" / "rebuild").exists()


def read_trades(store) -> list[str]:
    return [key for batch in store.scan(Scan("completed_trades")) for key in batch["trade_key"].to_pylist()]


@pytest.mark.parametrize("at", ["begin", "commit", "finish"])
def test_a_rebuild_that_was_killed_leaves_the_old_tables(
    tmp_path: Path, database: Location, undisturbed: Tables, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from barograph.store.postgres import rebuilding

    write(tmp_path, TAPE)
    replay(tmp_path, tables=database)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if at == "commit":
            patched.setattr(Checkpoints, "save", killed)
        else:
            patched.setattr(rebuilding, "migrate" if at == "begin" else "exchange", killed)
        with pytest.raises(KeyboardInterrupt):
            rebuild(tmp_path, tables=database)
    assert tables(database) == undisturbed
    replay(tmp_path, tables=database)
    rebuild(tmp_path, tables=database)
    assert tables(database) == undisturbed


def test_hypertables_are_told_before_anything_is_made(
    tmp_path: Path, database: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    from barograph.store.postgres import rebuilding

    class Made:
        ways = ("hypertables", "tables")

    monkeypatch.setattr(rebuilding, "applied", lambda *_: (Made(),))
    write(tmp_path, TAPE.cut(0, 100))
    with pytest.raises(UsageError, match=r"database\.namespace"):
        rebuild(tmp_path, tables=database)


def test_a_server_that_goes_away_and_comes_back_costs_no_row(
    tmp_path: Path, own_server: Server, undisturbed: Tables
) -> None:
    database = with_tables(own_server.create())
    write(tmp_path, TAPE)
    stops = iter((True, False, True))

    def progress(done: int, total: int) -> None:
        if next(stops, False):
            own_server.stop("immediate")

    def retried(details: stamina.instrumentation.RetryDetails) -> None:
        if details.retry_num == 2:
            own_server.start()

    stamina.instrumentation.set_on_retry_hooks([retried])
    try:
        replay(tmp_path, tables=database, stride_records=400, progress=progress)
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
    assert tables(database) == undisturbed


def test_a_server_that_stays_away_is_told_with_the_remedy(tmp_path: Path, own_server: Server) -> None:
    database = with_tables(own_server.create())
    write(tmp_path, TAPE.cut(0, 500))
    own_server.stop()
    with pytest.raises(StorageError, match=r"tried for 0\.3 s.*barograph doctor.*same command") as caught:
        replay(tmp_path, tables=database, patience_s=0.3)
    assert caught.value.exit_code == 75
    own_server.start()
    assert replay(tmp_path, tables=database).records == 500


def test_a_lake_that_says_no_is_believed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from barograph.store import Lake

    tries = []

    def full(self: Lake, commit: Commit) -> None:
        tries.append(commit)
        raise StorageError("no")

    monkeypatch.setattr(Lake, "commit", full)
    write(tmp_path, TAPE.cut(0, 100))
    with pytest.raises(StorageError, match=r"^no$"):
        replaying.replay(tmp_path)
    assert len(tries) == 1
