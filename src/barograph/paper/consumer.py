"""The consumer: single trade events in, positions of the dip strategy out. Plain Python.

It may be given events late, twice, in stretches again, and by several processes at once: each position is
opened once and closed once. A decision on one event is filled at the next newer one of the symbol, so all
that a fill depends on are the events of the symbol up to it and the purse. Each fill, and each entry that was
refused, is one conditional write of the symbol's item (with the account, where cash is shared) that has
everything in it up to that event. Who is overtaken reads again and finds it done.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from barograph.paper.book import (
    Book,
    account_of,
    from_item,
    place,
    purse_of,
    switch_of,
    switched,
    to_item,
)
from barograph.paper.dip import DUE, LATE, TWICE, Dip, Watch
from barograph.paper.events import TradeEvent
from barograph.paper.figures import Figures, figures
from barograph.paper.filling import Fill, Refused, fill
from barograph.paper.ledger import Account, Answer, Item, Key, Ledger, Overtaken
from barograph.paper.positions import Position, Trade
from barograph.paper.purse import Purse, Terms

TRIES = 100
"""Of one write or one symbol, while others are quicker; then the caller may try later."""

Place = tuple[str, str]
"""Venue and symbol."""


class Handled(NamedTuple):
    """What became of some events.

    Attributes:
        events: how many were given.
        duplicates: seen before, at the newest time of their symbol.
        late: older than the newest of their symbol (seen before or not); ignored.
        invalid: a price that is not above 0 and finite, or a half spread not from 0 to the price; ignored.
        opened, closed, refused: what this call has written itself. What another consumer was quicker with is
            not among them, nor a write whose answer was lost: the ledger has it all.
    """

    events: int
    duplicates: int
    late: int
    invalid: int
    opened: tuple[Position, ...]
    closed: tuple[Trade, ...]
    refused: tuple[Refused, ...]


class Consumer:
    """Trades the dip strategy on trade events; see the module.

    An exception of the ledger leaves it as it was before the event whose write failed; give the same events
    again. It is not for several threads at once; several consumers, one each, are.

    Args:
        ledger: where everything is kept.
        dip: when to buy and sell.
        terms: costs, sizes, limits, and the cash to begin with.
        name: of the strategy in the ledger.
        account: name of the cash that all symbols (and other consumers with that account) share; None: each
            symbol has ``terms.cash`` of its own. What an account or a symbol has already stays.

    Raises:
        StorageError: the ledger does not answer. StoreCorrupt: what is in it is not a consumer's.
    """

    def __init__(
        self,
        ledger: Ledger,
        dip: Dip = Dip(),  # noqa: B008 - a value
        terms: Terms = Terms(),  # noqa: B008
        *,
        name: str = "dip",
        account: str | None = None,
    ) -> None:
        self._ledger, self._dip, self._terms, self._name = ledger, dip, terms, name
        self._watches: dict[Place, Watch] = {}
        self._books: dict[Place, Book] = {}
        self._account: Account | None = None
        self._shared: Purse | None = None
        self._switch = (False, False)
        self._told: list[Position | Trade | Refused] = []
        if account is not None:
            self._share(ledger.account(account))

    # -- events ---------------------------------------------------------------------------------------------

    def handle(self, events: Iterable[TradeEvent]) -> Handled:
        """Go over a batch of events in the order in which they are given.

        Raises:
            StorageError: the ledger does not answer; give the batch again.
        """
        batch = events if isinstance(events, Sequence) else list(events)
        watches, endless = self._watches, math.inf
        counts = [0, 0, 0]
        invalid = 0
        self._told.clear()
        for i, (symbol, price, _, ts_us, identity, venue, half_spread) in enumerate(batch):
            if not (0.0 < price < endless and 0.0 <= half_spread < price):
                invalid += 1
                continue
            watch = watches.get((venue, symbol)) or self._first((venue, symbol))
            said = watch.take(ts_us, price, identity)
            if said == DUE:
                self._settle((venue, symbol), batch, i)
            elif said:
                counts[said] += 1
        return self._handled(len(batch), counts[TWICE], counts[LATE], invalid)

    def _handled(self, events: int, duplicates: int, late: int, invalid: int) -> Handled:
        told = self._told
        return Handled(
            events,
            duplicates,
            late,
            invalid,
            tuple(one for one in told if isinstance(one, Position)),
            tuple(one for one in told if isinstance(one, Trade)),
            tuple(one for one in told if isinstance(one, Refused)),
        )

    def _first(self, where: Place) -> Watch:
        """A symbol that this process has not seen before: the ledger may know it."""
        return self._load(where, self._ledger.read(self._key(where)))

    def _key(self, where: Place) -> Key:
        return Key(self._name, *where)

    def _load(self, where: Place, item: Item) -> Watch:
        book, watch = from_item(item, self._dip, self._new_purse(item))
        self._books[where], self._watches[where] = book, watch
        self._heed(where)
        return watch

    def _new_purse(self, item: Item) -> Purse | None:
        if self._account is not None:
            return None
        if item.version:
            return Purse(self._terms.cash)
        self._look()
        halted, flatten = self._switch
        return Purse(self._terms.cash, halted=halted, flatten=flatten)

    # -- orders ---------------------------------------------------------------------------------------------

    def _settle(self, where: Place, batch: Sequence[TradeEvent], i: int) -> None:
        """The order that waits meets event ``i``, until the ledger has that and all before it."""
        done = self._fill(where, batch[i])
        for _ in range(TRIES):
            if done:
                return
            # The item was read again, and may stand before events of this batch, or behind.
            done = self._again(where, batch[: i + 1])
        raise _busy(self._key(where))

    def _again(self, where: Place, events: Sequence[TradeEvent]) -> bool:
        """Go over the symbol's events again; False: others were quicker once more."""
        for event in events:
            if (event.venue, event.symbol) != where or not _valid(event):
                continue
            said = self._watches[where].take(event.ts_us, event.price, event.identity)
            if said == DUE and not self._fill(where, event):
                return False
        return True

    def _fill(self, where: Place, event: TradeEvent) -> bool:
        """Write what the order and the event make; False: the ledger's item was taken in place of ours."""
        known = False
        for _ in range(TRIES):
            if self._books[where].version == 0:
                self._look()
            book, watch = self._books[where], self._watches[where]
            if watch.order is None:  # a kill switch, just read, has dropped it
                watch.take(event.ts_us, event.price, event.identity)
                return True
            made = fill(self._terms, book, watch, self._purse(book), event, known=known)
            answer = self._write(made)
            if answer is Answer.DONE:
                self._watches[where] = made.watch
                self._told.append(made.done)
                self._wrote(where, made.book)
                return True
            if not self._read_again(where):
                return False
            # The entry is there, but our order is not: another trade has come under the same identity.
            known = answer is Answer.ALREADY
        raise _busy(self._key(where))

    def _write(self, made: Fill) -> Answer | None:
        """None: overtaken."""
        item = to_item(made.book, made.watch)
        account = None if self._account is None else account_of(self._account, made.purse)
        try:
            if isinstance(made.done, Position):
                answer = self._ledger.open(item._replace(positions=()), made.done, account)
            elif isinstance(made.done, Trade):
                answer = self._ledger.close(item, made.done, account)
            else:
                answer = self._ledger.write(item, (), account)
        except Overtaken:
            return None
        if answer is Answer.DONE and account is not None:
            self._share(account._replace(version=account.version + 1))
        return answer

    def _share(self, account: Account) -> None:
        self._account, self._shared = account, purse_of(account, self._terms.cash)

    def _purse(self, book: Book) -> Purse:
        purse = book.purse or self._shared
        assert purse is not None
        return purse

    # -- others were quicker --------------------------------------------------------------------------------

    def _read_again(self, where: Place) -> bool:
        """Read the item (and account) anew; whether our own watch still stands, and is to try again.

        It does where the ledger's item is of the same line, and has seen no more than it: then only the
        version, the purse and the tape's position are taken over.
        """
        if self._account is not None:
            self._read_account()
        item, book, watch = self._ledger.read(self._key(where)), self._books[where], self._watches[where]
        if item.version == book.version:
            return True
        theirs, their_watch = from_item(item, self._dip, self._new_purse(item))
        same_line = (theirs.orders, theirs.position) == (book.orders, book.position)
        if same_line and place(their_watch) <= place(watch):
            self._books[where] = theirs._replace(tape_pos=max(theirs.tape_pos, book.tape_pos))
        else:
            self._books[where], self._watches[where] = theirs, their_watch
        self._heed(where)
        return self._watches[where] is watch

    def _read_account(self) -> None:
        assert self._account is not None
        self._share(self._ledger.account(self._account.name))
        for where in self._books:
            self._heed(where)

    def _wrote(self, where: Place, book: Book) -> None:
        """The ledger has ``book`` and its watch now."""
        self._books[where] = book._replace(version=book.version + 1, written=place(self._watches[where]))
        if book.version == 0:
            # Who used the kill switch before this write could not see the item, and has not written it.
            self._look()

    def _look(self) -> None:
        """Whether another consumer has used the kill switch."""
        if self._account is not None:
            self._read_account()
            return
        switch = switch_of(self._ledger.read(Key(self._name)))
        if switch == self._switch:
            return
        self._switch = halted, flatten = switch
        for where, book in self._books.items():
            assert book.purse is not None
            self._books[where] = book._replace(purse=book.purse._replace(halted=halted, flatten=flatten))
            self._heed(where)

    def _heed(self, where: Place) -> None:
        """Do what a kill switch says."""
        purse, watch = self._purse(self._books[where]), self._watches[where]
        if purse.halted:
            watch.stop(flatten=purse.flatten)
        else:
            watch.go()

    # -- between batches ------------------------------------------------------------------------------------

    def keep(self, tape_pos: int = 0) -> None:
        """Write every item that has changed since it was written.

        Args:
            tape_pos: everything before it on the tape has been handled.

        Raises:
            StorageError: the ledger does not answer; some may be written. Ask again.
        """
        self._look()
        for where, book in list(self._books.items()):
            if place(self._watches[where]) != book.written:
                self._books[where] = book._replace(tape_pos=max(tape_pos, book.tape_pos))
                self._keep_one(where)

    def _keep_one(self, where: Place) -> None:
        for _ in range(TRIES):
            book, watch = self._books[where], self._watches[where]
            try:
                self._ledger.write(to_item(book, watch))
            except Overtaken:
                if not self._read_again(where):
                    return  # theirs is further
            else:
                self._wrote(where, book)
                return
        raise _busy(self._key(where))

    def halt(self, *, flatten: bool) -> None:
        """The kill switch: no entries from now on; those that wait are dropped. It is kept in the purse.

        Other consumers of the name, or of the account, are refused the next entry of each purse that is
        written, and learn of it then, or with their next ``keep``.

        Args:
            flatten: sell what is open, each at the next event of its symbol (reason ``flatten``).

        Raises:
            StorageError: the ledger does not answer. Ask again, until it does.
        """
        self._turn(halted=True, flatten=flatten)

    def resume(self) -> None:
        """Allow entries again."""
        self._turn(halted=False, flatten=False)

    def _turn(self, *, halted: bool, flatten: bool) -> None:
        self.keep()
        self._turn_all(halted=halted, flatten=flatten)
        for item in list(self._items()):
            where = (item.key.venue, item.key.symbol)
            if where not in self._books:
                self._load(where, item)
        for where in self._books:
            self._turn_one(where, halted=halted, flatten=flatten)

    def _turn_all(self, *, halted: bool, flatten: bool) -> None:
        """In the account, and in the item without a symbol, which new symbols and other consumers look at."""
        for _ in range(TRIES):
            item = switched(self._ledger.read(Key(self._name)), halted=halted, flatten=flatten)
            account = None
            if self._account is not None:
                shared = self._ledger.account(self._account.name)
                purse = purse_of(shared, self._terms.cash)
                account = account_of(shared, purse._replace(halted=halted, flatten=flatten))
            try:
                self._ledger.write(item, (), account)
            except Overtaken:
                continue
            self._look()
            return
        raise _busy(Key(self._name))

    def _turn_one(self, where: Place, *, halted: bool, flatten: bool) -> None:
        for _ in range(TRIES):
            book = self._books[where]
            if book.purse is not None:
                book = book._replace(purse=book.purse._replace(halted=halted, flatten=flatten))
            self._books[where] = book
            self._heed(where)
            try:
                self._ledger.write(to_item(book, self._watches[where]))
            except Overtaken:
                self._read_again(where)
            else:
                self._wrote(where, book)
                return
        raise _busy(self._key(where))

    # -- a look ---------------------------------------------------------------------------------------------

    def positions(self) -> tuple[Position, ...]:
        """What is open, by the ledger, in order of venues and symbols."""
        return tuple(position for item in self._items() for position in item.positions)

    def figures(self) -> Figures:
        """How it stands, by the ledger; at the last prices that this consumer has seen, else the ledger's."""
        items = list(self._items())
        held = [(position, self._mark(item)) for item in items for position in item.positions]
        return figures(held, list(self._purses(items)))

    def _items(self) -> Iterator[Item]:
        return (item for item in self._ledger.items() if item.key.strategy == self._name and item.key.symbol)

    def _mark(self, item: Item) -> float:
        watch = self._watches.get((item.key.venue, item.key.symbol))
        return watch.price if watch is not None and watch.newest_us >= item.newest_ts_us else item.mark

    def _purses(self, items: Iterable[Item]) -> Iterator[Purse]:
        if self._account is not None:
            yield purse_of(self._ledger.account(self._account.name), self._terms.cash)
            return
        for item in items:
            purse = from_item(item, self._dip, Purse(self._terms.cash))[0].purse
            assert purse is not None
            yield purse


def _valid(event: TradeEvent) -> bool:
    return 0.0 < event.price < math.inf and 0.0 <= event.half_spread < event.price


def _busy(key: Key) -> Overtaken:
    return Overtaken(
        f"{' '.join(filter(None, key))} was overtaken {TRIES} times in a row: too many write the same "
        "item or account; run fewer, or try again later"
    )
