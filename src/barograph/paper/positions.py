"""Open positions and completed trades: the words of every ledger. Plain Python."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Position(NamedTuple):
    """One that is open.

    Attributes:
        strategy: name under which the strategy trades.
        venue, symbol: of what.
        quantity: signed; negative when short.
        entry_price: with slippage.
        entry_ts_us: of the fill.
        entry_fee: in the currency of the price.
        entry_id: identity of the event that filled it: a trade's, or ``b`` and the start of a bar.
        bar_version: tape position of the version of the bar that the entry was decided on; None for ticks.
    """

    strategy: str
    venue: str
    symbol: str
    quantity: float
    entry_price: float
    entry_ts_us: int
    entry_fee: float
    entry_id: str
    bar_version: int | None = None


class Trade(NamedTuple):
    """One that is over; its columns are those of ``completed_trades`` (docs/tables.md).

    Attributes:
        trade_key: names it, see :func:`trade_key`.
        quantity: signed; negative when it was short.
        fees: of both fills.
        profit: after fees.
        profit_pct: 100 x profit / (|quantity| x entry price).
        reason: why it ended: one of ``strategies.trading.REASONS``.
        bar_version, exit_bar_version: of the bars that entry and exit were decided on; None for ticks, and
            for an exit at a level (stop or target), which no bar decides.
    """

    trade_key: str
    strategy: str
    venue: str
    symbol: str
    quantity: float
    entry_ts_us: int
    entry_price: float
    exit_ts_us: int
    exit_price: float
    fees: float
    profit: float
    profit_pct: float
    reason: str
    entry_id: str
    exit_id: str
    bar_version: int | None = None
    exit_bar_version: int | None = None


def trade_key(position: Position, exit_id: str) -> str:
    """Sixteen digits that name the trade that ends ``position``: the same events, the same name.

    >>> one = Position("dip", "sim", "BTC-USD", 1.0, 100.0, 0, 0.1, "t7")
    >>> trade_key(one, "t9")
    '1e90dc0231aa6c83'
    """
    parts = (position.strategy, position.venue, position.symbol, position.entry_id, exit_id)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def completed(
    position: Position,
    *,
    exit_price: float,
    exit_ts_us: int,
    exit_fee: float,
    exit_id: str,
    reason: str,
    exit_bar_version: int | None = None,
) -> Trade:
    """The trade that ends ``position`` at ``exit_price`` (with slippage)."""
    entry, value = position.quantity * position.entry_price, position.quantity * exit_price
    fees = position.entry_fee + exit_fee
    profit = value - entry - fees
    return Trade(
        trade_key=trade_key(position, exit_id),
        strategy=position.strategy,
        venue=position.venue,
        symbol=position.symbol,
        quantity=position.quantity,
        entry_ts_us=position.entry_ts_us,
        entry_price=position.entry_price,
        exit_ts_us=exit_ts_us,
        exit_price=exit_price,
        fees=fees,
        profit=profit,
        profit_pct=100.0 * profit / abs(entry),
        reason=reason,
        entry_id=position.entry_id,
        exit_id=exit_id,
        bar_version=position.bar_version,
        exit_bar_version=exit_bar_version,
    )
