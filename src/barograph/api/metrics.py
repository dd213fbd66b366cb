"""What Prometheus reads of the API, and of the recorder through it.

The recorder's figures come from its status file, under the names that it serves itself
(``recorder.live.metrics``): one scrape is enough. With ``web.workers`` above 1 the counts of requests
are those of the worker that answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from barograph.clock import NS_PER_S
from barograph.recorder.live.metrics import families
from barograph.recorder.live.statusfile import Life, Reading, read_status, status_path

if TYPE_CHECKING:
    from pathlib import Path

    from barograph.clock import Clock

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UP_NAME, UP_HELP = "barograph_recorder_up", "1 while the recorder writes its figures, else 0."
AGE_NAME = "barograph_recorder_status_age_seconds"
AGE_HELP = "Age of the recorder's figures; absent where there are none."


class Requests:
    """Counts requests.

    Args:
        registry: where the counts are registered; a new one when left out.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._count = Counter(
            "barograph_api_requests_total",
            "Requests answered, by route, method and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "barograph_api_request_duration_seconds",
            "Time from a request to the end of its answer, by route.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._open = Gauge(
            "barograph_api_requests_in_progress",
            "Requests and streams that are being answered.",
            registry=self.registry,
        )

    @contextmanager
    def in_progress(self) -> Iterator[None]:
        """While a request is being answered."""
        self._open.inc()
        try:
            yield
        finally:
            self._open.dec()

    def count(self, route: str, method: str, status: int, took_s: float) -> None:
        """One that has been answered; status 0: the client went away before."""
        known = method if method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE") else "other"
        self._count.labels(route, known, str(status)).inc()
        self._seconds.labels(route).observe(took_s)


class RecorderCollector(Collector):
    """The recorder's figures, as its status file has them at the moment of the scrape."""

    def __init__(self, data: Path, clock: Clock) -> None:
        self._path = status_path(data)
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        """Nothing: which metrics there are depends on the file, and asking for them reads it."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """All of it while the recorder runs; whether it runs in any case."""
        reading = read_status(self._path, self._clock.now_ns())
        up = GaugeMetricFamily(UP_NAME, UP_HELP)
        up.add_metric([], _is_running(reading))
        yield up
        if reading is None:
            return
        age = GaugeMetricFamily(AGE_NAME, AGE_HELP)
        age.add_metric([], reading.age_s)
        yield age
        if reading.life is not Life.ENDED:
            yield from families(reading.status)


def _is_running(reading: Reading | None) -> bool:
    return reading is not None and reading.life is Life.RUNNING


def registry(requests: Requests, data: Path, clock: Clock) -> CollectorRegistry:
    """All metrics that the API serves: its own, the recorder's, and those of the process (``process_*``)."""
    made = requests.registry
    made.register(RecorderCollector(data, clock))
    ProcessCollector(registry=made)
    started = Gauge("barograph_api_start_time_seconds", "When the API began, since 1970.", registry=made)
    started.set(clock.now_ns() / NS_PER_S)
    return made
