"""Frames of Coinbase Exchange."""

FRAMES = [
    b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}',
    b'{"type":"last_match","trade_id":881613,"maker_order_id":"a","taker_order_id":"b","side":"sell","size":"0.04","price":"14.7775","product_id":"BAND-GBP","sequence":333938798,"time":"2021-04-17T16:43:30.244075Z"}',
    b'{"type":"match","trade_id":280232,"maker_order_id":"a","taker_order_id":"b","side":"sell","size":"985","price":"0.00001305","product_id":"SKL-BTC","sequence":177100030,"time":"2021-04-17T16:43:37.089723Z"}',
    b'{"type":"match","trade_id":1568268,"maker_order_id":"a","taker_order_id":"b","side":"buy","size":"450","price":"0.791","product_id":"SKL-USD","sequence":201390075,"time":"2021-04-17T16:43:37Z"}',
    b'{"type":"ticker","sequence":333938798,"product_id":"BAND-GBP","price":"14.7775","best_bid":"14.7550","best_ask":"14.8060","side":"buy","time":"2021-04-17T16:43:30.244075Z","trade_id":881613,"last_size":"0.04"}',
    b'{"type":"ticker","sequence":37475248783,"product_id":"ETH-USD","price":"1285.22","best_bid":"1285.04","best_bid_size":"0.46688654","best_ask":"1285.27","best_ask_size":"1.56637040","side":"buy","time":"2022-10-19T23:28:22.061769Z","trade_id":370843401,"last_size":"11.4396987"}',
    b'{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2021-04-17T16:43:38.000001Z"}',
    b'{"product_id":"SKL-USD","type":"match","trade_id":1568269,"side":"buy","size":"1","price":"0.79","sequence":201390076,"time":"2021-04-17T16:43:38.5Z"}',
    b'{"type":"l2update","product_id":"SKL-BTC","changes":[["sell","0.00001306","660.5"]],"time":"2021-04-17T16:43:37.075687Z"}',
    b'{"type":"snapshot","product_id":"BAND-GBP","asks":[["14.8024","12.77"]],"bids":[]}',
    b'{"type":"error","message":"Failed to subscribe","reason":"x is not a valid product"}',
]

RESTS = [
    (
        b'{"url":"https://api.exchange.coinbase.com/products/BTC-USD/trades?after=12&limit=1000"}\n'
        b'[{"trade_id":11,"side":"sell","size":"0.5","price":"61800.1","time":"2024-08-08T23:54:15.1Z"},'
        b'{"trade_id":10,"side":"buy","size":"0.25","price":"61800.0","time":"2024-08-08T23:54:14.123456Z"}]'
    ),
    b'{"url":"https://api.exchange.coinbase.com/products/BTC-USD/ticker"}\n{"trade_id":11}',
    b'{"url":"https://api.exchange.coinbase.com/products/NO-NO/trades"}\n{"message":"NotFound"}',
]
