"""What the recorder asks of the tables behind it, wherever they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from barograph.alerts.alert import Alert
    from barograph.gaps import Gap
    from barograph.recorder.live.stats import TablesStats
    from barograph.recorder.places import Places
    from barograph.recorder.shaping import LineSettings
    from barograph.settings.keeping import DatabaseSection
    from barograph.settings.recording import RecordSection


@dataclass(frozen=True, slots=True)
class Pace:
    """How the follower goes; see the settings of ``record``."""

    commit_interval_s: float
    step_records: int
    checkpoint_interval_s: float
    stale_after_s: float

    @classmethod
    def of(cls, record: RecordSection) -> Pace:
        """The pace that the settings ask for."""
        return cls(
            record.commit_interval_s,
            record.step_records,
            record.checkpoint_interval_s,
            record.stale_after_s,
        )


@dataclass(frozen=True, slots=True)
class Keeping:
    """How store and tape are kept in order.

    Attributes:
        seal_after_s: how long after its end a day of the lake is sealed.
        tape_days, tape_gb: how much tape is kept; None: all.
        database: the settings of a database's upkeep; None: the store is the lake.
    """

    seal_after_s: float
    tape_days: float | None
    tape_gb: float | None
    database: DatabaseSection | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be made of the tape, and where it goes. It can be handed to another process.

    Attributes:
        places: of the tape, the state and the store; the recorder holds their lock.
        line: what shapes rows.
        pace: how often, how much.
        keeping: how the store and the tape are kept in order.
    """

    places: Places
    line: LineSettings
    pace: Pace
    keeping: Keeping


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told what is found. Called on other threads than the event loop's; must not block.

    Attributes:
        gaps: gaps that stand, told again each second while they do.
        mute: symbols that have been silent for unusually long on a living connection.
        alerts: anomalies that have just been stored.
    """

    gaps: Callable[[list[Gap]], None]
    mute: Callable[[list[Gap]], None]
    alerts: Callable[[Sequence[Alert]], None]


class Behind(Protocol):
    """The tables, brought along behind the tape."""

    @property
    def stats(self) -> TablesStats:
        """The figures as they are now."""
        ...

    @property
    def alive(self) -> bool:
        """Whether somebody is at work."""
        ...

    @property
    def rss_bytes(self) -> int:
        """Memory beside the recorder's own; 0 where it is in the same process."""
        ...

    def start(self) -> None:
        """Begin."""
        ...

    def hold(self) -> None:
        """Take no further step until :meth:`finish` says where the tape ends."""
        ...

    def finish(self, final_pos: int, timeout_s: float) -> bool:
        """Bring the tables up to ``final_pos``, the tape's end, and end; whether that was done in time."""
        ...
