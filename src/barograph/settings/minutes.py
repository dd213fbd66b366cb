"""What is made of every minute: ``bars`` and ``anomalies``."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from barograph.settings.section import Section


class BarsSection(Section):
    """How ticks and quotes become minutes. A change takes effect with ``barograph rebuild``."""

    allowed_lateness_s: float = Field(
        default=2.0, ge=0, le=3600, description="How long a minute stays open for late trades after its end."
    )
    spike_window: int = Field(
        default=60, ge=2, le=10_000, description="Minutes that volume_spike_score looks back."
    )
    spike_min_bars: int = Field(
        default=20, ge=2, description="Minutes below which volume_spike_score is null."
    )
    max_ahead_s: float = Field(
        default=5.0,
        ge=0,
        description="A stamp this far ahead of receipt is flagged and does not move time on.",
    )
    quiet_grace_s: float = Field(
        default=10.0, ge=0, description="How far behind a quiet connection may hold the others' minutes open."
    )
    retain_s: float = Field(
        default=600.0, ge=0, description="How long a closed minute's rows stay in memory, for late trades."
    )
    history_bars: int = Field(default=1440, ge=1, description="Closed minutes remembered, a symbol.")
    kept_minutes: int = Field(default=250_000, ge=1, description="Closed minutes remembered, all symbols.")
    kept_rows: int = Field(
        default=50_000, ge=1, description="Trades and quotes held in memory, about; the rest is read back."
    )
    outlier_pct: float = Field(
        default=20.0,
        gt=0,
        description="A price further than this from the recent median, in percent, is flagged.",
    )
    exclude_outliers: bool = Field(default=False, description="Keep flagged prices out of bars.")

    @model_validator(mode="after")
    def _window_holds_minimum(self) -> BarsSection:
        if self.spike_min_bars > self.spike_window:
            raise ValueError(
                f"bars.spike_min_bars = {self.spike_min_bars} is more than "
                f"bars.spike_window = {self.spike_window}: no score would ever be computed"
            )
        return self


Kind = Literal["volume_spike", "price_jump", "spread_blowout", "one_sided_flow", "correlation_break", "stale"]


class AnomaliesSection(Section):
    """Thresholds of the rules. A change takes effect with ``barograph rebuild``."""

    kinds: tuple[Kind, ...] = Field(default=get_args(Kind), description="The rules that are in force.")
    window: int = Field(
        default=60, ge=2, le=720, description="Minutes that price, spread and flow look back."
    )
    least: int = Field(default=20, ge=2, description="With fewer minutes to compare with, a rule is silent.")
    volume_spike_score: float = Field(
        default=3.0, ge=0, description="Volume spike: volume_spike_score above this."
    )
    price_jump_sigmas: float = Field(
        default=6.0, ge=0, description="Price jump: a log return of so many standard deviations..."
    )
    price_jump_return: float = Field(default=0.001, ge=0, description="...and of at least this size.")
    spread_ratio: float = Field(
        default=4.0, ge=1, description="Spread blow-out: a relative spread of so many times the median..."
    )
    spread_floor: float = Field(
        default=0.0002, ge=0, description="...and of at least this size (0.0002 is 2 basis points)."
    )
    flow_imbalance: float = Field(
        default=0.9, ge=0, le=1, description="One-sided flow: an order imbalance, either way, of this..."
    )
    flow_trades: int = Field(default=20, ge=1, description="...in at least so many trades...")
    flow_volume: float = Field(default=0.5, ge=0, description="...and this share of the median volume.")
    correlation_z: float = Field(
        default=4.0, ge=0, description="Correlation break: Fisher's z between the short and the long window."
    )
    correlation_short: int = Field(default=30, ge=10, le=180, description="Minutes of the short window.")
    correlation_long: int = Field(
        default=240, ge=10, le=710, description="Minutes of the long window, which ends before the short one."
    )
    correlation_others: int = Field(default=2, ge=1, description="Other symbols that a minute needs.")
    stale_minutes: int = Field(default=10, ge=2, le=360, description="Stale: so many minutes without a bar.")
    stale_longest_gap: int = Field(
        default=120, ge=2, le=360, description="A longer silence of the whole venue is a closed market."
    )
