"""A database that goes away under a recorder: recording goes on, it is told, and nothing is missing after."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from barograph.cli.status_view import as_text
from barograph.recorder import replay
from barograph.recorder.live.statusfile import read_status, status_path
from barograph.recorder.shaping import line_settings
from barograph.store import Scan, read
from barograph.store.opening import Location
from barograph.tables import TABLES

from .pains.venues import BINANCE, Scene, scene
from .test_services import asked, free_port

if TYPE_CHECKING:
    from tests.servers.postgres import Server


def tables(where: Location) -> dict[str, pa.Table]:
    with closing(where.open()) as store:
        return {name: read(store, Scan(name)) for name in TABLES}


def reached(it: Scene, ticks: int) -> None:
    it.house.until(lambda: it.house.stats.tables.ticks == ticks, what=f"{ticks} trades in the tables")


@pytest.mark.parametrize("apart", [False, True], ids=["thread", "process"])
def test_a_database_that_is_stopped_and_started_costs_nothing(
    tmp_path: Path, own_server: Server, apart: bool
) -> None:
    from tests.servers.recorded import with_tables

    where = with_tables(own_server.create())
    assert where.address is not None
    settings = {"store": "postgresql", "database__url": where.address.uri(), "record__second_process": apart}
    data = tmp_path / "data"
    with scene(BINANCE, data, **settings) as it:
        it.trade(20)
        reached(it, 20)
        for how in ("immediate", "fast"):
            own_server.stop(how)
            enough = it.house.stats.journal.appended + 15
            it.trade(15)
            it.house.until(lambda: it.house.stats.tables.problem, what="the trouble is told")
            it.house.until(lambda n=enough: it.house.stats.journal.appended >= n, what="recording goes on")
            own_server.start()
            it.house.until(lambda: not it.house.stats.tables.problem, 30.0, what="well again")
        reached(it, 50)
        assert it.house.stats.feeds["binance"].disconnects == 0
        final = it.house.stop()
    assert final.tables.next_pos == final.journal.appended
    assert not (data / "lake").exists()
    again = tmp_path / "again"
    shutil.copytree(data / "tape", again / "tape")
    replay(again, line_settings(it.house.settings))
    assert tables(where) == tables(Location(again))


def test_status_and_readiness_tell_of_a_database_that_is_away(tmp_path: Path, own_server: Server) -> None:
    from tests.servers.recorded import with_tables

    where = with_tables(own_server.create())
    assert where.address is not None
    port = free_port()
    settings = {"store": "postgresql", "database__url": where.address.uri(), "record__metrics_port": port}
    with scene(BINANCE, tmp_path, **settings) as it:
        it.trade(5)
        reached(it, 5)
        it.house.until(lambda: asked(port, "/readyz")[0] == 200, what="ready")
        own_server.stop()
        it.trade(5)

        def told() -> bool:
            reading = read_status(status_path(tmp_path), it.house.clock.now_ns())
            return "problem   tables: " in as_text(reading)

        it.house.until(told, what="in the status file")
        it.house.until(lambda: asked(port, "/readyz")[0] == 503, what="not ready")
        assert asked(port, "/healthz")[0] == 200
        assert "correct horse" not in asked(port, "/readyz")[1] + status_path(tmp_path).read_text()
        own_server.start()
        reached(it, 10)
        it.house.until(lambda: asked(port, "/readyz")[0] == 200, what="ready again")
