"""A real dashboard process, and a real browser that looks at it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, ConsoleMessage, Page, expect

ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts"
"""Where screenshots stay, for people to look at. Git ignores it."""
WIDTHS = {"desktop": 1280, "phone": 390}
PHONE_AGENT = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Mobile Safari/537.36"
)
PATIENCE_MS = 30_000

Width = Literal["desktop", "phone"]
Scheme = Literal["light", "dark"]


@contextmanager
def dashboard(
    data: Path,
    *options: str,
    environ: Mapping[str, str] | None = None,
    program: Sequence[str] = ("-m", "barograph"),
    fault: str = "",
) -> Iterator[str]:
    """Run ``barograph dashboard`` over ``data`` on a free port; yields its address, once it answers.

    Args:
        environ: variables, beside those of the test.
        program: what Python runs, where it is not us as we are.
        fault: what must stand in the log at the end; without it no traceback may.
    """
    command = [sys.executable, *program, "dashboard", "--data", str(data), "--port", "0", "--json"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **(environ or {})},
            cwd=data.parent,  # no settings file of anybody's
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            yield str(json.loads(line or "{}").get("url", ""))
        finally:
            process.terminate()
            process.communicate(timeout=30)
            log.seek(0)
            told = log.read()
    assert line, told
    assert fault in told if fault else "Traceback" not in told, told


@dataclass
class Viewer:
    """Somebody with a browser window, who notices everything that is wrong."""

    page: Page
    url: str
    width: Width
    scheme: Scheme
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        self.page.on("request", lambda request: self._asked(request.url))

    def open(self, path: str = "") -> None:
        """Go to a page and wait until it is drawn."""
        self.page.goto(f"{self.url}/{path}")
        self.settled()

    def settled(self) -> None:
        """Wait until the script has run to its end and nothing is left to be drawn."""
        app = self.page.locator('[data-testid="stApp"]')
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE_MS)
        expect(self.page.locator('[data-testid="stSkeleton"]')).to_have_count(0, timeout=PATIENCE_MS)

    def charts(self, count: int) -> None:
        """Wait until at least so many charts are drawn."""
        drawn = self.page.locator(".js-plotly-plot .main-svg .subplot.xy")
        expect(drawn.nth(count - 1)).to_be_attached(timeout=PATIENCE_MS)

    def sees(self, text: str | re.Pattern[str]) -> None:
        """Wait until there is such a text."""
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)

    def choose(self, label: str, option: str) -> None:
        """Choose from a box with a list, such as the symbol."""
        box = self.page.get_by_label(label, exact=False).first
        box.click()
        if box.is_editable():  # a phone offers the list alone, without its keyboard
            box.fill(option)
        self.page.get_by_role("option", name=option, exact=True).first.click()
        self.settled()

    def press(self, label: str) -> None:
        """Press a button, or one of several beside each other."""
        self.page.get_by_role("button", name=label, exact=True).first.click()
        self.settled()

    def all_is_well(self) -> None:
        """No error box, no complaint in the console, nothing wider than the window, nobody else asked."""
        boxes = self.page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]')
        assert boxes.all_inner_texts() == [], self.page.url
        assert "This page could not be drawn" not in self.page.inner_text("body"), self.page.url
        wide = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
        assert self.page.evaluate(wide) <= 1, f"{self.page.url} is wider than the window"
        assert self.complaints == [], "; ".join(self.complaints)

    def shot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        ARTEFACTS.mkdir(exist_ok=True)
        main = self.page.locator('[data-testid="stMainBlockContainer"]')
        height = int(main.evaluate("box => box.scrollHeight")) + 60
        before = self.page.viewport_size
        assert before is not None
        # The page scrolls inside the window: a taller window shows all of it.
        self.page.set_viewport_size({"width": before["width"], "height": max(height, before["height"])})
        self.settled()
        self._charts_still()
        self.page.screenshot(path=ARTEFACTS / f"{name}-{self.width}-{self.scheme}.png")
        self.page.set_viewport_size(before)

    def took(self, what: str, since: float) -> None:
        """Note how long something took; asserted nowhere."""
        ARTEFACTS.mkdir(exist_ok=True)
        with (ARTEFACTS / "times.txt").open("a") as file:
            file.write(f"{what} ({self.width}): {time.perf_counter() - since:.2f} s\n")

    def _charts_still(self) -> None:
        """Charts take the width of their place a moment after the place has it."""
        self.page.wait_for_function(
            "() => { const wide = box => box.getBoundingClientRect().width;"
            " return [...document.querySelectorAll('.js-plotly-plot')]"
            ".every(chart => Math.abs(wide(chart) - wide(chart.parentElement)) < 3) }"
        )

    def _heard(self, message: ConsoleMessage) -> None:
        # Opened at a page, Streamlit first looks for its server below that page's path.
        looking = "/_stcore/" in message.location.get("url", "")
        if message.type == "error" and not looking:
            self.complaints.append(f"console: {message.text}")

    def _failed(self, url: str, failure: str | None) -> None:
        if failure != "net::ERR_ABORTED":  # what a page that was left no longer waits for
            self.complaints.append(f"not loaded: {url}: {failure}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"asked somebody else: {url}")


@contextmanager
def viewer(
    browser: Browser, url: str, width: Width = "desktop", scheme: Scheme = "light"
) -> Iterator[Viewer]:
    """Open a window of that width, light or dark; at the end all must be well."""
    phone = {"user_agent": PHONE_AGENT, "has_touch": True} if width == "phone" else {}
    context = browser.new_context(
        viewport={"width": WIDTHS[width], "height": 900},
        color_scheme=scheme,
        reduced_motion="reduce",
        **phone,
    )
    try:
        somebody = Viewer(context.new_page(), url, width, scheme)
        yield somebody
        somebody.all_is_well()
    finally:
        context.close()
