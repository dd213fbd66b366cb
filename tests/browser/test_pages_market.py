"""The market pages in a real browser, over the demo's data: wide and narrow, light and dark."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect
from tests.servers.dashboard import PATIENCE_MS, Scheme, Viewer, Width, viewer

if TYPE_CHECKING:
    from tests.browser.conftest import Looking

pytestmark = pytest.mark.slow

PAGES = {
    "": (1, "Newest minute ends"),
    "anomalies": (2, "One by one"),
    "coverage": (1, "Nothing is being recorded"),
    "system": (0, "Secrets are masked"),
}
"""Each page with the number of its charts and a text near its end."""


@pytest.mark.parametrize(("width", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_every_page_shows_without_a_complaint(looking: Looking, width: Width, scheme: Scheme) -> None:
    with looking(width, scheme) as somebody:
        for path, (count, text) in PAGES.items():
            since = time.perf_counter()
            somebody.open(path)
            somebody.sees(text)
            if count:
                somebody.charts(count)
            somebody.took(f"first paint of {path or 'markets'}", since)
            somebody.shot(path or "markets")
            somebody.all_is_well()


def marks(somebody: Viewer) -> set[str]:
    """The kinds that the first chart's legend names."""
    return set(somebody.page.locator(".js-plotly-plot .legendtext").all_text_contents())


def traces(somebody: Viewer) -> dict[str, int]:
    """Points of each trace of the first chart, by name."""
    chart = somebody.page.locator(".js-plotly-plot").first
    return dict(
        chart.evaluate("chart => chart._fullData.map(each => [each.name, each._length ?? each.x.length])")
    )


@pytest.fixture(scope="module")
def desk(chromium: Browser, demo_dashboard: str) -> Iterator[Viewer]:
    """A wide, light window for many tests: each opens a page of its own, and asks whether all is well."""
    with viewer(chromium, demo_dashboard) as somebody:
        yield somebody


def test_another_symbol_and_interval_change_the_chart(desk: Viewer) -> None:
    desk.open()
    changed(desk)


def test_a_phone_changes_symbol_and_interval_too(looking: Looking) -> None:
    with looking("phone") as somebody:
        somebody.open()
        changed(somebody)


def changed(somebody: Viewer) -> None:
    """Change symbol, then interval, and see that the chart is of them, with their anomalies."""
    somebody.charts(1)
    assert traces(somebody)["price"] == 285, "a day in bars of five minutes, three of them silent"
    assert "correlation break" in marks(somebody)
    since = time.perf_counter()
    somebody.choose("Symbol", "SOL-USD")
    expect(somebody.page.get_by_label("SOL-USD: candles")).to_be_visible(timeout=PATIENCE_MS)
    somebody.took("symbol change", since)
    somebody.choose("Interval", "1m")
    somebody.sees(re.compile("Bars of 1m"))
    somebody.settled()
    expect(somebody.page.locator(".js-plotly-plot")).to_have_count(1)
    assert traces(somebody)["price"] == 1_422
    assert {"volume spike", "spread blowout", "price jump"} <= marks(somebody)
    somebody.all_is_well()


def test_a_span_of_minutes_is_drawn_in_bars_of_seconds(desk: Viewer) -> None:
    desk.open()
    desk.charts(1)
    desk.page.get_by_role("radio", name="15 min").click()
    desk.sees(re.compile("Bars of 5s"))
    desk.settled()
    desk.all_is_well()


def test_dragging_across_the_chart_looks_closer_and_back(desk: Viewer) -> None:
    desk.open()
    desk.charts(1)
    box = desk.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    assert box is not None
    mouse, y = desk.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] * 0.50, y)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.52, y, steps=5)
    mouse.move(box["x"] + box["width"] * 0.54, y, steps=5)
    mouse.up()
    desk.sees("Back to the whole span")
    desk.sees(re.compile(r"Bars of (1m|30s|15s)"))
    desk.settled()
    desk.shot("markets-zoomed")
    desk.page.get_by_text("Back to the whole span").click()
    desk.sees(re.compile("Bars of 5m"))
    desk.all_is_well()


def test_a_link_opens_its_symbol(desk: Viewer) -> None:
    desk.open("markets?symbol=XRP-USD&venue=sim")
    expect(desk.page.get_by_label("XRP-USD: candles")).to_be_visible(timeout=PATIENCE_MS)
    desk.all_is_well()


def test_filters_of_anomalies_leave_what_was_asked_for(desk: Viewer) -> None:
    desk.open("anomalies")
    desk.charts(2)
    desk.page.get_by_role("button", name="price jump").click()
    desk.sees(re.compile("6 minutes: price jump 6"))
    desk.settled()
    assert marks(desk) == {"price jump"}
    desk.sees("No model judges these minutes")
    desk.all_is_well()
