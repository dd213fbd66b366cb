"""Ids: what they say comes back, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.api.live.place import Place, RowKey
from barograph.errors import UsageError

NATURAL = st.integers(0, 2**63 - 1)
WORDS = st.text(max_size=30)
KEYS = st.builds(RowKey, st.integers(-(2**63), 2**63 - 1), st.integers(0, 9), WORDS, WORDS, WORDS)
PLACES = st.builds(Place, WORDS, NATURAL, st.none() | KEYS, st.none() | NATURAL, st.none() | KEYS, NATURAL)


@given(PLACES)
def test_a_place_comes_back_from_its_text(place: Place) -> None:
    text = place.text()
    assert Place.of(text) == place
    assert text.isascii()
    assert not set(text) & set("\r\n =+/,")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    try:
        place = Place.of(text)
    except UsageError as error:
        assert "is no id of this stream" in str(error)  # noqa: PT017 - some texts are ids
    else:
        assert Place.of(place.text()) == place


def test_a_text_without_an_end_is_refused() -> None:
    with pytest.raises(UsageError, match=r"AAAA\.\.\."):
        Place.of("A" * 1_000_000)


@given(PLACES, NATURAL, KEYS)
def test_rows_before_a_place_were_had_and_later_ones_were_not(place: Place, pos: int, key: RowKey) -> None:
    assert place.had(pos, key) == ((pos, key) <= (place.pos, place.key) if place.key else pos < place.pos)
