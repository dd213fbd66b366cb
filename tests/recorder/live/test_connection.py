"""One websocket on a real loopback socket: what comes is on the tape, however it comes and ends."""

from __future__ import annotations

import asyncio
import ssl
import struct
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path

import msgspec
import pytest
from tests.conftest import skip_or_fail

from barograph.clock import NS_PER_S, ManualClock
from barograph.feeds.live.venue import Plan
from barograph.gaps import Alive, Subscribed
from barograph.recorder.live import connection as connection_module
from barograph.recorder.live.connection import Closed, Connection, Ending, Failure, Refusal, Shell, unique
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.stats import FeedStats
from barograph.records import Kind
from barograph.tape import TapeWriter

from .echo import BOTH, on_tape, until

TEXT, CONTINUATION, CLOSE, PING, PONG = 1, 0, 8, 9, 10
START_NS = 1_723_161_254_087_891_268


def frame(payload: bytes, opcode: int = TEXT, final: bool = True) -> bytes:
    """A frame as a server sends it (RFC 6455, 5.2)."""
    head = bytes([opcode | (0x80 if final else 0)])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return head + b"\x7e" + struct.pack(">H", len(payload)) + payload
    return head + b"\x7f" + struct.pack(">Q", len(payload)) + payload


class Peer:
    """The venue's end, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def accept(self, *with_it: bytes) -> None:
        """Do the handshake; ``with_it`` goes in the same packet."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        key = next(
            line[19:] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: ")
        )
        accept = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + b"".join(with_it)
        )

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def read(self) -> tuple[int, bytes]:
        """The client's next frame: opcode and payload."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(size)
        return first & 0xF, bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def peer(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve ``script`` on a port of the loopback."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@dataclass
class House:
    """A journal in a folder of the test's, and what a connection needs."""

    tape: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(START_NS))
    stats: FeedStats = field(default_factory=lambda: FeedStats("echo"))

    def __post_init__(self) -> None:
        writer = TapeWriter(self.tape, clock=self.clock, fsync_interval_s=60)
        self.journal = Journal(writer, self.clock, 16 << 20)

    def connection(self, port: int, wake: Callable[[], None] = lambda: None) -> Connection:
        plan = Plan("spot-0", f"ws://127.0.0.1:{port}/ws?api_key=secret", {"BTC-USD": BOTH}, (("X-A", "b"),))
        return Connection(plan, Shell("echo", self.journal, self.clock, self.stats), wake)

    def run(self, script: Script, during: Callable[[Connection], Awaitable[None]] | None = None) -> Ending:
        """One connection to ``script``, from its making to its end."""

        async def scenario() -> Ending:
            async with peer(script) as port, asyncio.timeout(20), asyncio.TaskGroup() as group:
                made = self.connection(port)
                task = group.create_task(made.run())
                if during is not None:
                    await during(made)
                return await task

        try:
            return asyncio.run(scenario())
        finally:
            self.journal.close(5.0)

    def frames(self) -> list[bytes]:
        return [record.payload for record in on_tape(self.tape, Kind.FRAME)]

    def end(self) -> object:
        (record,) = on_tape(self.tape, Kind.CLOSE)
        return msgspec.json.decode(record.payload)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "tape")


def test_its_life_is_on_the_tape_from_opening_to_closing(house: House) -> None:
    async def script(venue: Peer) -> None:
        await venue.accept()
        venue.send(frame(b"one"), frame(b"x" * 200), frame(b"y" * 70_000, opcode=2))
        venue.send(frame(struct.pack(">H", 1001) + b"restart", CLOSE))
        assert await venue.read() == (CLOSE, struct.pack(">H", 1001))

    assert house.run(script) == Closed(1001, "restart")
    records = on_tape(house.tape)
    assert [r.kind for r in records] == [Kind.OPEN, *[Kind.FRAME] * 3, Kind.CLOSE]
    assert {r.stream.feed for r in records} == {"echo"}
    (name,) = {r.stream.connection for r in records}
    assert name.startswith("spot-0-")
    assert house.frames() == [b"one", b"x" * 200, b"y" * 70_000]
    assert house.end() == {"reason": "restart", "code": 1001}
    assert (house.stats.frames, house.stats.bytes) == (3, 70_203)
    assert (house.stats.connects, house.stats.disconnects) == (1, 1)
    assert house.stats.last_recv_ns == START_NS


def test_frames_that_come_with_the_handshake_are_kept(house: House) -> None:
    async def script(venue: Peer) -> None:
        await venue.accept(frame(b"at once"))

    assert house.run(script) == Closed(None, "the connection broke")
    assert house.frames() == [b"at once"]
    assert house.end() == {"reason": "the connection broke", "code": None}


def test_no_secret_of_the_address_or_of_a_frame_is_on_the_tape(house: House) -> None:
    heard = []

    async def script(venue: Peer) -> None:
        await venue.accept()
        heard.append(await venue.read())

    async def during(made: Connection) -> None:
        await until(lambda: made.opened)
        made.send(b'{"action":"auth","params":"secret"}')

    house.run(script, during)
    assert heard == [(TEXT, b'{"action":"auth","params":"secret"}')]
    assert b"secret" not in b"".join(r.payload for r in on_tape(house.tape))
    (sent,) = on_tape(house.tape, Kind.SENT)
    assert sent.payload == b'{"action":"auth","params":"***"}'
    (opened,) = on_tape(house.tape, Kind.OPEN)
    assert b"api_key=***" in opened.payload


def test_a_message_in_fragments_is_one_frame_and_a_ping_may_stand_between(house: House) -> None:
    async def script(venue: Peer) -> None:
        await venue.accept()
        venue.send(
            frame(b"a" * 200, TEXT, final=False),
            frame(b"hello", PING),
            frame(b"b" * 200, CONTINUATION, final=False),
            frame(b"c", CONTINUATION),
            frame(b"next"),
        )
        assert await venue.read() == (PONG, b"hello")

    house.run(script)
    assert house.frames() == [b"a" * 200 + b"b" * 200 + b"c", b"next"]


def test_a_message_cut_in_the_middle_is_no_frame(house: House) -> None:
    async def script(venue: Peer) -> None:
        await venue.accept()
        venue.send(frame(b"whole"), frame(b"half", TEXT, final=False), frame(b"x" * 200)[:50])

    assert house.run(script) == Closed(None, "the connection broke")
    assert house.frames() == [b"whole"]


@pytest.mark.parametrize("first", [CONTINUATION, TEXT])
def test_fragments_out_of_order_end_the_connection_and_keep_what_came_before(
    house: House, first: int
) -> None:
    async def script(venue: Peer) -> None:
        await venue.accept()
        venue.send(frame(b"before"))
        if first == TEXT:
            venue.send(frame(b"a", TEXT, final=False))
        venue.send(frame(b"b", first))
        assert (await venue.read())[0] == CLOSE

    assert house.run(script) == Closed(1002, "fragments out of order")
    assert house.frames() == [b"before"]


@pytest.mark.parametrize("fragments", [False, True])
def test_a_message_over_the_bound_ends_the_connection_and_is_told(
    house: House, fragments: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_FRAME_BYTES", 1000)
    monkeypatch.setattr(connection_module, "_KEPT_BYTES", 700)

    async def script(venue: Peer) -> None:
        await venue.accept()
        venue.send(frame(b"before"))
        if fragments:
            venue.send(frame(b"x" * 600, TEXT, final=False), frame(b"x" * 600, CONTINUATION))
        else:
            venue.send(frame(b"x" * 1200))
        code, payload = await venue.read()
        assert (code, payload[:2]) == (CLOSE, struct.pack(">H", 1009))

    ending = house.run(script)
    assert isinstance(ending, Closed)
    assert ending.code == 1009
    assert "1000" in ending.reason
    assert house.frames() == ([b"before", b"x" * 700] if fragments else [b"before"])


def test_an_http_refusal_is_told_with_its_status_and_body(house: House) -> None:
    async def script(venue: Peer) -> None:
        await venue.reader.readuntil(b"\r\n\r\n")
        venue.send(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nslow")

    assert house.run(script) == Refusal(429, b"slow")
    assert on_tape(house.tape) == []


@pytest.mark.parametrize("answer", [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 101 Fine\r\n\r\n"])
def test_no_handshake_is_a_failure(house: House, answer: bytes) -> None:
    async def script(venue: Peer) -> None:
        await venue.reader.readuntil(b"\r\n\r\n")
        venue.send(answer)

    assert isinstance(house.run(script), Failure)


def test_no_answer_at_all_is_a_failure_in_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HANDSHAKE_S", 0.05)

    async def script(venue: Peer) -> None:
        await venue.reader.read()

    assert house.run(script) == Failure("no connection in time")


def test_a_closed_port_is_a_failure(house: House) -> None:
    async def scenario() -> Ending:
        async with peer(lambda _: asyncio.sleep(0)) as port:
            pass
        return await house.connection(port).run()

    ending = asyncio.run(scenario())
    assert isinstance(ending, Failure)
    assert "Connect" in ending.reason
    house.journal.close(5.0)


def test_a_redirection_is_not_followed(house: House) -> None:
    async def script(venue: Peer) -> None:
        await venue.reader.readuntil(b"\r\n\r\n")
        venue.send(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n")

    assert house.run(script) == Refusal(302, b"")


def test_pings_and_pongs_are_life_without_frames(house: House) -> None:
    lives: list[tuple[bool, list[bytes]]] = []

    async def script(venue: Peer) -> None:
        await venue.accept()
        assert (await venue.read())[0] == PING
        venue.send(frame(b"", PONG))
        await venue.read()

    async def during(made: Connection) -> None:
        await until(lambda: made.opened)
        made.ping()
        await until(lambda: made.alive)
        lives.append((made.alive, made.take()))
        lives.append((made.alive, made.take()))
        made.close(1000, "the end")

    assert house.run(script, during) == Closed(1000, "the end")
    assert lives == [(True, []), (False, [])]


def test_closing_says_goodbye_and_keeps_what_still_comes(house: House) -> None:
    heard = []

    async def script(venue: Peer) -> None:
        await venue.accept()
        heard.append(await venue.read())
        venue.send(frame(b"late"), frame(heard[0][1][:2], CLOSE))

    async def during(made: Connection) -> None:
        await until(lambda: made.opened)
        made.close(1000, "the end")

    assert house.run(script, during) == Closed(1000, "the end")
    assert heard == [(CLOSE, struct.pack(">H", 1000) + b"the end")]
    assert house.frames() == [b"late"]


def test_given_no_answer_to_our_goodbye_the_socket_is_cut(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_S", 0.05)

    async def script(venue: Peer) -> None:
        await venue.accept()
        await venue.reader.read()

    async def during(made: Connection) -> None:
        await until(lambda: made.opened)
        made.close(1000, "the end")

    assert house.run(script, during) == Closed(1000, "the end")


def test_given_no_connection_yet_closing_gives_it_up(house: House) -> None:
    async def script(venue: Peer) -> None:
        await venue.reader.read()

    async def during(made: Connection) -> None:
        await asyncio.sleep(0)
        made.close(1000, "the end")

    assert house.run(script, during) == Failure("no connection in time")


def test_given_up_before_a_late_answer_nothing_of_it_is_taken(house: House) -> None:
    """Else a recorder that has ended would put records behind its journal's back."""
    asked, given_up, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def script(venue: Peer) -> None:
        asked.set()
        await given_up.wait()
        await venue.accept(frame(b"late " * 40))
        await venue.reader.read()
        gone.set()

    async def during(made: Connection) -> None:
        await asked.wait()
        made.close(1000, "the end")
        await asyncio.sleep(0.05)
        given_up.set()
        await gone.wait()

    assert house.run(script, during) == Failure("no connection in time")
    assert on_tape(house.tape) == []
    assert (house.stats.connects, house.stats.frames) == (0, 0)


def test_cancelled_it_is_closed_on_the_tape(house: House) -> None:
    async def script(venue: Peer) -> None:
        await venue.accept(frame(b"one"))
        await venue.reader.read()

    async def scenario() -> None:
        async with peer(script) as port:
            made = house.connection(port)
            task = asyncio.create_task(made.run())
            await until(lambda: house.stats.frames)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scenario())
    house.journal.close(5.0)
    assert house.end() == {"reason": "the recorder was stopped", "code": None}


def test_what_it_brings_and_each_quiet_second_are_noted(house: House) -> None:
    async def script(venue: Peer) -> None:
        await venue.accept()
        await venue.read()

    async def during(made: Connection) -> None:
        made.beat()
        await until(lambda: made.opened)
        made.configure(Subscribed({"BTC-USD": BOTH}))
        for _ in range(5):
            house.clock.advance(0.5)
            made.beat()
        made.close(1000, "")

    house.run(script, during)
    (config,) = on_tape(house.tape, Kind.CONFIG)
    assert msgspec.json.decode(config.payload, type=Subscribed) == Subscribed({"BTC-USD": BOTH})
    clocks = on_tape(house.tape, Kind.CLOCK)
    assert [r.recv_ns - START_NS for r in clocks] == [NS_PER_S, 2 * NS_PER_S]
    assert msgspec.json.decode(clocks[1].payload, type=Alive) == Alive(START_NS)


def test_a_paused_socket_is_not_read_and_nothing_is_lost(house: House) -> None:
    go = asyncio.Event()

    async def script(venue: Peer) -> None:
        await venue.accept()
        await go.wait()
        for n in range(300):
            venue.send(frame(b"%5d" % n + bytes(10_000)))
            await venue.writer.drain()

    async def during(made: Connection) -> None:
        await until(lambda: made.opened)
        made.pause(True)
        go.set()
        for _ in range(200):
            await asyncio.sleep(0)
        assert house.stats.frames == 0
        made.pause(False)

    house.run(script, during)
    assert [int(payload[:5]) for payload in house.frames()] == list(range(300))


def test_a_batch_is_handed_over_once_and_the_driver_is_woken(house: House) -> None:
    woken: list[int] = []
    taken: list[bytes] = []

    async def script(venue: Peer) -> None:
        await venue.accept()
        for n in range(1000):
            venue.send(frame(b"%d" % n))
        await venue.writer.drain()

    async def scenario() -> None:
        async with peer(script) as port:
            made = house.connection(port, lambda: woken.append(1))
            task = asyncio.create_task(made.run())
            while not task.done():
                await asyncio.sleep(0)
                if woken:
                    woken.clear()
                    taken.extend(made.take())
            taken.extend(made.take())

    asyncio.run(scenario())
    house.journal.close(5.0)
    assert taken == [b"%d" % n for n in range(1000)]
    assert house.frames() == taken


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody but the test has reason to trust, and its key, in one file."""
    made = tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    try:
        subprocess.run(
            [*command, "-keyout", str(made), "-out", str(made) + ".x"], check=True, capture_output=True
        )
    except FileNotFoundError:
        skip_or_fail("openssl is not installed")
    made.write_bytes(made.read_bytes() + Path(f"{made}.x").read_bytes())
    return made


@pytest.mark.parametrize("trusted", [True, False])
def test_a_venue_must_prove_who_it_is(house: House, certificate: Path, trusted: bool) -> None:
    async def script(venue: Peer) -> None:
        await venue.accept(frame(b"one"), frame(struct.pack(">H", 1000), CLOSE))
        await venue.read()

    async def scenario() -> Ending:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        client = ssl.create_default_context(cafile=str(certificate) if trusted else None)
        async with peer(script, server) as port:
            plan = Plan("spot-0", f"wss://127.0.0.1:{port}/", {})
            shell = Shell("echo", house.journal, house.clock, house.stats, client)
            return await Connection(plan, shell, lambda: None).run()

    ending = asyncio.run(scenario())
    house.journal.close(5.0)
    if trusted:
        assert ending == Closed(1000, "")
        assert house.frames() == [b"one"]
    else:
        assert isinstance(ending, Failure)
        assert "CERTIFICATE_VERIFY_FAILED" in ending.reason


def test_no_two_connections_share_a_name_even_when_the_clock_stands() -> None:
    names = [unique(START_NS) for _ in range(100)]
    assert len(set(names)) == 100
    assert int(names[0], 36) >= START_NS
