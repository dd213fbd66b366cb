"""Alarms about the recorder itself: figures of successive moments in, alerts out.

Each alarm is raised once its condition has lasted for a while and is over only when things
are clearly better (hysteresis), so a figure that dances on its bound raises one alarm
and not hundreds. An alarm that lasts is told again every few hours. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from barograph.alerts import Alert, Severity
from barograph.clock import NS_PER_S, NS_PER_US
from barograph.recorder.live.disk import days_until_full
from barograph.recorder.live.stats import FeedStage, FeedStats, JournalStats, Stats, TablesStats
from barograph.settings.recording import RecordSection


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is still well.

    Attributes:
        mute_s: a feed without a frame for longer, while its market is open, is stale.
        behind_s: tables further behind the tape are late...
        behind_over_s: ...until they are nearer than this.
        hold_s: how long tables must be late before anybody is told.
        disk_low_bytes: less free space is an alarm, until there is a quarter more.
        full_in_days: so is a disk that will be full sooner, until it is half as long again.
        remind_s: an alarm that lasts is told again so often.
    """

    mute_s: float = 120.0
    behind_s: float = 60.0
    behind_over_s: float = 10.0
    hold_s: float = 30.0
    disk_low_bytes: int = 1 << 30
    full_in_days: float = 3.0
    remind_s: float = 6 * 3600.0

    @classmethod
    def of(cls, record: RecordSection) -> Bounds:
        """The bounds that the settings ask for."""
        # Symbols are subscribed anew after stale_after_s; only when that did not help is it an alarm.
        return cls(mute_s=2 * record.stale_after_s, disk_low_bytes=record.disk_low_mb * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Condition:
    """What one alarm looks at, at one moment.

    Attributes:
        kind: the alert's kind; the alarm's name together with ``venue``.
        bad: it is to be raised.
        good: it is over. Between ``bad`` and ``good`` everything stays as it was.
        message: what is said when it is raised.
        over: what is said when it is over; empty: nothing.
        severity: of the raised one.
        venue: the feed, empty for the whole house.
        hold_s: how long ``bad`` must last.
        detail: facts for the alert.
    """

    kind: str
    bad: bool
    good: bool
    message: str
    over: str = ""
    severity: Severity = Severity.ERROR
    venue: str = ""
    hold_s: float = 0.0
    detail: dict[str, str | int | float | None] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for the same alarm, always."""
        return f"{self.kind}:{self.venue}" if self.venue else self.kind


class Watch:
    """Looks at the figures about once a second and tells what changed.

    Args:
        bounds: what is still well.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._latches: dict[str, _Latch] = {}
        self._open_since: dict[str, int] = {}
        self._disk_known = False

    @property
    def raised(self) -> list[str]:
        """Keys of the alarms that are raised now."""
        return [key for key, latch in self._latches.items() if latch.raised]

    def look(self, stats: Stats, open_feeds: Collection[str]) -> list[Alert]:
        """The alerts that ``stats`` gives rise to, after all the ones looked at before.

        Args:
            stats: figures of this moment, ``now_ns`` included.
            open_feeds: names of the feeds with at least one market that is open now.
        """
        for name in [name for name in self._open_since if name not in open_feeds]:
            del self._open_since[name]
        for name in open_feeds:
            self._open_since.setdefault(name, stats.now_ns)
        self._disk_known |= stats.disk_free_bytes > 0
        return [alert for each in self._conditions(stats) for alert in self._turn(each, stats.now_ns)]

    def _conditions(self, stats: Stats) -> Iterator[Condition]:
        for feed in stats.feeds.values():
            yield _stopped(feed)
            yield self._stale(feed, stats)
        yield _journal(stats.journal)
        yield _store(stats.tables, self._bounds)
        if self._disk_known:
            yield _disk_low(stats, self._bounds)
            yield _disk_full_soon(stats, self._bounds)

    def _turn(self, condition: Condition, now_ns: int) -> Iterator[Alert]:
        latch = self._latches.setdefault(condition.key, _Latch())
        if latch.turn(condition, now_ns, self._bounds.remind_s):
            yield _alert(condition, condition.message, condition.severity, condition.key, now_ns)
        elif latch.over:
            latch.over = False
            if condition.over:
                yield _alert(condition, condition.over, Severity.INFO, f"{condition.key}:over", now_ns)

    def _stale(self, feed: FeedStats, stats: Stats) -> Condition:
        """No frames although there should be some; counted from the market's opening at the earliest."""
        since = self._open_since.get(feed.feed)
        watched = since is not None and feed.stage is not FeedStage.STOPPED
        mute_s = (stats.now_ns - max(feed.last_recv_ns, stats.started_ns, since or 0)) / NS_PER_S
        mute = mute_s > self._bounds.mute_s
        return Condition(
            "feed_stale",
            bad=watched and mute,
            good=not watched or not mute,
            message=f"{feed.feed}: no frame for {mute_s:.0f} s although its market is open; "
            f"{feed.connections} of {feed.planned} connections are ready"
            + (f" ({feed.problem})" if feed.problem else ""),
            over=f"{feed.feed}: frames come again" if watched else "",
            venue=feed.feed,
            detail={"connections": feed.connections, "planned": feed.planned},
        )


class _Latch:
    """The memory of one alarm."""

    def __init__(self) -> None:
        self.raised = False
        self.over = False
        self._bad_since: int | None = None
        self._told_ns = 0

    def turn(self, condition: Condition, now_ns: int, remind_s: float) -> bool:
        """Whether the alarm is to be told now; :attr:`over` when its end is."""
        if self.raised:
            if condition.good:
                self.raised, self.over, self._bad_since = False, True, None
                return False
            due = now_ns - self._told_ns >= remind_s * NS_PER_S
        else:
            due = self._lasted(condition, now_ns)
            self.raised = due
        if due:
            self._told_ns = now_ns
        return due

    def _lasted(self, condition: Condition, now_ns: int) -> bool:
        if not condition.bad:
            self._bad_since = None
            return False
        if self._bad_since is None or self._bad_since > now_ns:
            self._bad_since = now_ns
        return now_ns - self._bad_since >= condition.hold_s * NS_PER_S


def _alert(condition: Condition, message: str, severity: Severity, key: str, now_ns: int) -> Alert:
    return Alert(
        condition.kind,
        message,
        now_ns // NS_PER_US,
        key,
        severity,
        condition.venue,
        detail=condition.detail,
    )


def _stopped(feed: FeedStats) -> Condition:
    stopped = feed.stage is FeedStage.STOPPED
    return Condition(
        "feed_stopped",
        bad=stopped,
        good=not stopped,
        message=f"{feed.feed} has stopped and will not try again: {feed.problem or 'no reason was given'}",
        over=f"{feed.feed} runs again",
        venue=feed.feed,
    )


def _journal(journal: JournalStats) -> Condition:
    return Condition(
        "journal_problem",
        bad=bool(journal.problem),
        good=not journal.problem,
        message=f"the tape does not take records: {journal.problem}; "
        f"{journal.waiting_records:,} wait in memory",
        over="the tape takes records again",
        detail={"waiting_records": journal.waiting_records, "waiting_bytes": journal.waiting_bytes},
    )


def _store(tables: TablesStats, bounds: Bounds) -> Condition:
    why = f": {tables.problem}" if tables.problem else ""
    return Condition(
        "store_behind",
        bad=tables.lag_s > bounds.behind_s,
        good=tables.lag_s < bounds.behind_over_s and not tables.problem,
        message=f"the tables are {tables.lag_s:.0f} s behind the tape{why}; "
        "recording goes on, and they catch up from it",
        over=f"the tables have caught up; they are {tables.lag_s:.1f} s behind",
        severity=Severity.WARNING,
        hold_s=bounds.hold_s,
        detail={"lag_s": round(tables.lag_s, 1), "records": max(tables.tape_pos - tables.next_pos, 0)},
    )


def _disk_low(stats: Stats, bounds: Bounds) -> Condition:
    free = stats.disk_free_bytes
    return Condition(
        "disk_low",
        bad=free < bounds.disk_low_bytes,
        good=free >= bounds.disk_low_bytes * 1.25,
        message=f"{free / 1e9:.2f} GB are left on the data directory's disk, fewer than record.disk_low_mb; "
        "make room, or set retention.tape_days or retention.tape_gb",
        over=f"there is room again: {free / 1e9:.2f} GB",
        detail={"free_bytes": free},
    )


def _disk_full_soon(stats: Stats, bounds: Bounds) -> Condition:
    days = days_until_full(stats.disk_free_bytes, stats.disk_used_per_day_bytes)
    known = days if days is not None else float("inf")
    return Condition(
        "disk_full_soon",
        bad=known < bounds.full_in_days,
        good=known >= bounds.full_in_days * 1.5,
        message=f"the disk will be full in about {known:.1f} days at the present rate; "
        "make room, or set retention.tape_days or retention.tape_gb",
        over="the disk will not be full soon any more",
        severity=Severity.WARNING,
        hold_s=600.0,
        detail={"days": None if days is None else round(days, 2)},
    )
