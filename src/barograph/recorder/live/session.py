"""A session: what to do about one plan's connection, from start to stop. Without a socket.

Events go in (a connection opened, frames came, it closed, time passed), :meth:`Session.advance`
returns what to do. A session has one connection; while it is being replaced, two::

    waiting ──▶ connecting ──▶ open ──▶ ready ──▶ closing ──▶ waiting
                                          │
                   lifetime, Replace:  a second one connects; once it is ready, both
                                       run for ``overlap_s``, then the older is closed

The venue's part of the talk is a :class:`~barograph.feeds.live.venue.Conversation`, which the session
leads. Time is handed in twice: waits are measured by a clock that nobody sets, conversations and
records speak of the system's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from barograph.feeds.live.venue import (
    Action,
    Again,
    Conversation,
    Limits,
    Live,
    Plan,
    Ready,
    Replace,
    Send,
    Stop,
    Warn,
)
from barograph.gaps import Channel
from barograph.log import get_logger
from barograph.recorder.live.backoff import Allowance, Backoff
from barograph.recorder.live.commands import (
    Close,
    Command,
    Configure,
    Connect,
    Halt,
    Moment,
    Notify,
    Ping,
    Transmit,
)

DUE_S = 1.0
"""How often a conversation is told that time passed."""
_MOVED = "the address has changed"
_STALL_S = 5.0
"""Not called for so long, it is we who were silent."""

log = get_logger()


class Phase(Enum):
    """Where a connection stands."""

    CONNECTING = auto()
    OPEN = auto()
    READY = auto()
    CLOSING = auto()


@dataclass(slots=True, eq=False)
class _Link:
    """One connection as the session knows it."""

    number: int
    plan: Plan
    sends: Allowance
    phase: Phase = Phase.CONNECTING
    conversation: Conversation | None = None
    opened_s: float = 0.0
    waiting_since_s: float = 0.0
    heard_s: float = 0.0
    pinged_s: float = 0.0
    due_s: float = 0.0
    post_s: float = float("inf")
    outbox: deque[bytes] = field(default_factory=deque)
    replace: str = ""
    again: Again | None = None

    @property
    def living(self) -> bool:
        return self.phase in (Phase.OPEN, Phase.READY)


class Session:
    """One plan's state machine.

    Args:
        live: the feed's description.
        plan: the connection to keep.
        backoff: this session's waits.
        connects: the feed's allowance of attempts, shared by its sessions.
    """

    def __init__(self, live: Live, plan: Plan, backoff: Backoff, connects: Allowance) -> None:
        self.plan = plan
        self.stopping = False
        self._live = live
        self._backoff = backoff
        self._connects = connects
        self._count = 0
        self._current: _Link | None = None
        self._successor: _Link | None = None
        self._leaving: dict[int, _Link] = {}
        self._out: list[Command] = []
        self._retry_s = float("-inf")
        self._overlap_until_s = 0.0
        self._last_failed = 0
        self._advanced_s: float | None = None
        self._held = False

    # Looking.

    @property
    def ready(self) -> bool:
        """Whether a connection brings data."""
        return any(link.phase is Phase.READY for link in self._links())

    @property
    def connections(self) -> int:
        """Connections that bring data: two in an overlap."""
        return sum(link.phase is Phase.READY for link in self._links())

    @property
    def finished(self) -> bool:
        """Whether it has been stopped and everything is closed."""
        return self.stopping and not self._leaving and not self._links()

    @property
    def wake_s(self) -> float:
        """The steady time at which :meth:`advance` has something to do if nothing happens before."""
        limits = self._live.limits
        moments = [self._wake_of(link, limits) for link in self._links() if link.living]
        if self._wants_connection():
            moments.append(self._retry_s)
        if self._overlapping():
            moments.append(self._overlap_until_s)
        return min(moments, default=float("inf"))

    # Events.

    def opened(self, number: int, now: Moment) -> None:
        """The connection's handshake is done."""
        link = self._find(number)
        if link is None or link.phase is not Phase.CONNECTING:
            return
        link.phase = Phase.OPEN
        link.opened_s = link.waiting_since_s = link.heard_s = link.pinged_s = now.steady_s
        link.due_s = now.steady_s + DUE_S
        if self._elsewhere(link):
            link.replace = _MOVED
        else:
            link.plan = self.plan
        self._out.append(Configure(number, link.plan.wanted))
        link.conversation = self._live.conversation(link.plan)
        self._say(link, lambda talk: talk.opened(now.utc_ns), now)

    def received(self, number: int, frames: Sequence[bytes], now: Moment) -> None:
        """Frames came; none at all when it was only pings and pongs."""
        link = self._find(number)
        if link is None:
            return
        link.heard_s = now.steady_s
        if not frames or not link.living:
            return
        self._say(link, lambda talk: talk.received(frames, now.utc_ns), now)
        # Data of an older connection says nothing of the attempts to replace it.
        if link.phase is Phase.READY and link.number > self._last_failed:
            self._backoff.data(now.steady_s)

    def closed(self, number: int, code: int | None, reason: str, now: Moment) -> None:
        """An open connection is gone; ``code`` None: without a close frame."""
        link = self._find(number)
        meaning = link.again if link else None
        self._gone(number, meaning or self._live.closed(code, reason), now)

    def refused(self, number: int, status: int, body: bytes, now: Moment) -> None:
        """The venue answered the handshake with an HTTP status."""
        self._gone(number, self._live.refused(status, body), now)

    def failed(self, number: int, reason: str, now: Moment) -> None:
        """No connection came about: name, network, TLS, time."""
        self._gone(number, Again(reason), now)

    def change(self, live: Live, plan: Plan, now: Moment) -> None:
        """The settings have changed: the same plan's name, other symbols, perhaps another address."""
        before = self.plan
        self._live, self.plan = live, plan
        if plan == before:
            return
        for link in self._links():
            if not link.living:
                continue
            if self._elsewhere(link):
                link.replace = _MOVED
                continue
            link.plan = plan
            self._out.append(Configure(link.number, plan.wanted))
            self._say(link, lambda talk: talk.change(plan.wanted, now.utc_ns), now)

    def renew(self, symbol: str, channel: Channel, now: Moment) -> None:
        """A symbol went mute: have it subscribed anew where that is possible."""
        for link in self._links():
            if link.phase is Phase.READY:
                self._say(link, lambda talk: talk.renew(symbol, channel, now.utc_ns), now)

    def hold(self, held: bool, now: Moment) -> None:
        """The sockets are not read for a while (or are again): silence is ours, not the venue's."""
        self._held = held
        self._forgive(now)

    def stop(self, reason: str) -> None:
        """Close everything, for good."""
        self.stopping = True
        for link in self._links():
            self._leave(link, reason)
        self._current = self._successor = None

    # Time.

    def advance(self, now: Moment) -> list[Command]:
        """Do what is due at ``now``; return what is to be done, in order."""
        if self._advanced_s is not None and now.steady_s - self._advanced_s > DUE_S + _STALL_S:
            self._forgive(now)
        self._advanced_s = now.steady_s
        for link in self._links():
            if link.living:
                self._watch(link, now)
        self._promote_when_due(now)
        if self._wants_connection() and now.steady_s >= self._retry_s:
            self._connect(now)
        for link in self._links():
            self._post(link, now)
        commands, self._out = self._out, []
        return commands

    def _watch(self, link: _Link, now: Moment) -> None:
        """Everything that can be due on a living connection."""
        limits, at = self._live.limits, now.steady_s
        if at >= link.due_s:
            link.due_s = at + DUE_S
            self._say(link, lambda talk: talk.due(now.utc_ns), now)
        if not link.living:
            return
        if limits.lifetime_s is not None and at >= self._renewal_s(link, limits.lifetime_s):
            link.replace = link.replace or f"the venue cuts connections after {limits.lifetime_s:g} s"
        if self._held:
            return
        if link.phase is Phase.OPEN and at - link.waiting_since_s >= limits.ready_within_s:
            self._hang_up(link, Again(f"not ready within {limits.ready_within_s:g} s"))
        elif at - link.heard_s >= limits.silent_s:
            self._hang_up(link, Again(f"nothing came for {limits.silent_s:g} s"))
        elif limits.ping_s is not None and at - max(link.heard_s, link.pinged_s) >= limits.ping_s:
            link.pinged_s = at
            self._out.append(Ping(link.number))

    def _wake_of(self, link: _Link, limits: Limits) -> float:
        moments = [link.due_s, link.post_s]
        if not self._held:
            moments.append(link.heard_s + limits.silent_s)
            if link.phase is Phase.OPEN:
                moments.append(link.waiting_since_s + limits.ready_within_s)
            if limits.ping_s is not None:
                moments.append(max(link.heard_s, link.pinged_s) + limits.ping_s)
        if limits.lifetime_s is not None and not link.replace:
            moments.append(self._renewal_s(link, limits.lifetime_s))
        return min(moments)

    def _renewal_s(self, link: _Link, lifetime_s: float) -> float:
        """When to begin with the next connection: early enough for several attempts."""
        limits = self._live.limits
        return (
            link.opened_s + lifetime_s - min(lifetime_s / 2, 5 * (limits.ready_within_s + limits.overlap_s))
        )

    def _forgive(self, now: Moment) -> None:
        for link in self._links():
            link.heard_s = link.waiting_since_s = now.steady_s

    # Connections.

    def _links(self) -> list[_Link]:
        return [link for link in (self._current, self._successor) if link is not None]

    def _find(self, number: int) -> _Link | None:
        return next((link for link in self._links() if link.number == number), self._leaving.get(number))

    def _elsewhere(self, link: _Link) -> bool:
        return (link.plan.url, link.plan.headers) != (self.plan.url, self.plan.headers)

    def _wants_connection(self) -> bool:
        if self.stopping:
            return False
        current = self._current
        if current is None:
            return True
        return bool(current.replace) and current.phase is Phase.READY and self._successor is None

    def _connect(self, now: Moment) -> None:
        wait_s = self._connects.take(now.steady_s)
        if wait_s > 0:
            self._retry_s = now.steady_s + wait_s
            return
        self._count += 1
        link = _Link(self._count, self.plan, Allowance(*self._live.limits.sends))
        if self._current is None:
            self._current = link
        else:
            self._successor = link
        self._out.append(Connect(link.number, self.plan))

    def _overlapping(self) -> bool:
        return self._successor is not None and self._successor.phase is Phase.READY

    def _promote_when_due(self, now: Moment) -> None:
        old = self._current
        if old is not None and self._overlapping() and now.steady_s >= self._overlap_until_s:
            self._promote()
            self._leave(old, f"replaced: {old.replace}")

    def _promote(self) -> None:
        self._current, self._successor = self._successor, None

    def _leave(self, link: _Link, reason: str) -> None:
        """Close a connection whose end needs no answer."""
        self._leaving[link.number] = link
        if link.phase is not Phase.CLOSING:
            link.phase = Phase.CLOSING
            self._out.append(Close(link.number, reason))

    def _hang_up(self, link: _Link, again: Again) -> None:
        """Close a connection that is to be made again, once it is gone."""
        link.phase, link.again = Phase.CLOSING, again
        self._out.append(Close(link.number, again.reason))

    def _gone(self, number: int, meaning: Again | Stop, now: Moment) -> None:
        link = self._find(number)
        if self._leaving.pop(number, None) is not None or link is None:
            return
        if link is self._successor:
            self._successor = None
        else:
            self._promote()
        self._last_failed = max(self._last_failed, number)
        if isinstance(meaning, Stop):
            self._halt(meaning.message)
        else:
            self._retry_s = now.steady_s + self._backoff.failed(meaning.wait_s)

    def _halt(self, message: str) -> None:
        self._out.append(Halt(message))
        self.stop(message)

    # The conversation.

    def _say(self, link: _Link, turn: Callable[[Conversation], Sequence[Action]], now: Moment) -> None:
        if link.conversation is None:
            return
        try:
            actions = turn(link.conversation)
        except Exception as error:
            # A venue's oddity that nobody foresaw must not end the feed.
            log.exception("conversation.failed", feed=self._live.name, plan=self.plan.name)
            actions = (Again(f"its conversation failed with {type(error).__name__}"),)
        for action in actions:
            if link.living:
                self._act(link, action, now)

    def _act(self, link: _Link, action: Action, now: Moment) -> None:
        match action:
            case Send(frame):
                link.outbox.append(frame)
            case Ready():
                self._become_ready(link, now)
            case Warn(message):
                self._out.append(Notify(message))
            case Replace(reason):
                link.replace = link.replace or reason
            case Again():
                self._hang_up(link, action)
            case Stop(message):
                self._halt(message)

    def _become_ready(self, link: _Link, now: Moment) -> None:
        if link.phase is Phase.OPEN:
            link.phase = Phase.READY
            if link is self._successor:
                self._overlap_until_s = now.steady_s + self._live.limits.overlap_s

    def _post(self, link: _Link, now: Moment) -> None:
        """Send what the venue's limit allows; the rest when it does."""
        while link.outbox and link.living:
            wait_s = link.sends.take(now.steady_s)
            if wait_s > 0:
                link.post_s = now.steady_s + wait_s
                return
            self._out.append(Transmit(link.number, link.outbox.popleft()))
        link.post_s = float("inf")
