"""Venue servers in a process of their own, driven by lines on standard input.

    python -m benchmarks.venues binance coinbase kraken [--log DIR] [--ports 9001 9002 9003]

Prints one line of JSON with the addresses, then answers each command with one line:

``rate N``          trade by itself: N events a second over all venues, four of five of them quotes
``quotes F``        so many of the events are quotes, 0 to 1
``only V quotes``   trade on one venue only, and only quotes; ``only all`` ends that
``burst N``         N events at once, over all venues
``act NAME VENUE``  a fault of ``barograph.testing.acts`` on each connection of a venue; ``close:1012 VENUE``
``newest``          the number of each symbol's newest trade
``faults VENUE {}`` set lasting faults of one venue
``report``          what was made, by venue, symbol, channel and minute; frames handed; processor time; how
                    late the servers themselves have been at the most since the last ``rate``
``quit``            end

With ``--log`` each venue keeps its log in a file of that folder, and a server that is begun again
goes on from it: same history, next numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from barograph.testing import LiveMarket, VenueServer
from barograph.testing.log import read_events
from barograph.testing.venues import known

QUOTES_OF = 0.8
TICK_S = 0.005


class Venues:
    """The servers and what drives their markets."""

    def __init__(self, servers: dict[str, VenueServer]) -> None:
        self.servers = servers
        self.rate = 0.0
        self.quotes_of = QUOTES_OF
        self.only = ""
        self.pace_s = TICK_S
        self.late_s = 0.0
        self._due = 0.0
        self._turn = 0
        self._quotes_due = 0.0

    async def trade(self) -> None:
        """Make what is due, each few milliseconds; a tick that comes late makes up for it."""
        last = time.monotonic()
        while True:
            pace_s = self.pace_s
            await asyncio.sleep(pace_s)
            now = time.monotonic()
            self._due += self.rate * (now - last)
            self.late_s = max(self.late_s, now - last - pace_s)
            last = now
            count = int(self._due)
            self._due -= count
            self.make(count)

    def make(self, count: int) -> None:
        """So many events, shared out over the venues."""
        if count <= 0:
            return
        if self.only:
            self.servers[self.only].market.make(quotes=count)
            return
        names = list(self.servers)
        shares = [count // len(names)] * len(names)
        for extra in range(count % len(names)):
            shares[(self._turn + extra) % len(names)] += 1
        self._turn += 1
        for name, share in zip(names, shares, strict=True):
            self._quotes_due += share * self.quotes_of
            quotes = min(int(self._quotes_due), share)
            self._quotes_due -= quotes
            self.servers[name].market.make(trades=share - quotes, quotes=quotes)

    def answer(self, line: str) -> dict[str, Any]:
        """Do what a line says."""
        word, _, rest = line.strip().partition(" ")
        if word == "rate":
            self.rate, self.late_s = float(rest), 0.0
        elif word == "quotes":
            self.quotes_of = float(rest)
        elif word == "pace":
            self.pace_s = float(rest)
        elif word == "only":
            self.only = "" if rest == "all" else rest.split()[0]
        elif word == "burst":
            self.make(int(rest))
        elif word == "act":
            name, venue = rest.split()
            name, _, code = name.partition(":")
            return {"done": self.servers[venue].act(name, **({"code": int(code)} if code else {}))}
        elif word == "faults":
            venue, _, fields = rest.partition(" ")
            self.servers[venue].faults.change(**json.loads(fields))
        elif word == "newest":
            return {"newest": self.newest()}
        elif word == "report":
            return self.report()
        else:
            return {"error": f"unknown command {line!r}"}
        return {"ok": word}

    def newest(self) -> dict[str, int]:
        """The number of each symbol's newest trade, of the venues together."""
        return {
            symbol: history.next_number - 1
            for server in self.servers.values()
            for symbol, history in server.market.trades.items()
        }

    def report(self) -> dict[str, Any]:
        """What every venue made, and what it cost."""
        return {
            "cpu_s": time.process_time(),
            "late_s": self.late_s,
            "venues": {
                name: {
                    "made": _rows(server.log.counts_made().items()),
                    "connections": len(server.connections),
                    "frames": sum(client.frames for client in server.connections.values()),
                    "opened": len(server.log.noted("opened")),
                    "lost": len(server.log.noted("lost")),
                }
                for name, server in self.servers.items()
            },
        }


def _rows(counts: Iterable[tuple[tuple[Any, ...], int]]) -> list[list[Any]]:
    return [[symbol, str(channel), minute, count] for (symbol, channel, minute), count in sorted(counts)]


class Ahead:
    """The machine's clock, so many seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self._ns = round(seconds * 1e9)

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, as this clock has it."""
        return time.time_ns() + self._ns


async def serve(names: list[str], ports: list[int], logs: Path | None, keep: int, ahead_s: float) -> None:
    """Serve until standard input ends or says so."""
    async with contextlib.AsyncExitStack() as stack:
        servers = {}
        for name, port in zip(names, ports, strict=True):
            make, symbols = known(name)
            market = LiveMarket(symbols, clock=Ahead(ahead_s), keep=keep)
            file = None if logs is None else logs / f"{name}.jsonl"
            if file is not None and file.exists():
                market.restore(list(read_events(file)))
            servers[name] = await stack.enter_async_context(VenueServer(make(market), port, log_file=file))
        venues = Venues(servers)
        addresses = {n: {"url": s.url, "rest_url": s.rest_url} for n, s in servers.items()}
        print(json.dumps(addresses), flush=True)
        trading = asyncio.create_task(venues.trade())
        loop = asyncio.get_running_loop()
        while (line := await loop.run_in_executor(None, sys.stdin.readline)) and line.strip() != "quit":
            print(json.dumps(venues.answer(line)), flush=True)
        trading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await trading


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("venues", nargs="+")
    parser.add_argument("--ports", nargs="+", type=int)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--keep", type=int, default=200_000, help="events of each symbol that are remembered")
    parser.add_argument("--ahead-s", type=float, default=0.0, help="set the venues' clocks ahead")
    given = parser.parse_args()
    # Millions of events are remembered, and each look through them for cycles stops the venues for a second:
    # what was due then came as one burst, and the recorder's lag was measured against that.
    gc.disable()
    ports = given.ports or [0] * len(given.venues)
    asyncio.run(serve(given.venues, ports, given.log, given.keep, given.ahead_s))


if __name__ == "__main__":
    main()
