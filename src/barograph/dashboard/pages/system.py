"""System: the processes, how far the tables reach, the disk, backups, and the settings in force."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from barograph.dashboard import empty, feeds
from barograph.dashboard.formats import DASH, length, moment_ns, size
from barograph.errors import BarographError

if TYPE_CHECKING:
    from barograph.dashboard.house import House
    from barograph.market import Market
    from barograph.recorder.live.statusfile import Status
    from barograph.settings import Settings
    from barograph.vault.listing import Catalogue
    from barograph.vault.places import Place

Figure = tuple[str, str | None]
"""A figure as it is shown, and a note below it."""

BACKUPS_MOST = 100
SETTINGS_SEEN = 8
"""Settings in the table before it scrolls."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What lies on one place for backups; ``problem`` says why that is not known."""

    name: str
    rows: tuple[dict[str, Any], ...]
    problem: str = ""


def show(house: House) -> None:
    """Draw the page."""
    st.subheader("System", anchor=False)
    house.live(partial(_recorder, house))
    house.live(partial(_tables, house), every_s=30.0)
    with house.shelter():
        _trading(house)
    with house.shelter():
        _backups(house)
    _settings(house.settings)


def _recorder(house: House) -> None:
    reading = house.data.recorder()
    word, colour, told = feeds.sentence(reading)
    _heading("Recorder", word, colour)
    st.caption(told)
    status = None if reading is None else reading.status
    figures = {"Disk free": _free(house, status)}
    if status is not None and word == "running":
        figures = _at_work(status) | figures
    with st.container(horizontal=True, gap="medium"):
        for label, (value, note) in figures.items():
            st.metric(label, value, note, delta_color="off", delta_arrow="off", width="content")
    if status is not None and word != "not running":
        problems = [
            status.tables.problem,
            status.journal.problem,
            *(feed.problem for feed in status.feeds.values()),
        ]
        for problem in filter(None, problems):
            st.warning(problem)


def _free(house: House, status: Status | None) -> Figure:
    from barograph.recorder.live.disk import days_until_full, there

    free = shutil.disk_usage(there(house.data.folder)).free
    if status is None:
        return size(free), None
    days = days_until_full(free, status.disk_used_per_day_bytes)
    return size(free), "not filling" if days is None else f"full in {days:,.0f} days"


def _at_work(status: Status) -> dict[str, Figure]:
    behind = f"{status.tables.tape_pos - status.tables.next_pos:,} records"
    feeds_named = f"{len(status.feeds)} feed{'' if len(status.feeds) == 1 else 's'}"
    return {
        "Tables behind": (length(status.tables.lag_s), behind),
        "Messages/s": (f"{sum(status.frames_per_s.values()):,.1f}", feeds_named),
        "Queue": (size(status.journal.waiting_bytes), f"{status.journal.waiting_records:,} records"),
        "Memory": (size(status.rss_bytes), None),
    }


def _tables(house: House) -> None:
    _heading("Tables")
    rows = house.data.ask("tables", (), _days_and_files)
    if not any(row["days"] for row in rows):
        empty.nothing(
            "No tables yet",
            f"There are no rows in {house.data.place}.",
            f"barograph replay --data {house.data.folder}",
        )
        return
    import polars as pl

    st.dataframe(
        pl.DataFrame([{**row, "size": size(row["size"])} for row in rows]),
        key="tables",
        hide_index=True,
        column_config={"table": st.column_config.TextColumn(width=170, pinned=True)},
    )
    st.caption(f"In {house.data.place}.")


def _days_and_files(market: Market) -> list[dict[str, Any]]:
    return [
        {
            "table": row["table"],
            "days": row["days"],
            "first day": str(row["first_day"] or DASH),
            "last day": str(row["last_day"] or DASH),
            "files": row["files"],
            "size": row["bytes"],
        }
        for row in market.tables().iter_rows(named=True)
    ]


def _trading(house: House) -> None:
    from barograph.recorder.trading.figures import fresh

    figures = house.data.trader()
    if figures is None:
        _heading("Trading", "never ran", "gray")
        st.caption("`barograph trade --strategy dip` trades on paper beside the recorder.")
        return
    runs = fresh(figures, time.time_ns())
    word, colour = ("running", "green") if runs else ("not running", "gray")
    if figures.halted:
        word, colour = f"{word}, told to {figures.halted}", "orange"
    _heading("Trading", word, colour)
    since = moment_ns(figures.started_ns)
    told = f"{figures.opened:,} positions opened and {figures.closed:,} closed since {since} UTC"
    seen = moment_ns(figures.now_ns)
    lag = f", {length(figures.lag_s)} behind the tape" if runs else f"; last seen {seen} UTC"
    st.caption(told + lag + ".")
    if figures.problem:
        st.warning(figures.problem)


def _backups(house: House) -> None:
    _heading("Backups")
    shelves = house.data.ask_beside("backups", (), partial(_shelves, house.settings))
    if not any(shelf.rows or shelf.problem for shelf in shelves):
        empty.nothing(
            "No backups yet",
            f"Nothing lies at {' or '.join(shelf.name for shelf in shelves)}.",
            "barograph backup run",
        )
        return
    import polars as pl

    for shelf in shelves:
        st.caption(shelf.name)
        if shelf.problem:
            st.warning(shelf.problem)
        elif shelf.rows:
            st.dataframe(pl.DataFrame(shelf.rows), key=f"shelf-{shelf.name}", hide_index=True)


def _shelves(settings: Settings) -> list[Shelf]:
    from barograph.vault.places import places

    return [_shelf(place) for place in places(settings)]


def _shelf(place: Place) -> Shelf:
    """What lies there; a place that does not answer is told, and the others are shown."""
    from barograph.vault.listing import read_catalogue

    try:
        return Shelf(str(place), tuple(_listed(read_catalogue(place.shelf)))[:BACKUPS_MOST])
    except BarographError as error:
        return Shelf(str(place), (), f"{place} does not answer: {error}")


def _listed(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """The newest first."""
    for each in reversed(catalogue.manifests):
        problem = catalogue.problem(each)
        yield {
            "taken": each.id,
            "kind": each.kind,
            "follows": each.follows or DASH,
            "size": size(sum(file.bytes for file in (*each.files, *each.tape))),
            "whole": "yes" if not problem else f"no: {problem}",
        }


def _settings(settings: Settings) -> None:
    _heading("Settings")
    wanted = st.text_input("Search", placeholder="record, tape.fsync, ...", key="settings-search")
    explained = [
        {
            "setting": each.name,
            "value": DASH if each.value is None else str(each.value),
            "from": str(each.origin),
            "meaning": each.help,
        }
        for each in settings.explain()
        if not wanted or wanted.lower() in f"{each.name} {each.help}".lower()
    ]
    if not explained:
        st.caption("No setting has that in its name or meaning.")
        return
    import polars as pl

    st.dataframe(
        pl.DataFrame(explained),
        key="settings",
        hide_index=True,
        height=320 if len(explained) > SETTINGS_SEEN else "auto",
        column_config={
            "setting": st.column_config.TextColumn(pinned=True),
            "value": st.column_config.TextColumn(width="medium"),
        },
    )
    st.caption("Secrets are masked. `barograph config show` tells the same.")


def _heading(title: str, word: str = "", colour: str = "gray") -> None:
    st.markdown(f"##### {title}" + (f"  :{colour}-badge[{word}]" if word else ""))
