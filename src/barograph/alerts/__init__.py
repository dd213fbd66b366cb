"""Telling people: alerts to the log and to a webhook, each once, never blocking.

:class:`Desk` takes alerts from any thread and hands them to its sinks; a new way to tell
people is one more :class:`Sink`. How a receiver checks what the webhook sends stands in
docs/alerts.md.
"""

from __future__ import annotations

from barograph.alerts.alert import Alert, Severity
from barograph.alerts.desk import Desk
from barograph.alerts.logged import LogSink
from barograph.alerts.opening import open_desk
from barograph.alerts.sink import DeliveryFailed, DeliveryRefused, Sink
from barograph.alerts.webhook import Receiver, Retries, Webhook

__all__ = [
    "Alert",
    "DeliveryFailed",
    "DeliveryRefused",
    "Desk",
    "LogSink",
    "Receiver",
    "Retries",
    "Severity",
    "Sink",
    "Webhook",
    "open_desk",
]
