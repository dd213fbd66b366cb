"""A ledger in memory that keeps the protocol's promises, and lets tests into every gap between its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from barograph.paper.ledger import Account, Answer, Item, Key, Overtaken
from barograph.paper.positions import Position, Trade

Entry = tuple[str, str, str, str]


def _entry(one: Position | Trade) -> Entry:
    return one.strategy, one.venue, one.symbol, one.entry_id


class ModelLedger:
    """``gate`` is called with ``before`` and ``after`` around every answer; its errors are the store's."""

    def __init__(self) -> None:
        self.kept: dict[Key, Item] = {}
        self.accounts: dict[str, Account] = {}
        self.closed: dict[str, Trade] = {}
        self.told: set[str] = set()
        self.writes = 0
        self.gate: Callable[[str], None] = lambda _: None

    def read(self, key: Key) -> Item:
        self.gate("before")
        return self.kept.get(key, Item(key))

    def items(self) -> Iterator[Item]:
        return iter([self.kept[key] for key in sorted(self.kept)])

    def account(self, name: str) -> Account:
        self.gate("before")
        return self.accounts.get(name, Account(name))

    def write(self, item: Item, closed: Sequence[Trade] = (), account: Account | None = None) -> Answer:
        return self._gated(lambda: self._write(item, closed, account))

    def open(self, item: Item, position: Position, account: Account | None = None) -> Answer:
        def act() -> Answer:
            if _entry(position) in self._entries():
                return Answer.ALREADY
            return self._write(item._replace(positions=(*item.positions, position)), (), account)

        return self._gated(act)

    def close(self, item: Item, trade: Trade, account: Account | None = None) -> Answer:
        def act() -> Answer:
            if _entry(trade) in {_entry(one) for one in self.closed.values()}:
                return Answer.ALREADY
            left = tuple(one for one in item.positions if _entry(one) != _entry(trade))
            return self._write(item._replace(positions=left), (trade,), account)

        return self._gated(act)

    def trades(self, since_us: int = 0) -> Iterator[Trade]:
        found = sorted(self.closed.values(), key=lambda one: (one.exit_ts_us, one.trade_key))
        return iter([one for one in found if one.exit_ts_us >= since_us])

    def pending(self, limit: int = 1000) -> list[Trade]:
        return [one for one in self.trades() if one.trade_key not in self.told][:limit]

    def archived(self, keys: Iterable[str]) -> None:
        self.told |= set(keys)

    def note(self, name: str, value: bytes) -> None:
        raise AssertionError("a consumer makes no notes")

    def noted(self, name: str) -> bytes | None:
        raise AssertionError("a consumer makes no notes")

    def shut(self) -> None:
        pass

    def _gated(self, act: Callable[[], Answer]) -> Answer:
        self.gate("before")
        answer = act()
        self.gate("after")
        return answer

    def _entries(self) -> set[Entry]:
        open_ones = {_entry(one) for item in self.kept.values() for one in item.positions}
        return open_ones | {_entry(one) for one in self.closed.values()}

    def _write(self, item: Item, closed: Sequence[Trade], account: Account | None) -> Answer:
        stored = self.kept.get(item.key, Item(item.key))
        following = item._replace(version=item.version + 1)
        if stored == following and all(self.closed.get(one.trade_key) == one for one in closed):
            return Answer.ALREADY
        if stored.version != item.version:
            raise Overtaken(f"{item.key} is at version {stored.version}, not {item.version}")
        if account is not None:
            if self.accounts.get(account.name, Account(account.name)).version != account.version:
                raise Overtaken(f"{account.name} is not at version {account.version}")
            self.accounts[account.name] = account._replace(version=account.version + 1)
        gone = {_entry(one) for one in stored.positions} - {_entry(one) for one in item.positions}
        assert gone == {_entry(one) for one in closed}, "a position is gone without its trade"
        for one in closed:
            assert one.trade_key not in self.closed
            self.closed[one.trade_key] = one
        self.kept[item.key] = following
        self.writes += 1
        return Answer.DONE
