"""The recorder's figures as Prometheus reads them.

Every metric is one line of a table: its name, its meaning, and which field of
:class:`Stats` it is. Nothing is counted a second time: what is scraped, what the status
file holds and what raises alarms is the same object. docs/operating.md has the list, and a test
compares the two. Names and units: prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from barograph.clock import NS_PER_S, US_PER_S
from barograph.recorder.live.stats import FeedStage, FeedStats, JournalStats, Stats, TablesStats

T = TypeVar("T")


class Figure(NamedTuple, Generic[T]):
    """One metric without further labels. A name that ends in ``_total`` is a counter, any other a gauge."""

    name: str
    help: str
    value: Callable[[T], float]


FEED: Sequence[Figure[FeedStats]] = (
    Figure("barograph_feed_frames_total", "Frames received.", lambda f: f.frames),
    Figure("barograph_feed_received_bytes_total", "Bytes of the frames received.", lambda f: f.bytes),
    Figure(
        "barograph_feed_last_frame_timestamp_seconds",
        "When the last frame came, seconds since 1970; 0 before the first.",
        lambda f: f.last_recv_ns / NS_PER_S,
    ),
    Figure("barograph_feed_symbols", "Symbols that are recorded.", lambda f: f.symbols),
    Figure("barograph_feed_connections", "Connections that are open and ready.", lambda f: f.connections),
    Figure("barograph_feed_connections_planned", "Connections that there should be.", lambda f: f.planned),
    Figure("barograph_feed_connects_total", "Connections made.", lambda f: f.connects),
    Figure("barograph_feed_disconnects_total", "Connections lost or closed.", lambda f: f.disconnects),
    Figure("barograph_feed_gaps_open", "Gaps that are being refilled or wait for it.", lambda f: f.gaps_open),
    Figure("barograph_feed_refills_total", "Refills begun.", lambda f: f.refills),
    Figure("barograph_feed_refilled_total", "Refills that filled their gap.", lambda f: f.refilled),
    Figure(
        "barograph_feed_not_refilled_total",
        "Refills that left something missing; coverage tells what.",
        lambda f: f.not_refilled,
    ),
)
"""Label ``feed``."""

TABLES: Sequence[Figure[TablesStats]] = (
    Figure("barograph_tape_position", "Records on the tape since its beginning.", lambda t: t.tape_pos),
    Figure("barograph_tables_position", "Records of the tape that the tables hold.", lambda t: t.next_pos),
    Figure(
        "barograph_tables_lag_seconds", "Age of the oldest record not yet in the tables.", lambda t: t.lag_s
    ),
    Figure(
        "barograph_tables_newest_event_timestamp_seconds",
        "Venue time of the newest row, seconds since 1970.",
        lambda t: t.newest_event_us / US_PER_S,
    ),
    Figure("barograph_tables_commits_total", "Commits to the store.", lambda t: t.commits),
    Figure(
        "barograph_tables_last_commit_timestamp_seconds",
        "When the last commit was made, seconds since 1970.",
        lambda t: t.last_commit_ns / NS_PER_S,
    ),
    Figure("barograph_tables_up", "1 while the store takes rows, else 0.", lambda t: not t.problem),
    Figure(
        "barograph_duplicates_total", "Rows dropped because they were there already.", lambda t: t.duplicates
    ),
)

ROWS: dict[str, Callable[[TablesStats], float]] = {
    "ticks": lambda t: t.ticks,
    "quotes": lambda t: t.quotes,
    "bars": lambda t: t.bars,
    "anomalies": lambda t: t.anomalies,
    "rejects": lambda t: t.rejects,
}
"""Values of the label ``table`` of :data:`ROWS_NAME`."""
ROWS_NAME, ROWS_HELP = "barograph_rows_total", "Rows made."

JOURNAL: Sequence[Figure[JournalStats]] = (
    Figure(
        "barograph_journal_waiting_records", "Records that wait for the tape.", lambda j: j.waiting_records
    ),
    Figure("barograph_journal_waiting_bytes", "Bytes that wait for the tape.", lambda j: j.waiting_bytes),
    Figure("barograph_journal_highest_bytes", "The most bytes that ever waited.", lambda j: j.highest_bytes),
    Figure("barograph_journal_appended_total", "Records appended to the tape.", lambda j: j.appended),
    Figure("barograph_journal_up", "1 while the tape takes records, else 0.", lambda j: not j.problem),
)

HOUSE: Sequence[Figure[Stats]] = (
    Figure(
        "barograph_start_time_seconds",
        "When the process began, seconds since 1970.",
        lambda s: s.started_ns / NS_PER_S,
    ),
    Figure("barograph_resident_memory_bytes", "Memory in use.", lambda s: s.rss_bytes),
    Figure("barograph_disk_free_bytes", "Free space for the data directory.", lambda s: s.disk_free_bytes),
    Figure(
        "barograph_disk_used_per_day_bytes",
        "Bytes of tape and tables that a day adds at the present rate; 0 while unknown.",
        lambda s: s.disk_used_per_day_bytes,
    ),
    Figure("barograph_alerts_sent_total", "Alerts handed to the sinks.", lambda s: s.alerts_sent),
    Figure("barograph_alerts_dropped_total", "Alerts that did not reach a sink.", lambda s: s.alerts_dropped),
)

STAGE_NAME, STAGE_HELP = "barograph_feed_stage", "1 for the stage that the feed is in, 0 for the others."
BUILD_NAME, BUILD_HELP = "barograph_build_info", "Always 1; the label tells the version."


class StatsCollector(Collector):
    """Makes every metric from what ``stats`` returns at the moment of the scrape."""

    def __init__(self, stats: Callable[[], Stats]) -> None:
        self._stats = stats

    def describe(self) -> Iterator[Metric]:
        """All metrics without samples: names are registered without asking for figures."""
        return families(Stats(0, "", 0))

    def collect(self) -> Iterator[Metric]:
        """All metrics with the figures of now."""
        return families(self._stats())


def registry(stats: Callable[[], Stats]) -> CollectorRegistry:
    """A registry of its own with the recorder's metrics and those of the process (``process_*``)."""
    made = CollectorRegistry()
    made.register(StatsCollector(stats))
    ProcessCollector(registry=made)
    return made


def families(stats: Stats) -> Iterator[Metric]:
    """Every metric of ``stats``."""
    feeds = list(stats.feeds.items())
    for figure in FEED:
        family = _family(figure.name, figure.help, ["feed"])
        for name, feed in feeds:
            family.add_metric([name], figure.value(feed))
        yield family
    yield _stages(feeds)
    rows = _family(ROWS_NAME, ROWS_HELP, ["table"])
    for table, count in ROWS.items():
        rows.add_metric([table], count(stats.tables))
    yield rows
    yield from _plain(TABLES, stats.tables)
    yield from _plain(JOURNAL, stats.journal)
    yield from _plain(HOUSE, stats)
    build = _family(BUILD_NAME, BUILD_HELP, ["version"])
    build.add_metric([stats.version], 1)
    yield build


def _stages(feeds: list[tuple[str, FeedStats]]) -> Metric:
    family = _family(STAGE_NAME, STAGE_HELP, ["feed", "stage"])
    for name, feed in feeds:
        for stage in FeedStage:
            family.add_metric([name, stage.value], feed.stage is stage)
    return family


def _plain(figures: Sequence[Figure[T]], source: T) -> Iterator[Metric]:
    for figure in figures:
        family = _family(figure.name, figure.help, [])
        family.add_metric([], figure.value(source))
        yield family


def _family(name: str, help_: str, labels: Sequence[str]) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    return kind(name, help_, labels=labels)
