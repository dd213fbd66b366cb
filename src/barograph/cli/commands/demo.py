"""``barograph demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from barograph.cli.commands.replay import folder_bytes
from barograph.cli.demo_view import DemoReport, SymbolMinutes, as_json, as_text
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import encode, write
from barograph.cli.progress import stages
from barograph.cli.tables import sql_of
from barograph.errors import UsageError
from barograph.settings import Flag

if TYPE_CHECKING:
    from barograph.settings import Settings

FOLDER = Path("demo")
"""The demo keeps away from the data directory of the settings: nobody wants simulated trades there."""

_NEWEST = """
    SELECT * FROM market_microstructure
    QUALIFY row_number() OVER (PARTITION BY symbol, venue ORDER BY timestamp DESC) <= 60
    ORDER BY sum(trade_count) OVER (PARTITION BY symbol, venue) DESC, symbol, venue, timestamp
"""


def demo(*, tape: Path | None = None, feed: str | None = None, common: Options = DEFAULTS) -> None:
    """Record a market, build its features and show them, start to end.

    A simulated day, unless --tape names a recording. What it makes lies in the folder demo,
    or in --data, and stays; run again, it finds its work done.

    Parameters
    ----------
    tape
        A recording to use instead of the simulator.
    feed
        The venue that sent the recording's frames; barograph feeds lists them.
    """
    from barograph.recorder.demo import demo_recording, demo_simulated
    from barograph.recorder.shaping import line_settings

    if (tape is None) != (feed is None):
        raise UsageError("--tape and --feed go together: whose frames are in the recording?")
    data = common.data or FOLDER
    settings = common.settings(Flag("data_dir", data, "--data"), Flag("store", "lake", "demo"))
    fresh = not (data / "lake").exists()
    with stages(quiet=common.quiet) as stage:
        if tape is None or feed is None:
            done = demo_simulated(data, line_settings(settings), stage=stage)
        else:
            done = demo_recording(data, tape, feed, line_settings(settings), stage=stage)
    report = DemoReport(
        demo=done,
        symbols=_newest_minutes(settings),
        tape_bytes=folder_bytes(data / "tape"),
        lake_bytes=folder_bytes(data / "lake"),
        fresh=fresh,
    )
    write(encode(as_json(report)) + "\n" if common.json else as_text(report))


def _newest_minutes(settings: Settings) -> list[SymbolMinutes]:
    """The last hour of each symbol, the busiest first."""
    with sql_of(settings) as connection:
        rows = connection.query(_NEWEST).read_all().to_pylist()
    pairs = dict.fromkeys((row["symbol"], row["venue"]) for row in rows)
    return [
        SymbolMinutes(
            symbol, venue, [row for row in rows if (row["symbol"], row["venue"]) == (symbol, venue)]
        )
        for symbol, venue in pairs
    ]
