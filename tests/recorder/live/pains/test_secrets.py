"""Secrets in logs, and wherever else they could stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from barograph.testing import LiveMarket, serving

from ..house import recording
from .venues import CRYPTO, KEY, KITE, STOCKS, TOKEN, USDM, Case, scene, settings_for, where

WITH_SECRETS = where(USDM, CRYPTO, STOCKS, KITE)


def told_of(data: Path, house_tape: list[bytes], output: str) -> bytes:
    """Everything that was written anywhere."""
    files = [file.read_bytes() for file in data.rglob("*") if file.is_file()]
    return b"\n".join([*files, *house_tape, output.encode()])


@WITH_SECRETS
def test_no_secret_is_on_tape_in_logs_or_status(
    case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with scene(case, tmp_path) as it:
        it.trade(5)
        it.cut_off()
        it.faults.change(refuse=500, rest_status=500)
        it.served.act("close", code=1011, reason=f"see wss://venue.test/?apikey={KEY}")
        it.trade(5)
        it.house.until(lambda: it.log.noted("refused"), what="refused")
        it.faults.clear()
        it.served.connected(1)
        it.house.live()
        it.trade(5)
        it.house.caught_up()
        tape = [record.payload for record in it.house.tape()]
    told = told_of(tmp_path, tape, "".join(capfd.readouterr()))
    assert b"connection.closed" in told, "the logs are to be looked at"
    assert len(tape) > 10
    assert TOKEN.encode() not in told
    assert KEY.encode() not in told


@WITH_SECRETS
def test_no_secret_is_in_what_is_told_of_a_venue_that_is_not_there(
    case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(case.venue(LiveMarket((case.symbol, case.other), clock=case.clock()))) as served:
        settings = settings_for(case, served)
        with recording(tmp_path, served.market.clock, **settings) as house:
            house.live()
            served.do(lambda server: server.spawn(server.stop()))
            house.until(lambda: house.stats.feeds[case.feed].stage == "degraded", what="it is gone")
            tape = [record.payload for record in house.tape()]
    told = told_of(tmp_path, tape, "".join(capfd.readouterr()))
    assert b"recording" in told
    assert TOKEN.encode() not in told
    assert KEY.encode() not in told
