"""The pages of research in a real browser: a study told, studies compared, and luck made to measure."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect
from tests.servers.dashboard import PATIENCE_MS, Scheme, Viewer, Width, dashboard, viewer

from barograph.research import files

if TYPE_CHECKING:
    from tests.browser.conftest import Looking

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studied(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with nothing in it, beside two studies."""
    root = tmp_path_factory.mktemp("studied")
    (root / "data").mkdir()
    shutil.copytree(studies, root / "study")
    return root / "data"


@pytest.fixture(scope="module")
def address(studied: Path) -> Iterator[str]:
    with dashboard(studied) as url:
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
def test_a_study_is_told_without_a_complaint(looks: Looking, width: Width, scheme: Scheme) -> None:
    with looks(width, scheme) as somebody:
        somebody.open("research")
        somebody.sees("What speaks for it, and against it")
        # Families, crowd, cloud, equity (two parts), tries, walk-forward.
        somebody.charts(6)
        somebody.shot("research")


def test_the_verdict_is_the_studys_own(desk: Viewer, studied: Path) -> None:
    words = json.loads((studied.parent / "study" / "sp500" / files.VALIDATION).read_bytes())["verdict"]
    desk.open("research?study=sp500")
    desk.sees(sentence(words["headline"]))
    for reason in words["reasons"]:
        desk.sees(sentence(reason))
    desk.all_is_well()


def test_another_study_is_chosen(desk: Viewer, studied: Path) -> None:
    words = json.loads((studied.parent / "study" / "crosses" / files.VALIDATION).read_bytes())["verdict"]
    desk.open("research")
    desk.choose("Study", "crosses")
    desk.sees(sentence(words["headline"]))
    desk.sees("left out by --quick")
    desk.all_is_well()


def test_the_report_can_be_taken_away(desk: Viewer, studied: Path) -> None:
    desk.open("research?study=sp500")
    with desk.page.expect_download(timeout=PATIENCE_MS) as download:
        desk.page.get_by_role("button", name=re.compile("The whole report")).click()
    report = studied.parent / "study" / "sp500" / files.REPORT
    assert download.value.path().read_bytes() == report.read_bytes()
    desk.all_is_well()


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_studies_stand_side_by_side(looks: Looking, width: Width) -> None:
    with looks(width) as somebody:
        somebody.open("research")
        switch(somebody, "side by side")
        somebody.charts(2)
        table = somebody.page.locator(".sheet table").first
        expect(table.locator("th")).to_have_text(["", "sp500", "crosses"], timeout=PATIENCE_MS)
        somebody.shot("research-compared")


@pytest.mark.parametrize(("width", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_luck_is_made_without_a_complaint(looks: Looking, width: Width, scheme: Scheme) -> None:
    with looks(width, scheme) as somebody:
        somebody.open("luck")
        somebody.sees("The best of 500 coin flips shows a Sharpe ratio of")
        somebody.sees("What to take home")
        somebody.charts(4)
        somebody.shot("luck")


def test_knobs_make_other_luck(desk: Viewer) -> None:
    desk.open("luck")
    desk.sees("The best of 500 coin flips")
    told = headline(desk)
    desk.press("Roll again")
    expect(desk.page.get_by_text("The best of 500 coin flips").first).not_to_have_text(told)
    since = time.perf_counter()
    slider = desk.page.get_by_role("slider", name="Strategies tried")
    slider.press("End")
    desk.sees("The best of 1,000 coin flips")
    desk.took("luck of 1,000 strategies", since)
    switch(desk, "chart rules")
    desk.sees("The best of 1,000 chart rules")
    desk.sees("fewer tries than they seem")
    desk.all_is_well()


def test_no_study_one_half_done_and_a_broken_one_are_helpful_pages(chromium: Browser, tmp_path: Path) -> None:
    data, half = tmp_path / "data", tmp_path / "study" / "half"
    data.mkdir()
    with dashboard(data) as url, viewer(chromium, url, "phone") as somebody:
        somebody.open("research")
        somebody.sees("No studies yet")
        somebody.sees("barograph research run --data arch:sp500")
        somebody.shot("research-empty")
        (half / "strategies").mkdir(parents=True)
        (half / files.STRATEGIES).write_text("{")
        somebody.open("research")
        somebody.sees("half has no verdict yet")
        somebody.sees("barograph research backtest --out")
        (half / "results").mkdir()
        for key in (files.TRAINING, files.BEST, files.VALIDATION, files.REPORT):
            (half / key).write_text("nothing that can be read")
        somebody.open("research")
        somebody.sees("This cannot be shown right now")


def sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def switch(somebody: Viewer, option: str) -> None:
    """Take another one of several beside each other."""
    somebody.page.get_by_role("radio", name=option, exact=True).click()
    somebody.settled()


def headline(somebody: Viewer) -> str:
    return somebody.page.get_by_text("The best of 500 coin flips").first.inner_text()
