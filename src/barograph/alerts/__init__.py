"""Telling people: alerts to the log and to a webhook, each once, never blocking.

:class:`Desk` takes alerts from any thread and hands them to its sinks; a new way to tell
people is one more :class:`Sink`. How a receiver checks what the webhook sends stands in
docs/alerts.md. Names are loaded when they are asked for: who only speaks of alerts needs no HTTP.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "Alert": "alert",
    "Severity": "alert",
    "Desk": "desk",
    "LogSink": "logged",
    "open_desk": "opening",
    "DeliveryFailed": "sink",
    "DeliveryRefused": "sink",
    "Sink": "sink",
    "Receiver": "webhook",
    "Retries": "webhook",
    "Webhook": "webhook",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
