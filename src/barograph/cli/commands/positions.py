"""``barograph positions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from barograph.cli.ledgers import ledger_of
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_records
from barograph.clock import US_PER_S, from_us

if TYPE_CHECKING:
    from barograph.paper.ledger import Item
    from barograph.paper.positions import Position
    from barograph.paper.prices import Seen
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
    origin = "lake" if settings.store == "lake" else "database"
    rows = [_row(item, one, recorded.get((one.venue, one.symbol)), origin) for item, one in held]
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


def _recorded(settings: Settings, held: list[Position]) -> dict[tuple[str, str], Seen]:
    """The last recorded price of what is held, by venue and symbol."""
    from barograph.paper.prices import LAST_RECORDED, asked, recorded
    from barograph.store.opening import Location, has_tables

    if not held or not has_tables(Location.of(settings)):
        return {}
    from barograph.cli.tables import sql_of

    since_us, symbols = asked(held)
    with sql_of(settings) as connection:
        rows = connection.query(LAST_RECORDED, [from_us(since_us), list(symbols)]).read_all()
    return recorded(rows.to_pylist())


def _row(item: Item, one: Position, known: Seen | None, origin: str) -> dict[str, Any]:
    """A line of the list; ``origin`` is where the price ``known`` was recorded."""
    from barograph.paper.prices import mark_of, newest
    from barograph.paper.summary import valued
    from barograph.paper.trade_json import iso

    at = newest(mark_of(item, one), known)
    row: dict[str, Any] = dict.fromkeys(_COLUMNS)
    row |= {name: value for name, value in one._asdict().items() if name in row}
    row["entry_ts"] = iso(one.entry_ts_us)
    if at is not None:
        value = valued(one, at.price, at.ts_us)
        seen_by = origin if at is known else "trader"
        row |= {"price": at.price, "price_ts": iso(at.ts_us), "price_from": seen_by}
        row |= {"unrealised": value.unrealised, "unrealised_pct": value.unrealised_pct}
        row["held_s"] = value.held_s
    return row
