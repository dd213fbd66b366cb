"""Debian's chromium, and a dashboard over the demo's data, for tests that look at pages.

::

    def test_a_page_shows_x(looking: Looking) -> None:
        with looking("phone", "dark") as viewer:
            viewer.open("anomalies")
            viewer.sees("...")
            viewer.shot("anomalies")
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.conftest import skip_or_fail
from tests.servers.dashboard import Viewer, dashboard, viewer

Looking: TypeAlias = Callable[..., AbstractContextManager[Viewer]]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser; ended with the module, since its event loop would disturb tests with one of their own."""
    path = shutil.which("chromium")
    if path is None:
        skip_or_fail("no browser is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo_dashboard(demo_data: Path) -> Iterator[str]:
    """The address of a dashboard over the demo's data."""
    with dashboard(demo_data) as url:
        yield url


@pytest.fixture
def looking(chromium: Browser, demo_dashboard: str) -> Looking:
    """``looking(width, scheme)`` opens a window on the demo's dashboard."""
    return partial(viewer, chromium, demo_dashboard)
