"""The simulated market as frames with times of receipt: what a recorder would have got."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from barograph.clock import NS_PER_US
from barograph.errors import UsageError
from barograph.rows import Ints
from barograph.simulator.market import Market, Symbol
from barograph.simulator.wire import encode

BATCH = 8_192


class Batch(NamedTuple):
    """Consecutive frames: receipt times in nanoseconds, never falling, and payloads."""

    recv_ns: Ints
    payloads: list[bytes]


def frames(market: Market, batch: int = BATCH) -> Iterator[Batch]:
    """All frames of ``market`` in the order in which the venue sends them, ``batch`` at a time.

    The last batch has what is left. A frame is received some milliseconds after the venue's
    time and never before the one sent before it, as on one connection.

    Raises:
        UsageError: ``batch`` is less than 1.
    """
    if batch < 1:
        raise UsageError(f"batch is {batch}; it must be 1 at least")
    recv_ns: Ints = np.empty(0, dtype=np.int64)
    payloads: list[bytes] = []
    newest_ns = 0
    for number, block in enumerate(market.blocks()):
        made = _received(block, market.latencies(number, _sent(block)), newest_ns)
        newest_ns = int(made.recv_ns[-1]) if len(made.recv_ns) else newest_ns
        recv_ns = np.concatenate((recv_ns, made.recv_ns))
        payloads += made.payloads
        at = 0
        while len(payloads) - at >= batch:
            yield Batch(recv_ns[at : at + batch], payloads[at : at + batch])
            at += batch
        recv_ns, payloads = recv_ns[at:], payloads[at:]
    if payloads:
        yield Batch(recv_ns, payloads)


def _sent(block: list[Symbol]) -> int:
    return sum(len(symbol.trades.ts_us) + len(symbol.quotes.ts_us) for symbol in block)


def _received(block: list[Symbol], latencies: Ints, newest_ns: int) -> Batch:
    """The block's frames in the order of venue time; a quote goes before a trade of the same moment."""
    encoded = [encode(symbol) for symbol in block]
    ts_us = np.concatenate([times for times, _ in encoded])
    order = np.argsort(ts_us, kind="stable")
    recv_ns = ts_us[order] * NS_PER_US + latencies
    every = [payload for _, payloads in encoded for payload in payloads]
    recv_ns = np.maximum(np.maximum.accumulate(recv_ns), newest_ns)
    return Batch(recv_ns, [every[n] for n in order.tolist()])
