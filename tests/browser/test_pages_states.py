"""The market pages while nothing is there yet, while it comes, and while store, files or pages are broken."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.servers.dashboard import PATIENCE_MS, dashboard, viewer
from tests.servers.recorded import write_tape

from barograph.clock import NS_PER_S
from barograph.recorder import replay
from barograph.recorder.live.stats import FeedStage, FeedStats, Stats
from barograph.recorder.live.statusfile import StatusFile, status_path
from barograph.store import Commit, Lake, Scan
from barograph.store.reading import read

pytestmark = pytest.mark.slow

PAGES = ("", "anomalies", "coverage", "system")
BROKEN = """
import sys
from barograph.cli import main
from barograph.dashboard.pages import anomalies, system

def broken(house):
    raise LookupError("nobody thought of this")

system.show = anomalies._found = broken
sys.exit(main(sys.argv[1:]))
"""
"""Our program, with a fault in a page and in the live part of another."""

REFRESHED = 8
"""Messages of the server to a page that nothing new is there for: those of two looks or more."""
CHART_LEAST = 10_000
"""Bytes; any chart has more."""


def a_recorder_runs(data: Path) -> None:
    """Leave word of a recorder, as one of the test's own process would."""
    now_ns = time.time_ns() + 4 * NS_PER_S  # it counts as running a little longer so
    feed = FeedStats("sim", FeedStage.LIVE, connections=1, planned=1, frames=7, last_recv_ns=now_ns)
    file = StatusFile(status_path(data))
    file.put(file.encoded(Stats(os.getpid(), "0", started_ns=now_ns, now_ns=now_ns, feeds={"sim": feed})))


def one_more_minute(data: Path, price: float) -> None:
    """Commit a minute of BTC-USD after its last one, as the recorder does while others look."""
    lake = Lake(data / "lake")
    known = read(lake, Scan("market_microstructure", None, ["BTC-USD"]))
    last, schema = pl.DataFrame(known).sort("timestamp").tail(1), known.schema
    after = last.with_columns(
        pl.col("timestamp") + timedelta(minutes=1), price=pl.lit(price), high=pl.lit(price)
    )
    before = lake.committed()
    lake.commit(Commit(before, before + 1, {"market_microstructure": after.to_arrow().cast(schema)}))
    lake.close()


def watch(page: Page) -> None:
    """Note each frame that the browser draws: the chart that is there, and how high its place is."""
    page.evaluate(
        """() => {
            window.charts = new Set(); window.heights = new Set()
            const look = () => {
                const place = document.querySelector('.st-key-candles')
                window.heights.add(Math.round(place?.getBoundingClientRect().height ?? 0))
                const chart = place?.querySelector('.js-plotly-plot')
                if (chart) window.charts.add(chart)
                requestAnimationFrame(look)
            }
            look()
        }"""
    )


def points(page: Page) -> int:
    """Bars in the first chart."""
    return int(page.locator(".js-plotly-plot").first.evaluate("chart => chart._fullData[0]._length"))


def test_what_is_recorded_appears_by_itself_and_does_not_flicker(chromium: Browser, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with dashboard(data) as url, viewer(chromium, url) as somebody:
        for path in PAGES:
            somebody.open(path)
            somebody.sees("barograph demo" if path != "system" else "barograph record")
            if path == "":
                somebody.shot("empty")
        a_recorder_runs(data)
        somebody.open("anomalies")
        somebody.sees("No anomalies yet")
        somebody.open("coverage")
        somebody.sees("Nothing is known of any minute yet")
        somebody.open("system")
        somebody.sees("No tables yet")
        somebody.shot("system-recording")
        a_recorder_runs(data)
        with somebody.page.expect_websocket() as opened:
            somebody.open()
        socket_ = opened.value
        somebody.sees("No prices yet")
        write_tape(data)
        replay(data)
        somebody.charts(1)
        somebody.settled()
        watch(somebody.page)
        refreshed = [len(socket_.wait_for_event("framereceived")) for _ in range(REFRESHED)]
        assert max(refreshed) < CHART_LEAST, "what did not change is not sent anew"
        assert somebody.page.evaluate("window.charts.size") == 1
        before = points(somebody.page)
        one_more_minute(data, 77_777.0)
        somebody.sees("77,777.00")
        somebody.page.wait_for_function(
            "before => document.querySelector('.js-plotly-plot')?._fullData[0]._length > before", arg=before
        )
        assert somebody.page.evaluate("window.heights.size") == 1, "nothing below the chart jumps"


def test_tables_in_s3_are_told_and_the_rest_is_shown_with_secrets_masked(
    chromium: Browser, demo_data: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "barograph.toml"
    settings.write_text('[database]\npassword = "not-for-eyes"\n', encoding="utf-8")
    given = {"USE_S3": "true", "S3_BUCKET": "my-lake"}
    with (
        dashboard(demo_data, "--config", str(settings), environ=given) as url,
        viewer(chromium, url) as somebody,
    ):
        for path in PAGES:
            somebody.open(path)
            somebody.sees(re.compile("in S3 in the bucket my-lake"))
            somebody.sees("barograph sync")
        somebody.sees("No backups yet")
        search = somebody.page.get_by_role("textbox", name="Search")
        search.fill("database.password")
        search.press("Enter")
        somebody.settled()
        expect(somebody.page.get_by_text("********").first).to_be_attached(timeout=PATIENCE_MS)
        assert "not-for-eyes" not in somebody.page.content()
        somebody.shot("s3")


def test_a_store_that_is_down_is_told_with_a_remedy(chromium: Browser, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path / "barograph.toml"
    settings.write_text(f'store = "postgresql://u:secret@127.0.0.1:{port}/d"\n', encoding="utf-8")
    (tmp_path / "data").mkdir()
    with dashboard(tmp_path / "data", "--config", str(settings)) as url, viewer(chromium, url) as somebody:
        for path in PAGES:
            somebody.open(path)
            somebody.sees(re.compile("This cannot be shown right now"))
            somebody.sees("barograph doctor")
            assert "secret" not in somebody.page.content()
            if path == "":
                expect(somebody.page.get_by_text("This cannot be shown right now")).to_have_count(1)
                somebody.shot("down")


def test_half_written_files_and_faults_of_ours_are_told_and_the_rest_goes_on(
    chromium: Browser, demo_data: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(demo_data / "lake", data / "lake")
    for name in ("market_microstructure", "coverage"):
        for path in data.glob(f"lake/{name}/*/*.parquet"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    program, fault = ("-c", BROKEN), "nobody thought of this"
    with dashboard(data, program=program, fault=fault) as url, viewer(chromium, url) as somebody:
        for path in ("anomalies", "system"):
            somebody.open(path)
            somebody.sees("This page could not be drawn")
            assert fault not in somebody.page.content()
        for path in ("", "coverage"):
            somebody.open(path)
            somebody.sees(re.compile("This cannot be shown right now"))
