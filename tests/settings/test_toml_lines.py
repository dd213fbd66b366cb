"""Line numbers of keys, which depend on what strings and arrays over many lines do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from barograph.settings.toml_lines import key_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", {}),
        ("a = 1", {("a",): 1}),
        ("# a = 1\n\na = 2 # x", {("a",): 3}),
        ("[t.u]\nb = 1\n[v]\n", {("t", "u"): 1, ("t", "u", "b"): 2, ("v",): 3}),
        ("a = [\n 1,\n 2]\nb = 1", {("a",): 1, ("b",): 4}),
        ('a = """\n[no]\nb = 1\n"""\nb = 2', {("a",): 1, ("b",): 5}),
        ("x.y = 1\nz = {p = 1, q = 2}", {("x", "y"): 1, ("z", "p"): 2, ("z", "q"): 2}),
        ('["odd.name"]\n"k k" = 1', {("odd.name",): 1, ("odd.name", "k k"): 2}),
        ("[[t]]\na = 1\n[[t]]\na = 2", {("t",): 1, ("t", "a"): 2}),
    ],
)
def test_key_lines(text: str, lines: dict[tuple[str, ...], int]) -> None:
    assert key_lines(text) == lines


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["", "# note", "   ", "KEY = 1", "KEY = [\n1,\n\n2]", 'KEY = """\n[x]\n"""']))
)
def test_each_key_is_found_where_it_was_written(pieces: list[str]) -> None:
    lines: list[str] = []
    expected = {}
    for number, piece in enumerate(pieces):
        if piece.startswith("KEY"):
            expected[(f"k{number}",)] = len(lines) + 1
        lines += piece.replace("KEY", f"k{number}").split("\n")
    assert key_lines("\n".join(lines)) == expected
