"""The page of trading in a real browser, over the demo's data traded by the real process."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, expect
from tests.servers.dashboard import PATIENCE_MS, Scheme, Viewer, Width, dashboard, viewer
from tests.servers.traded import barograph, told

if TYPE_CHECKING:
    from tests.browser.conftest import Looking

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def traded(traded_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data that has been traded over; the kill switch may be thrown."""
    return Path(shutil.copytree(traded_data, tmp_path_factory.mktemp("traded") / "data"))


@pytest.fixture(scope="module")
def said(traded: Path) -> Any:
    """What the command says of completed trades."""
    return told("trades", "--data", traded)


@pytest.fixture(scope="module")
def address(traded: Path) -> Iterator[str]:
    with dashboard(traded) as url:
        yield url


@pytest.fixture
def looks(chromium: Browser, address: str) -> Looking:
    return partial(viewer, chromium, address)


@pytest.fixture(scope="module")
def desk(chromium: Browser, address: str) -> Iterator[Viewer]:
    """A wide, light window for many tests: each opens a page of its own, and asks whether all is well."""
    with viewer(chromium, address) as somebody:
        yield somebody


@pytest.mark.parametrize(("width", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_page_shows_without_a_complaint(looks: Looking, width: Width, scheme: Scheme) -> None:
    with looks(width, scheme) as somebody:
        somebody.open("trading")
        somebody.sees("Completed trades")
        somebody.charts(1)
        somebody.shot("trading")


def test_tables_hold_the_numbers_of_the_commands(desk: Viewer, traded: Path, said: Any) -> None:
    positions = told("positions", "--data", traded)
    assert len(positions) > 3
    assert len(said["summary"]) == 3
    desk.open("trading")
    desk.charts(1)
    held, summed = (rows(desk, place) for place in (0, 1))
    assert [row[:2] + row[5:7] for row in held[:-1]] == [
        [
            row["strategy"],
            row["symbol"],
            money(row["quantity"] * row["price"]),
            money(row["unrealised"]),
        ]
        for row in positions
    ]
    assert [row[:5] for row in summed[:-1]] == [
        [
            row["strategy"],
            f"{row['trades']:,}",
            f"{100 * row['win_rate']:.2f} %",
            money(row["profit"]),
            money(row["fees"]),
        ]
        for row in said["summary"]
    ]
    assert figure(desk, "Earned, after fees") == money(sum(row["profit"] for row in said["trades"]))
    assert figure(desk, "Open") == str(len(positions))
    desk.all_is_well()


def test_filters_count_only_what_is_asked_for(desk: Viewer, said: Any) -> None:
    trades = said["trades"]
    desk.open("trading")
    desk.sees(f"{len(trades):,} of {len(trades):,} trades")
    pick(desk, "Strategy", "dip")
    dips = [row for row in trades if row["strategy"] == "dip"]
    desk.sees(f"{len(dips):,} of {len(trades):,} trades")
    pick(desk, "Reason", "take_profit")
    taken = [row for row in dips if row["reason"] == "take_profit"]
    profit = money(sum(row["profit"] for row in taken))
    desk.sees(f"{len(taken):,} of {len(trades):,} trades: profit {profit}")
    desk.page.get_by_role("radio", name="1 h", exact=True).click()
    desk.settled()
    last = max(row["exit_ts"] for row in trades)
    recent = [row for row in taken if row["exit_ts"] >= hour_before(last)]
    desk.sees("No trade is like that" if not recent else f"{len(recent):,} of {len(trades):,} trades")
    desk.all_is_well()


def test_the_file_holds_what_the_list_shows(desk: Viewer, said: Any) -> None:
    trades = said["trades"]
    desk.open("trading")
    with desk.page.expect_download(timeout=PATIENCE_MS) as download:
        desk.page.get_by_role("button", name=re.compile("All of these as CSV")).click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == len(trades) + 1
    assert {line.split(",")[0] for line in lines[1:]} == {row["trade_key"] for row in trades}
    desk.all_is_well()


def test_the_kill_switch_is_seen_without_reloading(looks: Looking, traded: Path) -> None:
    with looks() as somebody:
        somebody.page.clock.install()
        somebody.open("trading")
        somebody.sees("trading process: not running")
        told_so = somebody.page.get_by_text("kill switch is on")
        barograph("trade", "stop", "--data", traded)
        time_passes(somebody, until=lambda: told_so.count() > 0)
        barograph("trade", "resume", "--data", traded)
        time_passes(somebody, until=lambda: told_so.count() == 0)


def test_nothing_traded_says_what_to_run_and_a_broken_ledger_what_helps(
    chromium: Browser, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    (data / "state").mkdir(parents=True)
    with dashboard(data) as url, viewer(chromium, url, "phone") as somebody:
        somebody.open("trading")
        somebody.sees("No trades yet")
        somebody.sees("barograph trade --strategy dip")
        somebody.shot("trading-empty")
        broken = b"this is no database, but long enough to be read" * 50
        (data / "state" / "ledger.sqlite").write_bytes(broken)
        somebody.open("trading")
        somebody.sees("This cannot be shown right now")


def time_passes(somebody: Viewer, until: Callable[[], bool]) -> None:
    """Have the browser's clock leap; a live part that looks just before there is news looks again."""
    limit = time.monotonic() + PATIENCE_MS / 1_000
    while not until():
        assert time.monotonic() < limit, somebody.page.inner_text("body")
        somebody.page.clock.fast_forward("00:30")  # more than a live part waits while nothing is recorded
        somebody.settled()


def rows(somebody: Viewer, place: int) -> list[list[str]]:
    """The cells of a small table, row by row."""
    table = somebody.page.locator(".sheet table").nth(place)
    expect(table).to_be_visible(timeout=PATIENCE_MS)
    read = "table => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent))"
    found: list[list[str]] = table.evaluate(read)
    return found


def figure(somebody: Viewer, name: str) -> str:
    """The value of a number with a name."""
    metric = somebody.page.locator('[data-testid="stMetric"]').filter(
        has=somebody.page.get_by_text(name, exact=True)
    )
    return metric.first.locator('[data-testid="stMetricValue"]').inner_text()


def pick(somebody: Viewer, label: str, option: str) -> None:
    """Choose one more of several."""
    box = somebody.page.get_by_label(label, exact=True).first
    box.click()
    box.fill(option)
    somebody.page.get_by_role("option", name=option, exact=True).first.click()
    somebody.page.keyboard.press("Escape")
    somebody.settled()


def money(value: float) -> str:
    return f"{value:,.2f}".replace("-", "−")


def hour_before(stamp: Any) -> str:
    from datetime import datetime, timedelta

    return f"{datetime.fromisoformat(stamp) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S.%f}Z"
