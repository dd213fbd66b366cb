"""The report as a whole: sound, complete, small, and the same every time."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest

from barograph.research.outcome import Honesty, Study
from barograph.research.report import formats as fmt
from barograph.research.report import write_report
from barograph.research.report.trades import LISTED, SORTING

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Tags must close in order; ids, links and text are kept."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.loads: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert len(named) == len(attrs), f"{tag} has an attribute twice"
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [v for k, v in attrs if k == "id" and v]
        self.links += [v for k, v in attrs if k == "href" and v]
        self.loads += [v for k, v in attrs if k in ("src", "srcset", "data", "xlink:href") and v]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"{tag} closes, but nothing is open"
        assert self.open.pop() == tag, f"{tag} closes out of order"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="session")
def page(study: Study) -> str:
    return write_report(study).decode()


def test_the_page_is_sound_and_its_links_lead_somewhere(page: str) -> None:
    found = Page(page)
    assert len(found.ids) == len(set(found.ids))
    assert found.links
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)


def test_the_page_loads_nothing(page: str) -> None:
    assert not Page(page).loads
    assert "://" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_every_figure_is_sound_and_has_a_text_alternative(page: str) -> None:
    figures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(figures) >= 20
    for figure in figures:
        root = ET.fromstring(figure)
        assert root.get("aria-label")
        assert "nan" not in {root.get("viewBox"), *(v for e in root.iter() for v in e.attrib.values())}
        assert not re.search(r'="[^"]*\b(nan|inf)\b', figure)


def test_every_colour_is_a_variable_that_light_and_dark_define(page: str) -> None:
    used = set(re.findall(r"var\((--\w+)\)", page))
    style = page[page.index("<style>") : page.index("</style>")]
    light, dark = re.findall(r":root\{(--.*?)\}", style)
    for theme in (light, dark):
        assert used <= set(re.findall(r"(--\w+):", theme))
    assert not re.search(r"#[0-9a-f]{6}", page[page.index("</style>") :])


def test_text_can_be_read_on_its_ground_in_light_and_dark(page: str) -> None:
    """Contrast of at least 4.5, as WCAG 2.1 asks for text."""
    style = page[page.index("<style>") : page.index("</style>")]
    for theme in re.findall(r":root\{(--.*?)\}", style):
        colours = dict(re.findall(r"--(\w+):(#\w{6})", theme))
        for text in ("ink", "soft", "accent", "loss"):
            assert contrast(colours[text], colours["paper"]) >= 4.5, text
        for shade in (f"{letter}{i}" for letter in "ud" for i in range(1, 6)):
            assert contrast(colours["ink"], colours[shade]) >= 4.5, shade


def contrast(one: str, other: str) -> float:
    """The ratio of relative luminances, WCAG 2.1."""
    parts = [[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in (one, other)]
    linear = [[v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in part] for part in parts]
    dark, bright = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (bright + 0.05) / (dark + 0.05)


def test_every_class_of_a_figure_has_a_style(page: str) -> None:
    style = page[page.index("<style>") : page.index("</style>")]
    figures = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    for kind in set(re.findall(r'class="([^"]+)"', figures)):
        assert f"svg .{kind}{{" in style, kind


def test_given_the_same_study_then_the_bytes_are_the_same(study: Study, page: str) -> None:
    assert write_report(study).decode() == page


def test_the_page_tells_the_verdict_the_numbers_and_where_they_come_from(study: Study, page: str) -> None:
    text = Page(page).text
    evidence, overfitting, luck = study.honesty.sharpe, study.honesty.overfitting, study.honesty.luck
    assert evidence
    assert overfitting
    assert luck
    for wanted in (
        study.verdict.headline,
        *study.verdict.reasons,
        study.data_hash,
        study.source,
        study.symbol,
        str(study.best_train.strategy),
        study.best_train.strategy.id,
        f"{evidence.tries:,}",
        fmt.probability(evidence.dsr),
        fmt.percent(overfitting.probability),
        fmt.probability(luck.spa_consistent),
        fmt.metric("sharpe_ratio", study.best_validation.metrics["sharpe_ratio"]),
        "idealised",
        f"barograph {study.version}",
        f"{len(study.best_whole.prices):,} of 1 day",
    ):
        assert wanted in text, wanted


def test_names_from_outside_cannot_become_markup(study: Study, page: str) -> None:
    assert "<CO>" not in page
    assert escape(study.symbol) in page
    bad = replace(study, source="</style><script>alert(1)</script>")
    assert "<script>alert" not in write_report(bad).decode()


def test_monthly_returns_are_in_the_table(study: Study, page: str) -> None:
    row = re.search(r'<tr><th scope="row">2011</th>(.*?)</tr>', page)
    assert row
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row[1])
    assert len(cells) == 13
    months = 1.0 + np.array([float(cell.replace("−", "-")) for cell in cells[:12]]) / 100
    assert months.prod() - 1 == pytest.approx(float(cells[12].replace("−", "-")) / 100, abs=0.006)


def test_given_parts_that_could_not_be_computed_then_each_says_why(study: Study) -> None:
    names = ("sharpe", "overfitting", "luck", "intervals", "walk_forward", "noise", "plateau", "other")
    nothing = Honesty(None, None, None, {}, (), None, None, {n: f"because of {n}" for n in names})
    text = Page(write_report(replace(study, honesty=nothing)).decode()).text
    for name in names:
        assert f"because of {name}." in text


def test_given_selection_by_win_rate_then_luck_is_the_median_of_the_noise_and_walking_is_by_periods(
    study: Study,
) -> None:
    assert study.honesty.noise
    noise = replace(study.honesty.noise, metric="win_rate", noise=np.full(20, 0.5), real=0.6)
    by_wins = replace(study, select_by="win_rate", honesty=replace(study.honesty, noise=noise))
    text = Page(write_report(by_wins).decode()).text
    assert "best on prices without a pattern" in text
    assert "win rate of periods in training" in text
    assert "best expected of luck alone" in Page(write_report(study).decode()).text


def test_given_accounting_per_trade_then_the_page_warns_and_leaves_out_what_it_does_not_know(
    study: Study,
) -> None:
    bare = {
        part: replace(getattr(study, part), metrics={"win_rate": 0.5, "sharpe_ratio": 1.0, "alpha": np.nan})
        for part in ("best_train", "best_validation", "best_whole")
    }
    text = Page(write_report(replace(study, accounting="per_trade", **bare)).decode()).text
    assert "returns are summed" in text
    assert "Alpha" not in text
    assert "Alpha" in Page(write_report(study).decode()).text


def test_given_no_trades_then_the_page_says_so(study: Study) -> None:
    flat = replace(
        study.best_whole,
        equity=np.full(len(study.best_whole.equity), study.costs.cash),
        position=np.zeros(len(study.best_whole.equity)),
        trades=study.best_whole.trades[:0],
    )
    text = Page(write_report(replace(study, best_whole=flat)).decode()).text
    assert "did not trade" in text


def test_given_five_thousand_bars_and_five_hundred_strategies_then_the_page_stays_small(
    large_study: Study,
) -> None:
    trades = np.tile(large_study.best_whole.trades, 20)
    whole = replace(large_study.best_whole, trades=trades)
    page = write_report(replace(large_study, best_whole=whole))
    Page(page.decode())
    assert len(trades) > LISTED
    assert len(page) < 1_200_000


def test_given_more_trades_than_are_listed_then_the_page_tells_how_many_more(study: Study) -> None:
    repeated = np.tile(study.best_whole.trades, 60)
    page = write_report(replace(study, best_whole=replace(study.best_whole, trades=repeated))).decode()
    assert page.count('<tr><td class="r" data-v="') == LISTED
    assert f"{len(repeated) - LISTED:,} later trades are not listed" in page


def test_the_sorting_script_is_sound() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node to check the script with")
    subprocess.run([node, "--check", "-"], input=SORTING.encode(), check=True, capture_output=True)
