"""The thresholds of the rules and how far they look back."""

from __future__ import annotations

import msgspec

from barograph.errors import SettingsError

LOOKBACK = 720
"""Minutes: no rule looks further back, and bars this much older than their venue's newest are ignored."""

KINDS = ("volume_spike", "price_jump", "spread_blowout", "one_sided_flow", "correlation_break", "stale")
"""Every kind of anomaly, in the order in which they are told."""


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the rules; ``docs/anomalies.md`` tells the formulas.

    Attributes:
        kinds: the rules that are in force.
        window: bars before a bar that price jump, spread and flow compare it with.
        least: with fewer bars to compare with, a rule says nothing.
        volume_spike_score: a ``volume_spike_score`` above this.
        price_jump_sigmas: a log return of so many standard deviations of those before it...
        price_jump_return: ...and of at least this size.
        spread_ratio: a relative spread of so many times the median before it...
        spread_floor: ...and of at least this size (0.0002 is 2 basis points).
        flow_imbalance: an order imbalance, either way, of at least this...
        flow_trades: ...in at least so many trades...
        flow_volume: ...and at least this share of the median volume before it.
        correlation_z: Fisher's z between the short window and the long one before it.
        correlation_bond: the correlation over the long window, either way, that can break.
        correlation_short: minutes of the short window.
        correlation_long: minutes of the long window, which ends where the short one begins.
        correlation_others: how many other instruments of the venue a minute needs.
        stale_minutes: minutes without a bar.
        stale_longest_gap: a longer silence of the whole venue is taken for a closed market.
    """

    kinds: tuple[str, ...] = KINDS
    window: int = 60
    least: int = 20
    volume_spike_score: float = 3.0
    price_jump_sigmas: float = 6.0
    price_jump_return: float = 0.001
    spread_ratio: float = 4.0
    spread_floor: float = 0.0002
    flow_imbalance: float = 0.9
    flow_trades: int = 20
    flow_volume: float = 0.5
    correlation_z: float = 4.0
    correlation_bond: float = 0.3
    correlation_short: int = 30
    correlation_long: int = 240
    correlation_others: int = 2
    stale_minutes: int = 10
    stale_longest_gap: int = 120

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name not in KINDS:
                raise SettingsError(f"anomalies.kinds has {name!r}; the kinds are {', '.join(KINDS)}")
        for name, low, high in self._bounds():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingsError(f"anomalies.{name} is {value}; it must lie between {low} and {high}")

    def _bounds(self) -> tuple[tuple[str, float, float], ...]:
        infinite = float("inf")
        return (
            ("window", 2, LOOKBACK),
            ("least", 2, self.window),
            ("volume_spike_score", 0.0, infinite),
            ("price_jump_sigmas", 0.0, infinite),
            ("price_jump_return", 0.0, infinite),
            ("spread_ratio", 1.0, infinite),
            ("spread_floor", 0.0, infinite),
            ("flow_imbalance", 0.0, 1.0),
            ("flow_trades", 1, infinite),
            ("flow_volume", 0.0, infinite),
            ("correlation_z", 0.0, infinite),
            ("correlation_bond", 0.0, 1.0),
            ("correlation_short", 10, LOOKBACK // 4),
            ("correlation_long", self.correlation_short, LOOKBACK - self.correlation_short),
            ("correlation_others", 1, infinite),
            ("stale_minutes", 2, LOOKBACK // 2),
            ("stale_longest_gap", self.stale_minutes, LOOKBACK // 2),
        )
