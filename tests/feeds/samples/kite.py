"""Kite's binary frames, laid out after the documentation."""

from __future__ import annotations

import struct

INFY, NIFTY, USDINR = 408065, 256265, 412675 << 8 | 3
NOON_S = 1_723_098_600


def ltp(token: int, price: int) -> bytes:
    return struct.pack(">II", token, price)


def index(token: int, price: int, time_s: int | None = None) -> bytes:
    packet = struct.pack(">7I", token, price, price, price, price, price, 7)
    return packet if time_s is None else packet + struct.pack(">I", time_s)


def quote(token: int, price: int, volume: int) -> bytes:
    return struct.pack(">11I", token, price, 5, price, volume, 900, 800, price, price, price, price)


def full(
    token: int,
    price: int,
    volume: int,
    *,
    traded_s: int = NOON_S,
    sent_s: int = NOON_S,
    bid: tuple[int, int] = (150_000, 10),
    ask: tuple[int, int] = (150_010, 20),
) -> bytes:
    levels = [(bid[1] + n, max(bid[0] - 5 * n, 0)) for n in range(5)]
    levels += [(ask[1] + n, ask[0] + 5 * n if ask[0] else 0) for n in range(5)]
    depth = b"".join(struct.pack(">IIHxx", size, price, 3) for size, price in levels)
    return quote(token, price, volume) + struct.pack(">5I", traded_s, 0, 0, 0, sent_s) + depth


def frame(*packets: bytes) -> bytes:
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(p)) + p for p in packets)


INSTRUMENTS = (
    b'{"url":"https://api.kite.trade/instruments"}\n'
    b"instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    b"instrument_type,segment,exchange\n"
    b'408065,1594,INFY,"INFOSYS",0,,0,0.05,1,EQ,NSE,NSE\n'
    b'256265,1001,NIFTY 50,"NIFTY 50",0,,0,0,0,EQ,INDICES,NSE\n'
    b"105644803,412675,USDINR24AUGFUT,,0,2024-08-28,0,0.0025,1,FUT,CDS-FUT,CDS\n"
)

FRAMES = [
    b"\x00",
    b'{"type":"order","data":{"order_id":"1"}}',
    frame(ltp(INFY, 150_000)),
    frame(full(INFY, 150_000, 1_000), index(NIFTY, 2_400_000, NOON_S)),
    frame(quote(USDINR, 839_500_000, 77), full(INFY, 150_005, 1_010, bid=(150_005, 9))),
    frame(full(INFY, 150_005, 1_010, bid=(150_005, 9), sent_s=NOON_S + 1), index(NIFTY, 2_400_050)),
    frame(quote(USDINR, 839_525_000, 80), quote(12_345 << 8 | 1, 5_000, 3), quote(12_345 << 8 | 1, 5_005, 9)),
    frame(),
]

FIRST = [INSTRUMENTS]
RESTS = [INSTRUMENTS]
