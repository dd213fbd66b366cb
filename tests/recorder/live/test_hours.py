"""Whose market is open now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from barograph.calendars.calendar import ALWAYS_OPEN, Calendar, Session, from_sessions
from barograph.clock import ManualClock, to_us
from barograph.recorder.live.hours import OpenFeeds

from .echo import BOTH, EchoLive

OPEN, CLOSE = datetime(2026, 11, 18, 14, 30, tzinfo=UTC), datetime(2026, 11, 18, 21, tzinfo=UTC)
DAY = from_sessions("XNYS", [Session(OPEN.date(), to_us(OPEN), to_us(CLOSE))], None)


class Described(EchoLive):
    """A feed whose symbols have calendars."""

    def __init__(self, calendars: dict[str, str]) -> None:
        super().__init__("ws://127.0.0.1:1", {"spot-0": dict.fromkeys(calendars, BOTH)})
        self._of = calendars

    def calendar(self, symbol: str) -> str:
        return self._of[symbol]


def named(name: str) -> Calendar:
    return {"24/7": ALWAYS_OPEN, "XNYS": DAY}[name]


def at(hour: int, **feeds: dict[str, str]) -> list[str]:
    clock = ManualClock(to_us(datetime(2026, 11, 18, hour, tzinfo=UTC)) * 1_000)
    open_feeds = OpenFeeds(named, clock)
    asyncio.run(open_feeds.prepare({name: Described(of) for name, of in feeds.items()}))
    return sorted(open_feeds.now())


def test_a_feed_is_open_while_the_market_of_one_of_its_symbols_is() -> None:
    feeds = {
        "crypto": {"BTC-USD": "24/7"},
        "stocks": {"AAPL": "XNYS"},
        "both": {"BTC-USD": "24/7", "AAPL": "XNYS"},
    }
    assert at(15, **feeds) == ["both", "crypto", "stocks"]
    assert at(22, **feeds) == ["both", "crypto"]


def test_after_a_reload_the_new_symbols_count() -> None:
    clock = ManualClock(to_us(datetime(2026, 11, 18, 22, tzinfo=UTC)) * 1_000)
    open_feeds = OpenFeeds(named, clock)
    asyncio.run(open_feeds.prepare({"feed": Described({"AAPL": "XNYS"})}))
    assert list(open_feeds.now()) == []
    asyncio.run(open_feeds.prepare({"feed": Described({"AAPL": "XNYS", "BTC-USD": "24/7"})}))
    assert list(open_feeds.now()) == ["feed"]


def test_before_anything_is_known_nothing_is_open() -> None:
    assert list(OpenFeeds(named, ManualClock()).now()) == []
