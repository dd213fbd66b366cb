"""What every route stands on: the settings, the tables, threads for what blocks, and who may ask.

::

    market = state.market()                           # shared by threads; reads only
    rows = await state.run(market.bars, "BTC-USD")    # never blocks the event loop
    state.version()                                   # another text whenever rows may be others
    Depends(state.require("read"))                    # a route's door; works for WebSockets too
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from starlette.requests import HTTPConnection

from barograph.api.doors.callers import Caller, Doorkeeper
from barograph.api.doors.tokens import Scope
from barograph.api.series import Catalogue
from barograph.api.threads import Threads
from barograph.api.versions import version_at
from barograph.clock import Clock, SystemClock
from barograph.store.opening import Location

if TYPE_CHECKING:
    from barograph.market import Market
    from barograph.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class State:
    """One process of the API. Made by :meth:`of`; closed when the application ends.

    Attributes:
        where: the tables, by the settings.
        threads: for what blocks; their number bounds the connections to a database, too.
        doorkeeper: knows tokens.
        catalogue: knows which series there are.
    """

    settings: Settings = field(repr=False)
    where: Location
    clock: Clock
    threads: Threads
    doorkeeper: Doorkeeper
    catalogue: Catalogue
    _opened: list[Market] = field(default_factory=list, repr=False)
    _opening: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of(cls, settings: Settings, clock: Clock | None = None) -> Self:
        """The state of an API with these settings; nothing is opened yet.

        Raises:
            SettingsError: the tables are in a database, and nothing says which.
        """
        clock = clock or SystemClock()
        doorkeeper = Doorkeeper.of(settings, clock)
        return cls(settings, Location.of(settings), clock, Threads(), doorkeeper, Catalogue(clock))

    def market(self) -> Market:
        """The Market of this process. Threads may share it: its connections are pooled below.

        A data directory that is not there yet is an empty one.
        """
        from barograph.market.market import Market

        with self._opening:
            if not self._opened:
                self._opened.append(Market(self.where, f"{self.settings.query.memory_limit_mb}MB"))
            return self._opened[0]

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``function(*args)`` in one of a bounded number of threads.

        Raises:
            StorageBusy: too many calls wait already (503 when it reaches a client).
        """
        return await self.threads.run(function, *args, **kwargs)

    def version(self) -> str:
        """A text that changes whenever the tables' rows may have: not for the event loop.

        It tells nothing of completed trades and positions, which no commit stands behind.

        Raises:
            StorageError: the store does not tell.
        """
        return version_at(self.market().store)

    def require(self, scope: Scope) -> Callable[[HTTPConnection], Awaitable[Caller]]:
        """A dependency that lets only those through whose token has ``scope``; also for WebSockets.

        The token is the header ``Authorization: Bearer ...``; a route that finds it elsewhere asks
        ``state.doorkeeper.admit(connection, scope, token)``. Raises :class:`~barograph.api.problems.Problem`
        with 401, 403 or 429.
        """

        async def door(connection: HTTPConnection) -> Caller:
            return self.doorkeeper.admit(connection, scope)

        return door

    def close(self) -> None:
        """Let go of connections and threads."""
        self.threads.close()
        with self._opening:
            while self._opened:
                self._opened.pop().close()
