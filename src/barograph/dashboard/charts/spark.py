"""A line as small as a word, as SVG, and a table of them: drawn by the browser without any script."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

from barograph.dashboard.formats import amount, percent, price
from barograph.dashboard.overview import Glance
from barograph.dashboard.theme import Theme

_WIDTH, _HEIGHT = 120, 28

STYLE = """<style>
.glances { max-height: 27rem; overflow: auto; border-radius: .5rem; border: 1px solid rgba(128,128,128,.25); }
.glances table { width: 100%; border-collapse: collapse; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
.glances th { position: sticky; top: 0; font-weight: 500; text-align: right; font-size: .8rem;
  padding: .45rem .8rem;
  background: rgba(128,128,128,.1); backdrop-filter: blur(10px); color: inherit; white-space: nowrap; }
.glances td { text-align: right; padding: .3rem .8rem; border-top: 1px solid rgba(128,128,128,.18);
  white-space: nowrap; }
.glances th:first-child, .glances td:first-child { text-align: left; }
.glances td a { color: inherit; font-weight: 600; text-decoration: none; }
.glances td a:hover { text-decoration: underline; }
.glances td small { opacity: .65; margin-left: .4rem; }
.glances img { display: block; margin-left: auto; }
@media (max-width: 640px) {
  .glances .less { display: none; }
  .glances th, .glances td { padding-left: .45rem; padding-right: .45rem; }
  .glances img { width: 72px; }
  .glances td small { display: block; margin-left: 0; }
}
</style>"""


def sparkline(values: Sequence[float], colour: str) -> str:
    """A line through ``values`` as an SVG element; empty for fewer than two.

    >>> sparkline([1.0], "#000000")
    ''
    """
    if len(values) < 2:
        return ""
    low, span = min(values), max(values) - min(values)
    step = (_WIDTH - 4) / (len(values) - 1)

    def place(k: int, value: float) -> str:
        share = (value - low) / span if span else 0.5
        return f"{2 + k * step:.1f},{_HEIGHT - 3 - share * (_HEIGHT - 6):.1f}"

    points = " ".join(place(k, value) for k, value in enumerate(values))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'preserveAspectRatio="none">'
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5" '
        'stroke-linejoin="round"/></svg>'
    )


def table(glances: Sequence[Glance], theme: Theme) -> str:
    """Symbols with price, change, volume, spread and line, as HTML; a name leads to its chart."""
    rows = "".join(_row(each, theme) for each in glances)
    return (
        f'{STYLE}<div class="glances"><table><thead><tr>'
        '<th>symbol</th><th>last</th><th>24 h</th><th>last day</th><th class="less">volume</th>'
        '<th class="less">turnover</th><th class="less">trades</th><th>spread</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(glance: Glance, theme: Theme) -> str:
    change = glance.change_pct or 0.0
    colour = theme.up if change > 0 else theme.down if change < 0 else theme.quiet
    series = glance.series
    link = escape("?" + urlencode({"symbol": series.symbol, "venue": series.venue}))
    trades = "–" if glance.trades is None else f"{glance.trades:,}"
    spread = "–" if glance.spread_bps is None else f"{glance.spread_bps:.1f} bp"
    arrow = "▲ " if change > 0 else "▼ " if change < 0 else ""
    return (
        f'<tr><td><a href="{link}" target="_self">{escape(series.symbol)}</a>'
        f"<small>{escape(series.venue)}</small></td>"
        f"<td>{price(glance.price)}</td>"
        f'<td style="color: {colour}">{arrow}{percent(glance.change_pct, signed=True)}</td>'
        f"<td>{_image(sparkline(glance.spark, colour))}</td>"
        f'<td class="less">{amount(glance.volume)}</td><td class="less">{amount(glance.turnover)}</td>'
        f'<td class="less">{trades}</td><td>{spread}</td></tr>'
    )


def _image(svg: str) -> str:
    """As an image: elements of SVG do not pass Streamlit's cleaning of HTML."""
    if not svg:
        return ""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" alt="price, the last day">'
