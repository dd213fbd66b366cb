"""The table of rules. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from barograph.anomalies.correlation_break import CorrelationBreak
from barograph.anomalies.one_sided_flow import OneSidedFlow
from barograph.anomalies.price_jump import PriceJump
from barograph.anomalies.rule import Rule
from barograph.anomalies.settings import KINDS, RuleSettings
from barograph.anomalies.spread_blowout import SpreadBlowout
from barograph.anomalies.stale import Stale
from barograph.anomalies.volume_spike import VolumeSpike

RULES: Mapping[str, Callable[[RuleSettings], Rule]] = {
    VolumeSpike.kind: VolumeSpike,
    PriceJump.kind: PriceJump,
    SpreadBlowout.kind: SpreadBlowout,
    OneSidedFlow.kind: OneSidedFlow,
    CorrelationBreak.kind: CorrelationBreak,
    Stale.kind: Stale,
}
"""Every rule by its kind."""


def rules_of(settings: RuleSettings) -> list[Rule]:
    """The rules that are in force, in the order of ``KINDS``."""
    return [RULES[kind](settings) for kind in KINDS if kind in settings.kinds]
