"""What ``barograph status`` tells of the recorder: plain data, a text for people, a line for pipes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from barograph.cli.demo_view import size
from barograph.cli.text_table import text_table
from barograph.cli.times import iso_ns
from barograph.clock import NS_PER_S
from barograph.recorder.live.disk import days_until_full
from barograph.recorder.live.stats import FeedStats
from barograph.recorder.live.statusfile import Life, Reading, Status

_COLUMNS = {
    "feed": "feed",
    "stage": "stage",
    "messages_per_s": "messages/s",
    "last_message_s": "last s",
    "connections": "ready",
    "planned": "of",
    "gaps_open": "gaps",
    "not_refilled": "missing",
    "symbols": "symbols",
    "refilled": "refilled",
    "disconnects": "drops",
    "frames": "messages",
}
"""What the table shows of each feed, with its headings; a narrow terminal shows the first ones."""

_ROOM = 200
"""Characters in a line where there is no terminal to be too narrow."""


def as_fields(reading: Reading | None) -> dict[str, Any] | None:
    """The recorder as plain data for JSON; None where none ever ran."""
    if reading is None:
        return None
    status = reading.status
    return {
        "state": reading.life.value,
        "pid": status.pid,
        "version": status.version,
        "started": iso_ns(status.started_ns),
        "seen": iso_ns(status.now_ns),
        "age_s": round(reading.age_s, 3),
        "feeds": [_feed(feed, reading) for feed in status.feeds.values()],
        "tables": {
            "lag_s": round(status.tables.lag_s, 3),
            "records_behind": max(status.tables.tape_pos - status.tables.next_pos, 0),
            "problem": status.tables.problem or None,
        },
        "journal": {
            "waiting_records": status.journal.waiting_records,
            "waiting_bytes": status.journal.waiting_bytes,
            "highest_bytes": status.journal.highest_bytes,
            "problem": status.journal.problem or None,
        },
        "disk": disk_fields(status.disk_free_bytes, status),
        "rss_bytes": status.rss_bytes,
        "alerts_sent": status.alerts_sent,
        "alerts_dropped": status.alerts_dropped,
        "problems": problems(reading),
    }


def disk_fields(free_bytes: int, status: Status | None) -> dict[str, Any]:
    """Free space, growth and when the disk is full; without a recorder only the first is known."""
    per_day = status.disk_used_per_day_bytes if status is not None else 0.0
    days = days_until_full(free_bytes, per_day)
    return {
        "free_bytes": free_bytes,
        "used_per_day_bytes": round(per_day),
        "days_until_full": None if days is None else round(days, 1),
    }


def problems(reading: Reading) -> list[str]:
    """What is wrong, a sentence each."""
    status = reading.status
    found = [f"{feed.feed}: {feed.problem}" for feed in status.feeds.values() if feed.problem]
    if status.tables.problem:
        found.append(f"tables: {status.tables.problem}")
    if status.journal.problem:
        found.append(f"tape: {status.journal.problem}")
    if reading.life is Life.STUCK:
        found.append(f"process {status.pid} has not said anything for {reading.age_s:.0f} s")
    return found


def sentence(reading: Reading | None) -> str:
    """Whether one runs, in a line."""
    if reading is None:
        return "none runs, and none ever ran here"
    status = reading.status
    if reading.life is Life.ENDED:
        return f"none runs; last ran {_second(status.started_ns)} to {_second(status.now_ns)}"
    doing = "running" if reading.life is Life.RUNNING else "not answering"
    return f"{doing} since {_second(status.started_ns)}, process {status.pid}"


def as_text(reading: Reading | None) -> str:
    """The recorder for people, several lines."""
    if reading is None or reading.life is Life.ENDED:
        return f"recorder  {sentence(reading)}\n" + ("" if reading is None else _told(problems(reading)))
    fields = as_fields(reading)
    assert fields is not None
    rows = [[feed[name] for name in _COLUMNS] for feed in fields["feeds"]]
    room = None if sys.stdout.isatty() else _ROOM
    table = text_table(list(_COLUMNS.values()), rows, room) if rows else "no feeds\n"
    return f"recorder  {sentence(reading)}\n{_house(fields)}\n{table}{_told(fields['problems'])}"


def as_lines(reading: Reading | None) -> str:
    """The recorder for a pipe: one line a feed, each whole in itself."""
    if reading is None or reading.life is Life.ENDED:
        return f"recorder {sentence(reading)}\n"
    fields = as_fields(reading)
    assert fields is not None
    return "".join(_line(fields, feed) for feed in fields["feeds"]) or f"recorder {sentence(reading)}\n"


def _feed(feed: FeedStats, reading: Reading) -> dict[str, Any]:
    status = reading.status
    last_s = (status.now_ns - feed.last_recv_ns) / NS_PER_S if feed.last_recv_ns else None
    return {
        "feed": feed.feed,
        "stage": feed.stage.value,
        # What a process that has ended once received in a second is no rate of now.
        "messages_per_s": status.frames_per_s.get(feed.feed, 0.0) if reading.life is Life.RUNNING else None,
        "frames": feed.frames,
        "bytes": feed.bytes,
        "last_message": iso_ns(feed.last_recv_ns) if feed.last_recv_ns else None,
        "last_message_s": None if last_s is None else round(last_s, 1),
        "symbols": feed.symbols,
        "connections": feed.connections,
        "planned": feed.planned,
        "disconnects": feed.disconnects,
        "gaps_open": feed.gaps_open,
        "refilled": feed.refilled,
        "not_refilled": feed.not_refilled,
        "problem": feed.problem or None,
    }


def _house(fields: Mapping[str, Any]) -> str:
    tables, journal, disk = fields["tables"], fields["journal"], fields["disk"]
    days = disk["days_until_full"]
    full = "" if days is None else f", full in about {days:g} days"
    return (
        f"tables    {tables['lag_s']:.1f} s behind the tape ({tables['records_behind']:,} records)\n"
        f"queue     {journal['waiting_records']:,} records before the tape, "
        f"{size(journal['waiting_bytes'])}\n"
        f"disk      {size(disk['free_bytes'])} left{full}\n"
        f"memory    {size(fields['rss_bytes'])}\n"
    )


def _line(fields: Mapping[str, Any], feed: Mapping[str, Any]) -> str:
    rate = feed["messages_per_s"]
    return (
        f"{fields['seen'][:19]}Z {feed['feed']} {feed['stage']}"
        f" messages/s={'-' if rate is None else f'{rate:.1f}'}"
        f" last_s={'-' if feed['last_message_s'] is None else feed['last_message_s']}"
        f" lag_s={fields['tables']['lag_s']:.1f} gaps={feed['gaps_open']} missing={feed['not_refilled']}"
        f" queue={fields['journal']['waiting_records']} disk_free={fields['disk']['free_bytes']}\n"
    )


def _told(found: list[str]) -> str:
    return "".join(f"problem   {each}\n" for each in found)


def _second(ns: int) -> str:
    text = iso_ns(ns)
    assert text is not None
    return f"{text[:19]}Z"
