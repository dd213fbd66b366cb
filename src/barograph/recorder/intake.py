"""The intake of every line: records in, sound ticks and quotes of all feeds out.

Decode, name instruments, drop duplicates, flag. What follows (minutes, anomalies, coverage; or paper
trading) is the business of who drives it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from barograph.anomalies.models.promotion import STREAM as PROMOTIONS
from barograph.bars import Run
from barograph.bars.cleaning import Cleaner, Recent
from barograph.bars.dedup import Counts as Dropped
from barograph.bars.dedup import Deduplicator, Seen
from barograph.bars.settings import OUTLIER_PCT
from barograph.feeds import FeedState, names
from barograph.feeds.registry import feed as find_feed
from barograph.recorder.instruments import Instruments
from barograph.records import Records
from barograph.rows import C, Candles, Decoded, Marks, Quotes, Reject, Ticks, concatenate
from barograph.snapshot import pack, unpack


@dataclass(frozen=True, slots=True)
class Sound:
    """Everything that one run decoded to, over all feeds, in tape order.

    ``ticks`` and ``quotes`` are without duplicates, and flagged; ``dropped`` counts duplicates, ``unknown``
    what venues sent that no table needs, by ``feed: event``.
    """

    ticks: Ticks
    quotes: Quotes
    marks: Marks
    candles: Candles
    rejects: list[tuple[str, Reject]]
    dropped: Dropped
    unknown: dict[str, int]


class IntakeState(msgspec.Struct):
    """All that an :class:`Intake` remembers: ``snapshot.pack`` makes bytes of it."""

    instruments: Instruments
    feeds: dict[str, bytes]
    dedup: bytes
    cleaner: bytes


class Intake:
    """Records to sound rows, resumable; any cutting into runs gives the same rows.

    Args:
        outlier_pct: a price further than this from the recent median, in percent, is flagged.
        max_ahead_us: a stamp so far ahead of its receipt is flagged.
        state: from :meth:`state`, to go on; None to begin.
    """

    def __init__(
        self, outlier_pct: float = OUTLIER_PCT, max_ahead_us: int = 0, state: IntakeState | None = None
    ) -> None:
        self.instruments = state.instruments if state else Instruments()
        self._feeds: dict[str, FeedState] = {}
        self._saved_feeds = state.feeds if state else {}
        self._dedup = Deduplicator(unpack(state.dedup, Seen) if state else None)
        self._cleaner = Cleaner(outlier_pct, max_ahead_us, unpack(state.cleaner, Recent) if state else None)

    def advance(self, run: Records) -> Sound:
        """Take in the next records."""
        unknown: dict[str, int] = {}
        decoded: list[tuple[str, Decoded]] = []
        for name in sorted({run.streams[i].feed for i in set(run.stream.tolist())}):
            if name == PROMOTIONS.feed:
                continue  # our own words about models; no venue's
            if name not in names():
                _add(unknown, name, {"a feed that this version does not know": len(run.of(name))})
                continue
            made = find_feed(name).decode(self._feed_state(name), run.of(name))
            _add(unknown, name, made.unknown)
            decoded.append((name, self._with_instruments(name, made)))
        ticks, quotes, dropped = self._dedup.advance(
            _in_tape_order([made.ticks for _, made in decoded], Ticks),
            _in_tape_order([made.quotes for _, made in decoded], Quotes),
        )
        ticks, quotes = self._cleaner.advance(ticks, quotes, run.recv_ns)
        rejects = [(name, reject) for name, made in decoded for reject in made.rejects]
        return Sound(
            ticks,
            quotes,
            _in_tape_order([made.marks for _, made in decoded], Marks),
            _in_tape_order([made.candles for _, made in decoded], Candles),
            sorted(rejects, key=lambda pair: pair[1].record),
            dropped,
            unknown,
        )

    def state(self) -> IntakeState:
        """All that is needed to go on from here, in another process if need be."""
        return IntakeState(
            self.instruments,
            self._saved_feeds | {name: pack(state) for name, state in self._feeds.items()},
            pack(self._dedup.state),
            pack(self._cleaner.state),
        )

    def _feed_state(self, name: str) -> FeedState:
        state = self._feeds.get(name)
        if state is None:
            kind = find_feed(name).state
            saved = self._saved_feeds.get(name)
            state = self._feeds[name] = unpack(saved, kind) if saved is not None else kind()
        return state

    def _with_instruments(self, feed: str, made: Decoded) -> Decoded:
        """The same rows with a feed's own symbol numbers replaced by instruments."""
        # All of them, also those without rows: numbers must not depend on how the tape is cut.
        numbers = np.array(self.instruments.numbers(feed, self._feeds[feed].symbols), dtype=np.int32)

        def translated(rows: C) -> C:
            return rows.with_(instrument=numbers[rows.instrument]) if len(rows) else rows  # type: ignore[attr-defined]

        return replace(
            made,
            ticks=translated(made.ticks),
            quotes=translated(made.quotes),
            candles=translated(made.candles),
        )


def kernel_run(run: Records, sound: Sound) -> Run:
    """A run and its sound rows, as the kernel of bars takes them."""
    return Run(
        first_pos=run.first_pos,
        recv_ns=run.recv_ns,
        kind=run.kind,
        stream=run.stream,
        ticks=sound.ticks,
        quotes=sound.quotes,
        mark_record=sound.marks.record,
        mark_ts_us=sound.marks.ts_us,
    )


def _add(unknown: dict[str, int], feed: str, events: dict[str, int]) -> None:
    for event, count in events.items():
        name = f"{feed}: {event}"
        unknown[name] = unknown.get(name, 0) + count


def _in_tape_order(parts: list[C], kind: type[C]) -> C:
    """Rows of several feeds as the tape has them."""
    filled = [part for part in parts if len(part)]
    rows = concatenate(filled, kind)
    if len(filled) < 2:
        return rows
    return rows.take(np.argsort(rows.record, kind="stable"))  # type: ignore[attr-defined]
