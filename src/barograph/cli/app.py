"""Every verb by name, with its line of help. The modules are imported when called."""

from __future__ import annotations

from cyclopts import App, Group, Parameter

from barograph import __version__

_RECORDINGS = Group.create_ordered("The tape")
_TABLES = Group.create_ordered("The tables")
_HOUSE = Group.create_ordered("The house")

_EPILOGUE = "Start with: barograph demo"

app = App(
    name="barograph",
    help="Records markets, keeps every message, and turns them into features you can trust.",
    help_epilogue=_EPILOGUE,
    version=__version__,
    help_format="plaintext",  # Markdown would load its parser and a highlighter, a third of the time to help
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)


def _group(name: str, help: str, group: Group) -> App:
    child = App(name=name, help=help, group=group, default_parameter=Parameter(negative=()))
    app.command(child)
    return child


def _verb(parent: App, target: str, name: str, help: str, group: Group | None = None) -> None:
    parent.command(f"barograph.cli.commands.{target}", name=name, help=help, group=group)


_verb(app, "demo:demo", "demo", "Record a market, build its features and show them, start to end.", _HOUSE)
_verb(app, "init:init", "init", "Write a commented barograph.toml.", _HOUSE)
_config = _group("config", "Settings.", _HOUSE)
_verb(_config, "config:show", "show", "Every setting, its value and where it came from.")
_verb(app, "status:status", "status", "What the data directory holds.", _HOUSE)
_verb(app, "doctor:doctor", "doctor", "Look for what is wrong, and say the remedy.", _HOUSE)
_verb(app, "version:version", "version", "The versions of Barograph and what it stands on.", _HOUSE)
_verb(app, "completion:completion", "completion", "Print a completion script for your shell.", _HOUSE)

_tape = _group("tape", "The journal: import recordings, list, verify, read.", _RECORDINGS)
_verb(_tape, "tape:import_", "import", "Put recordings made by others on the tape.")
_verb(_tape, "tape:list_", "list", "The segments of the tape.")
_verb(_tape, "tape:verify", "verify", "Check every byte of the tape.")
_verb(_tape, "tape:cat", "cat", "Print records.")
_verb(app, "feeds:feeds", "feeds", "The venues whose frames can be read.", _RECORDINGS)
_verb(
    app,
    "simulate:simulate",
    "simulate",
    "Let a simulated market trade, onto the tape or into a file.",
    _RECORDINGS,
)
_verb(
    app,
    "candles:import_",
    "import",
    "Put a file of candles on the tape, and its rows in the tables.",
    _RECORDINGS,
)
_verb(app, "replay:replay", "replay", "Bring the tables up to the end of the tape.", _RECORDINGS)
_verb(app, "rebuild:rebuild", "rebuild", "Make every table again from the whole tape.", _RECORDINGS)

_verb(app, "query:query", "query", "Run SQL over the tables.", _TABLES)
_verb(app, "read:bars", "bars", "Bars of a symbol, any interval.", _TABLES)
_verb(app, "read:ticks", "ticks", "Trades of a symbol.", _TABLES)
_verb(app, "read:quotes", "quotes", "Best bids and asks of a symbol.", _TABLES)
_verb(app, "read:anomalies", "anomalies", "What the rules found.", _TABLES)
_verb(app, "read:symbols", "symbols", "Symbols and venues, with their spans.", _TABLES)
_verb(app, "export:export", "export", "Write a table to a CSV, Parquet or Arrow file.", _TABLES)
_lake = _group("lake", "The Parquet files.", _TABLES)
_verb(_lake, "lake:seal", "seal", "Write finished days as one sorted file each.")
_verb(_lake, "lake:status", "status", "Days, their state, files and bytes.")
