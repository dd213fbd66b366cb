"""What the verbs of paper trading have in common: the ledger of the data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from barograph.cli.options import Everywhere

if TYPE_CHECKING:
    from barograph.paper.ledger import Ledger
    from barograph.settings import Settings


@contextmanager
def ledger_of(settings: Settings, common: Everywhere) -> Iterator[Ledger | None]:
    """The ledger, for reading; None, and a remark, where nothing has traded yet."""
    from barograph.paper.ledgers.sqlite import SqliteLedger
    from barograph.store.layout import ledger_path

    path = ledger_path(settings.data_dir / "lake")
    if not path.is_file():
        common.remark(f"nothing has traded yet: there is no ledger at {path}; 'barograph trade' makes one")
        yield None
        return
    ledger = SqliteLedger(path, read_only=True)
    try:
        yield ledger
    finally:
        ledger.shut()
