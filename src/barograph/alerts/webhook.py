"""Alerts as signed POSTs: the sender's half of what docs/alerts.md tells receivers to check.

The signature covers the moment and the body, ``HMAC-SHA-256(secret, timestamp + "." + body)``,
so a copy that somebody sends again later is told by its age, and one that claims another
age by its signature. This is how Stripe and Slack sign (timestamp in what is signed), in
the notation of GitHub (``sha256=``). The delivery's number is in the signed body as well as
in a header, and stays the same over retries: a receiver that got one twice can tell.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import stamina

from barograph.alerts.alert import Alert
from barograph.alerts.sink import DeliveryFailed, DeliveryRefused
from barograph.clock import NS_PER_S, Clock, from_us

if TYPE_CHECKING:
    import aiohttp

SIGNATURE = "X-Barograph-Signature"
TIMESTAMP = "X-Barograph-Timestamp"
DELIVERY = "X-Barograph-Delivery"

_LATER = {408, 425, 429}
"""Answers below 500 that ask for another try."""
_LONGEST_REQUESTED_S = 60.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom to tell. Many services hide their secret in the address itself, so neither is ever shown."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Retries:
    """How hard one delivery is tried.

    Attributes:
        attempts: POSTs at most.
        timeout_s: patience for each.
        wait_s: first wait between two; each next one is twice as long, up to ``longest_wait_s``, with jitter.
    """

    attempts: int = 6
    timeout_s: float = 5.0
    wait_s: float = 0.5
    longest_wait_s: float = 30.0


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What stands in ``X-Barograph-Signature``.

    >>> signature("secret", "1723075200", b"{}")[:22]
    'sha256=ee592d86eacac2b'
    """
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class Webhook:
    """POSTs each alert as JSON, again and again until it is taken.

    Tried again: timeouts, connections that fail, 408, 425, 429 and 5xx; a ``Retry-After`` in
    seconds is obeyed up to a minute. Any other answer above 299 is final, redirects included.

    Args:
        receiver: address and secret; without a secret nothing is signed.
        retries: how hard to try.
        clock: for the moment that is signed.
        session: to send with; the sink makes and closes one of its own when None.
    """

    name = "webhook"

    def __init__(
        self, receiver: Receiver, retries: Retries, clock: Clock, session: aiohttp.ClientSession | None = None
    ) -> None:
        self._receiver = receiver
        self._retries = retries
        self._clock = clock
        self._session = session
        self._own: aiohttp.ClientSession | None = None

    async def deliver(self, alert: Alert) -> None:
        """POST ``alert`` until it is taken.

        Raises:
            DeliveryFailed: every attempt failed.
            DeliveryRefused: the receiver will not have it.
        """
        delivery = uuid.uuid4().hex
        body = payload(alert, delivery)
        async for attempt in stamina.retry_context(
            on=_worth_another_try,
            attempts=self._retries.attempts,
            timeout=None,
            wait_initial=self._retries.wait_s,
            wait_max=self._retries.longest_wait_s,
            wait_jitter=self._retries.wait_s,
        ):
            with attempt:
                await self._post(body, self._headers(delivery, body))

    async def close(self) -> None:
        """Close the session, if it is the sink's own."""
        if self._own is not None:
            await self._own.close()
            self._own = None

    def _headers(self, delivery: str, body: bytes) -> dict[str, str]:
        timestamp = str(self._clock.now_ns() // NS_PER_S)
        headers = {"Content-Type": "application/json", DELIVERY: delivery, TIMESTAMP: timestamp}
        if self._receiver.secret:
            headers[SIGNATURE] = signature(self._receiver.secret, timestamp, body)
        return headers

    async def _post(self, body: bytes, headers: dict[str, str]) -> None:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=self._retries.timeout_s)
        try:
            # A redirect would carry the signed alert to somebody whom nobody named.
            async with self._opened().post(
                self._receiver.url, data=body, headers=headers, allow_redirects=False, timeout=timeout
            ) as response:
                status, wait = response.status, response.headers.get("Retry-After", "")
        except TimeoutError:
            raise DeliveryFailed(f"no answer within {self._retries.timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            # Texts of these errors may hold the address, and that may hold a secret.
            raise DeliveryFailed(f"the connection failed ({type(error).__name__})") from None
        _judge(status, wait)

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is not None:
            return self._session
        if self._own is None:
            self._own = aiohttp.ClientSession()
        return self._own


def payload(alert: Alert, delivery: str) -> bytes:
    """The body: the alert's fields, ``delivery``, and ``ts`` as people read it."""
    fields = {"delivery": delivery, "ts": from_us(alert.ts_us).isoformat()}
    return msgspec.json.encode(fields | msgspec.structs.asdict(alert))


def _judge(status: int, retry_after: str) -> None:
    if status < 300:
        return
    if status >= 500 or status in _LATER:
        wait_s = min(float(retry_after), _LONGEST_REQUESTED_S) if retry_after.isdecimal() else None
        raise DeliveryFailed(f"the receiver answered {status}", wait_s)
    raise DeliveryRefused(
        f"the receiver answered {status}; look at alerts.webhook_url and alerts.webhook_secret"
    )


def _worth_another_try(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds."""
    if not isinstance(error, DeliveryFailed):
        return False
    return True if error.wait_s is None else error.wait_s
