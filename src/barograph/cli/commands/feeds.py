"""``barograph feeds``."""

from __future__ import annotations

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_records


def feeds(*, common: Options = DEFAULTS) -> None:
    """The venues whose frames can be read: names for --feed and the venue column."""
    from barograph.feeds.registry import feed, names

    rows = [{"feed": name, "describe": feed(name).describe} for name in names()]
    write_records(rows, ["feed", "describe"], common.form())
