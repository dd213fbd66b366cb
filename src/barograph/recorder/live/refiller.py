"""Asks venues for what is missing, one gap at a time, and says so where it will not come."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import msgspec

from barograph.alerts.alert import Alert
from barograph.clock import NS_PER_US, Clock
from barograph.errors import NoAnswer
from barograph.feeds.live.venue import Live, Refilled, Refused
from barograph.gaps import Channel, Gap, Missing
from barograph.log import get_logger
from barograph.recorder.live.backoff import Backoff
from barograph.recorder.live.journal import Journal
from barograph.recorder.live.stats import FeedStats
from barograph.recorder.live.web import Web
from barograph.records import Kind

MOST_WAITING = 1024
"""Gaps that may wait; one more is given up at once, with that reason."""
TRIES = 6
"""Attempts at one gap when the venue does not answer; they spread over some minutes."""
LATER_S = 0.5
"""A quarter of the first wait after an answer that lacks something; the next is four times as long."""
ANSWERS = 3
"""Answers after which a gap that still stands is given up."""
SETTLE_S = 60.0
"""So long after an answer the same gap is not asked again: the tables have to take it in first."""
_REMEMBERED = 4096
_RETRY_S = (5.0, 300.0)
NO_OLD_QUOTES = "no venue sends old quotes"

log = get_logger()

Key = tuple[str, Channel, int | None, int | None]


@dataclass(slots=True)
class _Past:
    """What became of a gap."""

    at_s: float
    answers: int = 0
    given_up: bool = False


@dataclass(slots=True)
class _Case:
    """A gap that waits, and what was tried."""

    gap: Gap
    backoff: Backoff
    due_s: float
    tries: int = 0
    answers: int = 0


class Refiller:
    """One feed's gaps.

    Args:
        live: the feed's description; a reload puts another one here.
        web: asks.
        journal: takes ``MISSING`` records.
        clock: their receipt times.
        stats: the feed's figures.
        alert: told of what will not come.
        random: chance, for waits.
    """

    def __init__(
        self,
        live: Live,
        web: Web,
        journal: Journal,
        clock: Clock,
        stats: FeedStats,
        alert: Callable[[Alert], None],
        random: Random,
    ) -> None:
        self.live = live
        self._web = web
        self._journal = journal
        self._clock = clock
        self._stats = stats
        self._alert = alert
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._cases: dict[Key, _Case] = {}
        self._past: OrderedDict[Key, _Past] = OrderedDict()
        self._something = asyncio.Event()

    def ask(self, gap: Gap) -> None:
        """Have ``gap`` refilled; on the event loop's thread.

        It may be called again and again while the gap stands: what waits, was given up, or has just been
        answered is not asked anew.
        """
        key = _key(gap)
        past = self._past.get(key)
        if key in self._cases or (past is not None and self._is_settling(past)):
            return
        if gap.channel is Channel.QUOTES:
            self._give_up(gap, NO_OLD_QUOTES, told=False)
        elif past is not None and past.answers >= ANSWERS:
            self._give_up(gap, f"the venue has answered {ANSWERS} times and it still stands")
        elif len(self._cases) >= MOST_WAITING:
            self._give_up(gap, f"more than {MOST_WAITING} gaps were waiting to be refilled")
        else:
            backoff = Backoff(*_RETRY_S, _RETRY_S[1], self._random)
            self._cases[key] = _Case(gap, backoff, self._loop.time())
            self._stats.gaps_open = len(self._cases)
            self._something.set()

    def _is_settling(self, past: _Past) -> bool:
        return past.given_up or self._loop.time() - past.at_s < SETTLE_S

    async def run(self) -> None:
        """Refill, one at a time, until cancelled."""
        while True:
            case = min(self._cases.values(), key=lambda it: it.due_s, default=None)
            self._something.clear()
            wait_s = None if case is None else case.due_s - self._loop.time()
            if case is not None and wait_s is not None and wait_s <= 0:
                await self._refill(case)
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await self._something.wait()
            except TimeoutError:
                pass

    async def _refill(self, case: _Case) -> None:
        gap = case.gap
        case.tries += 1
        self._stats.refills += 1
        try:
            ended = await self._web.run(self.live, self.live.refill(gap))
        except NoAnswer as error:
            if case.tries < TRIES:
                case.due_s = self._loop.time() + case.backoff.failed()
                log.info("refill.later", feed=gap.feed, symbol=gap.symbol, tries=case.tries, why=str(error))
                return
            ended = Refilled(f"no answer in {case.tries} attempts", final=True)
        except Refused as refused:
            ended = Refilled(f"the venue refused with HTTP {refused.status}", final=True)
        except Exception as error:
            # An answer of a form nobody foresaw must not end the feed.
            log.exception("refill.failed", feed=gap.feed, symbol=gap.symbol)
            ended = Refilled(f"the answer could not be used ({type(error).__name__})", final=True)
        if ended.missing and not ended.final and not _is_question(gap) and case.answers < ANSWERS - 1:
            # What a venue has just sent over the wire may not be in its history yet.
            case.answers += 1
            case.due_s = self._loop.time() + LATER_S * 4**case.answers
            return
        self._settle(gap, ended.missing)

    def _settle(self, gap: Gap, missing: str | None) -> None:
        key = _key(gap)
        del self._cases[key]
        self._stats.gaps_open = len(self._cases)
        if missing is None:
            self._stats.refilled += 1
            self._remember(gap, given_up=False)
            if gap.last_id is None:
                # Where no id says so, this is the only proof that the venue has told all it has.
                self._note(gap, "")
            log.info("refill.filled", feed=gap.feed, symbol=gap.symbol, cause=gap.cause)
        elif _is_question(gap):
            # Whether anything is missing is not known: the ledger finds out when the symbol speaks.
            self._remember(gap, given_up=False)
            log.warning("refill.unanswered", feed=gap.feed, symbol=gap.symbol, why=missing)
        else:
            self._give_up(gap, missing)

    def _remember(self, gap: Gap, *, given_up: bool) -> None:
        """Count an answer, so that a gap which no answer fills is not asked for without end."""
        key, now_s = _key(gap), self._loop.time()
        past = self._past.pop(key, None) or _Past(now_s)
        past.at_s, past.given_up = now_s, given_up
        # A question may be asked for as long as the symbol is quiet.
        past.answers += not _is_question(gap)
        self._past[key] = past
        while len(self._past) > _REMEMBERED:
            self._past.popitem(last=False)

    def _note(self, gap: Gap, reason: str) -> None:
        """Write down on the tape how the asking for ``gap`` ended."""
        ended = msgspec.json.encode(Missing(gap, reason))
        self._journal.put(self._web.stream(self.live), self._clock.now_ns(), Kind.MISSING, ended)

    def _give_up(self, gap: Gap, reason: str, *, told: bool = True) -> None:
        now_ns = self._clock.now_ns()
        self._remember(gap, given_up=True)
        self._stats.not_refilled += 1
        self._note(gap, reason)
        if not told:
            return
        self._alert(
            Alert(
                kind="gap_not_refilled",
                message=f"{gap.feed} {gap.symbol}: {gap.channel} are missing and will not come: {reason}",
                ts_us=now_ns // NS_PER_US,
                key=f"gap_not_refilled:{gap.feed}:{gap.symbol}:{gap.channel}",
                venue=gap.feed,
                symbol=gap.symbol,
                detail={
                    "first_us": gap.first_us,
                    "last_us": gap.last_us,
                    "first_id": gap.first_id,
                    "last_id": gap.last_id,
                    "cause": gap.cause,
                },
            )
        )


def _is_question(gap: Gap) -> bool:
    """Whether it asks for everything since an id: the symbol may simply be quiet."""
    return gap.first_id is not None and gap.last_id is None


def _key(gap: Gap) -> Key:
    """What makes two askings one: the ids, or the times where the venue numbers nothing."""
    if gap.first_id is not None:
        return gap.symbol, gap.channel, gap.first_id, gap.last_id
    return gap.symbol, gap.channel, -gap.first_us, gap.last_us
