"""``barograph simulate``."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from barograph.cli.options import DEFAULTS, Everywhere, Options
from barograph.cli.output import write_object
from barograph.cli.progress import progress
from barograph.cli.times import iso_ns, moment_us, span_s
from barograph.clock import MINUTE_US, NS_PER_US, SystemClock
from barograph.errors import UsageError

if TYPE_CHECKING:
    from barograph.records import Stream
    from barograph.settings import Settings
    from barograph.simulator import Batch, Market
    from barograph.tape import TapeWriter

START = "2024-08-08"
"""Where a simulated market begins unless told otherwise, so that it is the same every time."""


def simulate(  # noqa: PLR0913 - a flag is a parameter
    *,
    seed: int | None = None,
    symbols: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    start: str | None = None,
    duration: str | None = None,
    rate: float | None = None,
    real_time: bool = False,
    out: Path | None = None,
    serve: str | None = None,
    port: int = 0,
    recording: Path | None = None,
    control: bool = False,
    common: Options = DEFAULTS,
) -> None:
    """Let a simulated market trade, onto the tape, into a recording file or on a venue's server.

    The same seed, symbols, start and rate give the same frames, byte for byte. The tables
    follow with barograph replay; a recording file with barograph tape import FILE --feed sim.
    With --serve it speaks a venue's protocol on this machine, for trying a deployment.

    Parameters
    ----------
    seed
        Where everything random comes from (setting simulator.seed).
    symbols
        One or more of the simulator's symbols (setting simulator.symbols).
    start
        First minute, UTC: 2024-08-08T13:35. Midnight of 2024-08-08 when absent.
    duration
        Whole minutes: 90m, 6h, 2d. An hour when absent, for ever with --real-time.
    rate
        Times the usual number of trades and quotes (setting simulator.rate).
    real_time
        Begin now and go on as the clock does, until it is over or interrupted.
    out
        Write a recording (receipt time in nanoseconds, space, frame) instead of the tape; .gz compresses.
        With --serve: the server's log, as JSON lines; one that is there already is continued.
    serve
        Be this venue's server on 127.0.0.1 until interrupted: binance, binance-usdm, coinbase, kraken, ...
    port
        Of the server; 0 takes a free one and says which.
    recording
        With --serve: send the frames of this recording once somebody has subscribed.
    control
        With --serve: let programs on this machine make it misbehave (see docs/testing.md).
    """
    settings = common.settings()
    if serve is None and (recording is not None or control or port):
        raise UsageError("--port, --recording and --control belong to --serve VENUE")
    if serve is not None:
        from barograph.cli.commands.serving import Serving
        from barograph.cli.commands.serving import serve as serve_it

        if start is not None or real_time:
            raise UsageError("--serve trades now; leave --start and --real-time away")
        chosen = settings.simulator
        asked = Serving(
            venue=serve,
            port=port,
            seed=chosen.seed if seed is None else seed,
            symbols=tuple(symbols or ()),
            rate=chosen.rate if rate is None else rate,
            seconds=None if duration is None else span_s(duration, "--duration"),
            log=out,
            recording=recording,
            control=control,
            as_json=common.json,
        )
        serve_it(asked)
        return
    market = _market(settings, seed, symbols, rate, _window(start, duration, real_time))
    batches = _in_real_time(market) if real_time else _at_once(market, common)
    told = _into_file(out, batches) if out is not None else _onto_tape(settings, market, batches)
    write_object(
        {
            "seed": market.seed,
            "symbols": [instrument.symbol for instrument in market.instruments],
            **told,
            "anomalies_put_in": None if market.minutes is None else len(market.labels()),
        },
        as_json=common.json,
    )
    following = f"tape import {out} --feed sim" if out is not None else "replay"
    common.remark(f"next: barograph {following} --data {settings.data_dir}")


@dataclass(frozen=True, slots=True)
class _Window:
    start_us: int
    minutes: int | None


def _window(start: str | None, duration: str | None, real_time: bool) -> _Window:
    if real_time:
        if start is not None:
            raise UsageError("--real-time begins now; leave --start away, or leave --real-time away")
        now_us = SystemClock().now_ns() // NS_PER_US
        start_us = now_us - now_us % MINUTE_US
    else:
        given = moment_us(start or START, "--start")
        assert given is not None
        start_us = given
    if duration is None:
        return _Window(start_us, None if real_time else 60)
    seconds = span_s(duration, "--duration")
    if seconds % 60:
        raise UsageError(f"--duration {duration!r} is not a whole number of minutes")
    return _Window(start_us, int(seconds) // 60)


def _market(
    settings: Settings, seed: int | None, symbols: list[str] | None, rate: float | None, window: _Window
) -> Market:
    from barograph.simulator import Market

    chosen = settings.simulator
    return Market(
        chosen.seed if seed is None else seed,
        symbols or chosen.symbols,
        start_us=window.start_us,
        minutes=window.minutes,
        rate=chosen.rate if rate is None else rate,
    )


def _at_once(market: Market, common: Everywhere) -> Iterator[Batch]:
    from barograph.simulator import frames

    assert market.minutes is not None
    with progress("simulating", quiet=common.quiet) as report:
        for batch in frames(market):
            yield batch
            done_us = int(batch.recv_ns[-1]) // NS_PER_US - market.start_us
            report(min(done_us // MINUTE_US, market.minutes), market.minutes)


def _in_real_time(market: Market) -> Iterator[Batch]:
    from barograph.simulator import frames, paced

    return paced(frames(market), SystemClock(), time.sleep)


def _onto_tape(settings: Settings, market: Market, batches: Iterator[Batch]) -> dict[str, Any]:
    from barograph.cli.taping import open_tape
    from barograph.records import Kind

    with open_tape(settings) as tape:
        stream = _new_stream(tape, market)
        last_ns = market.start_us * NS_PER_US
        first_pos = tape.append(stream, last_ns, Kind.OPEN, b'{"url":"sim:"}')
        reason = b'{"reason":"the simulation ends"}'
        try:
            for batch in batches:
                tape.append_many([stream], 0, batch.recv_ns, Kind.FRAME, batch.payloads)
                last_ns = int(batch.recv_ns[-1])
        except KeyboardInterrupt:
            reason = b'{"reason":"interrupted"}'
            raise
        finally:
            next_pos = tape.append(stream, last_ns, Kind.CLOSE, reason) + 1
    return {
        "tape": str(settings.data_dir / "tape"),
        "frames": next_pos - first_pos - 2,
        "first_pos": first_pos,
        "next_pos": next_pos,
        "last": iso_ns(last_ns),
    }


def _new_stream(tape: TapeWriter, market: Market) -> Stream:
    """A connection's name that the tape does not have yet."""
    from barograph.records import Stream

    number = 1 + sum(stream.feed == "sim" for stream in tape.streams)
    return Stream("sim", f"sim-{market.seed}-{number}")


def _into_file(out: Path, batches: Iterator[Batch]) -> dict[str, Any]:
    count, last_ns = 0, None
    with _whole(out) as file:
        for batch in batches:
            pairs = zip(batch.recv_ns.tolist(), batch.payloads, strict=True)
            file.writelines(b"%d %s\n" % pair for pair in pairs)
            count, last_ns = count + len(batch.payloads), int(batch.recv_ns[-1])
    return {"out": str(out), "frames": count, "bytes": out.stat().st_size, "last": iso_ns(last_ns)}


@contextmanager
def _whole(out: Path) -> Iterator[IO[bytes]]:
    """A file that has its name only when it is whole."""
    part = out.with_name(out.name + ".part")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as raw:
            if out.suffix == ".gz":
                # No name and no time inside: the same market gives the same bytes.
                with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
