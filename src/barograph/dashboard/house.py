"""Which pages there are, and what each of them is given.

A page is a module of ``pages`` with a function ``show(house)``. It reads through ``house.data``, draws with
Streamlit, and raises nothing: what it meets becomes a helpful page here. A part that follows a live market
is handed to :meth:`House.live`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from barograph.dashboard import empty, shared
from barograph.dashboard.data import Data
from barograph.dashboard.theme import Theme, current
from barograph.dashboard.troubles import Unavailable

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

    from barograph.settings import Settings

LIVE_S = 2.0
"""How often a live part looks for news while something is being recorded."""
IDLE_S = 20.0
"""How often it does while nothing is."""


class Page(NamedTuple):
    """One page: its module below ``pages``, which is also its path in the address, and how it is listed."""

    name: str
    title: str
    icon: str
    chapter: str


PAGES = (
    Page("markets", "Markets", ":material/candlestick_chart:", "Market"),
    Page("anomalies", "Anomalies", ":material/bolt:", "Market"),
    Page("coverage", "Coverage", ":material/calendar_month:", "Market"),
    Page("trading", "Trading", ":material/swap_vert:", "Strategies"),
    Page("research", "Research", ":material/science:", "Strategies"),
    Page("luck", "Make your own luck", ":material/casino:", "Strategies"),
    Page("system", "System", ":material/monitor_heart:", "House"),
)


@dataclass(frozen=True)
class House:
    """What a page is given.

    Attributes:
        settings: those in force; secrets in them must not be shown.
        data: all reading.
        theme: colours for charts, light or dark as the viewer has it.
        is_phone: whether the browser says that it is a phone: charts then do not take the finger's swipes.
    """

    settings: Settings
    data: Data
    theme: Theme
    is_phone: bool = False

    @contextmanager
    def shelter(self) -> Iterator[None]:
        """Show what is unavailable in the block as a helpful box in its place; the rest goes on."""
        try:
            yield
        except Unavailable as unavailable:
            empty.unavailable(unavailable, self.settings)

    def live(self, draw: Callable[[], None], every_s: float | None = None) -> None:
        """Draw a part of the page, and again by itself when time has passed; the rest of the page stays.

        What is drawn anew and did not change is not sent anew, so nothing flickers.

        Args:
            every_s: how often; by default as often as there may be news.
        """

        @st.fragment(run_every=every_s or self.refresh_s())
        def part() -> None:
            with self.shelter():
                draw()

        part()

    def refresh_s(self) -> float:
        """How often a live part should look for news."""
        from barograph.recorder.live.statusfile import Life

        try:
            reading = self.data.recorder()
        except Unavailable:
            return IDLE_S
        return LIVE_S if reading is not None and reading.life is Life.RUNNING else IDLE_S


def navigation(house: House) -> StreamlitPage:
    """The menu; returns the page that was chosen."""
    chapters: dict[str, list[StreamlitPage]] = {}
    for page in PAGES:
        entry = st.Page(
            _drawing(page, house),
            title=page.title,
            icon=page.icon,
            url_path=page.name if page is not PAGES[0] else "",
            default=page is PAGES[0],
        )
        chapters.setdefault(page.chapter, []).append(entry)
    # The first page is at the root; its own address leads there too.
    first = PAGES[0]
    again = st.Page(_drawing(first, house), title=first.title, url_path=first.name, visibility="hidden")
    chapters[first.chapter].append(again)
    return st.navigation(chapters)


def _drawing(page: Page, house: House) -> Callable[[], None]:
    def draw() -> None:
        with house.shelter():
            import_module(f"barograph.dashboard.pages.{page.name}").show(house)

    return draw


def entered() -> House:
    """The house for the viewer whose page is being drawn."""
    settings = shared.handed_over()
    agent = st.context.headers.get("User-Agent", "")
    return House(settings, data_of(settings), current(), is_phone="Mobi" in agent)


@st.cache_resource(show_spinner=False)
def data_of(_settings: Settings) -> Data:
    """All reading, one for all viewers of this process."""
    return Data(_settings)
