"""What people are told, and where: ``alerts``, ``web`` and ``log``."""

from __future__ import annotations

import ipaddress
from pathlib import Path as FilePath
from typing import Literal

from pydantic import Field, SecretStr

from barograph.settings.section import Section


class AlertsSection(Section):
    """Who is told of anomalies and alarms."""

    cool_down_s: float = Field(
        default=900.0, ge=0, description="The same alert is not sent again for so long."
    )
    webhook_url: SecretStr | None = Field(default=None, description="POST each alert there as JSON.")
    webhook_secret: SecretStr | None = Field(
        default=None, description="Sign each POST with HMAC-SHA-256 in the header X-Barograph-Signature."
    )
    webhook_timeout_s: float = Field(default=5.0, gt=0, description="Patience for one POST.")
    webhook_attempts: int = Field(default=6, ge=1, le=50, description="Tries of one POST.")
    queue: int = Field(
        default=256,
        ge=1,
        description="Alerts that wait for the webhook; beyond it the oldest are dropped, counted.",
    )


class WebSection(Section):
    """The API, `barograph serve`, and the dashboard, `barograph dashboard`."""

    host: str = Field(default="127.0.0.1", description="Where both listen; public only with tokens.")
    api_port: int = Field(default=8000, ge=0, le=65_535, description="Port of the API; 0 takes a free one.")
    dashboard_port: int = Field(
        default=8501, ge=0, le=65_535, description="Port of the dashboard; 0 takes a free one."
    )
    tokens: Literal["auto", "always", "never"] = Field(
        default="auto", description='Whether the API asks for a token; "auto": except on loopback.'
    )
    cors: tuple[str, ...] = Field(default=(), description="Origins whose pages may call the API.")
    requests_per_minute: int = Field(
        default=30_000, ge=1, description="Requests of one token, or one address, that are answered."
    )
    rows_max: int = Field(default=1_000_000, ge=1, description="Rows of one answer, at the most.")
    query_seconds: float = Field(default=10.0, gt=0, description="Longest time of a query by POST.")
    query_rows: int = Field(default=100_000, ge=1, description="Rows of its answer, at the most.")
    query_mb: int = Field(default=64, ge=1, description="Size of its answer, at the most.")
    stream_clients: int = Field(default=200, ge=1, description="Clients of the live stream at once.")
    workers: int = Field(default=1, ge=1, le=64, description="Processes of the API.")
    studies: FilePath | None = Field(
        default=None, description="Folder of past studies; the folder study beside the data when absent."
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address ``host``.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class LogSection(Section):
    """What is said on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="Least level shown."
    )
    format: Literal["console", "json"] = Field(default="console", description="For people, or JSON lines.")
