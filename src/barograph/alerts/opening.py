"""The desk that the settings ask for."""

from __future__ import annotations

from barograph.alerts.desk import Desk
from barograph.alerts.logged import LogSink
from barograph.alerts.sink import Sink
from barograph.alerts.webhook import Receiver, Retries, Webhook
from barograph.clock import Clock
from barograph.errors import SettingsError
from barograph.settings.telling import AlertsSection


def open_desk(alerts: AlertsSection, clock: Clock) -> Desk:
    """A desk with the log and, where ``alerts.webhook_url`` is set, the webhook.

    Raises:
        SettingsError: the webhook's address is none.
    """
    sinks: list[Sink] = [LogSink()]
    if alerts.webhook_url is not None:
        sinks.append(_webhook(alerts, alerts.webhook_url.get_secret_value(), clock))
    return Desk(sinks, alerts.cool_down_s, clock, alerts.queue)


def _webhook(alerts: AlertsSection, url: str, clock: Clock) -> Webhook:
    if not url.startswith(("https://", "http://")):
        raise SettingsError("alerts.webhook_url is no address; it must begin with https:// or http://")
    secret = alerts.webhook_secret.get_secret_value() if alerts.webhook_secret is not None else None
    retries = Retries(alerts.webhook_attempts, alerts.webhook_timeout_s)
    return Webhook(Receiver(url, secret), retries, clock)
