"""Frames of the simulated market."""

from __future__ import annotations

FRAMES = [
    b'{"e":"quote","s":"BTC-USD","t":1723075200120001,"u":1,"bp":63999.50,"bq":0.30000,"ap":64000.12,"aq":0.20000}',
    b'{"e":"trade","s":"BTC-USD","t":1723075200123456,"i":1,"p":64000.12,"q":0.08123,"b":1}',
    b'{"e":"trade","s":"ADA-USD","t":1723075200123999,"i":1,"p":0.41002,"q":12.5,"b":-1}',
    b'{"e":"quote","s":"BTC-USD","t":1723075200130000,"u":2,"bp":63999.60,"bq":0.1,"ap":64000.14,"aq":0.5}',
    b'{"e":"hello","version":1}',
]

RESTS: list[bytes] = []
