"""Frames of imported candles."""

from __future__ import annotations

FRAMES = [
    (
        b'{"venue":"binance","symbol":"BTC-USDT","interval_s":60}\n'
        b"1640991660000000,46319.0,46385.0,46319.0,46377.0,2300413.7295\n"
        b"1640991720000000,46377.0,46411.0,46377.0,46411.0,1829623.1938"
    ),
    b'{"venue":"file","symbol":"X-USD","interval_s":300}\n1640991600000000,1.5,1.5,1.5,1.5,',
    b'{"venue":"binance","symbol":"BTC-USDT","interval_s":60}\n1640991780000000,46411.0,46425.0,46411.0,46425.0,0.0',
]

RESTS: list[bytes] = []
