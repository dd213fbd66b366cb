"""What the live process tells of itself: filled where things happen, shown by status and metrics."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class FeedStage(StrEnum):
    """Where a feed stands."""

    STARTING = "starting"
    LIVE = "live"
    DEGRADED = "degraded"
    """Some of its connections are not ready."""
    STOPPED = "stopped"
    """It will not try again; ``FeedStats.problem`` says why and what to do."""


class FeedStats(msgspec.Struct):
    """One feed's figures since the process started; changed on the event loop only."""

    feed: str
    stage: FeedStage = FeedStage.STARTING
    problem: str = ""
    symbols: int = 0
    connections: int = 0
    """Open and ready now."""
    planned: int = 0
    """Connections that there should be."""
    frames: int = 0
    bytes: int = 0
    last_recv_ns: int = 0
    connects: int = 0
    disconnects: int = 0
    gaps_open: int = 0
    refills: int = 0
    refilled: int = 0
    """Refills that filled their gap."""
    not_refilled: int = 0


class TablesStats(msgspec.Struct):
    """The tables behind the tape; changed by their thread only."""

    next_pos: int = 0
    """Tape position that the tables reach."""
    tape_pos: int = 0
    """Tape position that there is."""
    lag_s: float = 0.0
    """Age of the oldest record that is not in the tables yet, by its receipt time."""
    newest_event_us: int = 0
    commits: int = 0
    last_commit_ns: int = 0
    problem: str = ""
    """Why the store does not take rows; empty when it does."""
    ticks: int = 0
    quotes: int = 0
    bars: int = 0
    anomalies: int = 0
    rejects: int = 0
    duplicates: int = 0


class JournalStats(msgspec.Struct):
    """The buffer before the tape."""

    waiting_records: int = 0
    waiting_bytes: int = 0
    highest_bytes: int = 0
    appended: int = 0
    problem: str = ""
    """Why the disk does not take records; empty when it does."""


class Stats(msgspec.Struct):
    """All of it: what ``state/recorder.status.json`` holds, written anew each second."""

    pid: int
    version: str
    started_ns: int
    now_ns: int = 0
    feeds: dict[str, FeedStats] = {}
    tables: TablesStats = msgspec.field(default_factory=TablesStats)
    journal: JournalStats = msgspec.field(default_factory=JournalStats)
    disk_free_bytes: int = 0
    disk_used_per_day_bytes: float = 0.0
    """Bytes of tape and tables that a day makes at the present rate; 0 while it is not known."""
    rss_bytes: int = 0
    alerts_sent: int = 0
    alerts_dropped: int = 0
