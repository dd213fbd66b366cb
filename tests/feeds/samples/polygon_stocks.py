"""Massive's stocks cluster, after the documented examples."""

from __future__ import annotations

FRAMES = [
    b'[{"ev":"status","status":"connected","message":"Connected Successfully"}]',
    b'[{"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":100,"c":[0,12],"t":1536036818784,"q":3681328}]',
    (
        b'[{"ev":"Q","sym":"MSFT","bx":4,"bp":114.125,"bs":100,"ax":7,"ap":114.128,"as":160,"c":0,"i":[604],"t":1536036818784,"q":50385480,"z":3},'
        b'{"ev":"T","sym":"AAPL","x":4,"i":"77","z":3,"p":57.1,"s":0,"ds":"0.25","c":[37],"t":1536036818800,"q":11,"trfi":202,"trft":1536036818790},'
        b'{"ev":"T","sym":"AAPL","x":12,"i":"78","z":3,"p":57.2,"s":900,"c":[15],"t":1536036818801,"q":12}]'
    ),
    b'[{"ev":"AM","sym":"GTE","v":4110,"av":9470157,"op":0.4372,"vw":0.4488,"o":0.4488,"c":0.4486,"h":0.4489,"l":0.4486,"a":0.4352,"z":685,"s":1610144640000,"e":1610144700000}]',
    b'[{"ev":"A","sym":"SPCE","v":200,"av":8642007,"op":25.66,"vw":25.3981,"o":25.39,"c":25.39,"h":25.39,"l":25.39,"a":25.3714,"z":50,"s":1610144868000,"e":1610144869000}]',
    b'[{"ev":"LULD","T":"MSFT","h":218.94,"l":198.07,"i":[17],"z":3,"t":1601316639313,"q":5}]',
]

RESTS = [
    (
        b'{"url":"https://api.massive.com/v3/trades/AAPL?cursor=abc"}\n'
        b'{"status":"OK","results":['
        b'{"conditions":[37],"exchange":4,"id":"77","participant_timestamp":1536036818790000000,"price":57.1,"sequence_number":11,'
        b'"sip_timestamp":1536036818800123456,"size":0,"decimal_size":"0.25","tape":3,"trf_id":202,"trf_timestamp":1536036818790000000},'
        b'{"conditions":[12,41],"exchange":11,"id":"2","participant_timestamp":1517562000015577600,"price":171.55,"sequence_number":1064,'
        b'"sip_timestamp":1517562000016038100,"size":100,"tape":3}]}'
    ),
]
