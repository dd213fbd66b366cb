"""What every ledger can do, and what it promises.

A ledger holds **items**. An item is all that one trader of one thing remembers (a strategy on a symbol; or an
account whose symbols share their cash): its state, its open positions, how far it has read. It is written
whole, on one condition: that nobody has written it since it was read. So a batch that is delivered twice, or
to two consumers at once, opens and closes each position once: the second to come is refused, reads what the
first has written, and finds its events done.

A completed trade goes into the ledger in the same write as the item whose position it closes, and
stays *pending* until the archive has it (an outbox): none is archived whose position is open,
none is closed and forgotten.

Written for stores with conditional writes and no more: no read between condition and write, no more than an
item, an account and the trades of one write together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from barograph.errors import StorageError
from barograph.paper.positions import Position, Trade


class Overtaken(StorageError):
    """Somebody else has written the item, or the account, since it was read: read it again."""


class Key(NamedTuple):
    """Names an item. An account of many symbols has neither venue nor symbol."""

    strategy: str
    venue: str = ""
    symbol: str = ""


class Item(NamedTuple):
    """All that one trader remembers.

    Attributes:
        key: its name.
        version: how often it has been written; 0: never.
        state: the trader's own, as it likes (the consumer's is JSON).
        positions: those that are open.
        tape_pos: everything before it on the tape is in the state; 0 where there is no tape.
        newest_ts_us: time of the newest event in the state; 0 before the first.
        mark: last price seen, for a look at what is open; 0 before the first.
    """

    key: Key
    version: int = 0
    state: bytes = b""
    positions: tuple[Position, ...] = ()
    tape_pos: int = 0
    newest_ts_us: int = 0
    mark: float = 0.0


class Account(NamedTuple):
    """What several items share, such as cash; written with one of them, on its own condition.

    Attributes:
        name: of the account.
        version: how often it has been written; 0: never.
        state: JSON.
    """

    name: str
    version: int = 0
    state: bytes = b""


class Answer(Enum):
    """What became of a position or a trade that was written."""

    DONE = "done"
    ALREADY = "already"
    """It is in the ledger: written before, by ourselves or by somebody else."""


class Ledger(Protocol):
    """Where items and completed trades are kept.

    Every method raises :class:`~barograph.errors.StorageError` where the store does not answer; a
    write that raised may have happened, and is told ``ALREADY`` when it is tried again.
    """

    def read(self, key: Key) -> Item:
        """The item as it stands; one of version 0 where there is none."""
        ...

    def items(self) -> Iterator[Item]:
        """Every item, in order of keys."""
        ...

    def account(self, name: str) -> Account:
        """The account as it stands; one of version 0 where there is none."""
        ...

    def write(self, item: Item, closed: Sequence[Trade] = (), account: Account | None = None) -> Answer:
        """Put ``item`` (and ``account``) in the place of the version they carry; all or nothing.

        Stored are ``version + 1``. ``closed`` are the trades that end positions which the item no longer
        has; they are pending from then on.

        Returns:
            ``DONE``; ``ALREADY`` where exactly this write stands in the ledger: the next version, with the
            same positions, trades and state.

        Raises:
            Overtaken: the item or the account has another version, with other contents.
            DataError: it contradicts what is there: a position is gone and no trade ends it, one that was
                closed is open again, a trade ends one that stays. Nothing is written.
        """
        ...

    def open(self, item: Item, position: Position, account: Account | None = None) -> Answer:
        """Write ``item`` with ``position`` added to what is open.

        Returns:
            ``ALREADY`` where a position of the same entry (strategy, venue, symbol, entry event) is
            or was in the ledger: nothing is written.

        Raises:
            Overtaken: as :meth:`write`, and the ledger does not know the entry.
        """
        ...

    def close(self, item: Item, trade: Trade, account: Account | None = None) -> Answer:
        """Write ``item`` without the position that ``trade`` ends, and the trade.

        Returns:
            ``ALREADY`` where the position of that entry has been closed: nothing is written.

        Raises:
            Overtaken: as :meth:`write`, and the ledger does not know the trade.
        """
        ...

    def trades(self, since_us: int = 0) -> Iterator[Trade]:
        """Completed trades whose exit was at ``since_us`` or later, in order of exit, then key."""
        ...

    def pending(self, limit: int = 1000) -> list[Trade]:
        """Trades that the archive does not have yet, oldest exits first.

        What it tells is on the disk: no power loss takes a trade back that the archive has been given.
        """
        ...

    def archived(self, keys: Iterable[str]) -> None:
        """The archive has the trades of these keys. Said twice it is harmless."""
        ...

    def note(self, name: str, value: bytes, durably: bool = True) -> None:
        """Remember ``value`` under ``name``, beside the items; it is on the disk when this returns.

        So is all that was written before it; not ``durably``, the next durable note sees to both. The last
        value counts; there is no condition.
        """
        ...

    def noted(self, name: str) -> bytes | None:
        """What was noted last under ``name``; None: nothing."""
        ...

    def shut(self) -> None:
        """Let go of the store."""
        ...
