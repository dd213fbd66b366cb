"""What the models of these tests are trained on."""

from __future__ import annotations

from pathlib import Path

from barograph.anomalies.models import Parameters, Wanted
from barograph.clock import MINUTE_US, ManualClock
from barograph.recorder.replaying import replay
from barograph.records import Kind, Stream
from barograph.simulator import Market, frames
from barograph.tape import TapeWriter

START_US = 1_723_075_200_000_000
MINUTES = 480
SMALL = Parameters(trees=20, samples=128, share=0.02, seed=3)
WANTED = Wanted(("BTC-USD", "ETH-USD"), None, START_US + (MINUTES - 120) * MINUTE_US)
"""Two of the three symbols, without the last two hours."""


def record(data: Path, minutes: int = MINUTES, seed: int = 4, start_us: int = START_US) -> None:
    """Simulated minutes on the tape of ``data``, and its tables."""
    market = Market(seed, ["BTC-USD", "ETH-USD", "SOL-USD"], start_us=start_us, minutes=minutes, rate=0.15)
    with TapeWriter(data / "tape", clock=ManualClock(start_us * 1000)) as tape:
        for batch in frames(market):
            tape.append_many([Stream("sim", "sim-1")], 0, batch.recv_ns, Kind.FRAME, batch.payloads)
    replay(data)
