"""One frozen tree of settings, and where each of its values came from.

:meth:`Settings.load` reads ``barograph.toml`` and the environment, refuses what it does
not know, and names the file and line, or the variable, of everything it refuses::

    settings = Settings.load()
    settings.bars.allowed_lateness_s      # 2.0
    settings.origin("bars.spike_window")  # Origin(kind="file", where="barograph.toml:14")

Later wins: default, file, plain variables (``POLYGON_API_KEY``), ``BAROGRAPH__SECTION__KEY``,
flags of the command line. ``docs/settings.md`` lists every setting.
"""

from __future__ import annotations

from barograph.settings.layers import PLAIN_NAMES, RESERVED_NAMES
from barograph.settings.load import FILE_NAME, Flag
from barograph.settings.origin import Explained, Origin
from barograph.settings.template import template
from barograph.settings.tree import Settings

__all__ = [
    "FILE_NAME",
    "PLAIN_NAMES",
    "RESERVED_NAMES",
    "Explained",
    "Flag",
    "Origin",
    "Settings",
    "template",
]
