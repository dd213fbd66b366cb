"""The page of trading in a real browser, over the demo's data traded by the real process."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, expect
from tests.servers.dashboard import PATIENCE_MS, Scheme, Viewer, Width, dashboard, viewer
from tests.servers.traded import barograph, told, trade

if TYPE_CHECKING:
    from tests.browser.conftest import Looking


@pytest.fixture(scope="module")
def traded(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's data, traded over by three strategies."""
    data = tmp_path_factory.mktemp("traded") / "data"
    shutil.copytree(demo_data, data)
    trade(data)
    return data


@pytest.fixture(scope="module")
def address(traded: Path) -> Iterator[str]:
    with dashboard(traded) as url:
        yield url


@pytest.fixture
def looks(chromium: Browser, address: str) -> Looking:
    return partial(viewer, chromium, address)


@pytest.mark.parametrize(("width", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_page_shows_without_a_complaint(looks: Looking, width: Width, scheme: Scheme) -> None:
    with looks(width, scheme) as somebody:
        somebody.open("trading")
        somebody.sees("Completed trades")
        somebody.charts(1)
        somebody.shot("trading")


def test_tables_hold_the_numbers_of_the_commands(looks: Looking, traded: Path) -> None:
    positions, trades = told("positions", "--data", traded), told("trades", "--data", traded)
    assert len(positions) > 3
    assert len(trades["summary"]) == 3
    with looks() as somebody:
        somebody.open("trading")
        somebody.charts(1)
        held, summed = (rows(somebody, place) for place in (0, 1))
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
            for row in trades["summary"]
        ]
        assert figure(somebody, "Earned, after fees") == money(sum(row["profit"] for row in trades["trades"]))
        assert figure(somebody, "Open") == str(len(positions))


def test_filters_count_only_what_is_asked_for(looks: Looking, traded: Path) -> None:
    trades = told("trades", "--data", traded)["trades"]
    with looks() as somebody:
        somebody.open("trading")
        somebody.sees(f"{len(trades):,} of {len(trades):,} trades")
        pick(somebody, "Strategy", "dip")
        dips = [row for row in trades if row["strategy"] == "dip"]
        somebody.sees(f"{len(dips):,} of {len(trades):,} trades")
        pick(somebody, "Reason", "take_profit")
        taken = [row for row in dips if row["reason"] == "take_profit"]
        profit = money(sum(row["profit"] for row in taken))
        somebody.sees(f"{len(taken):,} of {len(trades):,} trades: profit {profit}")
        somebody.page.get_by_role("radio", name="1 h", exact=True).click()
        somebody.settled()
        last = max(row["exit_ts"] for row in trades)
        recent = [row for row in taken if row["exit_ts"] >= hour_before(last)]
        somebody.sees("No trade is like that" if not recent else f"{len(recent):,} of {len(trades):,} trades")


def test_the_file_holds_what_the_list_shows(looks: Looking, traded: Path) -> None:
    trades = told("trades", "--data", traded)["trades"]
    with looks() as somebody:
        somebody.open("trading")
        with somebody.page.expect_download(timeout=PATIENCE_MS) as download:
            somebody.page.get_by_role("button", name=re.compile("All of these as CSV")).click()
        lines = download.value.path().read_text().splitlines()
        assert len(lines) == len(trades) + 1
        assert {line.split(",")[0] for line in lines[1:]} == {row["trade_key"] for row in trades}


def test_the_kill_switch_is_seen_without_reloading(looks: Looking, traded: Path) -> None:
    with looks() as somebody:
        somebody.page.clock.install()
        somebody.open("trading")
        somebody.sees("trading process: not running")
        barograph("trade", "stop", "--data", traded)
        somebody.page.clock.fast_forward("00:30")  # more than a live part waits while nothing is recorded
        somebody.sees("kill switch is on")
        barograph("trade", "resume", "--data", traded)
        somebody.page.clock.fast_forward("00:30")
        expect(somebody.page.get_by_text("kill switch is on")).to_have_count(0, timeout=PATIENCE_MS)


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
