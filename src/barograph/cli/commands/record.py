"""``barograph record``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from barograph.cli.options import DEFAULTS, Everywhere, Options, Words, split
from barograph.cli.output import write_object
from barograph.cli.times import span_s
from barograph.errors import UsageError

if TYPE_CHECKING:
    from barograph.recorder.live.stats import Stats
    from barograph.settings import Flag, Settings


SYMBOLS_OF = {
    "binance": "feeds.binance.symbols",
    "coinbase": "feeds.coinbase.symbols",
    "kite": "feeds.kite.symbols",
    "kraken": "feeds.kraken.symbols",
    "polygon-crypto": "feeds.polygon.crypto",
    "polygon-stocks": "feeds.polygon.stocks",
    "sim": "feeds.sim.symbols",
}
"""The setting that names a feed's symbols."""


def record(
    *,
    feed: Words = None,
    symbols: Words = None,
    metrics_port: int | None = None,
    duration: str | None = None,
    until: Literal["session-close"] | None = None,
    market: str | None = None,
    common: Options = DEFAULTS,
) -> int:
    """Record live feeds: every frame onto the tape, the tables a second behind.

    It runs until it is told to end (Ctrl-C or SIGTERM), however feeds, disk and tables
    behave meanwhile. SIGHUP reads the settings again and changes the symbols without dropping
    connections. Started again, it goes on where it stopped, also after a crash.

    Parameters
    ----------
    feed
        One or more feeds (setting record.feeds); barograph feeds lists them.
    symbols
        Symbols of the one feed, with commas or spaces: BTC-USDT,ETH-USDT.
    metrics_port
        Serve /metrics, /healthz and /readyz there (setting record.metrics_port); 0 takes a free port.
    duration
        End by itself after so long: 90s, 10m, 6h.
    until
        session-close: end by itself after today's last session of the markets that are recorded (and
        record.close_grace_s more); end at once, with code 0, on a day without one.
    market
        Whose sessions --until session-close means, instead of the recorded markets' own: NSE, BSE, NYSE,
        NASDAQ, or a name of docs/calendars.md.
    """
    from barograph.recorder.live.hours import UntilClose
    from barograph.recorder.live.recorder import Recorder
    from barograph.settings import Flag

    if market and until is None:
        raise UsageError("--market says whose close ends the recording; it needs --until session-close")
    flags: list[Flag] = []
    if feed:
        flags.append(Flag("record.feeds", split(feed), "--feed"))
    if metrics_port is not None:
        flags.append(Flag("record.metrics_port", metrics_port, "--metrics-port"))
    if symbols:
        flags.append(_symbols(split(feed), split(symbols)))
    common = common.at_info()
    recorder = Recorder(common.settings(*flags), reread=lambda: _read(common, flags))
    closing = UntilClose(market) if until else None
    stats = recorder.run(span_s(duration, "--duration") if duration else None, closing)
    if recorder.not_begun is not None:
        common.remark(f"nothing to record: {recorder.not_begun}")
    write_object(_summary(stats), as_json=common.json)
    return recorder.exit_code


def _symbols(feeds: tuple[str, ...], symbols: tuple[str, ...]) -> Flag:
    from barograph.settings import Flag

    if len(feeds) != 1 or feeds[0] not in SYMBOLS_OF:
        raise UsageError(
            "--symbols needs one --feed to belong to; for several feeds write the symbols into "
            'barograph.toml, such as symbols = ["BTC-USDT"] below [feeds.binance]'
        )
    return Flag(SYMBOLS_OF[feeds[0]], symbols, "--symbols")


def _read(common: Everywhere, flags: list[Flag]) -> Settings:
    return common.settings(*flags)


def _summary(stats: Stats) -> dict[str, Any]:
    """What was recorded, feed by feed, and where the tables stand."""
    return {
        "feeds": {
            name: {
                "stage": str(feed.stage),
                "problem": feed.problem or None,
                "frames": feed.frames,
                "disconnects": feed.disconnects,
                "refills": feed.refills,
            }
            for name, feed in stats.feeds.items()
        },
        "tape_end": stats.tables.tape_pos,
        "tables_reach": stats.tables.next_pos,
        "ticks": stats.tables.ticks,
        "quotes": stats.tables.quotes,
        "bars": stats.tables.bars,
        "problem": stats.tables.problem or stats.journal.problem or None,
    }
