"""Several clients that write at random on a ledger, against a model of a few lines.

They read when they like and so write on what is old; lose answers and try again; write the same twice; share
an account. Whatever they do, the ledger says what the model says.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from barograph.paper.ledger import Account, Answer, Item, Key, Ledger, Overtaken
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, Trade, completed

KEYS = (Key("dip", "sim", "A"), Key("many"))
CLIENTS = 2
EVENTS = 4

keys = st.sampled_from(KEYS)
clients = st.integers(0, CLIENTS - 1)
events = st.integers(0, EVENTS - 1)
states = st.binary(max_size=2)
flags = st.booleans()
freshly = st.sampled_from(["both", "both", "item", "nothing"])
"""What a client reads again before it writes."""


@dataclass
class Model:
    """What must be in the ledger."""

    items: dict[Key, Item] = field(default_factory=dict)
    account: Account = field(default_factory=lambda: Account("shared"))
    trades: dict[str, Trade] = field(default_factory=dict)
    archived: set[str] = field(default_factory=set)
    notes: dict[str, bytes] = field(default_factory=dict)

    def item(self, key: Key) -> Item:
        return self.items.get(key, Item(key))

    def is_open(self, entry: tuple[str, ...]) -> bool:
        return any(entry_of(one) == entry for item in self.items.values() for one in item.positions)

    def is_closed(self, entry: tuple[str, ...]) -> bool:
        return any(entry_of(one) == entry for one in self.trades.values())

    def write(self, item: Item, closed: tuple[Trade, ...], account: Account | None) -> Answer | None:
        """What must be answered; None: overtaken."""
        there = self.item(item.key)
        if there.version != item.version:
            return Answer.ALREADY if self.stands(item, closed, account) else None
        if account is not None:
            if self.account.version != account.version:
                return None
            self.account = account._replace(version=account.version + 1)
        self.items[item.key] = item._replace(version=item.version + 1)
        self.trades |= {one.trade_key: one for one in closed}
        return Answer.DONE

    def stands(self, item: Item, closed: tuple[Trade, ...], account: Account | None) -> bool:
        if self.item(item.key) != item._replace(version=item.version + 1):
            return False
        if any(self.trades.get(one.trade_key) != one for one in closed):
            return False
        if account is None or self.account.version > account.version + 1:
            return True
        return self.account == account._replace(version=account.version + 1)


def entry_of(one: Position | Trade) -> tuple[str, ...]:
    return (one.strategy, one.venue, one.symbol, one.entry_id)


def position(key: Key, event: int) -> Position:
    return Position(key.strategy, key.venue, key.symbol or "C", 0.1, 100.0 + event, event, 0.01, f"e{event}")


def trade(of: Position, event: int) -> Trade:
    return completed(
        of, exit_price=101.7, exit_ts_us=event, exit_fee=0.02, exit_id=f"x{event}", reason="signal"
    )


class LedgerMachine(RuleBasedStateMachine):
    """Each client remembers, of each key, the item and the account as it read them last."""

    def make(self) -> Ledger:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.model = Model()
        self.clients = [self.make() for _ in range(CLIENTS)]
        self.seen = [{key: (Item(key), Account("shared")) for key in KEYS} for _ in range(CLIENTS)]
        self.last: tuple[str, tuple[Any, ...]] | None = None

    def teardown(self) -> None:
        for each in getattr(self, "clients", []):
            each.shut()

    def given(
        self, client: int, key: Key, state: bytes, shared: bool, fresh: str
    ) -> tuple[Item, Account | None]:
        """What the client writes on: its reading, however old, with a new state."""
        item, account = self.seen[client][key]
        if fresh != "nothing":
            item = self.clients[client].read(key)
        if fresh == "both":
            account = self.clients[client].account("shared")
        self.seen[client][key] = (item, account)
        return item._replace(state=state), account._replace(state=state) if shared else None

    def told(self, client: int, method: str, words: tuple[Any, ...], expected: Answer | None) -> None:
        self.last = (method, words)
        try:
            answer = getattr(self.clients[client], method)(*words)
        except Overtaken:
            answer = None
        assert answer == expected

    @rule(client=clients, key=keys)
    def read(self, client: int, key: Key) -> None:
        found = (self.clients[client].read(key), self.clients[client].account("shared"))
        assert found == (self.model.item(key), self.model.account)
        self.seen[client][key] = found

    @rule(client=clients, key=keys, event=events, state=states, shared=flags, fresh=freshly)
    def open(self, client: int, key: Key, event: int, state: bytes, shared: bool, fresh: str) -> None:
        item, account = self.given(client, key, state, shared, fresh)
        self.told_of_opening(client, item, position(key, event), account)

    def told_of_opening(self, client: int, item: Item, one: Position, account: Account | None) -> None:
        if self.model.is_open(entry_of(one)) or self.model.is_closed(entry_of(one)):
            expected: Answer | None = Answer.ALREADY
        else:
            expected = self.model.write(item._replace(positions=(*item.positions, one)), (), account)
        self.told(client, "open", (item, one, account), expected)

    @rule(
        client=clients,
        key=keys,
        pick=st.integers(0, 9),
        event=events,
        state=states,
        shared=flags,
        fresh=freshly,
    )
    def close(
        self, client: int, key: Key, pick: int, event: int, state: bytes, shared: bool, fresh: str
    ) -> None:
        item, account = self.given(client, key, state, shared, fresh)
        if item.positions:
            ended = trade(item.positions[pick % len(item.positions)], event)
            self.told_of_closing(client, item, ended, account)

    def told_of_closing(self, client: int, item: Item, ended: Trade, account: Account | None) -> None:
        if self.model.is_closed(entry_of(ended)):
            expected: Answer | None = Answer.ALREADY
        else:
            left = tuple(one for one in item.positions if entry_of(one) != entry_of(ended))
            expected = self.model.write(item._replace(positions=left), (ended,), account)
        self.told(client, "close", (item, ended, account), expected)

    @rule(client=clients, key=keys, event=events, state=states, shared=flags, fresh=freshly)
    def turn(self, client: int, key: Key, event: int, state: bytes, shared: bool, fresh: str) -> None:
        """All that is open ends, and at the same event the next begins."""
        item, account = self.given(client, key, state, shared, fresh)
        following = position(key, event)
        if self.model.is_open(entry_of(following)) or self.model.is_closed(entry_of(following)):
            return  # on the version that stands it would be a contradiction: the contract's own test
        closed = tuple(trade(one, event) for one in item.positions)
        self.told_of_writing(client, item._replace(positions=(following,)), closed, account)

    @rule(client=clients, key=keys, state=states, shared=flags, fresh=freshly, tape_pos=st.integers(0, 2))
    def keep(self, client: int, key: Key, state: bytes, shared: bool, fresh: str, tape_pos: int) -> None:
        item, account = self.given(client, key, state, shared, fresh)
        self.told_of_writing(client, item._replace(tape_pos=tape_pos), (), account)

    def told_of_writing(
        self, client: int, item: Item, closed: tuple[Trade, ...], account: Account | None
    ) -> None:
        expected = self.model.write(item, closed, account)
        self.told(client, "write", (item, closed, account), expected)

    @precondition(lambda self: self.last is not None)
    @rule(client=clients)
    def again(self, client: int) -> None:
        """The answer was lost, or the batch came a second time: the same words, from anybody."""
        assert self.last is not None
        method, words = self.last
        tell = {
            "open": self.told_of_opening,
            "close": self.told_of_closing,
            "write": self.told_of_writing,
        }[method]
        tell(client, *words)

    @rule(client=clients)
    def crash(self, client: int) -> None:
        """It forgets what it knew, and begins anew."""
        self.clients[client].shut()
        self.clients[client] = self.make()
        self.seen[client] = {key: (Item(key), Account("shared")) for key in KEYS}

    @rule(client=clients, limit=st.integers(0, 3))
    def archive(self, client: int, limit: int) -> None:
        found = self.clients[client].pending(limit)
        assert found == self.pending()[:limit]
        self.clients[client].archived([one.trade_key for one in found])
        self.model.archived |= {one.trade_key for one in found}

    @rule(client=clients, name=st.sampled_from("ab"), value=states)
    def note(self, client: int, name: str, value: bytes) -> None:
        self.clients[client].note(name, value)
        self.model.notes[name] = value

    def pending(self) -> list[Trade]:
        left = [one for key, one in self.model.trades.items() if key not in self.model.archived]
        return sorted(left, key=lambda one: (one.exit_ts_us, one.trade_key))

    @invariant()
    def the_ledger_is_what_the_model_is(self) -> None:
        ledger = self.clients[0]
        assert list(ledger.items()) == [self.model.items[key] for key in sorted(self.model.items)]
        assert ledger.account("shared") == self.model.account
        assert {one.trade_key: one for one in ledger.trades()} == self.model.trades
        assert ledger.pending() == self.pending()
        assert {name: ledger.noted(name) for name in self.model.notes} == self.model.notes

    @invariant()
    def no_entry_is_both_open_and_closed_or_twice_anywhere(self) -> None:
        ledger = self.clients[0]
        entries = [entry_of(one) for item in ledger.items() for one in item.positions]
        entries += [entry_of(one) for one in ledger.trades()]
        assert len(entries) == len(set(entries))


class SqliteLedgerMachine(LedgerMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="barograph-ledger-"))

    def make(self) -> Ledger:
        return SqliteLedger(self.folder / "ledger.sqlite")

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


@pytest.mark.filterwarnings("error")
class TestSqliteLedgerProperty(SqliteLedgerMachine.TestCase):
    settings = settings(
        max_examples=25,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
