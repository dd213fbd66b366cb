"""``barograph version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

from barograph import __version__
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object

PACKAGES = ("numpy", "numba", "pyarrow", "polars", "duckdb", "msgspec", "zstandard", "pydantic", "cyclopts")
"""What results may depend on."""


def package_version(name: str) -> str | None:
    """The installed version of ``name``, None when it is not installed."""
    try:
        return installed(name)
    except PackageNotFoundError:
        return None


def version(*, common: Options = DEFAULTS) -> None:
    """The versions of Barograph, Python, the system, and the packages it stands on."""
    fields = {
        "barograph": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: package_version(name) for name in PACKAGES},
    }
    write_object(fields, as_json=common.json)
