"""The network between a recorder and venues: TCP relays that can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

_RESET = struct.pack("ii", 1, 0)
_CHUNK = 65_536


class Relay:
    """One venue's way: everything that comes to ``port`` goes to ``target`` and back.

    All methods belong to the network's loop; :class:`Network` calls them from there.

    Attributes:
        refusing: connections are reset as soon as they are made.
        delay_s: every read waits so long before it goes on.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.refusing = False
        self.delay_s = 0.0
        self._left: int | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        count = len(self._links)
        for link in tuple(self._links):
            link.reset()
        return count

    def half_close(self) -> int:
        """Say to the recorder that nothing more comes, and let nothing more through."""
        for link in self._links:
            link.end_of_stream()
        return len(self._links)

    def cut_after(self, size: int) -> int:
        """Reset everything once so many more bytes have gone to the recorder: within a frame, mostly."""
        self._left = size
        return len(self._links)

    def stall(self, stalled: bool) -> int:
        """Hold everything back, or let it go on."""
        if stalled:
            self._flowing.clear()
        else:
            self._flowing.set()
        return len(self._links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        try:
            if self.refusing:
                raise ConnectionRefusedError
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            link.reset()
            return
        link.there = there
        self._links.add(link)
        up = asyncio.create_task(self._pump(reader, there))
        down = asyncio.create_task(self._pump(there_reader, writer, link))
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)
        link.close()
        self._links.discard(link)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, down: _Link | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if down is not None and self._left is not None:
                    data, self._left = data[: self._left], self._left - len(data)
                    if self._left <= 0:
                        self._left = None
                        writer.write(data)
                        await writer.drain()
                        # What is written has to be on its way: a reset takes back what is not.
                        await asyncio.sleep(0.02)
                        self.cut()
                        return
                if down is None or not down.ended:
                    writer.write(data)
                    await writer.drain()


class _Link:
    """One connection of the recorder's, and ours to the venue."""

    def __init__(self, here: asyncio.StreamWriter) -> None:
        self.here = here
        self.there: asyncio.StreamWriter | None = None
        self.ended = False

    def reset(self) -> None:
        for writer in (self.here, self.there):
            if writer is None or writer.is_closing():
                continue
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def end_of_stream(self) -> None:
        self.ended = True
        if self.here.can_write_eof() and not self.here.is_closing():
            self.here.write_eof()

    def close(self) -> None:
        for writer in (self.here, self.there):
            if writer is not None:
                writer.close()


class Network:
    """Relays on a loop of their own thread; a context manager."""

    def __init__(self) -> None:
        self.relays: dict[str, Relay] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)

    def __enter__(self) -> Network:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def lay(self, name: str, target: int) -> int:
        """A relay to the port ``target``; the port that it listens on."""

        async def start() -> Relay:
            relay = Relay(target)
            await relay.start()
            return relay

        self.relays[name] = asyncio.run_coroutine_threadsafe(start(), self._loop).result(10)
        return self.relays[name].port

    def do(self, what: Callable[..., Any], *values: Any) -> Any:
        """Call a relay's method on the loop; what it returns."""

        async def call() -> Any:
            return what(*values)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    def change(self, name: str, **fields: Any) -> None:
        """Set attributes of a relay."""
        for field, value in fields.items():
            self.do(setattr, self.relays[name], field, value)
