"""``barograph trade [stop | resume | status | reconcile]``."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import App, Parameter

from barograph.cli.ledgers import ledger_of
from barograph.cli.options import DEFAULTS, Everywhere, Options, Words, split
from barograph.cli.output import encode, write, write_object, write_records
from barograph.cli.progress import progress
from barograph.cli.times import iso_ns, span_s
from barograph.cli.verbs import VERBS
from barograph.clock import NS_PER_S
from barograph.errors import DataError, UsageError

if TYPE_CHECKING:
    from barograph.paper.ledger import Ledger
    from barograph.recorder.trading.control import Action
    from barograph.recorder.trading.figures import Figures
    from barograph.recorder.trading.process import TradingProcess
    from barograph.recorder.trading.reconciling import Report
    from barograph.settings import Flag, Settings


HEARD_WITHIN_S = 10.0
EVERY_S = 1.0


def run(  # noqa: PLR0913 - a flag is a parameter
    *,
    strategy: Words = None,
    symbols: Words = None,
    feed: Words = None,
    replay: Path | None = None,
    name: str | None = None,
    cash: float | None = None,
    share: Literal["each", "all"] | None = None,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
    spread: bool = False,
    drop_pct: float | None = None,
    lookback_s: float | None = None,
    profit_pct: float | None = None,
    stop_pct: float | None = None,
    hold_s: float | None = None,
    duration: str | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Trade on paper: strategies on what the recorder records, or over a tape.

    Beside a running recorder it follows the tape until it is told to end (Ctrl-C or SIGTERM). Started again,
    also after a crash, it goes on where it stopped: no position is lost, none taken twice. With --replay
    it trades over what is there, and ends.

    Parameters
    ----------
    strategy
        dip (on trades), or files of strategies (on minutes) such as results/best_strategy.json of a study
        (setting trade.strategies).
    symbols
        One or more symbols, with commas or spaces; all when absent (setting trade.symbols).
    feed
        One or more venues; all when absent (setting trade.venues).
    replay
        A recording, which is put on the tape first (then --feed says whose); or a data directory.
    name
        What to call the one strategy; one that has traded keeps its terms.
    cash
        Of each account, to begin with (setting trade.cash).
    share
        Whether each strategy and symbol has an account of its own or all share one (setting trade.share).
    fee_bps
        Fee of a side, in basis points (setting trade.fee_bps).
    slippage_bps
        Fills are so much worse than the price (setting trade.slippage_bps).
    spread
        Fills also pay half of the spread (setting trade.spread).
    drop_pct
        Of the dip strategy: buy when the price is so much below its high (setting trade.dip.drop_pct).
    lookback_s
        Of the last so many seconds (setting trade.dip.lookback_s).
    profit_pct
        Sell at so much above the entry (setting trade.dip.profit_pct).
    stop_pct
        Sell at so much below it (setting trade.dip.stop_pct).
    hold_s
        Sell what was held for so long (setting trade.dip.hold_s).
    duration
        End by itself after so long: 90s, 10m, 6h.
    """
    flags = _flags(
        {
            "trade.strategies": split(strategy) or None,
            "trade.symbols": split(symbols) or None,
            "trade.venues": split(feed) or None,
            "trade.cash": cash,
            "trade.share": share,
            "trade.fee_bps": fee_bps,
            "trade.slippage_bps": slippage_bps,
            "trade.spread": spread or None,
            "trade.dip.drop_pct": drop_pct,
            "trade.dip.lookback_s": lookback_s,
            "trade.dip.profit_pct": profit_pct,
            "trade.dip.stop_pct": stop_pct,
            "trade.dip.hold_s": hold_s,
        }
    )
    if replay is None:
        _follow(common.at_info(), flags, name, span_s(duration, "--duration") if duration else None)
    else:
        _replay(common, flags, name, replay)


def _follow(common: Everywhere, flags: list[Flag], name: str | None, duration_s: float | None) -> None:
    settings = common.settings(*flags)
    process = _process(settings, name)
    _needs_tape(settings)
    with _ending(process.stop, duration_s):
        figures = process.follow()
    write_object(_summary(figures), as_json=common.json)


def _replay(common: Everywhere, flags: list[Flag], name: str | None, source: Path) -> None:
    settings = common.settings(*flags)
    if source.is_dir() and common.data is None:
        settings = replace(common, data=source).settings(*flags)
    elif source.is_dir():
        raise UsageError(f"--replay {source} is a data directory, and --data another one; give one of them")
    process = _process(settings, name)
    if not source.is_dir():
        _import(common, settings, source)
    _needs_tape(settings)
    with _ending(process.stop, None), progress("trading", quiet=common.quiet) as report:
        figures = process.replay(report)
    write_object(_summary(figures), as_json=common.json)


def _import(common: Everywhere, settings: Settings, file: Path) -> None:
    """Put a recording on the tape; one that is there already is left alone."""
    from barograph.cli.taping import open_tape
    from barograph.feeds.registry import feed as find_feed
    from barograph.tape import import_recording

    venues = settings.trade.venues
    if not file.exists():
        raise UsageError(f"there is no recording {file}, and no such data directory")
    if len(venues) != 1:
        raise UsageError(f"{file} is a recording: say whose frames it holds, such as --feed binance")
    with open_tape(settings) as tape, progress(f"importing {file.name}", quiet=common.quiet) as report:
        result = import_recording(tape, file, find_feed(venues[0]).name, progress=report)
    for message in result.messages:
        common.remark(f"{file}: {message}")


def _process(settings: Settings, name: str | None) -> TradingProcess:
    from barograph.cli.trading import plan_of
    from barograph.recorder.shaping import line_settings
    from barograph.recorder.trading.process import TradingProcess
    from barograph.store.opening import Location

    plan, tables = plan_of(settings, name), Location.of(settings)
    return TradingProcess(settings.data_dir, line_settings(settings), plan, tables=tables)


def _needs_tape(settings: Settings) -> None:
    if not (settings.data_dir / "tape").is_dir():
        raise DataError(
            f"there is no tape in {settings.data_dir}; start 'barograph record --feed sim' beside it, "
            "or give --replay FILE --feed VENUE"
        )


@contextmanager
def _ending(stop: Callable[[], None], duration_s: float | None) -> Iterator[None]:
    """SIGTERM, SIGINT and the end of the time call ``stop``."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    former = {number: signal.signal(number, lambda *_: stop()) for number in numbers}
    timer = None if duration_s is None else threading.Timer(duration_s, stop)
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in former.items():
            signal.signal(number, handler)


def stop(*, flatten: bool = False, common: Options = DEFAULTS) -> None:
    """Enter no more: the kill switch. What is held is left as its strategy wants, or now with --flatten.

    It counts from the next record on, also for a trading process that is started later, until
    barograph trade resume.

    Parameters
    ----------
    flatten
        Leave every position at its next price.
    """
    _say("flatten" if flatten else "stop", common)


def resume(*, common: Options = DEFAULTS) -> None:
    """Enter again, after barograph trade stop."""
    _say("resume", common)


def _say(action: Action, common: Everywhere) -> None:
    from barograph.paper.ledgers.sqlite import SqliteLedger
    from barograph.recorder.trading.control import applied, say
    from barograph.recorder.trading.figures import fresh, read_figures
    from barograph.store.layout import ledger_path

    data = common.settings().data_dir
    path = ledger_path(data / "lake")
    if not path.is_file():
        raise DataError(f"nothing has traded yet: there is no ledger at {path}")
    ledger = SqliteLedger(path)
    try:
        word = say(ledger, action, time.time_ns())
        figures, pos = read_figures(data), None
        until_s = time.monotonic() + HEARD_WITHIN_S
        while figures is not None and fresh(figures, time.time_ns()) and time.monotonic() < until_s:
            pos = next((one.pos for one in applied(ledger) if one.word.id == word.id), None)
            if pos is not None:
                break
            time.sleep(0.05)
            figures = read_figures(data)
    finally:
        ledger.shut()
    if pos is None:
        common.remark("no trading process has heard it; it counts as soon as one runs")
    write_object({"action": action, "counts_from_pos": pos}, as_json=common.json)


def status(*, watch: bool = False, common: Options = DEFAULTS) -> None:
    """How the trading process does, and what each strategy has come to.

    Parameters
    ----------
    watch
        Look again each second, until interrupted.
    """
    settings = common.settings()
    while True:
        with ledger_of(settings, common) as ledger:
            fields = _status(settings, ledger)
        if common.json or not watch:
            _write_status(fields, common)
        else:
            write("\x1b[H\x1b[2J")
            _write_status(fields, common)
        if not watch:
            return
        time.sleep(EVERY_S)


def _status(settings: Settings, ledger: Ledger | None) -> dict[str, Any]:
    from barograph.paper.summary import summarise
    from barograph.recorder.trading.figures import fresh, read_figures

    figures, now_ns = read_figures(settings.data_dir), time.time_ns()
    trades = [] if ledger is None else list(ledger.trades())
    items = [] if ledger is None else list(ledger.items())
    state = "never" if figures is None else "trading" if fresh(figures, now_ns) else "ended"
    process = None if figures is None else _summary(figures) | {"seen": iso_ns(figures.now_ns)}
    held = [position for item in items for position in item.positions]
    strategies = {one.strategy: one._asdict() for one in summarise(trades)}
    for position in held:
        entry = strategies.setdefault(position.strategy, {"strategy": position.strategy, "trades": 0})
        entry["open"] = entry.get("open", 0) + 1
    return {
        "state": state,
        "process": process,
        "open": len(held),
        "trades": len(trades),
        "pending": None if ledger is None else len(ledger.pending()),
        "strategies": list(strategies.values()),
    }


def _write_status(fields: dict[str, Any], common: Everywhere) -> None:
    if common.json:
        write(encode(fields) + "\n")
        return
    flat = {name: value for name, value in fields.items() if name not in ("process", "strategies")}
    write_object(flat | (fields["process"] or {}), as_json=False)
    rows = fields["strategies"]
    if rows:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        write("\n")
        write_records([{name: row.get(name) for name in columns} for row in rows], columns, "table")


def reconcile(*, common: Options = DEFAULTS) -> int:
    """Trade everything again from the tape alone, and compare the ledger with it, to the bit.

    Tells what does not agree (nothing must), and which trades hindsight would have made otherwise because a
    late trade revised a bar after the decision on it. Exit code 4 when there are differences.
    """
    import msgspec

    from barograph.recorder.shaping import line_settings
    from barograph.recorder.trading.reconciling import reconcile as compare
    from barograph.store.opening import Location

    settings = common.settings()
    _needs_tape(settings)
    with ledger_of(settings, common) as ledger:
        if ledger is None:
            raise DataError("there is nothing to reconcile")
        with progress("trading again", quiet=common.quiet) as report:
            tables = Location.of(settings)
            found = compare(settings.data_dir, ledger, line_settings(settings), report, tables)
    _write_report(found, msgspec.to_builtins, common)
    return DataError.exit_code if found.differences else 0


def _write_report(report: Report, plain: Callable[[Any], Any], common: Everywhere) -> None:
    revised = None if report.revised is None else [plain(one) for one in report.revised]
    head = {
        "differences": report.differences,
        "positions": report.positions,
        "trades": report.trades,
        "from_pos": report.from_pos,
        "to_pos": report.to_pos,
        "revised": None if revised is None else len(revised),
    }
    rows = [plain(one) for one in report.rows]
    if common.json:
        write(encode(head | {"rows": rows, "revised_trades": revised}) + "\n")
        return
    write_object(head, as_json=False)
    for found in (rows, revised):
        if found:
            write("\n")
            write_records(found, list(found[0]), "table")


def _summary(figures: Figures) -> dict[str, Any]:
    took = figures.orders_ms
    return {
        "strategies": list(figures.strategies),
        "next_pos": figures.next_pos,
        "opened": figures.opened,
        "closed": figures.closed,
        "archived": figures.archived,
        "lag_s": round(figures.lag_s, 3),
        "order_ms_p50": None if took is None else round(took[0], 3),
        "order_ms_p99": None if took is None else round(took[1], 3),
        "running_s": round((figures.now_ns - figures.started_ns) / NS_PER_S, 3),
        "halted": figures.halted or None,
        "problem": figures.problem or None,
    }


def _flags(given: dict[str, Any]) -> list[Flag]:
    from barograph.settings import Flag

    return [
        Flag(name, value, f"--{name.rpartition('.')[2].replace('_', '-')}")
        for name, value in given.items()
        if value is not None
    ]


def _head() -> App:
    """The verb that has others below it: by itself it trades."""
    app = App(name="trade", default_parameter=Parameter(negative=()))
    app.default(run)
    for verb in VERBS:
        if verb.group == "trade":
            app.command(f"barograph.cli.commands.{verb.target}", name=verb.name, help=verb.help)
    return app


trade = _head()
