"""Trade events out of what producers send: ``{symbol, price, volume, timestamp}``. Plain Python."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from barograph.clock import to_us
from barograph.errors import DataError
from barograph.paper.events import TradeEvent

SYMBOL = ("symbol", "ticker")
PRICE = ("price",)
VOLUME = ("volume", "size", "quantity", "qty")
TIMESTAMP = ("timestamp", "ts", "time")
VENUE = ("venue", "exchange")
TRADE_ID = ("trade_id", "tradeId")
"""Names that a field goes by; the first that is there counts."""

_UNITS = ((1e11, 1_000_000, 1), (1e14, 1_000, 1), (1e17, 1, 1), (math.inf, 1, 1_000))
"""Numbers below it are of a unit; microseconds are number x times // over."""


def parse(
    record: Mapping[str, Any] | str | bytes,
    *,
    venue: str = "",
    shard: str = "",
    sequence: str = "",
    latest_us: int | None = None,
) -> TradeEvent:
    """One trade event out of a mapping, or out of its JSON.

    Fields: ``symbol``, ``price``, ``volume``, ``timestamp``; optional ``venue`` and ``trade_id``; for
    other names that are understood see the top of this module. Numbers may be texts. A time is ISO 8601
    (without an offset: UTC) or a number since 1970, whose unit its size tells: below 1e11 seconds (until the
    year 5138), below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds (cut to microseconds).
    Whether a price can be is for the consumer to say.

    Args:
        record: what a producer sent.
        venue: where the record does not say.
        shard, sequence: of the stream; they are the identity where there is no trade id.
        latest_us: no later time is believed (of receipt and a bound): all events of its symbol until then
            would be late.

    Raises:
        DataError: a field is missing or cannot be read or believed; the message names it.

    >>> event = parse({"symbol": "BTC-USD", "price": "61837.6", "volume": 0.02,
    ...                "timestamp": 1723161255.342, "trade_id": 7})
    >>> event.price, event.ts_us, event.identity
    (61837.6, 1723161255342000, 't7')
    """
    fields = record if isinstance(record, Mapping) else _fields(record)
    symbol = _required(fields, SYMBOL)
    if not isinstance(symbol, str) or not symbol:
        raise DataError(f"symbol is {symbol!r}; it must be a text that is not empty")
    return TradeEvent(
        symbol=_whole("symbol", symbol),
        price=_number("price", _required(fields, PRICE)),
        size=_number("volume", _required(fields, VOLUME)),
        ts_us=_believed(_time(_required(fields, TIMESTAMP)), latest_us),
        identity=_identity(fields, shard, sequence),
        venue=_text("venue", _found(fields, VENUE), venue),
    )


def _fields(record: str | bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(record)
    except (ValueError, RecursionError) as error:  # JSON's own and those of UTF-8; or nested too deep
        raise DataError(f"the record {record[:80]!r} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise DataError(
            f"the record {record[:80]!r} is no JSON object; send {{symbol, price, volume, timestamp}}"
        )
    return fields


def _found(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = fields.get(name)
        if value is not None:
            return value
    return None


def _required(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    value = _found(fields, names)
    if value is None:
        raise DataError(f"{names[0]} is missing; the record has {', '.join(map(str, fields)) or 'nothing'}")
    return value


def _text(name: str, value: Any, default: str) -> str:
    if value is None:
        return default
    if not isinstance(value, str):
        raise DataError(f"{name} is {value!r}; it must be a text")
    return _whole(name, value)


def _whole(name: str, text: str) -> str:
    """``text`` where a ledger can hold it, and names of trades keep its parts apart."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError(f"{name} is {text!r}; it has half of a character") from None
    if "\0" in text:
        raise DataError(f"{name} is {text!r}; it must have no zero characters")
    return text


def _number(name: str, value: Any) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass  # said below, as for other types
    raise DataError(f"{name} is {value!r}; it must be a number")


def _identity(fields: Mapping[str, Any], shard: str, sequence: str) -> str:
    trade_id = _found(fields, TRADE_ID)
    if isinstance(trade_id, (str, int)) and not isinstance(trade_id, bool) and trade_id != "":
        return f"t{_whole('trade_id', str(trade_id))}"
    if trade_id is not None and trade_id != "":
        raise DataError(f"trade_id is {trade_id!r}; it must be a text or a whole number")
    if not sequence:
        raise DataError(
            "trade_id is missing, and there is no sequence number: nothing tells this trade from another; "
            "give trade_id, or shard and sequence"
        )
    return f"s{shard}:{sequence}"


def _believed(ts_us: int, latest_us: int | None) -> int:
    if latest_us is not None and ts_us > latest_us:
        raise DataError(
            f"timestamp is {ts_us} us since 1970, later than {latest_us} can be: look at its clock"
        )
    return ts_us


def _time(value: Any) -> int:
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _from_number(value)
    raise DataError(f"timestamp is {value!r}; it must be ISO 8601 or a number since 1970")


def _from_text(text: str) -> int:
    try:
        if text.isdecimal():  # to the digit: floats have no nanoseconds
            return _from_number(int(text))
        if "T" not in text and "-" not in text:
            return _from_number(float(text))
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"timestamp is {text!r}; it must be ISO 8601 or a number since 1970") from error
    try:
        return to_us(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        raise DataError(f"timestamp is {text!r}, which the calendar does not have in UTC") from None


def _from_number(value: float) -> int:
    if not 0 <= value < 1e20:  # NaN is not
        raise DataError(f"timestamp is {value!r}; it must be 0 or more, at most nanoseconds since 1970")
    times, over = next((times, over) for below, times, over in _UNITS if value < below)
    return int(value) * times // over if isinstance(value, int) else round(value * times / over)
