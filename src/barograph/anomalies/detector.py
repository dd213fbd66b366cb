"""The rules applied to bars as they come.

A **record** of the tape closes or revises bars; all bars of one record are taken in
together, and then every row that can have changed is computed anew from what is now
known. A row that is new is emitted with revision 0. One whose score or detail has changed
is emitted with the next revision, one that is no longer a crossing with the next revision
and score None: it is withdrawn. Nothing is emitted for a row that has stayed as it was.

So what is emitted depends on the records alone, not on how they are cut into runs, and
the rows that survive are those that the final bars give in one pass, in whatever order
bars and revisions came: also for rules that look at the whole venue. The one bound: bars
that are ``LOOKBACK`` minutes older than the newest of their venue are left out (and
counted in ``state.too_late``).

A promotion lets a trained model judge, from the minute after the newest one that its venue had
then. One version judges a minute, also when the minute is revised after the next promotion.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from barograph.anomalies.history import KEPT, History, Market, Series, Table, minutes_of, refresh, values_of
from barograph.anomalies.models.promotion import Promoted, RuleOf, no_models
from barograph.anomalies.models.rule import ModelRule
from barograph.anomalies.models.rule import reach as model_reach
from barograph.anomalies.rule import Crossing, Rule
from barograph.anomalies.rules import rules_of
from barograph.anomalies.settings import LOOKBACK, RuleSettings
from barograph.clock import MINUTE_US
from barograph.rows import Anomaly, Bars, Codes, Ints, Mask


class Told(msgspec.Struct, array_like=True):
    """The last version of a row that was emitted; ``score`` None when it was withdrawn."""

    score: float | None
    detail: str
    revision: int


class Term(msgspec.Struct):
    """The time of one promotion: from a minute of each venue on, from the first of one that came later."""

    promoted: Promoted
    since: dict[str, int]


class DetectorState(msgspec.Struct):
    """What a :class:`Detector` remembers.

    Attributes:
        terms: the promotions whose minutes may still be revised, in their order.
        venues: the venue of each instrument that has been seen.
        markets: by venue.
        histories: by instrument.
        told: by instrument and kind: the rows of the last day by minute.
        too_late: bars that were left out because they came too late.
    """

    terms: list[Term] = msgspec.field(default_factory=list)
    venues: dict[int, str] = msgspec.field(default_factory=dict)
    markets: dict[str, Market] = msgspec.field(default_factory=dict)
    histories: dict[int, History] = msgspec.field(default_factory=dict)
    told: dict[int, dict[str, dict[int, Told]]] = msgspec.field(default_factory=dict)
    too_late: int = 0


class _News(NamedTuple):
    """Bars as the histories want them: columns of n, and values of shape (COLUMNS, n)."""

    instrument: Codes
    minutes: Ints
    values: Table

    def of(self, rows: Ints | Mask | slice) -> _News:
        return _News(self.instrument[rows], self.minutes[rows], self.values[:, rows])


_FOREVER = 1 << 62


class _Changes(msgspec.Struct):
    """What a record changed in one venue: minutes low to high by instrument, and in the market."""

    own: dict[int, tuple[int, int]]
    market: tuple[int, int] | None


class Detector:
    """Finds anomalies in bars; ``state`` is all that it remembers.

    Args:
        settings: thresholds.
        venues: the venue of each instrument's number, looked up when it is first seen.
        state: where to go on from; None is a new start.
        symbols: of each instrument's number; a model judges those that it was trained on.
        rule_of: loads what a promotion names.
    """

    def __init__(
        self,
        settings: RuleSettings,
        venues: Mapping[int, str] | Sequence[str],
        state: DetectorState | None = None,
        symbols: Mapping[int, str] | Sequence[str] = (),
        rule_of: RuleOf = no_models,
    ) -> None:
        self.state = DetectorState() if state is None else state
        self._venues, self._symbols = venues, symbols
        self._rules = rules_of(settings)
        self._rule_of = rule_of
        self._models: dict[Promoted, ModelRule] = {}

    def advance(self, bars: Bars, promotions: Iterable[tuple[int, Promoted]] = ()) -> list[Anomaly]:
        """Rows that are new, changed or withdrawn, in the order of the records that brought them.

        Args:
            promotions: what came to judge at which record, ascending.

        Raises:
            DataError: a model that is promoted cannot be loaded.
        """
        found: list[Anomaly] = []
        every = _News(bars.instrument, minutes_of(bars), values_of(bars))
        waiting = deque(promotions)
        for start, stop in _stretches(bars.record):
            record = int(bars.record[start])
            while waiting and waiting[0][0] <= record:
                self._promote(waiting.popleft()[1])
            for market, news in self._by_venue(every.of(slice(start, stop))):
                found += self._settle(market, news, record)
        for _, promoted in waiting:
            self._promote(promoted)
        return found

    def _promote(self, promoted: Promoted) -> None:
        """Begin a term; the same version again is none. Terms whose minutes are all past revision end."""
        terms = self.state.terms
        if (terms[-1].promoted if terms else Promoted(None)) == promoted:
            return
        if promoted.version is not None:
            self._model(promoted)  # now, not when its first minute is over
        terms.append(
            Term(promoted, {venue: market.newest + 1 for venue, market in self.state.markets.items()})
        )
        while len(terms) > 1 and self._past(terms[1]):
            terms.pop(0)

    def _past(self, term: Term) -> bool:
        """Whether no minute before this term can be revised any more."""
        return all(
            term.since.get(venue, 0) <= market.newest - LOOKBACK
            for venue, market in self.state.markets.items()
        )

    def _model(self, promoted: Promoted) -> ModelRule:
        if promoted not in self._models:
            self._models[promoted] = self._rule_of(promoted)
        return self._models[promoted]

    def _by_venue(self, news: _News) -> Iterator[tuple[Market, _News]]:
        """What is new in each venue, venues in order of first appearance on the tape."""
        codes = news.instrument.tolist()
        for code in sorted(set(codes) - self.state.venues.keys()):
            self._welcome(code)
        names = [self.state.venues[code] for code in codes]
        present = set(names)
        if len(present) == 1:
            yield self.state.markets[names[0]], news
            return
        for venue, market in self.state.markets.items():
            if venue in present:
                yield market, news.of(np.array([name == venue for name in names]))

    def _welcome(self, code: int) -> None:
        venue = str(self._venues[code])
        market = self.state.markets.setdefault(venue, Market())
        market.members = sorted([*market.members, code])
        self.state.venues[code] = venue
        self.state.histories[code] = History()

    def _settle(self, market: Market, news: _News, record: int) -> list[Anomaly]:
        """Take the bars of one record and venue in, and tell what has changed."""
        if news.minutes.min() <= market.newest - LOOKBACK:
            in_time = news.minutes > market.newest - LOOKBACK
            self.state.too_late += int(np.count_nonzero(~in_time))
            news = news.of(in_time)
            if not len(news.minutes):
                return []
        oldest = market.newest - KEPT
        changes = self._take_in(market, news)
        found = []
        for code in market.members:
            series = self.state.histories[code].series(market)
            if len(series.minute):
                for rule in self._rules:
                    changed = changes.market if rule.wide else changes.own.get(code)
                    if changed is not None:
                        reached = rule.reach(series, *changed)
                        found += self._tell(rule, code, series, reached, oldest, record)
                if self.state.terms and code in changes.own:
                    for model, reached in self._judging(code, series, changes.own[code]):
                        found += self._tell(model, code, series, reached, oldest, record)
        return found

    def _judging(
        self, code: int, series: Series, changed: tuple[int, int]
    ) -> Iterator[tuple[ModelRule, tuple[int, int]]]:
        """The models whose minutes can change, each with those minutes."""
        start, stop = model_reach(series, *changed)
        terms, venue = self.state.terms, self.state.venues[code]
        bounds = [*(term.since.get(venue, 0) for term in terms), _FOREVER]
        for term, since, until in zip(terms, bounds, bounds[1:], strict=False):
            reached = max(start, since), min(stop, until)
            if term.promoted.version is not None and reached[0] < reached[1]:
                model = self._model(term.promoted)
                if self._symbols[code] in model.model.symbols:
                    yield model, reached

    def _take_in(self, market: Market, news: _News) -> _Changes:
        """Put the bars into the histories and bring the market up to date."""
        news = news.of(np.argsort(news.instrument, kind="stable"))
        own, moved = {}, []
        for start, stop in _stretches(news.instrument):
            code = int(news.instrument[start])
            history = self.state.histories[code]
            changed, returns = history.put(
                news.minutes[start:stop], news.values[:, start:stop], market.newest
            )
            if len(changed):
                own[code] = int(changed[0]), int(changed[-1])
            if len(returns):
                moved.append(returns)
        if not moved:
            return _Changes(own, None)
        every = np.unique(np.concatenate(moved))
        refresh(market, self.state.histories, every)
        return _Changes(own, (int(every[0]), int(every[-1])))

    def _tell(
        self, rule: Rule, code: int, series: Series, reached: tuple[int, int], oldest: int, record: int
    ) -> list[Anomaly]:
        """Compare a rule's crossings in the minutes ``reached`` with what has been told of them."""
        start, stop = reached
        now = rule.crossings(series, start, stop)
        kinds = self.state.told.get(code)
        told = kinds.get(rule.kind, {}) if kinds else {}
        if not now and not told:
            return []
        gone: list[int] = []
        if told and next(reversed(told)) >= start:
            standing = (m for m, row in told.items() if start <= m < stop and row.score is not None)
            gone = [minute for minute in standing if minute not in now]
        found = []
        for minute in sorted([*now, *gone]):
            row = _next_version(told.get(minute), now.get(minute))
            if row is not None:
                told[minute] = row
                found.append(_anomaly(rule, code, minute, row, record))
        if found:
            kept = {minute: row for minute, row in sorted(told.items()) if minute >= oldest}
            self.state.told.setdefault(code, {})[rule.kind] = kept
        return found


def _next_version(before: Told | None, now: Crossing | None) -> Told | None:
    """The version to tell, None when there is nothing new."""
    score, detail = (None, "{}") if now is None else now
    if before is None:
        return Told(score, detail, 0)
    if (before.score, before.detail) == (score, detail):
        return None
    return Told(score, detail, before.revision + 1)


def _anomaly(rule: Rule, code: int, minute: int, row: Told, record: int) -> Anomaly:
    return Anomaly(
        record=record,
        ts_us=minute * MINUTE_US,
        instrument=code,
        kind=rule.kind,
        score=row.score,
        threshold=rule.threshold,
        detail=row.detail,
        revision=row.revision,
        model_version=rule.version if isinstance(rule, ModelRule) else "",
    )


def _stretches(values: Ints | Codes) -> Iterator[tuple[int, int]]:
    """``(start, stop)`` of each stretch of equal values."""
    if len(values):
        bounds = (np.flatnonzero(values[1:] != values[:-1]) + 1).tolist()
        yield from zip([0, *bounds], [*bounds, len(values)], strict=True)
