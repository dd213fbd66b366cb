"""How well the rules find what was put in on purpose.

A **label** says that something of a kind was put into a symbol's data from one moment to
another. A found row is *true* when it lies between the start and the end of a label of
its own kind and symbol, widened by a tolerance on both sides; a label is *found* when at
least one row is true by it.

    precision = true rows / rows        recall = found labels / labels

Rows that nobody put in count against precision, although markets, and honest simulators,
have volume spikes of their own: read a low precision as "this much more was found".
A stalled feed (``feed_stall``) is what the rule ``stale`` finds; a label with an empty
symbol stands for all symbols (the whole feed stalled).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_RULE_OF = {"feed_stall": "stale"}


class Label(NamedTuple):
    """Something put in on purpose, ``start_us <= time <= end_us``."""

    kind: str
    symbol: str
    start_us: int
    end_us: int


class Found(NamedTuple):
    """An anomaly that stands (the newest revision, not withdrawn)."""

    kind: str
    symbol: str
    ts_us: int


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one kind. A share of nothing is None."""

    labels: int
    labels_found: int
    rows: int
    rows_true: int

    @property
    def precision(self) -> float | None:
        """Share of the rows that are true."""
        return self.rows_true / self.rows if self.rows else None

    @property
    def recall(self) -> float | None:
        """Share of the labels that were found."""
        return self.labels_found / self.labels if self.labels else None


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores by kind (of the rules, ascending) and of all kinds together."""

    kinds: dict[str, Score]
    total: Score


def score(found: Iterable[Found], labels: Iterable[Label], tolerance_us: int) -> Scores:
    """Precision and recall of ``found`` against ``labels``.

    Args:
        tolerance_us: how far outside of its label a row may lie; a minute's row stands at
            the minute's start, so 60 s is the least that makes sense.

    >>> labels = [Label("price_jump", "A", 100, 200), Label("price_jump", "A", 900, 950)]
    >>> total = score([Found("price_jump", "A", 90)], labels, 10).total
    >>> total.precision, total.recall
    (1.0, 0.5)
    """
    rows = list(found)
    wanted = [label._replace(kind=_RULE_OF.get(label.kind, label.kind)) for label in labels]
    kinds = sorted({row.kind for row in rows} | {label.kind for label in wanted})
    by_kind = {
        kind: _score([r for r in rows if r.kind == kind], [w for w in wanted if w.kind == kind], tolerance_us)
        for kind in kinds
    }
    return Scores(by_kind, _sum(list(by_kind.values())))


def _score(rows: Sequence[Found], labels: Sequence[Label], tolerance_us: int) -> Score:
    def hits(row: Found, label: Label) -> bool:
        near = label.start_us - tolerance_us <= row.ts_us <= label.end_us + tolerance_us
        return near and label.symbol in ("", row.symbol)

    return Score(
        labels=len(labels),
        labels_found=sum(any(hits(row, label) for row in rows) for label in labels),
        rows=len(rows),
        rows_true=sum(any(hits(row, label) for label in labels) for row in rows),
    )


def _sum(scores: Sequence[Score]) -> Score:
    return Score(
        labels=sum(s.labels for s in scores),
        labels_found=sum(s.labels_found for s in scores),
        rows=sum(s.rows for s in scores),
        rows_true=sum(s.rows_true for s in scores),
    )
