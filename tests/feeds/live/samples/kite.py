"""Zerodha Kite. It confirms nothing; what comes by itself is a heartbeat."""

import struct
from typing import Any

from barograph.feeds.live.venue import Request
from barograph.gaps import Gap

KEY, TOKEN = "kiteApiKey16", "dayAccessToken32"
SETTING = "feeds.kite.symbols"
SECRETS = [KEY, TOKEN]
WITHOUT_SYMBOLS: dict[str, Any] = {"feeds": {"kite": {"api_key": KEY, "access_token": TOKEN}}}
SETTINGS: dict[str, Any] = {
    "feeds": {"kite": {"api_key": KEY, "access_token": TOKEN, "symbols": ["NSE:INFY", "BSE:INFY"]}}
}
OTHER = "NSE:TCS"

HEARTBEAT = b"\x00"
GREETING = [HEARTBEAT]
CONFIRMS = False


def replies(sent: bytes) -> list[bytes]:
    return []


DATA = [
    HEARTBEAT,
    struct.pack(">HHII", 1, 8, 408065, 150_000),
    struct.pack(">HH46I", 1, 184, 408065, 150_000, *[0] * 44),
    b'{"type":"order","data":{"order_id":"1","status":"COMPLETE"}}',
    b'{"type":"instruments_meta","data":{"count":90517,"etag":"W"}}',
]

CONTROL = [
    b'{"type":"error","data":"Invalid instrument"}',
    b'{"type":"error","data":"Incorrect `api_key` or `access_token`."}',
    b'{"type":"message","data":"Markets close early today"}',
    b'{"type":"message","data":{"text":["a"]}}',
]

GAP: Gap | None = None
IN_GAP = 0


def answer(request: Request) -> bytes:
    assert request.url == "https://api.kite.trade/instruments"
    assert dict(request.headers) == {"X-Kite-Version": "3", "Authorization": f"token {KEY}:{TOKEN}"}
    return (
        b"instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
        b"instrument_type,segment,exchange\n"
        b'408065,1594,INFY,"INFOSYS, LIMITED",0,,0,0.05,1,EQ,NSE,NSE\n'
        b"128053508,500209,INFY,INFOSYS,0,,0,0.05,1,EQ,BSE,BSE\n"
        b'256265,1001,NIFTY 50,"NIFTY 50",0,,0,0,0,EQ,INDICES,NSE\n'
        b"2953217,11536,TCS,TATA CONSULTANCY SERV LT,0,,0,0.05,1,EQ,NSE,NSE\n"
    )
