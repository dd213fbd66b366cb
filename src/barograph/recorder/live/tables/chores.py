"""What keeps store and tape in order while rows come: for the lake and for PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from barograph.clock import NS_PER_S, NS_PER_US, Clock
from barograph.recorder.live.housekeeping import Chores
from barograph.recorder.live.retention import prune
from barograph.recorder.live.tables.behind import Keeping
from barograph.recorder.places import Places
from barograph.store.lake import Lake

if TYPE_CHECKING:
    from barograph.settings.keeping import DatabaseSection
    from barograph.store import Store

UPKEEP_S = 3600.0
"""Between two rounds of a database's upkeep."""


def chores(
    keeping: Keeping, places: Places, store: Store, saved_pos: Callable[[], int], clock: Clock
) -> Chores:
    """The chores of one store.

    Args:
        store: asked how far it holds rows; a connection of its own, for another thread uses it.
        saved_pos: from where the next start would go on.
    """

    def tidy() -> None:
        prune(
            places.tape,
            keep_days=keeping.tape_days,
            keep_gb=keeping.tape_gb,
            held_pos=min(saved_pos(), store.committed()),
            now_ns=clock.now_ns(),
        )

    if keeping.database is not None:
        return Chores(_nothing, _nothing, _both(tidy, Upkeep(keeping.database, clock)))
    assert isinstance(store, Lake)
    return Chores(store.compact, _sealing(store), tidy)


class Upkeep:
    """A database's upkeep, each hour."""

    def __init__(self, database: DatabaseSection, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._done_ns = 0

    def __call__(self) -> None:
        """Do it if it is time.

        Raises:
            StorageError: the server is away; done at the next turn.
        """
        now_ns = self._clock.now_ns()
        if abs(now_ns - self._done_ns) < UPKEEP_S * NS_PER_S:
            return
        from barograph.store.postgres.address import Address
        from barograph.store.postgres.connection import connect, errors
        from barograph.store.postgres.upkeep import upkeep

        with errors("keeping the database in order"), connect(Address.of(self._database)) as connection:
            upkeep(connection, now_ns // NS_PER_US, self._database)
        self._done_ns = now_ns


def _sealing(lake: Lake) -> Callable[[date], object]:
    return lambda before: lake.seal(before=before)


def _nothing(*_: object) -> None:
    """A database does it by itself."""


def _both(one: Callable[[], object], other: Callable[[], object]) -> Callable[[], object]:
    def do() -> None:
        try:
            one()
        finally:
            other()

    return do
