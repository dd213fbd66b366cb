"""Chapter: the trades of the selected strategy."""

from __future__ import annotations

from html import escape

import numpy as np

from barograph.research.outcome import Backtest, Study
from barograph.research.plots import excursions
from barograph.research.plots import trades as trades_plot
from barograph.research.report import formats as fmt
from barograph.research.report.markup import figure, pair, paragraph, section, wide
from barograph.research.report.performance import validation_start
from barograph.strategies.trading import REASONS

LISTED = 500
"""So many trades are listed, the oldest; the page says how many more there are."""

_HEAD = (
    "No.",
    "Side",
    "Entry",
    "Price",
    "Exit",
    "Price",
    "Size",
    "Profit",
    "Return",
    "Bars",
    "MAE",
    "MFE",
    "End",
)
_WORDS = frozenset(["Side", "Entry", "Exit", "End"])

SORTING = """
document.querySelectorAll(".sortable th").forEach((head,column)=>{
head.querySelector("button").addEventListener("click",()=>{
const body=head.closest("table").tBodies[0],up=head.getAttribute("aria-sort")!=="ascending";
const value=row=>{const cell=row.cells[column],number=cell.dataset.v;
return number===undefined?cell.textContent:+number};
head.parentNode.querySelectorAll("th").forEach(other=>other.removeAttribute("aria-sort"));
head.setAttribute("aria-sort",up?"ascending":"descending");
[...body.rows].sort((a,b)=>{const x=value(a),y=value(b);return (x<y?-1:x>y?1:0)*(up?1:-1)})
.forEach(row=>body.append(row))})})
"""


def trades(study: Study) -> str:
    """Trades on the price, excursions, and the list."""
    found = study.best_whole
    count = len(found.trades)
    if not count:
        return section("trades", "Trades", paragraph("The selected strategy did not trade."))
    return section("trades", "Trades", _on_price(study), _excursions(found), _list(found))


def _on_price(study: Study) -> str:
    found = study.best_whole
    stop = found.start + len(found.equity)
    drawn = trades_plot.draw(
        found.prices.ts_us[:stop],
        found.prices.close[:stop],
        found.trades,
        validation_start(study),
        found.start,
    )
    some = f" The {trades_plot.DRAWN} largest are drawn." if len(found.trades) > trades_plot.DRAWN else ""
    words = f"from entry to exit: accent won, warm lost; the strip shows when a position was held.{some}"
    return wide(drawn, f"{len(found.trades):,} trades on the price", words)


def _excursions(found: Backtest) -> str:
    adverse, favourable, result = excursions.excursions(found.trades)
    return pair(
        figure(
            excursions.draw(adverse, result, "largest loss while held"),
            "Adverse excursion (MAE)",
            "winners that were never deep under would allow a tighter stop.",
        ),
        figure(
            excursions.draw(favourable, result, "largest gain while held"),
            "Favourable excursion (MFE)",
            "losers that were far ahead once gave it back.",
        ),
    )


def _list(found: Backtest) -> str:
    shown = found.trades[:LISTED]
    adverse, favourable, result = excursions.excursions(shown)
    rows = "".join(
        _row(found, i, shown[i], (float(result[i]), float(adverse[i]), float(favourable[i])))
        for i in range(len(shown))
    )
    head = "".join(
        f'<th scope="col"{_side(name)}><button type="button">{escape(name)}</button></th>' for name in _HEAD
    )
    more = len(found.trades) - len(shown)
    told = paragraph(f"{more:,} later trades are not listed.", "under") if more else ""
    caption = "Trades, by entry; times UTC. Profit is after fees, return and excursions are of the price."
    return (
        f'<div class="list"><table class="sortable"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{told}"
    )


def _row(found: Backtest, i: int, trade: np.void, parts: tuple[float, float, float]) -> str:
    times, interval = found.prices.ts_us, found.prices.interval_us
    entry, leave = int(trade["entry_bar"]), int(trade["exit_bar"])
    profit = float(trade["profit"])
    result, adverse, favourable = parts
    cells = [
        _number(i + 1, str(i + 1)),
        f"<td>{'long' if trade['side'] > 0 else 'short'}</td>",
        f"<td>{fmt.moment(times[entry], interval)}</td>",
        _number(float(trade["entry_price"]), fmt.price(float(trade["entry_price"]))),
        f"<td>{fmt.moment(times[leave], interval)}</td>",
        _number(float(trade["exit_price"]), fmt.price(float(trade["exit_price"]))),
        _number(float(trade["quantity"]), fmt.price(float(trade["quantity"]))),
        _number(profit, fmt.money(profit), loss=profit < 0),
        _number(result, fmt.percent(result, 2), loss=result < 0),
        _number(leave - entry, f"{leave - entry:,}"),
        _number(adverse, fmt.percent(adverse, 2)),
        _number(favourable, fmt.percent(favourable, 2)),
        f"<td>{REASONS[int(trade['reason'])].replace('_', ' ')}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _number(value: float, shown: str, *, loss: bool = False) -> str:
    return f'<td class="r{" loss" if loss else ""}" data-v="{value:.8g}">{shown}</td>'


def _side(name: str) -> str:
    return "" if name in _WORDS else ' class="r"'
