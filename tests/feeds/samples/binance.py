"""Frames of Binance spot and USD-M futures, bare and wrapped."""

FRAMES = [
    b'{"result":null,"id":1}',
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}',
    b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}',
    b'{"e":"trade","E":1723161255443,"s":"ETHBTC","t":412,"p":"0.0417","q":"1.5","T":1723161255441,"m":false,"M":true}',
    b'{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}',
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}',
    b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}',
    b'{"e":"bookTicker","u":77,"s":"BTCUSDT_240927","b":"62000.1","B":"2.5","a":"62000.3","A":"2.6","T":1723161256320,"E":1723161256321}',
    b'{"data":{"e":"trade","E":1723161256400,"s":"BTCUSDT","t":3735683260,"p":61837.5,"q":0.25,"T":1723161256399,"m":true,"M":true},"stream":"btcusdt@trade"}',
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256500123,"s":"BTCUSDT","t":3735683261,"p":"61837.63","q":"0.5","T":1723161256499877,"m":false,"M":true}}',
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,"b":[["61737.63","0.0"]],"a":[]}}',
    b'{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[["61737.63","0.0"]]}',
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1723161255208,"s":"BTCUSDT","a":1,"p":"1","q":"1","f":1,"l":1,"T":1723161255208,"m":true,"M":true}}',
    b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1723161255208,"s":"BTCUSDT","k":{"t":1723161240000}}}',
    b'{"lastUpdateId":50093239218,"bids":[["61837.63","3.78"]],"asks":[["61837.64","1.5"]]}',
    b'{"e":"serverShutdown","E":1770123456789}',
    b'{"error":{"code":2,"msg":"Invalid request"},"id":1}',
    b'[{"e":"24hrTicker","E":1723161255208,"s":"BTCUSDT"}]',
]

RESTS = [
    (
        b'{"url":"https://api.binance.com/api/v3/historicalTrades?symbol=BTCUSDT&fromId=7&limit=1000"}\n'
        b'[{"id":8,"price":"61800.1","qty":"0.5","quoteQty":"30900.05","time":1723161250000,"isBuyerMaker":true,"isBestMatch":true},'
        b'{"id":7,"price":"61800.2","qty":"0.25","quoteQty":"15450.05","time":1723161249000,"isBuyerMaker":false,"isBestMatch":true}]'
    ),
    (
        b'{"url":"https://fapi.binance.com/fapi/v1/historicalTrades?symbol=BTCUSDT"}\n'
        b'[{"id":9,"price":"61700","qty":"1","quoteQty":"61700","time":1723161250000,"isBuyerMaker":false}]'
    ),
    b'{"url":"https://api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m"}\n[[1723161240000,"1","1","1","1","1"]]',
    b'{"url":"https://api.binance.com/api/v3/trades?symbol=BTCUSDT"}\n{"code":-1121,"msg":"Invalid symbol."}',
]
