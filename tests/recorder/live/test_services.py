"""What looks on: the status file, health, alarms, the disk, an end in time."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from barograph.recorder.live import services
from barograph.recorder.live.disk import disk_use
from barograph.recorder.live.stats import Stats
from barograph.recorder.live.statusfile import status_path
from barograph.testing import Coinbase, LiveMarket

from .house import House
from .pains.venues import BINANCE, COINBASE, scene


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def asked(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


def status(house: House) -> Stats | None:
    try:
        return msgspec.json.decode(status_path(house.data).read_bytes(), type=Stats, strict=False)
    except FileNotFoundError:
        return None


def test_the_status_file_follows_and_has_the_last_figures_at_the_end(tmp_path: Path) -> None:
    with scene(BINANCE, tmp_path) as it:
        it.trade(5)
        it.house.until(
            lambda: (now := status(it.house)) and now.tables.ticks == 5, what="five ticks in the file"
        )
        it.trade(2)
        it.all_stored()
        final = it.house.stop()
        last = status(it.house)
        assert last is not None
        assert (last.pid, last.tables.ticks) == (final.pid, 7)
        assert last.disk_free_bytes > 0
        assert last.rss_bytes > 10 << 20


def test_metrics_and_health_are_served_where_the_settings_say(tmp_path: Path) -> None:
    port = free_port()
    with scene(BINANCE, tmp_path, record__metrics_port=port) as it:
        it.trade(5)
        it.all_stored()
        assert asked(port, "/healthz")[0] == 200
        it.house.until(lambda: asked(port, "/readyz")[0] == 200, what="ready")
        code, text = asked(port, "/metrics")
        assert code == 200
        figures = [line for line in text.splitlines() if line.startswith("barograph_") and "binance" in line]
        assert any(float(line.rpartition(" ")[2]) > 0 for line in figures)
    with pytest.raises(urllib.error.URLError):
        asked(port, "/healthz")


def test_given_a_dead_store_then_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    port = free_port()
    with scene(BINANCE, tmp_path, record__metrics_port=port) as it:
        it.trade(1)
        it.all_stored()
        it.house.until(lambda: asked(port, "/readyz")[0] == 200, what="ready")
        (tmp_path / "lake").rename(tmp_path / "away")
        (tmp_path / "lake").write_bytes(b"")
        it.trade(1)
        it.house.until(lambda: asked(port, "/readyz")[0] == 503, what="not ready")
        assert asked(port, "/healthz")[0] == 200
        (tmp_path / "lake").unlink()
        (tmp_path / "away").rename(tmp_path / "lake")
        it.house.until(lambda: asked(port, "/readyz")[0] == 200, what="ready again")


def test_a_feed_that_falls_silent_raises_an_alarm(tmp_path: Path) -> None:
    market = LiveMarket(("BTC-USD", "ETH-USD"))
    with scene(COINBASE, tmp_path, Coinbase(market, heartbeat_s=3600.0)) as it:
        it.trade(1)
        it.all_stored()
        sent = it.house.stats.alerts_sent
        it.clock.advance(10)
        it.house.until(lambda: it.house.stats.alerts_sent > sent, what="the alarm")


def test_a_disk_that_does_not_tell_its_space_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "DISK_S", 0.05)
    failures = [OSError("not now"), OSError("not now")]

    def sometimes(path: Path) -> Any:
        if failures:
            raise failures.pop()
        return disk_use(path)

    monkeypatch.setattr(services, "disk_use", sometimes)
    with scene(BINANCE, tmp_path) as it:
        it.house.until(lambda: it.house.stats.disk_free_bytes > 0, what="the disk is known")
        assert not failures


def test_an_end_does_not_wait_for_a_webhook_that_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/hook"
        with scene(COINBASE, tmp_path, alerts__webhook_url=url, alerts__webhook_timeout_s=60.0) as it:
            it.trade(1)
            it.all_stored()
            it.faults.change(stall=True)
            it.clock.advance(10)
            it.house.until(lambda: it.house.stats.alerts_sent > 0, what="an alarm")
            begun = time.monotonic()
            it.house.stop()
            assert time.monotonic() - begun < 8.0
