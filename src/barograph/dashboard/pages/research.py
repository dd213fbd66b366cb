"""Research: a study told as a story, from all that was tried to whether it was luck; studies side by side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from barograph.dashboard import empty, telling
from barograph.dashboard.courses import Courses, courses
from barograph.dashboard.studies import Judged, Place, Trained, judged, places, trained
from barograph.research import files
from barograph.research.report import formats as fmt

if TYPE_CHECKING:
    from barograph.dashboard.charts.histogram import Mark
    from barograph.dashboard.house import House

COMPARED_MOST = 4
_CONFIG = {"displayModeBar": False, "scrollZoom": False}
_ONE, _SEVERAL = "one study", "side by side"


def show(house: House) -> None:
    """Draw the page."""
    st.subheader("Research", anchor=False)
    found = places(house.settings)
    if not found:
        where = files.studies_folder(house.settings)
        empty.nothing(
            "No studies yet",
            "A study makes many strategies, trades them all on the first part of the data, takes the best "
            f"and sees what it is worth on the rest. Studies in `{where}` are shown here.",
            f"barograph research run --data arch:sp500 --out {where / 'sp500'}",
            f"barograph research run --data lake --out {where / 'mine'}",
        )
        return
    with_verdict = [place for place in found if place.is_judged]
    several = False
    if len(with_verdict) > 1:
        several = st.segmented_control("Look at", [_ONE, _SEVERAL], default=_ONE, required=True) == _SEVERAL
    if several:
        _side_by_side(house, with_verdict)
    else:
        _story(house, _chosen(found))


def _chosen(found: list[Place]) -> Place:
    """The study that the address or the viewer names; the newest."""
    names = [place.name for place in found]
    asked = st.query_params.get("study", "")
    if len(found) == 1:
        return found[0]
    index = names.index(asked) if asked in names else 0
    return st.selectbox("Study", found, index=index, format_func=lambda each: each.name, key="study")


def _story(house: House, place: Place) -> None:
    if not place.is_judged:
        _unfinished(house, place)
        return
    study = judged(place)
    _verdict(study)
    _files(place)
    crowd = None
    with house.shelter():
        crowd = trained(place)
    if crowd is not None:
        _tried(house, study, crowd)
        _crowd(house, study, crowd)
    # From here on it takes a moment the first time; what stands above is seen meanwhile.
    again = courses(house.settings, place, study.strategy_id, study.selected_metric.metric)
    _held(house, study, crowd, again)
    _equity(house, place, again)
    _luck(house, study)
    _walked(house, study)
    _reasons(study)


def _verdict(study: Judged) -> None:
    """The headline, as the study has it, and five numbers."""
    with st.container(border=True, key="verdict"):
        icon = ":material/verified:" if study.verdict.skill else ":material/casino:"
        st.markdown(f"#### {icon} {telling.as_it_is(telling.sentence(study.verdict.headline))}")
        with st.container(horizontal=True, gap="medium"):
            for each in telling.tiles(study):
                st.metric(
                    each.name,
                    each.value,
                    each.remark,
                    delta_color="off",
                    delta_arrow="off",
                    help=each.explained,
                    width="content",
                )


def _unfinished(house: House, place: Place) -> None:
    empty.nothing(
        f"{place.name} has no verdict yet",
        f"The next step is to {place.next_step}.",
        f"barograph research {place.next_step} --out {place.path}",
    )
    if (place.path / files.TRAINING).is_file():
        crowd = trained(place)
        st.caption(f"{len(crowd.ids):,} strategies have been traded on the training part.")
        if "win_rate" in crowd.metrics:
            _histogram(house, crowd, "win_rate", [])


def _files(place: Place) -> None:
    report = place.path / files.REPORT
    with st.container(horizontal=True, vertical_alignment="center"):
        if report.is_file():
            st.download_button(
                "The whole report, HTML",
                report.read_bytes,
                file_name=f"{place.name}-report.html",
                mime="text/html",
                icon=":material/description:",
                on_click="ignore",
            )
        st.caption(f"`{place.path}`")


def _tried(house: House, study: Judged, crowd: Trained) -> None:
    from barograph.dashboard.charts.study import families

    st.markdown("##### 1. What was tried")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown(telling.tried(study, crowd))
    with right:
        figure = families(crowd.families, study.strategy.family, house.theme)
        st.plotly_chart(
            figure, key="families", config=_CONFIG, alt="How many strategies of which family were tried"
        )


def _crowd(house: House, study: Judged, crowd: Trained) -> None:
    from barograph.dashboard.charts.histogram import Mark

    by = study.selected_metric.metric
    if by not in crowd.metrics:
        return
    st.markdown("##### 2. The crowd, and the one that was chosen")
    marks = [Mark(telling.number(study.training_metrics.get(by)), "the winner", "winner")]
    luck, name = telling.lucky_best(study)
    if math.isfinite(luck):
        marks.append(Mark(luck, name, "luck"))
    marks.append(Mark(telling.number(study.validation_metrics.get(by)), "the winner in validation"))
    _histogram(house, crowd, by, marks)
    st.caption(telling.crowd(study))


def _histogram(house: House, crowd: Trained, by: str, marks: list[Mark]) -> None:
    from barograph.dashboard.charts.histogram import Axis, histogram

    axis = Axis(f"{fmt.in_text(by)} in training", telling.form(by))
    figure = histogram(crowd.metrics[by], marks, axis, house.theme)
    st.plotly_chart(figure, key="crowd", config=_CONFIG, alt=f"{fmt.label(by)} of all strategies in training")


def _held(house: House, study: Judged, crowd: Trained | None, again: Courses) -> None:
    st.markdown("##### 3. Did it hold on what it had never seen?")
    by = study.selected_metric.metric
    st.html(telling.before_and_after(study, house.theme))
    if crowd is None or again.validation is None or not _belong(study, crowd, len(again.validation)):
        return
    from barograph.dashboard.charts.study import cloud
    from barograph.research.plots.in_and_out import rank_correlation

    before, after = crowd.metrics[by], again.validation
    figure = cloud(
        before, after, crowd.ids.index(study.strategy_id), (fmt.label(by), telling.form(by)), house.theme
    )
    st.plotly_chart(figure, key="cloud", config=_CONFIG, alt="Training against validation of every strategy")
    order = rank_correlation(before, after)
    if math.isfinite(order):
        st.caption(
            f"One point a strategy. Rank correlation {order:.2f}: at 1 the order lasts, at 0 it is lost."
        )


def _belong(study: Judged, crowd: Trained, count: int) -> bool:
    """Whether files that were written one after the other are of one and the same study."""
    known = study.selected_metric.metric in crowd.metrics and study.strategy_id in crowd.ids
    return known and len(crowd.ids) == count


def _equity(house: House, place: Place, again: Courses) -> None:
    st.markdown("##### 4. What became of the money")
    if again.times_us is None or again.winner is None or again.market is None:
        st.caption(f"The curve cannot be drawn anew: {telling.as_it_is(again.reason)}")
        picture = place.path / files.COMPARISON
        if picture.is_file():
            st.image(picture.read_bytes(), caption="As the study has drawn it.")
        return
    from barograph.dashboard.charts.equity import Curve, Look, equity

    curves = [
        Curve("buying and holding", again.times_us, again.market),
        Curve("the winner, after costs", again.times_us, again.winner, is_main=True),
    ]
    look = Look(house.theme, border_us=again.border_us, floor=1.0, relative=True)
    st.plotly_chart(
        equity(curves, look), key="equity", config=_CONFIG, alt="Growth of 1 in the winner and in the market"
    )
    st.caption(f"{telling.data(again)} Growth of 1, after costs. Shaded: not seen when it was chosen.")


def _luck(house: House, study: Judged) -> None:
    from barograph.dashboard.charts.study import tries

    st.markdown("##### 5. Could it be luck?")
    st.markdown(telling.luck(study))
    sharpe = study.honesty.sharpe
    if (
        sharpe is not None
        and sharpe.tries > 1
        and sharpe.annual is not None
        and sharpe.expected_annual is not None
    ):
        from barograph.research.honesty.expected_maximum import exact

        deviation = sharpe.expected_annual / exact(float(sharpe.tries))
        figure = tries([(float(sharpe.tries), sharpe.annual, "the winner")], deviation, house.theme)
        st.plotly_chart(
            figure, key="tries", config=_CONFIG, alt="Expected best of luck against the number of tries"
        )
        st.caption("The dashed line is what luck alone is expected to show; skill must stand well above it.")


def _walked(house: House, study: Judged) -> None:
    import numpy as np

    from barograph.dashboard.charts.study import walk_forward

    if not study.honesty.walk_forward:
        if "walk_forward" in study.honesty.missing:
            why = telling.as_it_is(study.honesty.missing["walk_forward"])
            st.caption(f"Walk-forward was not done: {why}.")
        return
    st.markdown("##### 6. Walking forward")
    by = telling.walked_by(study)
    for place, (tab, walked) in enumerate(
        zip(
            st.tabs([telling.way(each) for each in study.honesty.walk_forward]),
            study.honesty.walk_forward,
            strict=True,
        )
    ):
        with tab:
            figure = walk_forward(
                np.array(walked.starts_us, dtype=np.int64),
                np.array([telling.number(value) for value in walked.in_sample]),
                np.array([telling.number(value) for value in walked.out_of_sample]),
                (fmt.label(by), telling.form(by)),
                house.theme,
            )
            st.plotly_chart(
                figure, key=f"walked-{place}", config=_CONFIG, alt="Each window: selected with, and came out"
            )
            st.caption(telling.walked(walked, by))


def _reasons(study: Judged) -> None:
    st.markdown("##### What speaks for it, and against it")
    st.html(telling.reasons(study))


def _side_by_side(house: House, found: list[Place]) -> None:
    chosen = st.multiselect(
        "Studies",
        found,
        default=found[:2],
        format_func=lambda each: each.name,
        max_selections=COMPARED_MOST,
        key="studies",
    )
    if not chosen:
        st.caption("Choose some.")
        return
    told: list[tuple[Place, Judged]] = []
    for place in chosen:
        with house.shelter():
            told.append((place, judged(place)))
    if not told:
        return
    st.html(telling.comparison([(place.name, study) for place, study in told], house.theme))
    for column, (place, study) in zip(st.columns(len(told), gap="medium"), told, strict=True):
        with column:
            _card(house, place, study)


def _card(house: House, place: Place, study: Judged) -> None:
    from barograph.dashboard.charts.equity import Curve, Look, equity

    st.markdown(f"**{place.name}**")
    st.caption(telling.as_it_is(telling.sentence(study.verdict.headline)))
    st.caption(f"Selected: {telling.as_it_is(str(study.strategy))}.")
    again = courses(house.settings, place, study.strategy_id, study.selected_metric.metric)
    if again.times_us is None or again.winner is None or again.market is None:
        st.caption(f"No curve: {telling.as_it_is(again.reason)}")
        return
    curves = [
        Curve("buying and holding", again.times_us, again.market),
        Curve("the winner", again.times_us, again.winner, is_main=True),
    ]
    look = Look(house.theme, border_us=again.border_us, floor=1.0, relative=True, height=320)
    st.plotly_chart(
        equity(curves, look), key=f"equity-{place.path}", config=_CONFIG, alt=f"Growth of 1 in {place.name}"
    )
