"""What goes wrong, as clients are told of it: RFC 9457 problem details, never a stack trace.

Code of this room raises :class:`Problem`; errors of the house (``barograph.errors``) are told by
their kind: what was asked wrongly is 400, a store that does not answer 503.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from barograph.errors import (
    BarographError,
    DataError,
    NoAnswer,
    SettingsError,
    StorageError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"
AGAIN_S = 2
"""When a store that is down is worth asking again, as ``Retry-After`` tells."""


class Problem(Exception):
    """An answer that says no.

    Args:
        status: of HTTP.
        detail: what happened, the value, the bound and the remedy, for the caller's eyes.
        headers: of the answer, such as ``Retry-After``.
        more: members of the body beside those of :class:`ProblemDetails`.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    @property
    def title(self) -> str:
        """The status in words, the same for all of its kind."""
        return HTTPStatus(self.status).phrase

    def body(self, request_id: str) -> dict[str, Any]:
        """What :class:`ProblemDetails` describes."""
        known = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return {**known, "request_id": request_id, **self.more}


class ProblemDetails(BaseModel):
    """The body of every answer that says no."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["about:blank"])
    title: str = Field(description="The status in words.", examples=["Bad Request"])
    status: int = Field(description="The status of the answer.", examples=[400])
    detail: str = Field(description="What happened, and what to do.")
    request_id: str = Field(
        description="Also in the header X-Request-ID, and in the server's log.",
        examples=["0192f0c1a2b34c5d8e9f"],
    )


def problem_of(error: BarographError) -> Problem:
    """How an error of the house is told.

    >>> problem_of(UsageError("no such symbol")).status
    400
    """
    if isinstance(error, UsageError):
        return Problem(400, str(error))
    if isinstance(error, (StorageError, NoAnswer)):
        return Problem(503, str(error), {"Retry-After": str(AGAIN_S)})
    if isinstance(error, (SettingsError, DataError)):
        # A person must act, and the request was right: it is the server that cannot serve.
        return Problem(503, str(error))
    return Problem(500, "the server could not answer; its log has the reason under this request id")
