"""``barograph bars | ticks | quotes | anomalies | symbols``."""

from __future__ import annotations

from datetime import datetime

from barograph.cli.options import DEFAULTS, Everywhere, Options
from barograph.cli.output import write_batches
from barograph.cli.tables import (
    SHOWN_ROWS,
    market_of,
    reader_of,
    require_known,
    sql_of,
    store_of,
    tell_left_out,
    with_rows,
)
from barograph.cli.times import moment_us
from barograph.clock import from_us

_ANOMALIES = """
    SELECT ts, venue, symbol, kind, score, threshold, model_version, detail FROM anomalies
    WHERE symbol = coalesce($1::text, symbol) AND kind = coalesce($2::text, kind)
    ORDER BY ts, symbol, venue, kind
"""

_SYMBOLS = """
    SELECT symbol, venue, sum(minutes)::BIGINT AS minutes, sum(candles)::BIGINT AS candles,
           min(first) AS first, max(last) AS last
    FROM (
        SELECT symbol, venue, count(*) AS minutes, 0 AS candles,
               min(timestamp) AS first, max(timestamp) AS last
        FROM market_microstructure GROUP BY symbol, venue
        UNION ALL
        SELECT symbol, venue, 0, count(*), min(timestamp), max(timestamp)
        FROM candles GROUP BY symbol, venue
    ) AS series
    GROUP BY symbol, venue ORDER BY symbol, venue
"""


def ticks(
    symbol: str,
    /,
    *,
    start: str | None = None,
    end: str | None = None,
    venue: str | None = None,
    csv: bool = False,
    rows: int = SHOWN_ROWS,
    common: Options = DEFAULTS,
) -> None:
    """Trades of a symbol, in the order of time.

    Parameters
    ----------
    symbol
        As barograph symbols lists it: BTC-USD.
    start
        First moment, UTC: 2024-08-08 or 2024-08-08T13:35.
    end
        Moment to stop before.
    venue
        One venue only.
    csv
        Print CSV, with a header.
    rows
        Rows shown on a terminal; 0 shows all.
    """
    _rows_of("ticks", symbol, start, end, venue, csv, rows, common)


def quotes(
    symbol: str,
    /,
    *,
    start: str | None = None,
    end: str | None = None,
    venue: str | None = None,
    csv: bool = False,
    rows: int = SHOWN_ROWS,
    common: Options = DEFAULTS,
) -> None:
    """Best bids and asks of a symbol, in the order of time.

    Parameters
    ----------
    symbol
        As barograph symbols lists it: BTC-USD.
    start
        First moment, UTC: 2024-08-08 or 2024-08-08T13:35.
    end
        Moment to stop before.
    venue
        One venue only.
    csv
        Print CSV, with a header.
    rows
        Rows shown on a terminal; 0 shows all.
    """
    _rows_of("quotes", symbol, start, end, venue, csv, rows, common)


def _rows_of(
    table: str,
    symbol: str,
    start: str | None,
    end: str | None,
    venue: str | None,
    csv: bool,
    rows: int,
    common: Everywhere,
) -> None:
    from barograph.store import Scan

    wanted = Scan(
        table,
        symbols=[symbol],
        venues=None if venue is None else [venue],
        start_us=moment_us(start, "--start"),
        end_us=moment_us(end, "--end"),
    )
    settings = common.settings()
    with store_of(settings) as store:
        found = with_rows(reader_of(store, wanted))
        if found is None:
            require_known(settings, symbol)
            found = reader_of(store, wanted)
        left = write_batches(found, common.form(csv), rows=rows)
    tell_left_out(left, common)


def bars(
    symbol: str,
    /,
    *,
    every: str = "1m",
    start: str | None = None,
    end: str | None = None,
    venue: str | None = None,
    csv: bool = False,
    rows: int = SHOWN_ROWS,
    common: Options = DEFAULTS,
) -> None:
    """Bars of a symbol with all their features, at any interval from 1s to 1d that divides the day.

    Parameters
    ----------
    symbol
        As barograph symbols lists it: BTC-USD.
    every
        The interval: 10s, 1m, 5m, 1h, 1d.
    start
        First moment, UTC: 2024-08-08 or 2024-08-08T13:35.
    end
        Moment to stop before.
    venue
        One venue only.
    csv
        Print CSV, with a header.
    rows
        Rows shown on a terminal; 0 shows all.
    """
    first_us, end_us = moment_us(start, "--start"), moment_us(end, "--end")
    with market_of(common.settings()) as market:
        made = market.bars(symbol, every, _moment(first_us), _moment(end_us), venue)
    tell_left_out(write_batches(made.to_arrow().to_reader(), common.form(csv), rows=rows), common)


def _moment(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)


def anomalies(
    *,
    symbol: str | None = None,
    kind: str | None = None,
    csv: bool = False,
    rows: int = SHOWN_ROWS,
    common: Options = DEFAULTS,
) -> None:
    """What the rules and the promoted model found, in the order of time.

    Parameters
    ----------
    symbol
        One symbol only.
    kind
        One kind only: volume_spike, price_jump, spread_blowout, one_sided_flow, correlation_break, stale
        or model.
    csv
        Print CSV, with a header.
    rows
        Rows shown on a terminal; 0 shows all.
    """
    _ask(_ANOMALIES, [symbol, kind], csv, rows, common)


def symbols(*, csv: bool = False, common: Options = DEFAULTS) -> None:
    """Symbols and venues, with how many minutes and candles there are of each, and from when to when.

    Parameters
    ----------
    csv
        Print CSV, with a header.
    """
    _ask(_SYMBOLS, [], csv, 0, common)


def _ask(statement: str, parameters: list[str | None], csv: bool, rows: int, common: Everywhere) -> None:
    with sql_of(common.settings()) as connection:
        left = write_batches(connection.query(statement, parameters), common.form(csv), rows=rows)
    tell_left_out(left, common)
