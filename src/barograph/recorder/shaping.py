"""What shapes rows, and how the settings' sections say it.

Light: a process that only hands it on (the recorder whose tables are made in another one) does not
load the compiler for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from barograph.anomalies.settings import RuleSettings
from barograph.bars.settings import OUTLIER_PCT, BarSettings

if TYPE_CHECKING:
    from barograph.settings import Settings


class LineSettings(msgspec.Struct, frozen=True):
    """What shapes rows. A change of any of it needs ``barograph rebuild``."""

    bars: BarSettings = BarSettings()
    outlier_pct: float = OUTLIER_PCT
    rules: RuleSettings = RuleSettings()

    def shape(self) -> bytes:
        """All of it but what only bounds the memory, to be compared with what tables were made with."""
        return msgspec.json.encode((self.bars.rules, self.outlier_pct, self.rules))


def line_settings(settings: Settings) -> LineSettings:
    """What the line is told of ``[bars]`` and ``[anomalies]``; the defaults of both sides are equal.

    Raises:
        SettingsError: two settings that do not go together.
    """
    bars = settings.bars
    return LineSettings(
        bars=BarSettings(
            allowed_lateness_us=_us(bars.allowed_lateness_s),
            spike_window=bars.spike_window,
            spike_min_bars=bars.spike_min_bars,
            max_ahead_us=_us(bars.max_ahead_s),
            quiet_grace_us=_us(bars.quiet_grace_s),
            exclude_outliers=bars.exclude_outliers,
            retain_us=_us(bars.retain_s),
            history_bars=bars.history_bars,
            kept_minutes=bars.kept_minutes,
            kept_rows=bars.kept_rows,
        ),
        outlier_pct=bars.outlier_pct,
        rules=RuleSettings(**settings.anomalies.model_dump()),
    )


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
