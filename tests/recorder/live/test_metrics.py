"""Metrics: one source of truth, every field told, every metric documented."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from barograph.clock import NS_PER_S
from barograph.recorder.live.metrics import families, registry
from barograph.recorder.live.stats import FeedStage, FeedStats, JournalStats, Stats, TablesStats

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "operating.md"
UNITS = ("_total", "_seconds", "_bytes", "_info", "_up")
COUNTS = {
    "barograph_feed_stage",
    "barograph_feed_symbols",
    "barograph_feed_connections",
    "barograph_feed_connections_planned",
    "barograph_feed_gaps_open",
    "barograph_tape_position",
    "barograph_tables_position",
    "barograph_journal_waiting_records",
}
"""Gauges that count things, and so have no unit."""


def full() -> Stats:
    """Figures that all differ from each other."""
    feed = FeedStats("binance", FeedStage.DEGRADED)
    for number, field in enumerate(FeedStats.__struct_fields__):
        if isinstance(getattr(feed, field), int):
            setattr(feed, field, 1000 + number)
    tables = TablesStats()
    for number, field in enumerate(TablesStats.__struct_fields__):
        if not isinstance(getattr(tables, field), str):
            setattr(tables, field, 2000 + number)
    journal = JournalStats(3001, 3002, 3003, 3004)
    feeds = {"binance": feed, "kraken": FeedStats("kraken", FeedStage.LIVE)}
    return Stats(1, "0.9", 4001 * NS_PER_S, feeds=feeds, tables=tables, journal=journal, disk_free_bytes=4002)


def scraped(stats: Stats) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = generate_latest(registry(lambda: stats)).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_what_is_scraped_is_what_the_figures_say() -> None:
    stats = full()
    found = scraped(stats)
    feed = stats.feeds["binance"]
    assert found["barograph_feed_frames_total", (("feed", "binance"),)] == feed.frames
    assert found["barograph_feed_frames_total", (("feed", "kraken"),)] == 0
    assert (
        found["barograph_feed_last_frame_timestamp_seconds", (("feed", "binance"),)]
        == feed.last_recv_ns / 1e9
    )
    stages = {
        labels[1][1]: value
        for (name, labels), value in found.items()
        if name == "barograph_feed_stage" and labels[0][1] == "binance"
    }
    assert stages == {"starting": 0, "live": 0, "degraded": 1, "stopped": 0}
    assert found["barograph_rows_total", (("table", "bars"),)] == stats.tables.bars
    assert found["barograph_tables_lag_seconds", ()] == stats.tables.lag_s
    assert found["barograph_journal_waiting_bytes", ()] == 3002
    assert found["barograph_start_time_seconds", ()] == 4001
    assert found["barograph_build_info", (("version", "0.9"),)] == 1
    assert "process_cpu_seconds_total" in {name for name, _ in found}


def test_every_figure_is_told() -> None:
    """A number that is added to the figures must get a metric."""
    stats = full()
    values = set(scraped(stats).values())
    units = {"last_recv_ns": 1e9, "last_commit_ns": 1e9, "newest_event_us": 1e6}
    for part in (stats.feeds["binance"], stats.tables, stats.journal):
        for field in part.__struct_fields__:
            value = getattr(part, field)
            if not isinstance(value, str):
                assert value / units.get(field, 1) in values, field


def test_the_next_scrape_tells_what_has_changed_since_and_problems_show() -> None:
    stats = full()
    made = registry(lambda: stats)
    assert b"barograph_tables_up 1.0" in generate_latest(made)
    stats.tables.problem = "refused"
    stats.journal.problem = "full"
    stats.feeds["binance"].frames = 77
    text = generate_latest(made)
    for line in (
        b"barograph_tables_up 0.0",
        b"barograph_journal_up 0.0",
        b'barograph_feed_frames_total{feed="binance"} 77.0',
    ):
        assert line in text


def test_names_follow_the_conventions() -> None:
    for family in families(full()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert re.fullmatch(r"barograph_[a-z_]+", name)
        assert name.endswith(UNITS) or name in COUNTS, name
        assert (family.type == "counter") == name.endswith("_total")
        assert family.documentation.endswith(".")


def test_the_document_lists_every_metric_and_no_other() -> None:
    row = re.compile(r"^\| `(barograph_\w+)` \| (\w+) \|([^|]*)\|([^|]*)\|$", re.MULTILINE)
    told = row.findall(DOCUMENT.read_text("utf-8"))
    made = []
    for family in families(full()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels})
        made.append((name, family.type, ", ".join(f"`{label}`" for label in labels), family.documentation))
    assert sorted((n, t, labels.strip(), text.strip()) for n, t, labels, text in told) == sorted(made)
