"""``barograph trade`` as a process: behind a tape that grows, or over one as it stands.

Whatever goes wrong with disk or ledger, the next try begins from the last checkpoint: everything since is
made again, and what is in the ledger already is found there.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from barograph.clock import NS_PER_S, Clock, SystemClock
from barograph.disk import Lock
from barograph.errors import StorageError
from barograph.log import get_logger
from barograph.paper.archive import Archive, Archivist, archive_of
from barograph.paper.archiving import Archiving
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Trade
from barograph.recorder.places import Places
from barograph.recorder.shaping import LineSettings
from barograph.recorder.trading.assembling import assemble
from barograph.recorder.trading.checkpoints import EVERY_S, Checkpoints, pause_s
from barograph.recorder.trading.control import applied, apply_at, heard
from barograph.recorder.trading.engine import Done, Engine
from barograph.recorder.trading.figures import Figures, Latencies, Telling
from barograph.recorder.trading.market import MarketView
from barograph.recorder.trading.specs import Plan
from barograph.recorder.warming import warm
from barograph.records import Records
from barograph.store.layout import ledger_path
from barograph.store.opening import Location
from barograph.tape import TapeReader
from barograph.tape.segments import segment_files, sync_tape

LISTEN_S = 0.25
"""Between two looks whether a person has said something."""
FIGURES_S = 1.0
AGAIN_S = 2.0
"""Before it begins again after the disk or the ledger said no."""
LOOK_S = (0.00005, 0.0002)
"""Between two looks at a tape that grows: just after there was news, and later."""
SOON_S = 0.002
SWITCH_S = 0.00005
"""How long the archive's thread may keep Python to itself while an order waits: a hundredth of the usual."""
REST_S = 0.05
"""Looks without news after which other things are seen to."""
RUN_RECORDS = 4_096
REPLAY_RECORDS = 65_536

Progress = Callable[[int, int], None]
Took = Callable[[str, str, str], dict[str, float]]
"""How long an order took, for the log: of the event (venue, symbol, identity) that filled it."""

log = get_logger()


class TradingProcess:
    """Trades a plan on the tape of a data directory.

    Args:
        data: the directory.
        settings: what shapes rows: those of the tables.
        plan: what is traded.
        ledger: its file; the directory's own when left out.
        clock: for lag and latency only.
        tables: where the tables are; None: the lake of ``data``.

    Attributes:
        figures: how it does.
    """

    def __init__(
        self,
        data: Path,
        settings: LineSettings,
        plan: Plan,
        ledger: Path | None = None,
        clock: Clock | None = None,
        tables: Location | None = None,
    ) -> None:
        self._data, self._settings, self._plan = data, settings, plan
        self._places, self._clock = Places.of(data, tables), clock or SystemClock()
        self._path = ledger or ledger_path(self._places.lake)
        self._stopping = threading.Event()
        self._latencies = Latencies()
        self._checkpoints, self._telling = Checkpoints(self._places.tape), Telling(data)
        self._due = dict.fromkeys(("checkpoint", "listen", "figures"), 0.0)
        names = tuple(spec.name for spec in plan.strategies)
        self.figures = Figures(pid=os.getpid(), started_ns=self._clock.now_ns(), strategies=names)

    def stop(self) -> None:
        """End soon: what is in hand is finished, everything saved. For any thread, and for signals."""
        self._stopping.set()

    def replay(self, progress: Progress | None = None) -> Figures:
        """Trade to the tape's end, archive, and save.

        Raises:
            StorageBusy: another process trades with this ledger.
            StorageError: disk or ledger said no; the same again goes on where it stopped.
        """
        with self._open() as (ledger, archiving):
            engine = self._assembled(ledger, archiving, progress, from_start=True)
            if engine is not None:
                self._replay(engine, TapeReader(self._places.tape).end, archiving, progress)
        return self._told(archiving)

    def follow(self) -> Figures:
        """Trade on what comes until :meth:`stop`.

        Raises:
            StorageBusy: another process trades with this ledger.
        """
        warm()
        usual_s = sys.getswitchinterval()
        with self._open() as (ledger, archiving):
            sys.setswitchinterval(SWITCH_S)
            try:
                while not self._stopping.is_set():
                    self._try_to_follow(ledger, archiving)
            finally:
                sys.setswitchinterval(usual_s)
                self._checkpoints.wait()  # so long the ledger stays open
        return self._told(archiving)

    def _replay(self, engine: Engine, end: int, archiving: Archiving, progress: Progress | None) -> None:
        begin, saved_s = engine.next_pos, time.monotonic()
        runs = TapeReader(self._places.tape).read(begin, end, max_records=REPLAY_RECORDS)
        for run in runs if begin < end else ():
            self._advance(engine, run, archiving, live=False)
            if progress is not None:
                progress(run.next_pos - begin, end - begin)
            if self._stopping.is_set():
                break
            if time.monotonic() - saved_s > EVERY_S[0]:
                self._checkpoints.save(engine)
                saved_s = time.monotonic()
        self._checkpoints.save(engine)

    # -- one try --------------------------------------------------------------------------------------------

    def _try_to_follow(self, ledger: SqliteLedger, archiving: Archiving) -> None:
        try:
            self._follow(ledger, archiving)
        except StorageError as error:
            self._troubled(error)

    def _follow(self, ledger: SqliteLedger, archiving: Archiving) -> None:
        engine = self._assembled(ledger, archiving, None, from_start=False)
        if engine is None:
            return
        log.info("trading", strategies=list(self.figures.strategies), next_pos=engine.next_pos)
        reader = TapeReader(self._places.tape)
        for run in reader.follow(engine.next_pos, self._waiting(engine), max_records=RUN_RECORDS):
            self._advance(engine, run, archiving, live=True)
            self._look_around(engine)
            if self._stopping.is_set():
                break
        self._checkpoints.save(engine)

    def _assembled(
        self, ledger: SqliteLedger, archiving: Archiving, progress: Progress | None, *, from_start: bool
    ) -> Engine | None:
        """The engine of the whole plan, after those who were behind have come where the others stand.

        None when told to stop before.
        """
        found = assemble(
            self._plan,
            ledger,
            self._settings,
            self._places,
            from_start=from_start,
            stopping=self._stopping,
        )
        if found is None:
            return None
        for behind in found.behind:
            self._replay(behind, found.stand_pos, archiving, progress)
            if self._stopping.is_set():
                return None
        engine = found.main()
        # From here on they stand together, also for who dies at once.
        self._checkpoints.save(engine)
        self._due["checkpoint"] = time.monotonic() + EVERY_S[0]
        self.figures.next_pos = engine.next_pos
        return engine

    def _advance(self, engine: Engine, run: Records, archiving: Archiving, *, live: bool) -> None:
        figures, begun_ns = self.figures, int(run.recv_ns[0])

        def told(done: Done) -> None:
            now_ns = self._clock.now_ns()  # all are in the ledger now; to tell of one takes time, too
            took = partial(self._took, engine.market, begun_ns, now_ns) if live else _untimed
            figures.opened += len(done.opened)
            figures.closed += len(done.closed)
            _tell(done, took)
            if done.closed:
                archiving.ring()

        engine.advance(run, told)
        figures.next_pos, figures.problem = engine.next_pos, ""
        if live:
            figures.lag_s = max((self._clock.now_ns() - int(run.recv_ns[-1])) / NS_PER_S, 0.0)

    def _took(
        self, market: MarketView, begun_ns: int, now_ns: int, venue: str, symbol: str, identity: str
    ) -> dict[str, float]:
        # An order of a minute is as old as the run: which record closed the minute is not asked.
        received_ns = market.received_ns(venue, symbol, identity) or begun_ns
        took_ns = max(now_ns - received_ns, 0)
        self._latencies.add(took_ns)
        return {"took_ms": round(took_ns / 1e6, 3)}

    def _waiting(self, engine: Engine) -> Callable[[], bool]:
        """Called where the tape has nothing new: returns when it has, or when something else is due."""
        growing = Growing(self._places.tape)

        def wait() -> bool:
            self.figures.lag_s = 0.0
            self._look_around(engine)
            begun_s = now_s = time.monotonic()
            growing.note()
            while not (growing.has_grown() or self._stopping.is_set()) and now_s < begun_s + REST_S:
                time.sleep(LOOK_S[now_s > begun_s + SOON_S])  # more exact than to wait for the event
                now_s = time.monotonic()
            return not self._stopping.is_set()

        return wait

    def _look_around(self, engine: Engine) -> None:
        """What is due by the clock: hear what a person says, save, tell."""
        now_s = time.monotonic()
        if now_s >= self._due["listen"]:
            self._due["listen"] = now_s + LISTEN_S
            self._listen(engine)
        if now_s >= self._due["checkpoint"]:
            self._checkpoints.begin(engine)
            self._due["checkpoint"] = now_s + pause_s(time.monotonic() - now_s)
        if now_s >= self._due["figures"]:
            self._due["figures"] = now_s + FIGURES_S
            self._telling.begin(self._figures())

    def _listen(self, engine: Engine) -> None:
        word = heard(engine.ledger)
        words = applied(engine.ledger) if word is not None else []
        if word is None or (words and words[-1].word.id == word.id):
            return
        # The word's place is on the disk before it has any effect; no record is traded in between.
        words = apply_at(engine.ledger, words, word, engine.next_pos)
        engine.tell(words[-1])
        self._checkpoints.save(engine)
        self.figures.halted = "" if word.action == "resume" else word.action
        log.warning("trading was told", action=word.action, pos=engine.next_pos)

    # -- around it ------------------------------------------------------------------------------------------

    def _open(self) -> _Opened:
        return _Opened(self._data, self._places, self._path)

    def _troubled(self, error: StorageError) -> None:
        if str(error) != self.figures.problem:
            log.error("trading waits; it goes on from its last checkpoint", problem=str(error))
        self.figures.problem = str(error)
        self._telling.tell(self._figures())
        self._stopping.wait(AGAIN_S)

    def _figures(self) -> Figures:
        """As they are now."""
        self.figures.now_ns = self._clock.now_ns()
        self.figures.orders_ms = self._latencies.quantiles_ms()
        self.figures.problem = self.figures.problem or self._checkpoints.problem
        return self.figures

    def _told(self, archiving: Archiving) -> Figures:
        self.figures.archived, self.figures.ended = archiving.archived, True
        self._telling.tell(self._figures())
        return self.figures


class _Opened:
    """The ledger under its lock, and who archives from it, while a block runs."""

    def __init__(self, data: Path, places: Places, path: Path) -> None:
        self._lock = Lock(path.with_name(path.name + ".lock"), f"{path} is being traded with")
        self._data, self._places, self._path = data, places, path

    def __enter__(self) -> tuple[SqliteLedger, Archiving]:
        self._lock.acquire()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._ledger = SqliteLedger(self._path)
        except BaseException:
            self._lock.release()
            raise
        archive = AfterTape(self._places.tape, archive_of(self._data, self._places.database))
        self._archiving = Archiving(Archivist(self._ledger, archive))
        self._archiving.start()
        return self._ledger, self._archiving

    def __exit__(self, *_: object) -> None:
        self._archiving.stop()
        self._ledger.shut()
        self._lock.release()


class AfterTape:
    """An archive that is told of a trade only when the tape that led to it is on the disk (law 3)."""

    def __init__(self, tape: Path, archive: Archive) -> None:
        self._tape, self._archive = tape, archive

    def put(self, trades: Sequence[Trade]) -> None:
        """Sync the tape, then hand on."""
        sync_tape(self._tape)
        self._archive.put(trades)


class Growing:
    """Whether a tape has grown, without reading it: by the newest segment's size, and by the names."""

    def __init__(self, tape: Path) -> None:
        self._tape = tape
        self._newest: Path | None = None
        self._size = -1

    def note(self) -> None:
        """It is to have grown since now. What came between the last read and this is found by its size."""
        files = segment_files(self._tape)
        newest = files[max(files)] if files else None
        if newest != self._newest:
            self._newest, self._size = newest, -1

    def has_grown(self) -> bool:
        """Whether it has; once for each growth."""
        size = self._now()
        grown, self._size = size != self._size, size
        return grown

    def _now(self) -> int:
        if self._newest is None:
            return len(segment_files(self._tape)) or -1
        try:
            return self._newest.stat().st_size
        except FileNotFoundError:
            return -2


def _untimed(_venue: str, _symbol: str, _identity: str) -> dict[str, float]:
    """Of a replay: how long ago its frames were received says nothing."""
    return {}


def _tell(done: Done, took: Took) -> None:
    for position in done.opened:
        log.info(
            "position.opened",
            strategy=position.strategy,
            venue=position.venue,
            symbol=position.symbol,
            quantity=position.quantity,
            price=position.entry_price,
            **took(position.venue, position.symbol, position.entry_id),
        )
    for trade in done.closed:
        log.info(
            "position.closed",
            strategy=trade.strategy,
            venue=trade.venue,
            symbol=trade.symbol,
            price=trade.exit_price,
            profit=round(trade.profit, 8),
            reason=trade.reason,
            trade_key=trade.trade_key,
            **took(trade.venue, trade.symbol, trade.exit_id),
        )
