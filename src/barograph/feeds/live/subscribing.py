"""Keeping what a connection is subscribed to equal to what is wanted, where requests are numbered.

Binance and Kraken answer each request under the number that we gave it. A request that stays
without an answer is sent once more, and then the connection is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from barograph.feeds.live.venue import Action, Again, Ready, Send

PATIENCE_S = 6.0
"""How long a request may stay unanswered, each of the two times."""

Split = Callable[[Sequence[str]], list[list[str]]]
"""Divides names into requests, within what the venue takes in one."""
Compose = Callable[[bool, Sequence[str], int], bytes]
"""The frame that subscribes (True) or unsubscribes names, under a number."""


@dataclass(slots=True)
class _Request:
    subscribe: bool
    open: dict[str, None]
    sent_ns: int
    again: bool = False


class Subscriber:
    """What one connection asks for, and what of it the venue has confirmed.

    Names are the venue's, one a stream or a channel of a symbol. Nothing is asked before
    :meth:`opened`.
    """

    def __init__(self, names: Iterable[str], split: Split, compose: Compose) -> None:
        self._names = dict.fromkeys(names)
        self._split = split
        self._compose = compose
        self._opened = False
        self._ready = False
        self._number = 0
        self._requests: dict[int, _Request] = {}
        self._renewing: dict[str, None] = {}

    @property
    def names(self) -> list[str]:
        """What is asked for now, without what the venue has refused."""
        return list(self._names)

    def opened(self, now_ns: int) -> list[Action]:
        """Ask for everything."""
        self._opened = True
        return self._ask(True, list(self._names), now_ns)

    def change(self, names: Iterable[str], now_ns: int) -> list[Action]:
        """Ask for what is new, and that what is wanted no longer be stopped."""
        wanted = dict.fromkeys(names)
        gone = [name for name in self._names if name not in wanted]
        new = [name for name in wanted if name not in self._names]
        self._names = wanted
        if not self._opened:
            return []
        return self._ask(False, gone, now_ns) + self._ask(True, new, now_ns)

    def renew(self, name: str, now_ns: int) -> list[Action]:
        """Unsubscribe and subscribe ``name`` anew, together with others if requests are under way.

        Many symbols go mute at once when a venue has a bad day: gathered, they cost two requests
        each time that the venue has answered the last ones, however many they are.
        """
        if self._opened and name in self._names:
            self._renewing[name] = None
        return self._renew(now_ns)

    def open_names(self, number: int | None) -> frozenset[str]:
        """The names of request ``number`` that are not yet answered."""
        request = self._requests.get(number) if number is not None else None
        return frozenset(request.open) if request else frozenset()

    def answered(self, number: int | None, now_ns: int, name: str | None = None) -> list[Action]:
        """The venue has answered request ``number``, for ``name`` or as a whole."""
        request = self._requests.get(number) if number is not None else None
        if number is None or request is None:
            return []
        for one in [name] if name else list(request.open):
            request.open.pop(one, None)
        if request.open:
            return []
        del self._requests[number]
        return self._settled() + self._renew(now_ns)

    def refused(self, number: int | None, now_ns: int, name: str) -> list[Action]:
        """The venue will not bring ``name``: go on without it."""
        self._names.pop(name, None)
        return self.answered(number, now_ns, name)

    def due(self, now_ns: int) -> list[Action]:
        """Ask once more for what is unanswered; give up what was asked for twice."""
        actions: list[Action] = []
        for number, request in self._requests.items():
            if now_ns - request.sent_ns < PATIENCE_S * 1e9:
                continue
            if request.again:
                return [Again(f"a subscription was not confirmed within {2 * PATIENCE_S:.0f} s")]
            request.again, request.sent_ns = True, now_ns
            actions.append(Send(self._compose(request.subscribe, list(request.open), number)))
        return actions

    def _ask(self, subscribe: bool, names: Sequence[str], now_ns: int) -> list[Action]:
        actions: list[Action] = []
        for part in self._split(names):
            self._number += 1
            self._requests[self._number] = _Request(subscribe, dict.fromkeys(part), now_ns)
            actions.append(Send(self._compose(subscribe, part, self._number)))
        return actions

    def _settled(self) -> list[Action]:
        if self._ready or self._requests or not self._names:
            return []
        self._ready = True
        return [Ready()]

    def _renew(self, now_ns: int) -> list[Action]:
        if self._requests:
            return []
        names = [name for name in self._renewing if name in self._names]
        self._renewing.clear()
        return self._ask(False, names, now_ns) + self._ask(True, names, now_ns)


def parts(names: Sequence[str], size: int) -> list[list[str]]:
    """``names`` in lists of at most ``size``.

    >>> parts(["a", "b", "c"], 2)
    [['a', 'b'], ['c']]
    """
    return [list(names[at : at + size]) for at in range(0, len(names), size)]
