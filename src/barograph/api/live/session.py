"""One client's messages: what it has missed first, then what comes, each once and in a fixed order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from barograph.api.live.history import History
from barograph.api.live.hub import Hub, Listener
from barograph.api.live.message import Choice, Message, row_message
from barograph.api.live.place import Place
from barograph.api.problems import Problem
from barograph.clock import NS_PER_S
from barograph.errors import BarographError

if TYPE_CHECKING:
    from barograph.api.live.trades import LedgerTrades
    from barograph.api.state import State

HEARTBEAT_S = 15.0
_TRADES = 1_000
_OTHER = (
    "the tables hold another content than when the last id was given: they were made again, or brought from "
    "elsewhere; read again what you keep of them. The stream goes on from now"
)

Lots = AsyncIterator[Sequence[Message]]
"""Messages, some at a time."""


@dataclass(slots=True)
class Session:
    """A client that listens. It attends the hub, and has asked it where it is.

    Attributes:
        place: what the client has had, once it has taken what was last given to it.
        check: is called with each heartbeat; it raises :class:`Problem` when the client may not stay.
    """

    state: State
    hub: Hub
    ledger: LedgerTrades
    choice: Choice
    place: Place
    check: Callable[[], object]
    heartbeat_s: float = HEARTBEAT_S

    async def messages(self) -> Lots:
        """Messages after :attr:`place`, for ever; should it end, the last one tells why."""
        try:
            yield [self._told("ready")]
            async for lot in self._goes_on():
                yield lot
        except Problem as problem:
            yield [self._told("end", reason=problem.detail)]
        except BarographError as error:
            yield [self._told("end", reason=str(error))]

    async def _goes_on(self) -> Lots:
        while True:
            async for lot in self._missed():
                yield lot
            # Nothing is awaited between the last look at the hub's place and joining: nothing is lost there.
            with self.hub.joined(self.choice) as listener:
                async for lot in self._heard(listener):
                    yield lot
            if listener.ended is not None:
                yield [self._told("end", reason=listener.ended)]
                return

    async def _heard(self, listener: Listener) -> Lots:
        """What comes; returns when the client must read for itself, or the stream ends."""
        while listener.ended is None and self.hub.ended is None:
            heard = await listener.hear(self.heartbeat_s)
            if heard is None and listener.ended is None:
                self.check()
                yield [self._told("heartbeat")]
            if heard is None:
                continue
            if heard.messages:
                yield heard.messages
            if heard.skipped:
                return
            self.place = heard.place
            if heard.other:
                yield [self._told("reset", reason=_OTHER)]
        if self.hub.ended is not None:
            listener.end(self.hub.ended)

    async def _missed(self) -> Lots:
        """What is between the client's place and the hub's; the two are the same in the end."""
        if self.place.ahead_of(self.hub.place):  # another process has seen more
            await self.hub.look()
        if not self.place.is_of(self.hub.place.origin) or self.place.ahead_of(self.hub.place):
            self.place = self.hub.place
            yield [self._told("reset", reason=_OTHER)]
        quiet_ns = self.state.clock.now_ns()
        while self.place.behind(self.hub.place):
            async for lot in self._pieces(self.hub.place):
                now_ns = self.state.clock.now_ns()
                if self.hub.ended is not None:
                    raise Problem(503, self.hub.ended)
                if lot or now_ns - quiet_ns >= self.heartbeat_s * NS_PER_S:
                    quiet_ns = now_ns
                    self.check()
                    yield lot or [self._told("heartbeat")]

    async def _pieces(self, here: Place) -> Lots:
        """Trades first, then rows; perhaps none."""
        while self.place.trades < here.trades:
            yield await self.state.run(self._trades, here.trades)
        if self.place.upto is None:
            self.place = msgspec.structs.replace(self.place, origin=here.origin, upto=here.pos)
        upto = self.place.upto
        assert upto is not None
        history = History(self.state.market(), self.choice, self.place)
        while (piece := await self.state.run(history.piece)) is not None:
            self.place = piece.place
            yield piece.messages
        self.place = Place(here.origin, upto, trades=self.place.trades)

    def _trades(self, upto: int) -> list[Message]:
        """The next trades up to a place in the ledger."""
        place = self.place
        found = self.ledger.between(place.trades, upto, _TRADES)
        made = [
            (row_message("trades", row, msgspec.structs.replace(place, trades=each)), exit_us)
            for each, exit_us, row in found
        ]
        number = found[-1][0] if len(found) == _TRADES else upto
        self.place = msgspec.structs.replace(place, trades=number)
        return [message for message, exit_us in made if self.choice.takes(message, exit_us)]

    def _told(self, kind: str, **data: Any) -> Message:
        return Message(kind, self.place, data)
