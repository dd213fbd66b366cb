"""The command line as somebody without rights (``python disaster_user.py WORDS...``).

The interpreter may lie where only its owner can read: what the command needs is imported first, then the
rights are dropped, and only then the command runs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pkgutil import walk_packages

import pyarrow.compute
import pyarrow.parquet  # noqa: F401 - loaded while we may

import barograph.store
import barograph.vault
from barograph.cli import main
from barograph.settings import load  # noqa: F401

NOBODY = 65_534

for package in (barograph.store, barograph.vault):
    for found in walk_packages(package.__path__, f"{package.__name__}."):
        import_module(found.name)
for name in ("barograph.cli.app", "barograph.cli.commands.restore", "barograph.cli.logs", "psycopg", "pgpq"):
    import_module(name)
for name in (
    "adbc_driver_postgresql.dbapi",
    "psycopg_binary",
    "encodings.idna",
    "tempfile",
    "hmac",
    "importlib.readers",
):
    import_module(name)

if __name__ == "__main__":
    if os.name != "nt" and os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.chdir(os.environ["HOME"])
    sys.exit(main(sys.argv[1:]))
