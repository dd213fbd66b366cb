"""The seam that every way of telling people joins."""

from __future__ import annotations

from typing import Protocol

from barograph.alerts.alert import Alert
from barograph.errors import BarographError, Terminal, Transient


class DeliveryFailed(BarographError, Transient):
    """A delivery that may succeed later.

    ``wait_s`` is how long the other side asked us to wait; None when it did not say.
    """

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class DeliveryRefused(BarographError, Terminal):
    """The other side's final no."""


class Sink(Protocol):
    """One way of telling people. Each is served by a task of its own, so a slow one holds up nobody."""

    name: str
    """For the log."""

    async def deliver(self, alert: Alert) -> None:
        """Bring ``alert`` there; retries are the sink's own business.

        Raises:
            DeliveryFailed: it tried as often as it may.
            DeliveryRefused: trying again cannot help.
        """
        ...

    async def close(self) -> None:
        """Let go of what the sink holds. Called once, after the last delivery."""
        ...
