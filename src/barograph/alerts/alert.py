"""What an alert is."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Alert(msgspec.Struct, frozen=True):
    """One thing that somebody should know.

    Attributes:
        kind: ``anomaly``, ``feed_stopped``, ``feed_stale``, ``gap_not_refilled``, ``disk_low``,
            ``store_behind``, ...
        message: one sentence, with what to do where there is something to do.
        ts_us: when it happened, UTC microseconds.
        key: alerts with equal keys are the same alert; told once within the cool-down.
        severity: how soon to look.
        venue: the feed or venue, empty when it is the whole house's.
        symbol: canonical, empty when it is no symbol's.
        detail: further facts as plain values.
    """

    kind: str
    message: str
    ts_us: int
    key: str
    severity: Severity = Severity.WARNING
    venue: str = ""
    symbol: str = ""
    detail: dict[str, str | int | float | None] = {}
