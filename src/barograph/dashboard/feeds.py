"""How the feeds do, as the recorder tells: shown by more than one page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from barograph.clock import NS_PER_S
from barograph.dashboard import empty
from barograph.dashboard.formats import DASH, length, moment_ns

if TYPE_CHECKING:
    from barograph.dashboard.house import House
    from barograph.recorder.live.stats import FeedStats
    from barograph.recorder.live.statusfile import Reading


def health(house: House) -> None:
    """A table of the feeds; what to run where nothing is recorded."""
    reading = house.data.recorder()
    if reading is None or not _runs(reading):
        last = "" if reading is None else f" It last ran until {moment_ns(reading.status.now_ns)} UTC."
        empty.nothing(
            "Nothing is being recorded",
            f"No recorder runs over {house.data.folder}.{last}",
            f"barograph record --feed sim --data {house.data.folder}",
        )
        return
    import polars as pl

    rows = [_row(feed, reading) for feed in reading.status.feeds.values()]
    st.dataframe(pl.DataFrame(rows), key="feeds", hide_index=True)
    for feed in reading.status.feeds.values():
        if feed.problem:
            st.warning(f"{feed.feed}: {feed.problem}")


def sentence(reading: Reading | None) -> tuple[str, str, str]:
    """Whether a recorder runs: a word, a colour for its badge, and since when."""
    from barograph.recorder.live.statusfile import Life

    if reading is None:
        return "never ran", "gray", "No recorder ever ran over this data directory."
    status = reading.status
    since = f"Since {moment_ns(status.started_ns)} UTC, process {status.pid}, version {status.version}"
    if reading.life is Life.RUNNING:
        return "running", "green", since
    if reading.life is Life.STUCK:
        return "not answering", "orange", f"{since}; silent for {length(reading.age_s)}"
    return "not running", "gray", f"Last ran {moment_ns(status.started_ns)} to {moment_ns(status.now_ns)} UTC"


def _runs(reading: Reading) -> bool:
    from barograph.recorder.live.statusfile import Life

    return reading.life is not Life.ENDED


def _row(feed: FeedStats, reading: Reading) -> dict[str, object]:
    age_s = (time.time_ns() - feed.last_recv_ns) / NS_PER_S if feed.last_recv_ns else None
    return {
        "feed": feed.feed,
        "state": feed.stage.value,
        "messages/s": round(reading.status.frames_per_s.get(feed.feed, 0.0), 1),
        "last message": DASH if age_s is None else f"{length(max(age_s, 0.0))} ago",
        "connections": f"{feed.connections} of {feed.planned}",
        "symbols": feed.symbols,
        "open gaps": feed.gaps_open,
        "repaired": feed.refilled,
        "not repaired": feed.not_refilled,
        "drops": feed.disconnects,
        "messages": feed.frames,
    }
