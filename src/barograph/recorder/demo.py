"""The main job once, from beginning to end, on a simulated day or on a recording.

Frames go onto the tape, the tape goes down the line, what is found is held against what
was put in on purpose. Interrupted, it goes on where it stopped; run again, it finds its
work done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from barograph.anomalies import Found, Label, Scores, score
from barograph.clock import MINUTE_US, NS_PER_US, US_PER_S, SystemClock
from barograph.recorder.line import Counts
from barograph.recorder.replaying import replay
from barograph.records import Kind, Stream
from barograph.store import Lake, Scan
from barograph.tape import TapeWriter, import_recording, list_segments

if TYPE_CHECKING:
    from barograph.recorder.shaping import LineSettings
    from barograph.simulator import Market

Stage = Callable[[str, int, int], None]
"""Called with what is going on, how much of it is done, and how much there is."""

SEED = 20240808
START_US = 1_723_075_200_000_000
"""2024-08-08, a Thursday, so that the simulated shares have a session."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo did.

    Attributes:
        source: what was recorded, in words.
        counts: frames and rows, over all that the tape holds.
        minutes: rows of ``market_microstructure``.
        seconds: from the first frame to the last row, on this run.
        scores: found against put in; None for a recording, where nothing was put in.
        anomalies: rows of ``anomalies`` that stand.
    """

    source: str
    data: Path
    counts: Counts
    minutes: int
    seconds: float
    scores: Scores | None
    anomalies: int


def demo_simulated(data: Path, settings: LineSettings | None = None, *, stage: Stage) -> Demo:
    """A simulated day of all default symbols through the whole line."""
    from barograph.simulator import DEFAULT_SYMBOLS, Market

    market = Market(SEED, DEFAULT_SYMBOLS, start_us=START_US, minutes=1440)
    started = time.perf_counter()
    _record(data, market, stage)
    counts = _down_the_line(data, settings, stage)
    seconds = time.perf_counter() - started
    found = _found(data)
    labels = [Label(one.kind, one.symbol, one.start_us, one.end_us) for one in market.labels()]
    source = f"a simulated day of {len(DEFAULT_SYMBOLS)} symbols, seed {SEED}"
    scores = score(found, labels, MINUTE_US)
    return Demo(source, data, counts, _rows(data, "market_microstructure"), seconds, scores, len(found))


def demo_recording(
    data: Path, recording: Path, feed: str, settings: LineSettings | None = None, *, stage: Stage
) -> Demo:
    """A recording of a real venue through the whole line.

    Raises:
        UsageError: no such feed.
        DataError: the recording cannot be read; what could be is on the tape.
    """
    started = time.perf_counter()
    with TapeWriter(data / "tape", clock=SystemClock()) as tape:
        import_recording(tape, recording, feed)
    counts = _down_the_line(data, settings, stage)
    seconds = time.perf_counter() - started
    source = f"{recording.name}, as {feed}"
    minutes = _rows(data, "market_microstructure")
    return Demo(source, data, counts, minutes, seconds, None, len(_found(data)))


def _record(data: Path, market: Market, stage: Stage) -> None:
    """The market's frames on the tape, each once: those that are there are not written again."""
    from barograph.simulator import frames

    assert market.minutes is not None
    stream = Stream("sim", f"demo-{market.seed}")
    with TapeWriter(data / "tape", clock=SystemClock()) as tape:
        written = _written(tape.path, stream)
        if not written:
            tape.append(stream, market.start_us * NS_PER_US, Kind.OPEN, b'{"url":"sim:"}')
            written = 1
        at = 1
        for batch in frames(market):
            skip = min(max(written - at, 0), len(batch.payloads))
            tape.append_many([stream], 0, batch.recv_ns[skip:], Kind.FRAME, batch.payloads[skip:])
            at += len(batch.payloads)
            done_us = int(batch.recv_ns[-1]) // NS_PER_US - market.start_us
            stage("recording", min(done_us // MINUTE_US, market.minutes), market.minutes)
        if written <= at:
            # The day is over: time goes on, so that its last minute closes.
            end_us = market.start_us + market.minutes * MINUTE_US + MINUTE_US // 2
            tape.append(stream, end_us * NS_PER_US, Kind.CLOCK, b"")


def _written(tape: Path, stream: Stream) -> int:
    """Records of ``stream`` that are on the tape."""
    return sum(
        count for segment in list_segments(tape) for (of, _), count in segment.counts.items() if of == stream
    )


def _down_the_line(data: Path, settings: LineSettings | None, stage: Stage) -> Counts:
    result = replay(data, settings, progress=lambda done, of: stage("building features", done, of))
    lake = Lake(data / "lake")
    lake.seal(all=True, grace_s=0.0)
    lake.close()
    return result.counts


def _found(data: Path) -> list[Found]:
    rows = Lake(data / "lake").scan(Scan("anomalies", columns=["kind", "symbol", "ts"]))
    return [
        Found(row["kind"], row["symbol"], int(row["ts"].timestamp()) * US_PER_S)
        for batch in rows
        for row in batch.to_pylist()
    ]


def _rows(data: Path, table: str) -> int:
    return sum(batch.num_rows for batch in Lake(data / "lake").scan(Scan(table, columns=["symbol"])))
