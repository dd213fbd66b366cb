"""The two classic images."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from barograph.research.outcome import Study
from barograph.research.plots import performance_comparison, win_rate_histogram


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """A PNG's chunks, checksums checked."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0]
        found.append((kind, body))
        at += 12 + length
    return found


@pytest.mark.parametrize("draw", [win_rate_histogram, performance_comparison])
def test_given_a_study_then_the_image_is_the_same_every_time_and_tells_of_no_software(study, draw) -> None:  # type: ignore[no-untyped-def]
    first = draw(study)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.bbox": "tight"}):
        assert draw(study) == first
    kinds = {kind for kind, _ in chunks(first)}
    assert kinds <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    width, height = struct.unpack(">II", chunks(first)[0][1][:8])
    assert width > 1_000
    assert height > 500


def test_given_other_numbers_then_the_images_differ(study: Study) -> None:
    other = {name: values * 0.5 for name, values in study.train.metrics.items()}
    changed = replace(study, train=replace(study.train, metrics=other))
    assert win_rate_histogram(changed) != win_rate_histogram(study)
    worse = {**study.best_validation.metrics, "total_return": -0.5}
    moved = replace(study, best_validation=replace(study.best_validation, metrics=worse))
    assert performance_comparison(moved) != performance_comparison(study)


def test_given_nothing_is_known_then_the_images_are_drawn_all_the_same(study: Study) -> None:
    unknown = {"win_rate": np.full(len(study.train.strategies), np.nan)}
    empty = replace(
        study,
        train=replace(study.train, metrics=unknown),
        best_train=replace(study.best_train, metrics={}),
        best_validation=replace(study.best_validation, metrics={}),
    )
    assert chunks(win_rate_histogram(empty))
    assert chunks(performance_comparison(empty))
