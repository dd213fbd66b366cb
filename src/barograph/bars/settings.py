"""What shapes the bars, and how much of the past is kept at hand."""

from __future__ import annotations

import msgspec

from barograph.clock import MINUTE_US, US_PER_S
from barograph.errors import SettingsError

KERNEL_VERSION = 1
"""Raised whenever the same rows would give different bars."""

OUTLIER_PCT = 20.0
"""A price further than this from the recent median, in percent, is flagged."""

_AT_LEAST = {
    "allowed_lateness_us": 0,
    "spike_window": 2,
    "spike_min_bars": 2,
    "max_ahead_us": 0,
    "quiet_grace_us": 0,
    "retain_us": 0,
    "history_bars": 1,
    "kept_minutes": 1,
    "kept_rows": 1,
}


class BarSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the kernel.

    Attributes:
        allowed_lateness_us: how long after its end a minute still waits for late rows.
        spike_window: bars before a bar that its volume is compared with.
        spike_min_bars: with fewer bars before it, a bar has no score.
        max_ahead_us: a timestamp further beyond its receipt does not move time on.
        quiet_grace_us: how far behind a clock record a quiet stream may stay.
        exclude_outliers: whether rows flagged as outliers are left out.
        retain_us: how long the rows of closed minutes stay in memory.
        history_bars: closed minutes kept for each instrument.
        kept_minutes: bound on closed minutes kept for all instruments together.
        kept_rows: with more rows in memory those go that can be recalled. Rows of open minutes that
            a bar needs stay, so there may be more.

    The last four bound the memory; they change no bar while a Recall is at hand.
    """

    allowed_lateness_us: int = 2 * US_PER_S
    spike_window: int = 60
    spike_min_bars: int = 20
    max_ahead_us: int = 5 * US_PER_S
    quiet_grace_us: int = 10 * US_PER_S
    exclude_outliers: bool = False
    retain_us: int = 10 * MINUTE_US
    history_bars: int = 1440
    kept_minutes: int = 250_000
    kept_rows: int = 50_000

    def __post_init__(self) -> None:
        for name, least in _AT_LEAST.items():
            value = getattr(self, name)
            if value < least:
                raise SettingsError(f"bars.{name} is {value}, must be at least {least}; correct the setting")

    @property
    def rules(self) -> tuple[int, ...]:
        """The settings that shape the bars: a state made under others cannot be resumed."""
        return (
            self.allowed_lateness_us,
            self.spike_window,
            self.spike_min_bars,
            self.max_ahead_us,
            self.quiet_grace_us,
            int(self.exclude_outliers),
        )
