"""Colours: light and dark, and to be told apart by those who see fewer of them.

Kinds of anomalies have a colour of Okabe and Ito's palette (2008) and a shape of their own, so that neither
is needed alone. Backgrounds, fonts and grids are Streamlit's theme, which Plotly's charts follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

Scale = tuple[tuple[float, str], ...]


class Mark(NamedTuple):
    """How a kind is drawn: its colour on light and on dark, and Plotly's name of its shape."""

    light: str
    dark: str
    symbol: str


MARKS: Mapping[str, Mark] = MappingProxyType(
    {
        "volume_spike": Mark("#E69F00", "#E69F00", "triangle-up"),
        "price_jump": Mark("#CC3311", "#EE7733", "star"),
        "spread_blowout": Mark("#0072B2", "#56B4E9", "diamond"),
        "one_sided_flow": Mark("#AA4499", "#CC79A7", "square"),
        "correlation_break": Mark("#555555", "#BBBBBB", "x"),
        "stale": Mark("#8C6D1F", "#F0E442", "hourglass"),
    }
)
MODEL = Mark("#009E73", "#00C795", "circle")
"""What a trained model found."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of charts.

    Attributes:
        up, down: rising and falling; bought and sold.
        line: one line that stands for itself; quiet: what is beside it; ink: text in a chart.
        good, fair, bad, none: states: whole, partly so, not, and nothing known.
    """

    base: Literal["light", "dark"]
    up: str
    down: str
    line: str
    quiet: str
    ink: str
    good: str
    fair: str
    bad: str
    none: str

    def mark(self, kind: str) -> tuple[str, str]:
        """Colour and symbol of a kind of anomaly; those of no rule are a model's."""
        mark = MARKS.get(kind, MODEL)
        return (mark.light if self.base == "light" else mark.dark), mark.symbol

    @property
    def shares(self) -> Scale:
        """A scale from 0 to 1 that is mostly about its upper end: uptime."""
        return ((0.0, self.bad), (0.9, self.fair), (0.999, self.good), (1.0, self.good))


LIGHT = Theme(
    base="light",
    up="#009E73",
    down="#D55E00",
    line="#0072B2",
    quiet="#8A929C",
    ink="#31333F",
    good="#2A9D8F",
    fair="#E9C46A",
    bad="#C8553D",
    none="#EAEAE6",
)
DARK = Theme(
    base="dark",
    up="#1FC79A",
    down="#F0803C",
    line="#56B4E9",
    quiet="#8A929C",
    ink="#FAFAFA",
    good="#2A9D8F",
    fair="#E9C46A",
    bad="#D9694F",
    none="#33322F",
)


def current() -> Theme:
    """The theme of the viewer whose page is being drawn; light where none is known."""
    import streamlit as st

    return DARK if st.context.theme.type == "dark" else LIGHT
