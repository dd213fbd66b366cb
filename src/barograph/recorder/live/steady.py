"""Receipt times that a clock set by mistake does not spoil.

A machine's clock can be set at any moment, forwards or back, and sometimes it is set wrong and then right
again: a time server that lies, a virtual machine that wakes up. Times on the tape decide which minutes were
lost, so the recorder goes by a clock that nobody can set, laid beside the machine's: small differences
(drift, and what the time service corrects smoothly) are taken over at once, a jump only when it has lasted
for ``PATIENCE_S``. What lies between the two clocks is remembered on disk, so that a start in the middle of
such a jump is not deceived either; it counts until the machine boots again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from barograph.clock import NS_PER_S, Clock
from barograph.disk import put_bytes, read_json
from barograph.errors import StorageError
from barograph.log import get_logger

STEP_S = 1.0
"""More than this at once is a jump."""
PATIENCE_S = 30.0
"""A jump that lasts longer is a correction, and followed."""
KEEP_S = 10.0
"""How often the difference is written down."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STEADY = getattr(time, "CLOCK_BOOTTIME", None)

log = get_logger()


class _Kept(msgspec.Struct):
    boot: str
    ahead_ns: int


def steady_ns() -> int:
    """A clock that nobody sets, in nanoseconds; it goes on while the machine sleeps where that can be had."""
    return time.monotonic_ns() if _STEADY is None else time.clock_gettime_ns(_STEADY)


class SteadyClock:
    """The machine's time without its jumps, unless they last.

    Args:
        wall: the machine's clock.
        path: where the difference is remembered.
        steady: the clock that nobody sets.
        boot: names the machine's present boot; empty where that cannot be told, then nothing is remembered.

    >>> from barograph.clock import ManualClock
    >>> wall, beside = ManualClock(), ManualClock()
    >>> clock = SteadyClock(wall, Path("unused"), beside.now_ns, boot="")
    >>> beside.advance(5.0)
    >>> wall.advance(65.0)
    >>> clock.now_ns() // NS_PER_S
    5
    >>> beside.advance(31.0)
    >>> wall.advance(31.0)
    >>> clock.now_ns() // NS_PER_S
    96
    """

    def __init__(
        self,
        wall: Clock,
        path: Path,
        steady: Callable[[], int] = steady_ns,
        boot: str | None = None,
    ) -> None:
        self._wall, self._path, self._steady = wall, path, steady
        self._boot = _boot() if boot is None else boot
        known_ns = self._remembered()
        self._ahead_ns = wall.now_ns() - steady() if known_ns is None else known_ns
        self._since_ns: int | None = None
        self._right_ns = steady() if known_ns is None else steady() - round(PATIENCE_S * NS_PER_S)
        """From when on it has been right: what was never known to be right is soon given up."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        steady = self._steady()
        jumped_ns = self._wall.now_ns() - steady - self._ahead_ns
        if abs(jumped_ns) <= STEP_S * NS_PER_S:
            self._ahead_ns += jumped_ns
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = steady
        elif steady - self._since_ns > min(PATIENCE_S * NS_PER_S, self._since_ns - self._right_ns):
            self._follow(jumped_ns, steady)
        return steady + self._ahead_ns

    def _follow(self, jumped_ns: int, steady: int) -> None:
        self._ahead_ns += jumped_ns
        self._since_ns, self._right_ns = None, steady
        log.warning("the machine's clock was set, and is followed", seconds=round(jumped_ns / NS_PER_S, 3))

    def save(self) -> None:
        """Write the difference down."""
        if not self._boot:
            return
        content = msgspec.json.encode(_Kept(self._boot, self._ahead_ns))
        try:
            put_bytes(self._path, content, f"writing {self._path}", alone=True)
        except StorageError as error:
            # Only a start within a jump would miss it.
            log.debug("the clock's difference could not be written down", problem=str(error))

    def _remembered(self) -> int | None:
        try:
            kept = read_json(self._path, _Kept, f"reading {self._path}")
        except (StorageError, msgspec.DecodeError):
            return None
        return kept.ahead_ns if kept is not None and self._boot and kept.boot == self._boot else None


@asynccontextmanager
async def kept(clock: Clock) -> AsyncIterator[None]:
    """Have the difference of a :class:`SteadyClock` written down now and then; of others there is none."""
    if not isinstance(clock, SteadyClock):
        yield
        return
    keeping = asyncio.create_task(_keep(clock))
    try:
        yield
    finally:
        keeping.cancel()


async def _keep(clock: SteadyClock) -> None:
    while True:
        await asyncio.to_thread(clock.save)
        await asyncio.sleep(KEEP_S)


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""
