"""A promotion while the recorder runs, before it starts, and of what cannot be used."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from barograph.anomalies.models import Promoted, Registry
from barograph.anomalies.models.promotion import STREAM
from barograph.recorder import rebuild
from barograph.recorder.live import promotions
from barograph.recorder.shaping import line_settings
from barograph.records import Kind

from ..modelling import put_model
from .house import House
from .pains.venues import BINANCE, scene


def told(house: House) -> list[Promoted]:
    """The promotions on the tape so far."""
    return [
        msgspec.json.decode(record.payload, type=Promoted)
        for record in house.tape(Kind.CONFIG)
        if record.stream == STREAM
    ]


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotions, "WATCH_S", 0.02)


def test_a_promotion_takes_effect_in_a_running_recorder_and_again_at_its_next_start(tmp_path: Path) -> None:
    registry = Registry.of(tmp_path)
    one, two = put_model(tmp_path, 1.0), put_model(tmp_path, 2.0)
    with scene(BINANCE, tmp_path) as it:
        it.trade(2)
        it.all_stored()
        assert told(it.house) == []
        first = registry.promote(one)
        it.house.until(lambda: told(it.house) == [first], what="the promotion on the tape")
        second = registry.promote(two)
        it.house.until(lambda: told(it.house) == [first, second], what="the next one")
        none = registry.promote(None)
        it.house.until(lambda: told(it.house)[2:] == [none], what="no model")
        third = registry.promote(one)
        it.house.until(lambda: told(it.house)[3:] == [third], what="the first again")
        it.trade(2)
        it.all_stored()
        it.house.stop()
    with scene(BINANCE, tmp_path, it.served.server.venue) as again:
        again.house.until(lambda: told(again.house)[4:] == [third], what="told at the start")
        again.trade(2)
        again.house.until(lambda: again.house.stats.tables.problem == "", what="the tables follow")


def test_without_models_nothing_is_told(tmp_path: Path) -> None:
    with scene(BINANCE, tmp_path) as it:
        it.trade(2)
        it.all_stored()
        it.house.stop()
        assert told(it.house) == []
        assert not (tmp_path / "models").exists()


def test_a_version_that_cannot_be_loaded_is_told_once_and_the_former_goes_on(tmp_path: Path) -> None:
    registry = Registry.of(tmp_path)
    one, two = put_model(tmp_path, 1.0), put_model(tmp_path, 2.0)
    with scene(BINANCE, tmp_path) as it, capture_logs() as logs:
        first = registry.promote(one)
        it.house.until(lambda: told(it.house) == [first], what="the first one")
        (registry.folder / "promoted.json").write_text("{")
        it.house.until(lambda: refusals(logs) == 1, what="the broken file is told")
        second = registry.promote(two)
        shutil.rmtree(registry.folder / two.name / two.version)
        (registry.folder / "promoted.json").write_bytes(msgspec.json.encode(second))
        it.house.until(lambda: refusals(logs) >= 2, what="the missing version is told")
        it.trade(2)
        it.all_stored()
        assert first in told(it.house)
        assert it.house.stats.tables.problem == ""


def refusals(logs: list) -> int:
    return sum("cannot be used" in line["event"] for line in logs)


def test_rows_of_the_model_come_live_and_a_rebuild_finds_the_same(tmp_path: Path) -> None:
    """Minutes pass in moments: the venue's clock and ours are set forward together."""
    with scene(BINANCE, tmp_path) as it:
        settings = it.house.settings
        registry = Registry.of(tmp_path)
        registry.promote(put_model(tmp_path, -1.0, symbols=("BTC-USDT", "ETH-USDT")))
        it.house.until(lambda: len(told(it.house)) == 1, what="the promotion on the tape")
        for _ in range(25):
            it.trade(4)
            it.house.clock.advance(60.0)
        it.trade(4)
        it.house.until(
            lambda: "model" in it.house.table("anomalies")["kind"].to_pylist(), what="rows of the model"
        )
        it.house.stop()
        live = it.house.table("anomalies")
    rebuild(tmp_path, line_settings(settings))
    assert it.house.table("anomalies").equals(live)
