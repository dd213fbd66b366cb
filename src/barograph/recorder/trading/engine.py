"""Strategies over runs of records: the tape in, a ledger out.

Everything is a function of the tape from the strategies' beginnings on and of the words of
:mod:`.control`; any cutting into runs gives the same ledger. A checkpoint says from where the market has to
be read again; items in the ledger may be further on, and know what they have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from barograph.errors import SettingsError
from barograph.paper.events import TradeEvent
from barograph.paper.ledger import Ledger
from barograph.paper.positions import Position, Trade
from barograph.recorder.shaping import LineSettings
from barograph.recorder.trading.control import Action, Applied
from barograph.recorder.trading.market import Closed, MarketState, MarketView
from barograph.records import Records
from barograph.snapshot import pack, unpack

CHECKPOINT = "engine/checkpoint"
"""The note that says where those stand that are traded together."""


class Done(NamedTuple):
    """What a run led to, in the order in which it happened."""

    opened: tuple[Position, ...] = ()
    closed: tuple[Trade, ...] = ()

    def __add__(self, other: object) -> Done:
        assert isinstance(other, Done)
        return Done(self.opened + other.opened, self.closed + other.closed)


class Part(Protocol):
    """One named part of what is traded: a tick strategy, or accounts of bar strategies."""

    @property
    def name(self) -> str:
        """Of the strategy or account."""
        ...

    def told(self, action: Action) -> None:
        """A person said something; it counts from the next record on."""
        ...

    def keep(self, pos: int) -> None:
        """Bring into the ledger all that is not there, as of tape position ``pos``."""
        ...


class OnTrades(Part, Protocol):
    """A part that trades on trades."""

    def take(self, trades: Sequence[TradeEvent]) -> Done:
        """Go on over the trades of a run."""
        ...


class OnMinutes(Part, Protocol):
    """A part that trades on minutes."""

    def take(self, closed: Closed) -> Done:
        """Go on over the minutes that a run closed."""
        ...


class Parts(NamedTuple):
    """What is traded together."""

    on_trades: tuple[OnTrades, ...] = ()
    on_minutes: tuple[OnMinutes, ...] = ()

    @property
    def every(self) -> tuple[Part, ...]:
        """All of them."""
        return (*self.on_trades, *self.on_minutes)


class Standing(msgspec.Struct):
    """A checkpoint: who has traded up to where the market stands."""

    names: tuple[str, ...]
    market: MarketState


class Engine:
    """All that is traded, driven over one tape.

    Args:
        ledger: where decisions go.
        market: where it stands.
        parts: what is traded.
        words: what a person has said so far; those at or behind the market's position are said again.
        note: under which checkpoints are kept.
    """

    def __init__(
        self,
        ledger: Ledger,
        market: MarketView,
        parts: Parts,
        words: Sequence[Applied] = (),
        note: str = CHECKPOINT,
    ) -> None:
        self.ledger, self.market, self.parts = ledger, market, parts
        self._note = note
        self._words = [word for word in words if word.pos >= market.next_pos]

    @property
    def next_pos(self) -> int:
        """The position of the next record."""
        return self.market.next_pos

    def tell(self, word: Applied) -> None:
        """A word that counts from a position on that has not been passed."""
        self._words.append(word)

    def advance(self, run: Records, told: Callable[[Done], object] | None = None) -> Done:
        """Trade over the next records: on trades first, for which every millisecond counts, then on minutes.

        Args:
            told: called with the orders of each as soon as they are in the ledger.
        """
        done = Done()
        for piece in self._pieces(run):
            self._say()
            trades = self.market.trades(piece)
            done += _together([part.take(trades) for part in self.parts.on_trades], told)
            closed = self.market.minutes()
            done += _together([part.take(closed) for part in self.parts.on_minutes], told)
        return done

    def stand(self) -> bytes:
        """Bring into the ledger all that is not there; returns where it stands, for :meth:`note`."""
        self._say()
        for part in self.parts.every:
            part.keep(self.next_pos)
        names = tuple(part.name for part in self.parts.every)
        return pack(Standing(names, self.market.state()))

    def note(self, standing: bytes) -> None:
        """A new process goes on from ``standing``; the tape up to there must be on the disk.

        It may be noted on another thread, and while trading goes on: the ledger may be further on.
        """
        self.ledger.note(self._note, standing)

    def _pieces(self, run: Records) -> Iterator[Records]:
        """``run``, cut where a word takes effect."""
        if not self._words:
            yield run
            return
        cuts = {word.pos - run.first_pos for word in self._words}
        edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(run)), len(run)]
        for start, stop in pairwise(edges):
            if start < stop:
                yield run.cut(start, stop)

    def _say(self) -> None:
        while self._words and self._words[0].pos <= self.next_pos:
            action = self._words.pop(0).word.action
            for part in self.parts.every:
                part.told(action)


def _together(each: Sequence[Done], told: Callable[[Done], object] | None) -> Done:
    """What several parts led to, told where there is anything."""
    done = Done()
    for one in each:
        if one.opened or one.closed:
            done += one
    if told is not None and (done.opened or done.closed):
        told(done)
    return done


def standing(ledger: Ledger, settings: LineSettings, note: str = CHECKPOINT) -> Standing | None:
    """The last checkpoint under ``note``; None where there is none.

    Raises:
        SettingsError: it was made with other settings of rows, or by another version.
    """
    data = ledger.noted(note)
    if data is None:
        return None
    found = read(data, Standing)
    require_same(found.market, settings)
    return found


S = TypeVar("S", bound=msgspec.Struct)


def read(data: bytes, kind: type[S]) -> S:
    """What a note of the trading process holds.

    Raises:
        SettingsError: another version of Barograph has written it.
    """
    try:
        return unpack(data, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"the trading process was left by another version of Barograph ({error}); "
            "trade on with that version, or move state/ledger.sqlite away to begin a new ledger"
        ) from error


def require_same(state: MarketState, settings: LineSettings) -> None:
    """Nothing, where ``state`` was made with these settings of rows.

    Raises:
        SettingsError: it was not.
    """
    if state.shape != settings.shape():
        raise SettingsError(
            f"trading began with other settings of bars (then {state.shape.decode()}, now "
            f"{settings.shape().decode()}); put them back, or move state/ledger.sqlite away to begin anew"
        )
