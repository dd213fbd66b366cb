"""The options that every verb takes, and what follows from them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

if TYPE_CHECKING:
    from barograph.cli.output import Form
    from barograph.settings import Flag, Settings

_GROUP = Group("Everywhere", sort_key=100)
_Switch = Annotated[bool, Parameter(negative=(), show_default=False)]


@Parameter(name="*", group=_GROUP)
@dataclass(frozen=True)
class Common:
    """Options of every verb, the data directory apart: where ``--data`` names a source of prices."""

    config: Path | None = None
    "The settings file; barograph.toml of the current directory when absent."
    json: _Switch = False
    "Print JSON."
    quiet: _Switch = False
    "No progress and no remarks on standard error."
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    "Least level of log lines shown on standard error (setting log.level)."
    debug: _Switch = False
    "Show the traceback of an error."

    def settings(self, *flags: Flag) -> Settings:
        """The settings in force under these options; logging is set up with them."""
        from barograph.cli.logs import configure, secret_values
        from barograph.settings import Flag, Settings

        given = list(flags)
        if self.log_level is not None:
            given.append(Flag("log.level", self.log_level, "--log-level"))
        settings = Settings.load(self.config, flags=given)
        configure(
            "error" if self.quiet and self.log_level is None else settings.log.level,
            settings.log.format,
            secret_values(settings),
        )
        return settings

    def form(self, csv: bool = False) -> Form:
        """How rows are printed: as asked, else a table on a terminal and CSV into a pipe."""
        if self.json:
            return "json"
        return "csv" if csv or not sys.stdout.isatty() else "table"

    def remark(self, text: str) -> None:
        """A word to the person at the terminal, beside the data."""
        if not self.quiet:
            sys.stderr.write(f"{text}\n")


@Parameter(name="*", group=_GROUP)
@dataclass(frozen=True)
class Everywhere(Common):
    """Options of every verb."""

    data: Path | None = None
    "The data directory (setting data_dir)."

    def settings(self, *flags: Flag) -> Settings:
        """The settings in force under these options; logging is set up with them."""
        from barograph.settings import Flag

        given = [Flag("data_dir", self.data, "--data")] if self.data is not None else []
        return super().settings(*flags, *given)

    def at_info(self) -> Everywhere:
        """These options for a process that goes on: it tells what it does, a short command does not."""
        from barograph.settings import Settings

        told = self.quiet or self.log_level is not None
        if told or Settings.load(self.config).origin("log.level").kind != "default":
            return self
        return replace(self, log_level="info")


Options = Annotated[Everywhere, Parameter(name="*")]
DEFAULTS = Everywhere()
CommonOptions = Annotated[Common, Parameter(name="*")]
COMMON = Common()

Words = Annotated[list[str] | None, Parameter(consume_multiple=True)]
"""One or more words, with spaces or commas between them; see :func:`split`."""


def split(words: list[str] | None) -> tuple[str, ...]:
    """Words with commas or spaces between them, each once.

    >>> split(["BTC-USDT,ETH-USDT", "BTC-USDT"])
    ('BTC-USDT', 'ETH-USDT')
    """
    return tuple(dict.fromkeys(part for word in words or () for part in word.split(",") if part))
