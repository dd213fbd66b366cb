"""The dashboard as a browser shows it: how soon its first page is there, and how soon another symbol.

    python -m benchmarks.dashboard [--python PATH] [--json]

paint    ``barograph dashboard`` over the demo's data, opened by Debian's chromium with an empty cache (every
         try is a new profile), on a desktop and a phone: seconds from the address to the first content, to
         the table with the newest prices of all symbols, and until the chart of the first symbol is drawn
         as well, all by the browser's own clock; median of five
symbol   from the click on another symbol until its chart is drawn, median of three

Browser and server share the machine's cores; the browser draws without a graphics card. The server has run
for a few seconds before.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TRIES = 5
WARM_S = 8.0
PATIENCE_MS = 60_000
SYMBOLS = ("SOL-USD", "XRP-USD", "ETH-USD")
WINDOWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {
        "viewport": {"width": 390, "height": 900},
        "has_touch": True,
        "user_agent": "Mozilla/5.0 (Linux; Android 14) Chrome/140.0.0.0 Mobile Safari/537.36",
    },
}
_PARTS = {"prices": ".glances", "chart": ".js-plotly-plot .main-svg .subplot.xy"}
"""What tells that a part of the page is there."""
_WATCH = """
window.painted = {};
const parts = PARTS;
const watching = new MutationObserver(() => {
    for (const [name, selector] of Object.entries(parts))
        if (document.querySelector(selector)) {
            delete parts[name];  // what stands in the page now is painted with the next frame
            requestAnimationFrame(() => setTimeout(() => { window.painted[name] = performance.now(); }));
        }
});
watching.observe(document, {childList: true, subtree: true});
new PerformanceObserver(list => {
    for (const entry of list.getEntries())
        if (entry.name == 'first-contentful-paint') window.painted.first = entry.startTime;
}).observe({type: 'paint', buffered: true});
""".replace("PARTS", json.dumps(_PARTS))


def measure(python: str) -> dict[str, Any]:
    """The figures; ``{"skipped": why}`` where there is no browser."""
    path = shutil.which("chromium")
    if path is None:
        return {"skipped": "no chromium is installed (Debian: apt-get install chromium)"}
    from playwright.sync_api import sync_playwright

    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="barograph-dashboard-") as folder:
        data = Path(folder) / "data"
        made = [python, "-m", "barograph", "demo", "--data", str(data), "--quiet"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        with served(python, data) as url, sync_playwright() as playwright:
            time.sleep(WARM_S)
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            for name, window in WINDOWS.items():
                tries = [_opened(browser, url, window) for _ in range(TRIES)]
                for what in tries[0]:
                    figures[f"{name}_{what}"] = statistics.median(one[what] for one in tries)
            browser.close()
    return figures


@contextmanager
def served(python: str, data: Path) -> Iterator[str]:
    """``barograph dashboard`` over a data directory: its address."""
    command = [python, "-m", "barograph", "dashboard", "--data", str(data), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(30)


def _opened(browser: Browser, url: str, window: dict[str, Any]) -> dict[str, float]:
    """Seconds until each part of the first page was there, and until other symbols were."""
    context = browser.new_context(reduced_motion="reduce", **window)
    page = context.new_page()
    page.add_init_script(_WATCH)
    page.goto(url, wait_until="commit")
    everything = "() => window.painted.first && window.painted.prices && window.painted.chart"
    page.wait_for_function(everything, timeout=PATIENCE_MS)
    took = {f"{name}_s": at_ms / 1e3 for name, at_ms in page.evaluate("() => window.painted").items()}
    _settled(page)
    took["symbol_s"] = statistics.median(_changed(page, symbol) for symbol in SYMBOLS)
    context.close()
    return took


def _changed(page: Page, symbol: str) -> float:
    box = page.get_by_label("Symbol", exact=False).first
    box.click()
    if box.is_editable():  # a phone offers the list alone
        box.fill(symbol)
    option = page.get_by_role("option", name=symbol, exact=True).first
    option.wait_for(timeout=PATIENCE_MS)
    begun = time.perf_counter()
    option.click()
    page.get_by_label(re.compile(f"^{symbol}: candles")).wait_for(timeout=PATIENCE_MS)
    _settled(page)
    return time.perf_counter() - begun


def _settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=PATIENCE_MS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="runs the demo and the dashboard")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = measure(given.python)
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:<28}{value if isinstance(value, str) else format(value, '14.3f')}")


if __name__ == "__main__":
    main()
