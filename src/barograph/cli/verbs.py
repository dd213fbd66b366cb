"""Every verb as plain data: the table that the parser is filled from and the overview shows.

The overview is what people ask for first and most often. It is printed from here, without
the parser and the library that draws its boxes, which take a quarter of a second to load.
"""

from __future__ import annotations

from typing import NamedTuple

ABOUT = "Records markets, keeps every message, and turns them into features you can trust."
EPILOGUE = "Start with: barograph demo"
CHAPTERS = ("The tape", "The tables", "Research", "Paper trading", "The house")


class Verb(NamedTuple):
    """A verb: its words, its line of help, its chapter, and ``module:function`` below ``commands``.

    A verb without a target is a group of verbs; those in it have no chapter of their own.
    """

    words: str
    help: str
    chapter: str = ""
    target: str = ""

    @property
    def group(self) -> str:
        """The group that it belongs to; nothing for a verb of the top level."""
        return self.words.rpartition(" ")[0]

    @property
    def name(self) -> str:
        """Its own word."""
        return self.words.rpartition(" ")[2]


TAPE, TABLES, RESEARCH, PAPER, HOUSE = CHAPTERS

VERBS = (
    Verb("demo", "Record a market, build its features and show them, start to end.", HOUSE, "demo:demo"),
    Verb("init", "Write a commented barograph.toml.", HOUSE, "init:init"),
    Verb("up", "Run recorder, trading, API and dashboard as one.", HOUSE, "up:up"),
    Verb("config", "Settings.", HOUSE),
    Verb("config show", "Every setting, its value and where it came from.", "", "config:show"),
    Verb("schedule", "Market hours, and when the machine records and backs up.", HOUSE),
    Verb("schedule show", "The coming sessions of a market, and its holidays.", "", "schedule:show"),
    Verb("schedule session-today", "Whether a market has a session today.", "", "schedule:session_today"),
    Verb("schedule install", "Write systemd units that record and back up.", "", "schedule:install"),
    Verb("login", "Log in where a venue asks for it every day.", HOUSE),
    Verb("login kite", "Get the day's access token of Zerodha Kite.", "", "login:kite"),
    Verb("status", "What the data directory holds.", HOUSE, "status:status"),
    Verb("dashboard", "Look at it all in a browser.", HOUSE, "dashboard:dashboard"),
    Verb("serve", "Serve the API over HTTP.", HOUSE, "serve:serve"),
    Verb("token", "Tokens for the API.", HOUSE),
    Verb("token create", "Make a token, and print it once.", "", "token:create"),
    Verb("token revoke", "Take a token back.", "", "token:revoke"),
    Verb("token list", "The tokens, and when each was last used.", "", "token:list_"),
    Verb("doctor", "Look for what is wrong, and say the remedy.", HOUSE, "doctor:doctor"),
    Verb("backup", "Backups of the tape and the tables: make, list, verify, prune.", HOUSE),
    Verb("backup run", "Make backups: of a kind, or what is due.", "", "backup:run"),
    Verb("backup due", "Which backup is due now.", "", "backup:due"),
    Verb("backup list", "The backups, and whether each could be restored.", "", "backup:list_"),
    Verb("backup verify", "Check every byte of the backups.", "", "backup:verify"),
    Verb("backup prune", "Remove backups that are too old.", "", "backup:prune"),
    Verb("restore", "Bring everything back from backups, as of a moment.", HOUSE, "restore:restore"),
    Verb("sync", "Bring the tables here up to the newest backup.", HOUSE, "sync:sync"),
    Verb("version", "The versions of Barograph and what it stands on.", HOUSE, "version:version"),
    Verb("completion", "Print a completion script for your shell.", HOUSE, "completion:completion"),
    Verb("tape", "The journal: import recordings, list, verify, read, prune.", TAPE),
    Verb("tape import", "Put recordings made by others on the tape.", "", "tape:import_"),
    Verb("tape list", "The segments of the tape.", "", "tape:list_"),
    Verb("tape verify", "Check every byte of the tape.", "", "tape:verify"),
    Verb("tape cat", "Print records.", "", "tape:cat"),
    Verb("tape prune", "Delete old segments that the tables no longer need.", "", "tape:prune"),
    Verb("feeds", "The venues whose frames can be read.", TAPE, "feeds:feeds"),
    Verb(
        "simulate", "Let a simulated market trade, onto the tape or into a file.", TAPE, "simulate:simulate"
    ),
    Verb("import", "Put a file of candles on the tape, and its rows in the tables.", TAPE, "candles:import_"),
    Verb(
        "record", "Record live feeds: every frame onto the tape, the tables behind it.", TAPE, "record:record"
    ),
    Verb("replay", "Bring the tables up to the end of the tape.", TAPE, "replay:replay"),
    Verb("rebuild", "Make every table again from the whole tape.", TAPE, "rebuild:rebuild"),
    Verb("query", "Run SQL over the tables.", TABLES, "query:query"),
    Verb("bars", "Bars of a symbol, any interval.", TABLES, "read:bars"),
    Verb("ticks", "Trades of a symbol.", TABLES, "read:ticks"),
    Verb("quotes", "Best bids and asks of a symbol.", TABLES, "read:quotes"),
    Verb("anomalies", "What rules and the model found; train models.", TABLES, "anomalies:anomalies"),
    Verb("anomalies train", "Train a model on stored minutes.", "", "anomalies:train"),
    Verb("anomalies score", "What a model finds in stored minutes.", "", "anomalies:score"),
    Verb("anomalies list", "Models, and which one counts.", "", "anomalies:list_"),
    Verb("anomalies promote", "Let a model judge every minute from now on.", "", "anomalies:promote"),
    Verb("anomalies drift", "How far the market has moved from what a model knows.", "", "anomalies:drift"),
    Verb("coverage", "How complete the data is, and why what is missing is.", TABLES, "coverage:coverage"),
    Verb("symbols", "Symbols and venues, with their spans.", TABLES, "read:symbols"),
    Verb("export", "Write a table to a CSV, Parquet or Arrow file.", TABLES, "export:export"),
    Verb("db", "The tables in PostgreSQL.", TABLES),
    Verb("db init", "Make the tables, and roles for who writes and who reads.", "", "db:init"),
    Verb("db status", "The server, its tables, how far they are, what is wrong.", "", "db:status"),
    Verb("db migrate", "Bring the tables up to this version.", "", "db:migrate"),
    Verb("db retention", "Drop old partitions.", "", "db:retention"),
    Verb("lake", "The Parquet files.", TABLES),
    Verb("lake seal", "Write finished days as one sorted file each.", "", "lake:seal"),
    Verb("lake status", "Days, their state, files and bytes.", "", "lake:status"),
    Verb("research", "Try many strategies, and learn which are luck.", RESEARCH),
    Verb(
        "research run", "A study, start to end: from prices to a verdict and its report.", "", "research:run"
    ),
    Verb("research generate", "Step 1: make random strategies.", "", "research:generate"),
    Verb("research backtest", "Step 2: trade them all on the training part.", "", "research:backtest"),
    Verb("research select", "Step 3: choose the best.", "", "research:select"),
    Verb("research validate", "Step 4: does it hold on what it never saw?", "", "research:validate"),
    Verb("research visualize", "Step 5: the plots and the report.", "", "research:visualize"),
    Verb(
        "research trials",
        "Every strategy ever tried, counted by the data it was tried on.",
        "",
        "research:trials",
    ),
    Verb("research check", "Does a strategy of your own look into the future?", "", "research_check:check"),
    Verb("trade", "Trade on paper: behind the recorder, or over a tape.", PAPER, "trade:trade"),
    Verb("trade stop", "Enter no more; with --flatten leave what is held.", "", "trade:stop"),
    Verb("trade resume", "Enter again.", "", "trade:resume"),
    Verb("trade status", "How the process does, and each strategy.", "", "trade:status"),
    Verb("trade reconcile", "Trade it all again from the tape, and compare.", "", "trade:reconcile"),
    Verb("positions", "What is held, at the last known price.", PAPER, "positions:positions"),
    Verb("trades", "Completed trades, and what they came to.", PAPER, "trades:trades"),
    Verb("etl", "Clean and resample days of data, in parallel.", RESEARCH),
    Verb("etl run", "Process batches: a day, or a day of one symbol.", "", "etl:run"),
)

HEADS = frozenset(verb.words for verb in VERBS if verb.target) & {verb.group for verb in VERBS}
"""Verbs that do something themselves and have others below them: their target is a parser of its own."""


def overview() -> str:
    """What ``barograph --help`` shows: every verb of the top level, by chapter.

    >>> "demo" in overview()
    True
    """
    width = max(len(verb.name) for verb in VERBS)
    lines = ["Usage: barograph COMMAND [OPTIONS]", "", ABOUT, ""]
    for chapter in CHAPTERS:
        of_chapter = sorted(verb for verb in VERBS if verb.chapter == chapter)
        lines += [f"{chapter}:", *(f"  {verb.name:<{width}}  {verb.help}" for verb in of_chapter), ""]
    lines += ["`barograph COMMAND --help` tells a command's options; `--version` the version.", EPILOGUE]
    return "\n".join(lines) + "\n"
