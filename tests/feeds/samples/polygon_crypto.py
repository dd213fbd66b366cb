"""Massive's crypto cluster, after the documented examples."""

from __future__ import annotations

FRAMES = [
    b'[{"ev":"status","status":"connected","message":"Connected Successfully"}]',
    b'[{"ev":"status","status":"auth_success","message":"authenticated"}]',
    b'[{"ev":"status","status":"success","message":"subscribed to: XT.BTC-USD"}]',
    b'[{"ev":"XT","pair":"BTC-USD","p":33021.9,"t":1610462007425,"s":0.01616617,"c":[2],"i":14272084,"x":3,"r":1610462007576}]',
    (
        b'[{"ev":"XQ","pair":"BTC-USD","bp":33052.79,"bs":0.48,"ap":33073.19,"as":0.601,"t":1610462411115,"x":1,"r":1610462411128},'
        b'{"ev":"XT","pair":"ETH-USD","p":1101.5,"t":1610462411120,"s":2.5,"c":[1],"i":"a-7","x":1,"r":1610462411131},'
        b'{"ev":"XT","pair":"BTC-USD","p":33060,"t":1610462411125,"s":1,"c":[0],"i":14272085,"x":3,"r":1610462411140}]'
    ),
    b'[{"ev":"XA","pair":"BTC-USD","v":951.6,"vw":9.1,"z":35,"o":3.1,"c":3.2,"h":3.3,"l":3.0,"s":1610462400000,"e":1610462460000}]',
    b'[{"ev":"XAS","pair":"BTC-USD","v":0.1,"vw":9.1,"z":35,"o":3.1,"c":3.2,"h":3.3,"l":3.0,"s":1610462400000,"e":1610462401000}]',
]

RESTS = [
    (
        b'{"url":"https://api.massive.com/v3/trades/X:BTCUSD?limit=50000"}\n'
        b'{"status":"OK","request_id":"r","results":['
        b'{"conditions":[2],"exchange":3,"id":"14272084","participant_timestamp":1610462007425123456,"price":33021.9,"size":0.01616617},'
        b'{"conditions":[1],"exchange":1,"id":"9","participant_timestamp":1610462007426000000,"price":33020,"size":0.5}]}'
    ),
    b'{"url":"https://api.massive.com/v2/aggs/ticker/X:BTCUSD/range/1/minute/1/2"}\n{"results":[],"status":"OK"}',
]
