"""Local-time timestamps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from barograph.clock import to_us

from .venues import Case, everywhere, scene


@pytest.fixture(params=["America/St_Johns", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine is somewhere else."""
    before = time.tzname
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    assert time.tzname != before
    yield request.param
    monkeypatch.undo()
    time.tzset()


@everywhere
@pytest.mark.usefixtures("zone")
def test_times_are_utc_whatever_the_machines_zone_is(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path) as it:
        it.trade(5)
        it.pass_time(70)
        it.trade(1)
        it.all_stored()
        made = it.market.trades[case.symbol].newest(6)
        rows = it.house.rows("ticks", symbol=case.symbol)
        # Some venues tell milliseconds, and Kite seconds.
        off_us = [to_us(row["ts"]) - trade.ts_us for row, trade in zip(by_size(rows), made, strict=True)]
        assert all(-1_000_000 < us <= 0 for us in off_us)
        assert all(0 <= to_us(row["recv_ts"]) - to_us(row["ts"]) < 60_000_000 for row in rows)
        (minute,) = {to_us(row["ts"]) // 60_000_000 for row in by_size(rows)[:1]}
        it.house.until(lambda: it.house.rows("market_microstructure", symbol=case.symbol), what="a minute")
        bars = it.house.rows("market_microstructure", symbol=case.symbol)
        assert minute in {to_us(row["timestamp"]) // 60_000_000 for row in bars}


def by_size(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(rows, key=lambda row: row["size"])  # type: ignore[arg-type, return-value]
