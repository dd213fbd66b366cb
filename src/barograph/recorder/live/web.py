"""REST: asks venues over HTTP, within their limits, with patience, and puts the answers on the tape."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec

from barograph.clock import NS_PER_S, Clock
from barograph.errors import NoAnswer
from barograph.feeds.live.venue import Live, Refused, Request, Response
from barograph.log import get_logger
from barograph.recorder.live.backoff import Allowance, Backoff
from barograph.recorder.live.connection import unique
from barograph.recorder.live.journal import Journal
from barograph.records import Kind, Stream
from barograph.tape import redact_url

PATIENCE_S = 60.0
"""How long one request is tried, all waits together."""
TIMEOUT_S = 20.0
"""How long one try may take."""
MAX_BODY_BYTES = 64 << 20
_RETRY_S = (0.25, 10.0)
_HOLD_S = 0.05
_TOO_MANY = (418, 429)
"""Binance bans with 418 who does not heed 429."""

T = TypeVar("T")
log = get_logger()


@dataclass(slots=True)
class _Door:
    """One feed's REST traffic."""

    allowance: Allowance
    stream: Stream


class _Retry(Exception):
    """One try was in vain; ``after_s`` is what the venue asked for."""

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


class Web:
    """One HTTP client for all feeds; an async context manager.

    Args:
        journal: where answers go.
        clock: receipt times, and the present for ``Retry-After`` dates.
        random: chance, for waits.
        patience_s: how long one request is tried, all waits together.
        timeout_s: how long one try may take.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        random: Random | None = None,
        *,
        patience_s: float = PATIENCE_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._random = random or Random()  # noqa: S311 - jitter is no secret
        self._patience_s = patience_s
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._client: aiohttp.ClientSession | None = None
        self._doors: dict[str, _Door] = {}

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    def stream(self, live: Live) -> Stream:
        """Where the feed's REST answers of this process stand on the tape."""
        return self._door(live).stream

    async def run(self, live: Live, generator: Generator[Request, Response, T]) -> T:
        """Ask what ``generator`` yields, one after the other; return what it returns.

        Each answer is put on the tape before it is sent in.

        Raises:
            NoAnswer: a request found none within the patience; the generator is closed.
            Refused: the venue said no and the generator did not take it.
            Exception: whatever else the generator raises.
        """
        stream = self.stream(live)
        try:
            request = next(generator)
            while True:
                try:
                    response = await self.ask(live, request)
                except Refused as refused:
                    request = generator.throw(refused)
                    continue
                head = msgspec.json.encode({"url": redact_url(request.url)})
                self._journal.put(stream, self._clock.now_ns(), Kind.REST, head + b"\n" + response.body)
                request = generator.send(response)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            generator.close()

    async def ask(self, live: Live, request: Request) -> Response:
        """Make one request, again where that can help.

        Raises:
            NoAnswer: not within the patience: no connection, time-outs, 429 or 5xx.
            Refused: the venue's final no, another status from 300 on.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._patience_s
        backoff = Backoff(*_RETRY_S, self._patience_s, self._random)
        while True:
            await self._pass(live, request, until_s)
            try:
                return await self._try(request)
            except _Retry as retry:
                wait_s = backoff.failed(retry.after_s)
                log.info("web.retry", feed=live.name, why=str(retry), wait_s=round(wait_s, 3))
                if retry.after_s:
                    # It was said to all of us, not to this request.
                    self._door(live).allowance.block(loop.time() + retry.after_s)
                if loop.time() + wait_s >= until_s:
                    raise _no_answer(live, request, str(retry), self._patience_s) from retry
                await asyncio.sleep(wait_s)

    async def _pass(self, live: Live, request: Request, until_s: float) -> None:
        """Wait until the venue's limit and the journal have room for one more."""
        loop = asyncio.get_running_loop()
        # While the disk takes nothing, an answer would only fill the memory.
        while self._journal.full:
            await asyncio.sleep(_HOLD_S)
        allowance = self._door(live).allowance
        while (wait_s := allowance.take(loop.time(), request.weight)) > 0:
            if loop.time() + wait_s >= until_s:
                raise _no_answer(live, request, "the venue's limit of requests is used up", self._patience_s)
            await asyncio.sleep(wait_s)

    async def _try(self, request: Request) -> Response:
        if self._client is None:
            raise RuntimeError("ask within `async with Web(...)`")
        try:
            async with self._client.request(
                "GET" if request.form is None else "POST",
                request.url,
                headers=request.headers,
                data=None if request.form is None else dict(request.form),
                allow_redirects=False,  # a redirection could carry a key elsewhere
            ) as answer:
                body = await _body(answer.content)
                status, after = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _Retry(redact_url(f"{type(error).__name__}: {error}")) from error
        if status in _TOO_MANY or status >= 500:
            raise _Retry(f"HTTP {status}", self._after_s(after))
        if status >= 300:
            raise Refused(status, body)
        return Response(status, body)

    def _after_s(self, value: str) -> float:
        """Seconds of a ``Retry-After`` header: a number or a date (RFC 9110, 10.2.3)."""
        if value.strip().isdecimal():
            return float(value)
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        now = datetime.fromtimestamp(self._clock.now_ns() / NS_PER_S, UTC)
        return max((moment.astimezone(UTC) - now).total_seconds(), 0.0)

    def _door(self, live: Live) -> _Door:
        door = self._doors.get(live.name)
        if door is None:
            stream = Stream(live.name, f"rest-{unique(self._clock.now_ns())}")
            door = self._doors[live.name] = _Door(Allowance(*live.limits.requests), stream)
        return door


async def _body(content: aiohttp.StreamReader) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _Retry(f"an answer of more than {MAX_BODY_BYTES} bytes")
    return b"".join(chunks)


def _no_answer(live: Live, request: Request, why: str, patience_s: float) -> NoAnswer:
    return NoAnswer(
        f"{live.name}: no answer from {redact_url(request.url)} within {patience_s:g} s, at last: {why}; "
        "it is tried again later"
    )
