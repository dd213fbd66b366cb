"""``barograph trades``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from barograph.cli.ledgers import ledger_of
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import encode, write, write_records
from barograph.cli.tables import SHOWN_ROWS
from barograph.cli.times import moment_us
from barograph.errors import UsageError

if TYPE_CHECKING:
    from barograph.paper.positions import Trade

_SHOWN = (
    *("exit_ts", "strategy", "symbol", "quantity", "entry_price", "exit_price", "profit", "profit_pct"),
    *("reason", "fees", "entry_ts", "venue", "trade_key"),
)
_PLOT_WIDTH = 60


def trades(
    *,
    strategy: str | None = None,
    symbol: str | None = None,
    since: str | None = None,
    limit: int | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Completed trades of paper trading, newest last, and what they came to.

    On a terminal the newest, a summary of each strategy and the course of its profit; into a pipe CSV. JSON
    holds the trades and the summaries. Two equal ledgers print equal bytes.

    Parameters
    ----------
    strategy
        One strategy only.
    symbol
        One symbol only.
    since
        Exits from this moment on, UTC: 2024-08-08 or 2024-08-08T13:35.
    limit
        The newest so many; 0 is all. On a terminal 40 when nothing is said, else all. Summaries count all.
    """
    from barograph.paper.summary import summarise
    from barograph.paper.trade_json import record

    if limit is not None and limit < 0:
        raise UsageError(f"--limit {limit} is below 0; say how many trades you want, or 0 for all")
    since_us = moment_us(since, "--since") or 0
    with ledger_of(common.settings(), common) as ledger:
        found = [] if ledger is None else list(ledger.trades(since_us))
    found = [one for one in found if strategy in (None, one.strategy) and symbol in (None, one.symbol)]
    form = common.form()
    shown = found[_left_out(len(found), limit, SHOWN_ROWS if form == "table" else 0) :]
    records = [record(one) for one in shown]
    if form == "json":
        summaries = [one._asdict() for one in summarise(found)]
        write(encode({"trades": records, "summary": summaries}) + "\n")
    elif form == "csv":
        from barograph.tables import COMPLETED_TRADES

        write_records(records, COMPLETED_TRADES.names, "csv")
    else:
        write_records(records, _SHOWN, "table")
        write(_summaries(found))
        if len(shown) < len(found):
            common.remark(f"{len(found) - len(shown):,} earlier trades; --limit 0 shows all")


def _left_out(count: int, limit: int | None, usual: int) -> int:
    most = usual if limit is None else limit
    return max(count - most, 0) if most else 0


def _summaries(found: list[Trade]) -> str:
    from barograph.cli.demo_view import sparkline
    from barograph.cli.text_table import text_table
    from barograph.paper.summary import curve, summarise

    summaries = summarise(found)
    if not summaries:
        return ""
    names = ("strategy", "trades", "win_rate", "profit", "fees", "profit_factor", "max_drawdown", "course")
    rows = []
    for one in summaries:
        course = [0.0, *curve(trade for trade in found if trade.strategy == one.strategy)]
        cells = [round(value, 4) if isinstance(value, float) else value for value in one]
        known = dict(zip(one._fields, cells, strict=True))
        rows.append([*(known[name] for name in names[:-1]), sparkline(_thinned(course, _PLOT_WIDTH))])
    return "\n" + text_table(names, rows)


def _thinned(values: list[float], most: int) -> list[float]:
    """At most so many of ``values``, evenly chosen, first and last among them.

    >>> _thinned([0.0, 1.0, 2.0, 3.0, 4.0], 3)
    [0.0, 2.0, 4.0]
    """
    if len(values) <= most:
        return values
    return [values[round(k * (len(values) - 1) / (most - 1))] for k in range(most)]
