"""From the settings' sections to what shapes rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from barograph.recorder.line import LineSettings
    from barograph.settings import Settings


def line_settings(settings: Settings) -> LineSettings:
    """What the line is told of ``[bars]`` and ``[anomalies]``; the defaults of both sides are equal.

    Raises:
        SettingsError: two settings that do not go together.
    """
    from barograph.anomalies import RuleSettings
    from barograph.bars import BarSettings
    from barograph.recorder.line import LineSettings

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
