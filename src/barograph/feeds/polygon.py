"""Massive (formerly Polygon.io): crypto and stocks, two feeds of one wire format.

Source: massive.com/docs, websocket and REST. A frame is a JSON array of events, so one
frame gives many rows, and an event that cannot be read is rejected alone.

=========  ======================================================================
``XT``     crypto trade; condition 1 is seller-initiated, 2 buyer-initiated
``XQ``     crypto best bid and ask
``T``      stock trade; the venue gives no side
``Q``      stock national best bid and ask; sizes in round lots, here times 100
the rest   bars (``XA XAS A AM``), ``status`` and others are counted
=========  ======================================================================

Times are milliseconds (REST: nanoseconds), kept as microseconds. A stock's ``t`` is the
consolidated tape's clock, as ``sip_timestamp`` is over REST.

**Identity.** A crypto trade is named by (exchange, id). A stock trade is named by (UTC day,
exchange, reporting facility, id), since exchanges begin their numbers anew every day.
``trade_id`` is a 63-bit hash of that name, the same from the wire and from a refill.

**Conditions.** Every stock trade is kept as a tick, whatever its conditions, so that volume
is complete. By the consolidated tape's rules some may not set prices, although their
volume counts: not last, high or low: 2 7 12 13 20 21 37 52 53 (average price, cash, form T,
extended hours out of sequence, next day, price variation, odd lot, contingent, qualified
contingent); high and low but not last: 5 10 22 29 33 (bunched sold, derivatively priced,
prior reference, seller, out of sequence). Bars use them all: since most trades of dear
shares are odd lots, leaving them out would leave out the market. Conditions 15, 16 and 38
(official open and close, corrected close) are no trades but reports on one, with its size
once more: they are counted, never rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from barograph.clock import NS_PER_US
from barograph.feeds.answers import read_answer
from barograph.feeds.batch import UNREADABLE, fault
from barograph.feeds.feed import Feed, FeedState
from barograph.feeds.polygon_events import (
    Conditions,
    CryptoQuote,
    CryptoTrade,
    Event,
    Other,
    RestTrade,
    RestTrades,
    StockQuote,
    StockTrade,
    crypto_trade_id,
    stock_trade_id,
)
from barograph.records import Frames, Kind
from barograph.rows import ABSENT, Decoded, Quotes, Reject, Ticks, columns
from barograph.tables import Flag

US_PER_MS = 1_000
ROUND_LOT = 100.0
OFFICIAL_REPORTS = frozenset((15, 16, 38))
"""Conditions of messages that report on a trade and are none."""
QUOTE_CURRENCIES = ("USDT", "USDC", "USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF", "BTC", "ETH")
"""Where a REST ticker such as ``X:BTCUSD`` may be parted, tried in this order."""
_LONGEST_NAME = 64
_BAD = (*UNREADABLE, ValueError)


class PolygonState(FeedState):
    """``tickers``: the pairs seen on the wire by their REST name, ``BTCUSD`` to ``BTC-USD``."""

    tickers: dict[str, str] = msgspec.field(default_factory=dict)


_TYPES: dict[str, type[Event]] = {"XT": CryptoTrade, "XQ": CryptoQuote, "T": StockTrade, "Q": StockQuote}
_events: msgspec.json.Decoder[list[Event]] = msgspec.json.Decoder(list[Event])
_parts = msgspec.json.Decoder(list[msgspec.Raw])
_other = msgspec.json.Decoder(Other)
_typed: dict[str, msgspec.json.Decoder[Event]] = {ev: msgspec.json.Decoder(t) for ev, t in _TYPES.items()}
_rest_trades = msgspec.json.Decoder(RestTrades)
_rest_trade = msgspec.json.Decoder(RestTrade)


def pair_of_ticker(ticker: str, known: dict[str, str]) -> str:
    """The pair that a REST ticker names: as seen on the wire, else parted at the currency.

    >>> pair_of_ticker("X:BTCUSD", {}), pair_of_ticker("X:1INCHUSD", {"1INCHUSD": "1INCH-USD"})
    ('BTC-USD', '1INCH-USD')
    """
    name = ticker.removeprefix("X:")
    if name in known or "-" in name:
        return known.get(name, name)
    for currency in QUOTE_CURRENCIES:
        if name.endswith(currency) and len(name) > len(currency):
            return f"{name.removesuffix(currency)}-{currency}"
    return name


class _Run:
    """The rows of one run while they are being gathered."""

    def __init__(self, state: PolygonState, cluster: str) -> None:
        self.state = state
        self.crypto = cluster == "crypto"
        self.ticks: list[tuple[int, int, int, float, float, int, int, int, int]] = []
        self.quotes: list[tuple[int, int, int, float, float, float, float, int]] = []
        self.rejects: list[Reject] = []
        self.unknown: dict[str, int] = {}

    def instrument(self, name: str) -> int:
        code = self.state.codes.get(name)
        if code is None:
            if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
                raise ValueError(f"{name[:_LONGEST_NAME]!r} cannot be a symbol")
            code = self.state.codes[name] = len(self.state.symbols)
            self.state.symbols.append(name)
            self.state.tickers[name.replace("-", "")] = name
        return code

    def count(self, what: str) -> None:
        self.unknown[what] = self.unknown.get(what, 0) + 1

    def reject(self, record: int, error: Exception | str, evidence: bytes | msgspec.Raw) -> None:
        made = fault(record, error, bytes(evidence))
        self.rejects.append(Reject(record, made.reason, made.excerpt))

    def decoded(self) -> Decoded:
        """All that was gathered, as columns."""
        tick_names = ("record", "ts_us", "instrument", "price", "size", "side", "trade_id", "seq", "flags")
        quote_names = (
            *("record", "ts_us", "instrument", "bid_price", "bid_size", "ask_price", "ask_size", "seq"),
        )
        return Decoded(
            ticks=columns(Ticks, **_turned(self.ticks, tick_names)),
            quotes=columns(Quotes, **_turned(self.quotes, quote_names)),
            rejects=self.rejects,
            unknown=self.unknown,
        )


def _turned(rows: list[Any], names: tuple[str, ...]) -> dict[str, Any]:
    by_column = zip(*rows, strict=True) if rows else ([] for _ in names)
    return dict(zip(names, by_column, strict=True))


def _side(conditions: Conditions) -> int:
    """The aggressor that a crypto trade's conditions name; 0 when none or both are named."""
    named = conditions if isinstance(conditions, list) else [conditions]
    return (2 in named) - (1 in named)


def _is_report(conditions: Conditions) -> bool:
    if conditions is None:
        return False
    return not OFFICIAL_REPORTS.isdisjoint(conditions if isinstance(conditions, list) else (conditions,))


def _size(whole: float | None, decimal: str | None) -> float:
    """The size; ``decimal`` has it to the fraction of a share where both are given."""
    size = float(decimal) if decimal else whole
    if size is None or not math.isfinite(size):
        raise ValueError(f"a trade whose size is {decimal or whole}")
    return size


def _crypto_trade(run: _Run, record: int, e: CryptoTrade) -> None:
    trade_id = crypto_trade_id(e.x, e.i)
    code = run.instrument(e.pair)
    run.ticks.append((record, e.t * US_PER_MS, code, e.p, e.s, _side(e.c), trade_id, ABSENT, 0))


def _crypto_quote(run: _Run, record: int, e: CryptoQuote) -> None:
    run.quotes.append((record, e.t * US_PER_MS, run.instrument(e.pair), e.bp, e.bs, e.ap, e.as_, ABSENT))


def _stock_trade(run: _Run, record: int, e: StockTrade) -> None:
    if _is_report(e.c):
        run.count("T report")
        return
    ts_us = e.t * US_PER_MS
    size = _size(e.s, e.ds)
    trade_id = stock_trade_id(ts_us, e.x, e.trfi, e.i)
    run.ticks.append((record, ts_us, run.instrument(e.sym), e.p, size, 0, trade_id, e.q, 0))


def _stock_quote(run: _Run, record: int, e: StockQuote) -> None:
    bid_size, ask_size = e.bs * ROUND_LOT, e.as_ * ROUND_LOT
    code = run.instrument(e.sym)
    run.quotes.append((record, e.t * US_PER_MS, code, e.bp, bid_size, e.ap, ask_size, e.q))


_HANDLERS: dict[type[Event], Callable[[_Run, int, Any], None]] = {
    CryptoTrade: _crypto_trade,
    CryptoQuote: _crypto_quote,
    StockTrade: _stock_trade,
    StockQuote: _stock_quote,
}


def _frame(run: _Run, record: int, payload: bytes) -> None:
    """A frame whose events are all rows is read in one go, any other event by event."""
    try:
        events = _events.decode(payload)
    except UNREADABLE:
        _frame_by_parts(run, record, payload)
        return
    for event in events:
        try:
            _HANDLERS[type(event)](run, record, event)
        except ValueError as error:
            run.reject(record, error, msgspec.json.encode(event))


def _frame_by_parts(run: _Run, record: int, payload: bytes) -> None:
    try:
        parts = _parts.decode(payload)
    except UNREADABLE as error:
        run.reject(record, f"not an array of events: {error}", payload)
        return
    for part in parts:
        try:
            _event(run, record, part)
        except _BAD as error:
            run.reject(record, error, part)


def _event(run: _Run, record: int, part: msgspec.Raw) -> None:
    ev = _other.decode(part).ev
    decoder = _typed.get(ev)
    if decoder is None:
        run.count(ev)
    else:
        event = decoder.decode(part)
        _HANDLERS[type(event)](run, record, event)


def _answer(run: _Run, record: int, payload: bytes) -> None:
    """A refill: ``/v3/trades/{ticker}`` gives ticks; any other answer is counted."""
    try:
        path, body = read_answer(payload)
        ticker = path.removeprefix("/v3/trades/")
        if ticker == path:
            run.count(f"rest {'/'.join(path.split('/')[:3])}")
            return
        results = _rest_trades.decode(body).results
    except UNREADABLE as error:
        run.reject(record, f"not a list of trades: {error}", payload)
        return
    symbol = pair_of_ticker(ticker, run.state.tickers) if run.crypto else ticker
    for part in results:
        try:
            _refilled(run, record, symbol, _rest_trade.decode(part))
        except _BAD as error:
            run.reject(record, error, part)


def _refilled(run: _Run, record: int, symbol: str, e: RestTrade) -> None:
    ns = e.sip_timestamp if e.sip_timestamp is not None else e.participant_timestamp
    if ns is None:
        raise ValueError("a trade without a time")
    ts_us = ns // NS_PER_US
    if run.crypto:
        side, trade_id = _side(e.conditions), crypto_trade_id(e.exchange, e.id)
    elif _is_report(e.conditions):
        run.count("T report")
        return
    else:
        side, trade_id = 0, stock_trade_id(ts_us, e.exchange, e.trf_id, e.id)
    size, code = _size(e.size, e.decimal_size), run.instrument(symbol)
    row = (record, ts_us, code, e.price, size, side, trade_id, e.sequence_number, Flag.REPAIRED)
    run.ticks.append(row)


def _decode(run: _Run, frames: Frames) -> Decoded:
    kinds = frames.kind.tolist()
    for record, kind, payload in zip(frames.record.tolist(), kinds, frames.payloads, strict=True):
        if kind == Kind.FRAME:
            _frame(run, record, payload)
        elif kind == Kind.REST:
            _answer(run, record, payload)
    return run.decoded()


def decode_crypto(state: PolygonState, frames: Frames) -> Decoded:
    """Ticks and quotes of the crypto cluster."""
    return _decode(_Run(state, "crypto"), frames)


def decode_stocks(state: PolygonState, frames: Frames) -> Decoded:
    """Ticks and quotes of the stocks cluster."""
    return _decode(_Run(state, "stocks"), frames)


CRYPTO = Feed("polygon-crypto", PolygonState, decode_crypto, "Massive (Polygon.io) crypto trades and quotes")
STOCKS = Feed("polygon-stocks", PolygonState, decode_stocks, "Massive (Polygon.io) stock trades and quotes")
