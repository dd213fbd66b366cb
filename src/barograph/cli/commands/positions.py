"""``barograph positions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from barograph.cli.ledgers import ledger_of
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_records
from barograph.clock import MINUTE_US, US_PER_S, from_us, to_us

if TYPE_CHECKING:
    from barograph.paper.ledger import Item
    from barograph.paper.positions import Position
    from barograph.settings import Settings

_COLUMNS = (
    *("strategy", "venue", "symbol", "quantity", "entry_ts", "entry_price", "entry_fee"),
    *("price", "price_ts", "price_from", "unrealised", "unrealised_pct", "held_s", "entry_id", "bar_version"),
)
_SHOWN = (
    *("strategy", "symbol", "quantity", "entry_price", "price", "unrealised", "unrealised_pct", "held"),
    *("entry_ts", "price_ts", "price_from", "entry_fee", "venue"),
)
_ORDER = ("strategy", "venue", "symbol", "entry_ts", "entry_id")
_LAST_PRICES = """
    SELECT m.venue, m.symbol, m.price, m.timestamp AS ts
    FROM market_microstructure m
    JOIN (
        SELECT venue, symbol, max(timestamp) AS timestamp FROM market_microstructure
        WHERE price IS NOT NULL AND timestamp >= $1::timestamptz AND symbol = ANY($2::text[])
        GROUP BY venue, symbol
    ) AS newest ON newest.venue = m.venue AND newest.symbol = m.symbol AND newest.timestamp = m.timestamp
"""


class _Price(NamedTuple):
    price: float
    ts_us: int
    origin: str


def positions(*, strategy: str | None = None, symbol: str | None = None, common: Options = DEFAULTS) -> None:
    """What paper trading holds now, with its unrealised profit at the last known price.

    That is the last one that the trader saw, or the close of a recorded minute that began after it. Time held
    is counted to the moment of that price. The fee of the exit is not charged yet.

    Parameters
    ----------
    strategy
        One strategy only.
    symbol
        One symbol only.
    """
    settings = common.settings()
    with ledger_of(settings, common) as ledger:
        items = [] if ledger is None else list(ledger.items())
    held = [
        (item, one)
        for item in items
        for one in item.positions
        if strategy in (None, one.strategy) and symbol in (None, one.symbol)
    ]
    recorded = _recorded(settings, [one for _, one in held])
    rows = [_row(one, _price(item, one, recorded)) for item, one in held]
    rows.sort(key=lambda row: tuple(row[name] for name in _ORDER))
    form = common.form()
    if form == "table":
        write_records([row | {"held": _held(row["held_s"])} for row in rows], _SHOWN, form)
    else:
        write_records(rows, _COLUMNS, form)
    if items and not held:
        common.remark("nothing is open; 'barograph trades' tells what was")


def _held(seconds: float | None) -> str | None:
    from barograph.coverage.reasons import span

    return None if seconds is None else span(round(seconds * US_PER_S))


def _recorded(settings: Settings, held: list[Position]) -> dict[tuple[str, str], _Price]:
    """The last recorded price of what is held, by venue and symbol; no minute before the entries is read."""
    from barograph.store.opening import Location, has_tables

    where = Location.of(settings)
    if not held or not has_tables(where):
        return {}
    from barograph.cli.tables import sql_of

    first_us = min(one.entry_ts_us for one in held)
    with sql_of(settings) as connection:
        parameters = [from_us(first_us - first_us % MINUTE_US), sorted({one.symbol for one in held})]
        rows = connection.query(_LAST_PRICES, parameters).read_all().to_pylist()
    origin = "lake" if where.address is None else "database"
    return {(row["venue"], row["symbol"]): _Price(row["price"], to_us(row["ts"]), origin) for row in rows}


def _price(item: Item, one: Position, recorded: dict[tuple[str, str], _Price]) -> _Price | None:
    """An account of many symbols has no mark of each: then only what was recorded counts."""
    known = recorded.get((one.venue, one.symbol))
    if item.mark <= 0 or item.key.symbol != one.symbol:
        return known
    if known is not None and known.ts_us > item.newest_ts_us:
        return known
    return _Price(item.mark, item.newest_ts_us, "trader")


def _row(one: Position, at: _Price | None) -> dict[str, Any]:
    from barograph.paper.summary import valued
    from barograph.paper.trade_json import iso

    row: dict[str, Any] = dict.fromkeys(_COLUMNS)
    row |= {name: value for name, value in one._asdict().items() if name in row}
    row["entry_ts"] = iso(one.entry_ts_us)
    if at is not None:
        value = valued(one, at.price, at.ts_us)
        row |= {"price": at.price, "price_ts": iso(at.ts_us), "price_from": at.origin}
        row |= {"unrealised": value.unrealised, "unrealised_pct": value.unrealised_pct}
        row["held_s"] = value.held_s
    return row
