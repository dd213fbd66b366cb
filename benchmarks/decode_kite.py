"""Kite packets a second: ours against the vendor's own client, in one process.

    python benchmarks/decode_kite.py [--json]

The vendor's is ``KiteTicker._parse_binary`` of the ``kiteconnect`` package (the extra
``bench``), called once a frame as its own message handler does. Ours makes columns of
ticks and quotes, with the state of every instrument kept; theirs makes dictionaries and
keeps nothing. Frames are made here: *full* packets of 100 instruments whose volume and
depth move, packed 1, 10 or 100 to a frame; ours gets them in runs of one frame (live) and
of up to 1,000 (replay). Both are checked to have read the same prices and volumes first.
Each figure is the median of the repetitions.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import struct
import sys
import time
from collections.abc import Callable

import numpy as np

from barograph.feeds.kite import FEED
from barograph.records import Frames, Kind

PACKETS = 20_000
INSTRUMENTS = 100
START_S = 1_723_088_700
REPETITIONS = 5


def full_packet(token: int, nth: int) -> bytes:
    """A *full* packet of ``token``, the ``nth`` of its day."""
    price = 150_000 + (nth * 7 + token) % 500
    head = (token, price, 5, price, 1_000 + 10 * nth, 900, 800, price, price + 50, price - 50, price)
    times = (START_S + nth, 0, 0, 0, START_S + nth)
    levels = b"".join(
        struct.pack(">IIHxx", 10 + nth % 9 + level, price + (level - 4) * 5, 3) for level in range(10)
    )
    return struct.pack(">11I5I", *head, *times) + levels


def frames_of(per_frame: int) -> list[bytes]:
    """All packets, ``per_frame`` to a frame."""
    packets = [full_packet((n % INSTRUMENTS + 1) << 8 | 1, n // INSTRUMENTS) for n in range(PACKETS)]
    framed = [struct.pack(">H", len(packet)) + packet for packet in packets]
    return [
        struct.pack(">H", len(framed[at : at + per_frame])) + b"".join(framed[at : at + per_frame])
        for at in range(0, PACKETS, per_frame)
    ]


def runs_of(payloads: list[bytes], per_run: int) -> list[Frames]:
    """The frames as a decoder gets them."""
    runs = []
    for at in range(0, len(payloads), per_run):
        part = payloads[at : at + per_run]
        n = len(part)
        recv_ns = np.full(n, START_S * 10**9, dtype=np.int64)
        kind = np.full(n, Kind.FRAME, dtype=np.uint8)
        runs.append(Frames(at, np.arange(n), recv_ns, kind, np.zeros(n, dtype=np.uint32), part))
    return runs


def seconds(job: Callable[[], object]) -> float:
    """Median seconds of ``job``."""
    taken = []
    for _ in range(REPETITIONS):
        begun = time.perf_counter()
        job()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def check_same(vendor: Callable[[bytes], list[dict[str, object]]], payloads: list[bytes]) -> None:
    """Stop unless both read the same prices and volumes."""
    theirs = [packet for payload in payloads for packet in vendor(payload)]
    ours = FEED.decode(FEED.state(), runs_of(payloads, len(payloads))[0])
    first = {packet["instrument_token"]: packet for packet in reversed(theirs)}
    expected = [packet for packet in theirs if packet is not first[packet["instrument_token"]]]
    if [packet["last_price"] for packet in expected] != ours.ticks.price.tolist():
        sys.exit("the two disagree on prices")
    grown = sum(int(str(packet["volume_traded"])) for packet in theirs[-INSTRUMENTS:])
    based = sum(int(str(packet["volume_traded"])) for packet in first.values())
    if grown - based != int(ours.ticks.size.sum()):
        sys.exit("the two disagree on volumes")


def decode_all(runs: list[Frames]) -> None:
    state = FEED.state()
    for run in runs:
        FEED.decode(state, run)


def measure() -> list[dict[str, float]]:
    """Nanoseconds a packet for both, by packets to a frame."""
    from kiteconnect import KiteTicker

    vendor = KiteTicker("key", "token")._parse_binary  # noqa: SLF001
    rows = []
    for per_frame in (1, 10, 100):
        payloads = frames_of(per_frame)
        check_same(vendor, payloads)
        live, replay = runs_of(payloads, 1), runs_of(payloads, 1_000)
        theirs = seconds(lambda payloads=payloads: [vendor(payload) for payload in payloads])
        one_by_one = seconds(lambda live=live: decode_all(live))
        in_runs = seconds(lambda replay=replay: decode_all(replay))
        ns = 1e9 / PACKETS
        rows.append(
            {
                "packets_a_frame": per_frame,
                "vendor_ns": round(theirs * ns),
                "ours_live_ns": round(one_by_one * ns),
                "ours_replay_ns": round(in_runs * ns),
                "live_times_faster": round(theirs / one_by_one, 1),
                "replay_times_faster": round(theirs / in_runs, 1),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    rows = measure()
    if chosen.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        print(json.dumps({"benchmark": "decode_kite", "packets": PACKETS, **machine, "rows": rows}))
        return
    print(" ".join(f"{name:>20}" for name in rows[0]))
    for row in rows:
        print(" ".join(f"{value:>20}" for value in row.values()))


if __name__ == "__main__":
    main()
