"""One websocket: the thin shell around picows.

A frame's callback copies its bytes and appends them to a list, nothing else; all frames of one
read go to the journal together, under one receipt time. Everything that thinks happens later, on
the driver's task. Frames that are at their end when the connection breaks are kept; a part of
a message is no frame.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)

from barograph.clock import NS_PER_S, Clock
from barograph.feeds.live.venue import Plan
from barograph.gaps import Alive, Subscribed
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.stats import FeedStats
from barograph.records import Kind, Stream
from barograph.tape import redact_frame, redact_url

CONNECT_S = 10.0
"""Name, TCP, TLS and handshake together."""
HANDSHAKE_S = 5.0
CLOSE_S = 1.0
"""How long the venue may take to answer our close frame."""
MAX_FRAME_BYTES = 16 << 20
"""A longer frame, or message in fragments, ends its connection."""
BATCH_S = 0.005
"""How long frames may wait for the conversation."""
_KEPT_BYTES = 64 << 10
"""What is kept of a message that grew too long."""
_LARGEST_CONTROL = 125
"""Bytes in a control frame at the most (RFC 6455, 5.5)."""
_NO_CODE = 1005
"""RFC 6455, 7.1.5: the close frame had no code."""
_TOO_BIG = 1009

# The library's own lines would show addresses, and with them keys.
_SILENT = logging.Logger("barograph.picows", logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection was open and is gone."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The handshake was answered with an HTTP status; of the body, what came with it."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """No connection came about."""

    reason: str


Ending = Closed | Refusal | Failure


@dataclass(frozen=True, slots=True)
class Shell:
    """What all connections of a feed share."""

    feed: str
    journal: Journal
    clock: Clock
    stats: FeedStats
    tls: ssl.SSLContext | None = None


class Connection(WSListener):
    """One connection, from its making to its end.

    Args:
        plan: where to, and with which headers.
        shell: the journal and what else is shared.
        wake: called when there is something for the driver to look at.

    Attributes:
        opened: whether the handshake is done.
        alive: whether anything at all came since :meth:`take`.
        stream: where its records stand on the tape; None before it is open.
    """

    def __init__(self, plan: Plan, shell: Shell, wake: Callable[[], None]) -> None:
        self.opened = False
        self.alive = False
        self.stream: Stream | None = None
        self._plan = plan
        self._shell = shell
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._trying: asyncio.Timeout | None = None
        self._frames: list[bytes] = []
        self._batch: list[bytes] = []
        self._parts: list[bytes] | None = None
        self._parts_bytes = 0
        self._goodbye: Closed | None = None
        self._ending: Closed | None = None
        self._abort: asyncio.TimerHandle | None = None
        self._paused = False
        self._waking = False
        self._heard_ns = 0
        self._recorded_ns = 0

    # The driver's side.

    async def run(self) -> Ending:
        """Connect, stay until the end, tell how it came. When cancelled, the socket is cut."""
        try:
            return await self._run()
        finally:
            self._conclude(Closed(None, "the recorder was stopped"))
            if self._transport is not None:
                self._transport.disconnect(False)

    async def _run(self) -> Ending:
        try:
            async with asyncio.timeout(CONNECT_S) as self._trying:
                transport, _ = await self._connect()
        except TimeoutError:
            return Failure("no connection in time")
        except WSHandshakeError as error:
            return _refusal(error)
        except (OSError, ValueError, WSError) as error:
            return Failure(redact_url(f"{type(error).__name__}: {error}"))
        finally:
            self._trying = None
        if not self.opened:
            return Failure("the venue closed the socket during the handshake")
        try:
            await transport.wait_disconnected()
        except WSProtocolError as error:
            self._conclude(Closed(int(error.code), str(error)))
        return self._conclude(Closed(None, "the connection broke"))

    async def _connect(self) -> tuple[WSTransport, WSListener]:
        return await ws_connect(
            lambda *_: self,
            self._plan.url,
            ssl_context=self._shell.tls,
            websocket_handshake_timeout=HANDSHAKE_S,
            logger_name=_SILENT,
            # Else a ping would be answered without our hearing of it.
            enable_auto_pong=False,
            max_frame_size=MAX_FRAME_BYTES,
            extra_headers=self._plan.headers,
            # A redirection could carry a key elsewhere.
            max_redirects=0,
        )

    def take(self) -> list[bytes]:
        """The frames that came since the last call, for the conversation."""
        self.alive = self._waking = False
        batch, self._batch = self._batch, []
        return batch

    def configure(self, subscribed: Subscribed) -> None:
        """Note what it is asked to bring from here on."""
        self._record(Kind.CONFIG, msgspec.json.encode(subscribed))

    def send(self, frame: bytes) -> None:
        """Send a text frame; on the tape it stands without secrets."""
        if self._transport is not None and self._ending is None:
            self._record(Kind.SENT, redact_frame(frame))
            self._transport.send(WSMsgType.TEXT, frame)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._transport is not None:
            self._transport.send_ping()

    def beat(self) -> None:
        """Note that time passed, if nothing else has said so for a second."""
        now_ns = self._shell.clock.now_ns()
        if self.opened and self._ending is None and not 0 <= now_ns - self._recorded_ns < NS_PER_S:
            self._record(Kind.CLOCK, msgspec.json.encode(Alive(self._heard_ns)))

    def pause(self, paused: bool) -> None:
        """Read nothing more from the socket, or read again. The venue's frames wait in the network."""
        # One that says goodbye is read to its end: the answer would not be seen.
        paused = paused and self._goodbye is None
        if self._transport is None or self._ending is not None or paused == self._paused:
            return
        self._paused = paused
        socket = self._transport.underlying_transport
        if paused:
            socket.pause_reading()
        else:
            socket.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """Say goodbye; the socket is cut if no answer comes."""
        if self._transport is None:
            if self._trying is not None:
                self._trying.reschedule(self._loop.time())
            return
        self._goodbye = Closed(code, reason)
        self.pause(False)
        self._transport.send_close(_sendable(code), reason.encode()[: _LARGEST_CONTROL - 2])
        self._cut_later()

    # The socket's side.

    def on_ws_connected(self, transport: WSTransport) -> None:
        if self._ending is not None:
            # The answer comes after we have given up, which the library does not tell it.
            transport.disconnect(False)
            return
        self._transport = transport
        self.opened = True
        now_ns = self._heard_ns = self._shell.clock.now_ns()
        self.stream = Stream(self._shell.feed, f"{self._plan.name}-{unique(now_ns)}")
        self._shell.stats.connects += 1
        self._record(Kind.OPEN, msgspec.json.encode({"url": redact_url(self._plan.url)}))
        self._wake()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        # Longer than any control frame, whole, and not within a message in fragments: data. To ask
        # for the frame's type costs as much as all the rest.
        if frame.payload_size > _LARGEST_CONTROL and frame.fin and self._parts is None:
            self._frames.append(frame.get_payload_as_bytes())
        else:
            self._rare(transport, frame)
        if frame.last_in_buffer:
            self._flush()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - the name is the library's
        self._flush()
        if self._abort is not None:
            self._abort.cancel()
        self._wake()

    def _flush(self) -> None:
        """Hand over what one read has brought."""
        now_ns = self._heard_ns = self._shell.clock.now_ns()
        self.alive = True
        frames = self._frames
        if self._ending is not None:
            frames.clear()  # its CLOSE is on the tape: nothing comes behind that
        elif frames and self.stream is not None:
            size = sum(map(len, frames))
            journal = self._shell.journal
            journal.put_frames(self.stream, now_ns, frames, size)
            if journal.full:
                self.pause(True)
            self._recorded_ns = now_ns
            stats = self._shell.stats
            stats.frames += len(frames)
            stats.bytes += size
            stats.last_recv_ns = now_ns
            self._batch += frames
            frames.clear()
        if not self._waking:
            self._waking = True
            self._loop.call_later(BATCH_S, self._wake)

    def _rare(self, transport: WSTransport, frame: WSFrame) -> None:
        """Short frames, fragments, and the control frames that may stand between these."""
        kind = frame.msg_type
        if kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self._told_to_close(transport, frame.get_payload_as_bytes())
        elif kind != WSMsgType.PONG:
            self._data(frame.get_payload_as_bytes(), frame.fin, kind == WSMsgType.CONTINUATION)

    def _data(self, payload: bytes, final: bool, continues: bool) -> None:
        if continues != (self._parts is not None):
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "fragments out of order")
        if self._parts is None and final:
            self._frames.append(payload)
            return
        parts = self._parts = self._parts or []
        parts.append(payload)
        self._parts_bytes += len(payload)
        if self._parts_bytes > MAX_FRAME_BYTES:
            self._too_long(parts)
        elif final:
            self._frames.append(b"".join(parts))
            self._parts, self._parts_bytes = None, 0

    def _too_long(self, parts: list[bytes]) -> None:
        self._frames.append(b"".join(parts)[:_KEPT_BYTES])
        self._parts, self._parts_bytes = None, 0
        raise WSProtocolError(
            WSCloseCode.MESSAGE_TOO_BIG,
            f"a message in fragments of more than {MAX_FRAME_BYTES} bytes; its first {_KEPT_BYTES} are kept",
        )

    def _told_to_close(self, transport: WSTransport, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else _NO_CODE
        if not transport.is_close_frame_sent:
            self._goodbye = Closed(code, redact_url(payload[2:].decode(errors="replace")))
            transport.send_close(_sendable(code))
        transport.disconnect()
        self._cut_later()

    def _cut_later(self) -> None:
        if self._abort is None and self._transport is not None:
            self._abort = self._loop.call_later(CLOSE_S, self._transport.disconnect, False)

    # Both sides.

    def _conclude(self, otherwise: Closed) -> Closed:
        """Note the end on the tape, once; return it."""
        if self._ending is None:
            self._flush()
            self._ending = self._goodbye or otherwise
            if self.opened:
                self._shell.stats.disconnects += 1
                end = {"reason": redact_url(self._ending.reason), "code": self._ending.code}
                self._record(Kind.CLOSE, msgspec.json.encode(end))
        return self._ending

    def _record(self, kind: Kind, payload: bytes) -> None:
        if self.stream is not None:
            self._recorded_ns = self._shell.clock.now_ns()
            self._shell.journal.put(self.stream, self._recorded_ns, kind, payload)


def _refusal(error: WSHandshakeError) -> Refusal | Failure:
    if error.response is None or error.response.status == HTTPStatus.SWITCHING_PROTOCOLS:
        return Failure(f"no websocket's handshake: {error}")
    return Refusal(int(error.response.status), bytes(error.raw_body or b""))


def _sendable(code: int) -> WSCloseCode:
    """``code`` where a client may send it, else the normal one."""
    try:
        known = WSCloseCode(code)
    except ValueError:
        return WSCloseCode.OK
    return WSCloseCode.OK if known in (WSCloseCode.NO_INFO, WSCloseCode.ABNORMAL_CLOSURE) else known


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_last_ns = 0


def unique(now_ns: int) -> str:
    """``now_ns`` to base 36, moved on where the clock has not: no two connections share a name."""
    global _last_ns  # noqa: PLW0603 - names must be unique in the process, whatever the clock does
    number = _last_ns = max(now_ns, _last_ns + 1)
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
