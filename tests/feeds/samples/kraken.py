"""Frames of Kraken, v2 and v1."""

FRAMES = [
    b'{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":1}]}',
    b'{"method":"subscribe","result":{"channel":"trade","snapshot":false,"symbol":"BTC/USD"},"success":true,"time_in":"2023-09-25T09:21:10.428340Z","req_id":1}',
    b'{"channel":"heartbeat"}',
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":105944.20,"qty":0.00027625,"ord_type":"limit","trade_id":10218208,"timestamp":"2024-08-08T23:54:15.708706Z"},{"symbol":"MATIC/USD","side":"sell","price":0.5117,"qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2024-08-08T23:54:15.708706999Z"}]}',
    b'{"channel":"trade","type":"snapshot","data":[{"symbol":"BTC/USD","side":"sell","price":105944.10,"qty":0.5,"ord_type":"limit","trade_id":10218207,"timestamp":"2024-08-08T23:54:14.1Z"}]}',
    b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":105944.1,"bid_qty":0.5,"ask":105944.2,"ask_qty":1.25,"last":105944.2,"volume":1.0,"timestamp":"2024-08-08T23:54:16.000001Z"}]}',
    b'{"channel":"ticker","type":"snapshot","data":[{"symbol":"ALGO/USD","bid":0.10025,"bid_qty":740.0,"ask":0.10036,"ask_qty":1361.44813783,"last":0.10035}]}',
    b'{"type":"update","channel":"trade","data":[{"symbol":"BTC/USD","side":"buy","price":105945,"qty":2,"ord_type":"limit","trade_id":10218209,"timestamp":"2024-08-08T23:54:17Z"}]}',
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":1}]}',
    b'{"error":"Currency pair not supported","method":"subscribe","success":false}',
    b'{"connectionID":18239578009413566319,"event":"systemStatus","status":"online","version":"1.8.3"}',
    b'{"channelID":993,"channelName":"trade","event":"subscriptionStatus","pair":"XMR/USD","status":"subscribed","subscription":{"name":"trade"}}',
    b'{"event":"heartbeat"}',
    b'[993,[["354.04000000","0.28245396","1618678150.826417","s","m",""],["353.81","1.71754604","1618678150.827816","b","m",""]],"trade","XMR/USD"]',
    b'[468,{"a":["56218.30000",0,"0.13690578"],"b":["56119.10000",0,"0.03333108"],"c":["56218.3","0.01309422"],"v":["27.6","37.4"]},"ticker","XBT/CHF"]',
    b'[0,["5698.40000","5700.00000","1618678151.123456","1.01234567","0.98765432"],"spread","XDG/USD"]',
    b'[1234,{"a":[["5541.30000","2.50700000","1534614248.456738"]]},{"b":[["5541.2","1.5","1534614248.1"]],"c":"974942666"},"book-10","XBT/USD"]',
]

RESTS = [
    (
        b'{"url":"https://api.kraken.com/0/public/Trades?pair=XBTUSD&since=1688669597000000000"}\n'
        b'{"error":[],"result":{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952],'
        b'["30243.30000","0.00376960",1688669598.2804112,"s","l","",61044953]],"last":"1688671969993150842"}}'
    ),
    b'{"url":"https://api.kraken.com/0/public/Time"}\n{"error":[],"result":{"unixtime":1688669448}}',
    b'{"url":"https://api.kraken.com/0/public/Trades?pair=NONO"}\n{"error":["EQuery:Unknown asset pair"]}',
]
