"""A venue served on this machine: what ``barograph simulate --serve`` does."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from barograph.cli.output import write_object
from barograph.errors import UsageError

if TYPE_CHECKING:
    from barograph.testing import LiveMarket, VenueServer

TRADES, QUOTES = 2.0, 5.0
"""A second and symbol, at rate 1."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What is asked for.

    Attributes:
        venue: one of ``barograph.testing.VENUES``.
        port: on 127.0.0.1; 0 takes a free one.
        seed: of the market.
        symbols: what is traded; the venue's usual ones when empty.
        rate: times the usual number of trades and quotes.
        seconds: for how long; None until interrupted.
        log: where the server's log is written, and a log of an earlier life read, to number on from there.
        recording: frames to send in place of a market's.
        control: answer ``/_barograph/...``.
        as_json: say where it serves as JSON.
    """

    venue: str
    port: int
    seed: int
    symbols: tuple[str, ...] = ()
    rate: float = 1.0
    seconds: float | None = None
    log: Path | None = None
    recording: Path | None = None
    control: bool = False
    as_json: bool = False


def serve(asked: Serving) -> None:
    """Serve until the time is over, or until the process is interrupted or told to end.

    Raises:
        UsageError: no such venue, or a port that cannot be.
        OSError: the port is taken.
    """
    from barograph.testing.venues import known

    make, usual = known(asked.venue)
    if not 0 <= asked.port <= 65_535:
        raise UsageError(f"--port {asked.port} is not between 0 and 65535")
    if not 0 <= asked.rate <= 100_000:
        raise UsageError(f"--rate {asked.rate:g} is not between 0 and 100000")
    market = _market(asked, asked.symbols or usual)
    asyncio.run(_serve(asked, make(market)))


def _market(asked: Serving, symbols: tuple[str, ...]) -> LiveMarket:
    from barograph.testing import LiveMarket
    from barograph.testing.log import read_events

    market = LiveMarket(symbols, asked.seed)
    if asked.log is not None and asked.log.exists():
        market.restore([event for event in read_events(asked.log) if event.symbol in symbols])
    return market


async def _serve(asked: Serving, venue: object) -> None:
    from barograph.testing import VenueServer

    server = VenueServer(venue, asked.port, log_file=asked.log, remote_control=asked.control)  # type: ignore[arg-type]
    async with server:
        write_object(
            {
                "venue": asked.venue,
                "url": server.url,
                "rest_url": server.rest_url,
                "symbols": list(server.market.symbols),
            },
            as_json=asked.as_json,
        )
        sys.stdout.flush()
        told = asyncio.Event()
        # Not on every system; there an interrupt ends it just the same.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        trading = asyncio.ensure_future(_trade(asked, server))
        waiting = asyncio.ensure_future(told.wait())
        await asyncio.wait((trading, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if trading.done():
            await trading
        trading.cancel()


async def _trade(asked: Serving, server: VenueServer) -> None:
    from barograph.testing.replaying import replay

    if asked.recording is not None:
        await server.until(lambda: bool(server.connections), within_s=asked.seconds or 3_600.0)
        await server.connected(1)
        await replay(server, asked.recording)
        return
    n = len(server.market.symbols)
    await server.market.run(TRADES * n * asked.rate, QUOTES * n * asked.rate, asked.seconds)
