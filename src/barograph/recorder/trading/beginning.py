"""Where trading begins on a tape, and how each strategy's beginning is kept so that it can be repeated.

On a tape that is traded from its start there is nothing to know. On one that has run for months, decoders,
duplicates and open minutes have a past: it is taken over from the recorder's checkpoint, and the rows of
minutes that were open there from the tables. From then on the tape alone decides.
"""

from __future__ import annotations

import threading
from contextlib import closing

import msgspec

from barograph.bars import BarKernel, BarState
from barograph.errors import DataError, SettingsError, UsageError
from barograph.log import get_logger
from barograph.paper.ledger import Ledger
from barograph.recorder.checkpoint import Checkpoints
from barograph.recorder.intake import Intake, kernel_run
from barograph.recorder.line import LineState
from barograph.recorder.places import Places
from barograph.recorder.recall import StoreRecall
from barograph.recorder.shaping import LineSettings
from barograph.recorder.trading.engine import read, require_same
from barograph.recorder.trading.market import MarketState, MarketView
from barograph.recorder.trading.specs import BarStrategy, Market, TickStrategy, from_json, to_json
from barograph.records import Records
from barograph.snapshot import pack, unpack
from barograph.tape import TapeReader

LOOK_S = 0.25
"""Between two looks whether the tables have reached what is needed."""
RUN_RECORDS = 4_096
"""So much is taken between two looks whether it is enough."""
_ALL_ROWS = 1 << 40

log = get_logger()


class Beginning(msgspec.Struct):
    """How a strategy began: what it is, which symbols it wanted, and where the market stood."""

    strategy: bytes
    wanted: Market
    pos: int
    market: bytes

    @property
    def spec(self) -> TickStrategy | BarStrategy:
        """What it is."""
        return from_json(self.strategy)


NAMES = "beginnings"
"""The note with the names of all that ever traded with a ledger."""


def note_name(name: str) -> str:
    """Under which a beginning stands in the ledger."""
    return f"beginning/{name}"


def begun(ledger: Ledger) -> list[Beginning]:
    """Every beginning, in order of time."""
    found = [beginning(ledger, name) for name in _names(ledger)]
    return [one for one in found if one is not None]


def _names(ledger: Ledger) -> list[str]:
    data = ledger.noted(NAMES)
    return [] if data is None else msgspec.json.decode(data, type=list[str])


def beginning(ledger: Ledger, name: str) -> Beginning | None:
    """How the strategy or account ``name`` began; None: never."""
    data = ledger.noted(note_name(name))
    return None if data is None else unpack(data, Beginning)


def begin(ledger: Ledger, spec: TickStrategy | BarStrategy, wanted: Market, market: MarketView) -> Beginning:
    """The beginning of ``spec``: the one that the ledger knows, or this one, which is noted.

    Args:
        market: where it stands now.

    Raises:
        SettingsError: another strategy has traded under this name.
    """
    known = beginning(ledger, spec.name)
    if known is None:
        known = Beginning(to_json(spec), wanted, market.next_pos, pack(market.state()))
        ledger.note(note_name(spec.name), pack(known))
        ledger.note(NAMES, msgspec.json.encode([*_names(ledger), spec.name]))
        return known
    if known.strategy != to_json(spec) or known.wanted != wanted:
        raise SettingsError(
            f"{spec.name!r} has traded in this ledger with other terms "
            f"({known.strategy.decode()} on {_words(known.wanted)}); give this one a name of its own "
            "with --name"
        )
    return known


def _words(wanted: Market) -> str:
    return ", ".join((*wanted.venues, *wanted.symbols)) or "all symbols"


def at_start(settings: LineSettings, reader: TapeReader, minutes: bool = True) -> MarketView:
    """The market where the tape begins."""
    market = MarketView(settings, minutes=minutes)
    market.next_pos = reader.begin
    return market


def at_present(
    settings: LineSettings, places: Places, reader: TapeReader, stopping: threading.Event
) -> MarketView | None:
    """The market near the tape's end, out of what the recorder has saved.

    Waits until the minutes that were open then have closed, a minute on a tape that grows.
    None where nothing is saved, or when ``stopping``.

    Raises:
        SettingsError: the recorder's tables were made with other settings.
    """
    saved = Checkpoints(places.state).load()
    if saved is None:
        return None
    try:
        state = unpack(saved, LineState)
    except msgspec.ValidationError:
        log.warning("the recorder's checkpoint is of another version; trading begins with the tape")
        return None
    if state.shape != settings.shape():
        raise SettingsError(
            "the tables were made with other settings of bars; start the recorder with these settings, "
            "or put them back, then trade"
        )
    if state.next_pos < reader.begin:
        return None
    return _Taking(settings, places, reader, state).taken(stopping)


class _Taking:
    """Takes the recorder's state over."""

    def __init__(self, settings: LineSettings, places: Places, reader: TapeReader, state: LineState) -> None:
        self._settings, self._reader, self._pos = settings, reader, state.next_pos
        self._store = places.store()
        self._recall = StoreRecall(self._store)
        self._intake = Intake(settings.outlier_pct, settings.bars.max_ahead_us, state.intake)
        self._recall.instruments = self._intake.instruments
        # Rows must not leave memory here: the tables lag behind what is being read.
        bars = msgspec.structs.replace(settings.bars, kept_rows=_ALL_ROWS)
        self._kernel = BarKernel(bars, unpack(state.bars, BarState), self._recall)

    def taken(self, stopping: threading.Event) -> MarketView | None:
        with closing(self._store):
            return self._taken(stopping)

    def _taken(self, stopping: threading.Event) -> MarketView | None:
        while not self._whole():
            upto = min(self._store.committed(), self._reader.end)
            if upto > self._pos:
                self._take(next(self._reader.read(self._pos, upto, max_records=RUN_RECORDS)))
            elif stopping.wait(LOOK_S):
                return None
        state = MarketState(
            self._settings.shape(), self._pos, self._intake.state(), {}, {}, pack(self._kernel.state)
        )
        return MarketView(self._settings, state)

    def _take(self, run: Records) -> None:
        sound = self._intake.advance(run)
        self._recall.upto = run.first_pos
        self._kernel.advance(kernel_run(run, sound))
        self._pos = run.next_pos

    def _whole(self) -> bool:
        """Whether the kernel's state needs no rows from the tables any more."""
        try:
            BarKernel(self._settings.bars, self._kernel.state)
        except UsageError:
            return False
        return True


def market_at(
    settings: LineSettings,
    known: Beginning,
    reader: TapeReader,
) -> MarketView:
    """The market as it stood at a beginning.

    Raises:
        DataError: the tape no longer reaches back so far.
    """
    if known.pos < reader.begin:
        raise DataError(
            f"{known.spec.name!r} began at position {known.pos}, the tape begins at {reader.begin}; restore "
            "the older segments from a backup"
        )
    state = read(known.market, MarketState)
    require_same(state, settings)
    return MarketView(settings, state, minutes=isinstance(known.spec, BarStrategy))
