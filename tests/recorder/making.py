"""A tape's worth of records to drive the line with: two venues, disorder, rubbish, silence."""

from __future__ import annotations

import numpy as np

from barograph.clock import NS_PER_S
from barograph.records import Kind, Records, Stream
from barograph.simulator import Market, frames

START_US = 1_723_075_200_000_000
STREAMS = (Stream("sim", "sim-1"), Stream("sim", "sim-2"), Stream("binance", "binance-1"))


def _binance(recv_ns: int, number: int) -> bytes:
    ms = recv_ns // 1_000_000
    return (
        f'{{"e":"trade","E":{ms},"s":"BTCUSDT","t":{number},"p":"{64_000 + number % 7}.5",'
        f'"q":"0.{1 + number % 9}","T":{ms},"m":{"true" if number % 2 else "false"},"M":true}}'
    ).encode()


def records(seed: int = 5, minutes: int = 12) -> Records:
    """Simulated frames on two connections, one late in a while and some twice, between trades of
    another venue, frames that are none, clock records, and a connection that ends and comes back."""
    rng = np.random.default_rng(seed)
    market = Market(seed, ["BTC-USD", "ETH-USD"], start_us=START_US, minutes=minutes, rate=0.5)
    rows: list[tuple[int, int, int, bytes]] = [
        (START_US * 1_000, Kind.OPEN, number, b"{}") for number in range(len(STREAMS))
    ]
    for batch in frames(market):
        for sent_ns, payload in zip(batch.recv_ns.tolist(), batch.payloads, strict=True):
            draw = rng.random()
            recv_ns = sent_ns + (int(rng.integers(1, 200)) * NS_PER_S if draw < 0.01 else 0)
            rows.append((recv_ns, Kind.FRAME, int(draw < 0.4), payload))
            if draw > 0.97:
                rows.append((recv_ns + 5, Kind.FRAME, 1, payload))
            if draw > 0.995:
                rows.append((recv_ns + 7, Kind.FRAME, 2, b'{"e":"trade","p":"rubbish"}'))
    for number in range(minutes * 30):
        recv_ns = START_US * 1_000 + number * 2 * NS_PER_S + 13
        rows.append((recv_ns, Kind.FRAME, 2, _binance(recv_ns, number)))
    rows += [(START_US * 1_000 + minute * 60 * NS_PER_S, Kind.CLOCK, 0, b"") for minute in range(minutes)]
    half_ns = START_US * 1_000 + minutes * 30 * NS_PER_S
    rows += [(half_ns, Kind.CLOSE, 1, b"{}"), (half_ns + 40 * NS_PER_S, Kind.OPEN, 1, b"{}")]
    rows.sort(key=lambda row: row[0])
    return Records(
        0,
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.uint8),
        np.array([row[2] for row in rows], dtype=np.uint32),
        STREAMS,
        [row[3] for row in rows],
    )
