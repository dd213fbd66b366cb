"""Alerts in the log."""

from __future__ import annotations

import logging

from barograph.alerts.alert import Alert, Severity
from barograph.clock import from_us
from barograph.log import get_logger

_LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}


class LogSink:
    """Each alert as one log line, at the level of its severity."""

    name = "log"

    def __init__(self) -> None:
        self._log = get_logger()

    async def deliver(self, alert: Alert) -> None:
        """Write the line."""
        places = {"venue": alert.venue, "symbol": alert.symbol}
        self._log.log(
            _LEVELS[alert.severity],
            alert.message,
            alert=alert.kind,
            at=from_us(alert.ts_us).isoformat(),
            **{name: value for name, value in places.items() if value},
            **({"detail": alert.detail} if alert.detail else {}),
        )

    async def close(self) -> None:
        """Nothing is held."""
