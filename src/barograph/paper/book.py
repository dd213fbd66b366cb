"""One symbol's share of a consumer, in memory and as an item of the ledger. Plain Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from barograph.errors import StoreCorrupt
from barograph.paper.dip import Dip, Watch
from barograph.paper.ledger import Account, Item, Key
from barograph.paper.positions import Position
from barograph.paper.purse import Purse

FORM = 2
"""Of the JSON that is written."""
_FORMS = (1, FORM)
"""That are read; others are refused. In the first, a watch's buckets were plain numbers."""
_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


class Book(NamedTuple):
    """What stands in the ledger about a symbol, beside its :class:`~barograph.paper.dip.Watch`.

    Attributes:
        key: of its item.
        version: of the item as read or written last.
        position: the open one.
        orders: how many orders of it have met their event, filled or refused. Two states with as many are of
            one line, and differ by events that decided nothing.
        purse: its own cash; None where an account has it.
        tape_pos: see ``Item``.
        written: :func:`place` of the watch when it was written last.
    """

    key: Key
    version: int
    position: Position | None
    orders: int
    purse: Purse | None
    tape_pos: int
    written: tuple[int, int]


def place(watch: Watch) -> tuple[int, int]:
    """How far a watch has come; of two of one line the greater has seen more."""
    return watch.newest_us, len(watch.ids)


def to_item(book: Book, watch: Watch) -> Item:
    """The item that both make, at the version that it takes the place of."""
    state = {
        "form": FORM,
        "orders": book.orders,
        "purse": None if book.purse is None else book.purse.state(),
        "watch": watch.state(),
    }
    return Item(
        key=book.key,
        version=book.version,
        state=to_json(state),
        positions=() if book.position is None else (book.position,),
        tape_pos=book.tape_pos,
        newest_ts_us=watch.newest_us,
        mark=watch.price,
    )


def from_item(item: Item, dip: Dip, new_purse: Purse | None) -> tuple[Book, Watch]:
    """Book and watch out of an item; of one that was never written, with ``new_purse``.

    Raises:
        StoreCorrupt: the item is not a consumer's.
    """
    if item.version == 0:
        watch = Watch(dip)
        return Book(item.key, 0, None, 0, new_purse, 0, place(watch)), watch
    try:
        state = _read(item.state)
        watch = Watch.from_state(dip, state["watch"], item.newest_ts_us, item.mark)
        purse = None if state["purse"] is None else Purse.from_state(state["purse"])
        orders = int(state["orders"])
        (position,) = item.positions or (None,)
    except (KeyError, TypeError, ValueError) as error:
        raise _corrupt(f"item {' '.join(filter(None, item.key))}", error) from error
    if (purse is None) != (new_purse is None):
        raise _corrupt(f"item {' '.join(filter(None, item.key))}", "its cash is kept elsewhere")
    if position is not None:
        waiting = watch.order
        watch.held(position.entry_price, position.entry_ts_us)
        watch.order = waiting
    return Book(item.key, item.version, position, orders, purse, item.tape_pos, place(watch)), watch


def purse_of(account: Account, cash: float) -> Purse:
    """The purse of an account; one with ``cash`` where it was never written.

    Raises:
        StoreCorrupt: the account's state is none.
    """
    if account.version == 0:
        return Purse(cash)
    try:
        return Purse.from_state(_read(account.state))
    except (KeyError, TypeError, ValueError) as error:
        raise _corrupt(f"account {account.name}", error) from error


def account_of(account: Account, purse: Purse) -> Account:
    """``account`` with another purse, at the version that it takes the place of."""
    return account._replace(state=to_json({"form": FORM, **purse.state()}))


def switch_of(item: Item) -> tuple[bool, bool]:
    """``(halted, flatten)`` for symbols that have no item yet, from the consumer's own item.

    Raises:
        StoreCorrupt: the item is not a consumer's.
    """
    if item.version == 0:
        return False, False
    try:
        state = _read(item.state)
        return bool(state["halted"]), bool(state["flatten"])
    except (KeyError, TypeError, ValueError) as error:
        raise _corrupt(f"item {item.key.strategy}", error) from error


def switched(item: Item, *, halted: bool, flatten: bool) -> Item:
    """The consumer's own item with the kill switch set."""
    return item._replace(state=to_json({"form": FORM, "halted": halted, "flatten": flatten}))


def to_json(state: Mapping[str, Any]) -> bytes:
    """The one form: keys in order, no spaces, floats so that they come back to the bit."""
    return _JSON.encode(state).encode()


def _read(state: bytes) -> dict[str, Any]:
    found = json.loads(state)
    if not isinstance(found, dict) or found.pop("form") not in _FORMS:
        raise ValueError(f"of none of the forms {_FORMS}")
    return found


def _corrupt(what: str, why: object) -> StoreCorrupt:
    return StoreCorrupt(
        f"{what} of the ledger cannot be read by the consumer ({why!r}): it was written by another kind of "
        "strategy, with or without an account, or by another version; trade under another name"
    )
