"""Forms as trees, and each kind of field where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from barograph.compiled import COMPILED
from barograph.feeds.scan import NO_MATCH, Forms, Op, grow, match

if not COMPILED:
    pytest.skip("kernels are not compiled in this process", allow_module_level=True)

Read = Callable[[Forms, bytes], tuple[int, list[int], list[float]]]
FIELDS = {
    "n": (Op.INTEGER, 0),
    "t": (Op.TIME, 0),
    "d": (Op.DECIMAL, 0),
    "name": (Op.NAME, 0),
    "flag": (Op.FLAG, 0),
    "rest": (Op.REST, 0),
    "other": (Op.DECIMAL, 1),
}


@pytest.fixture(scope="module")
def read() -> Read:
    """The form of a frame that lies between others, with its fields."""
    import numba

    @numba.njit
    def matched(nodes: Any, text: Any, joined: Any, at: int, stop: int, ints: Any, floats: Any) -> int:
        return match(nodes, text, joined, at, stop, ints, floats)

    def read_one(forms: Forms, frame: bytes) -> tuple[int, list[int], list[float]]:
        joined = np.frombuffer(b"5" + frame + b"5", dtype=np.uint8)
        ints, floats = np.zeros(2, dtype=np.int64), np.zeros(2)
        form = matched(forms.nodes, forms.text, joined, 1, 1 + len(frame), ints, floats)
        return form, ints.tolist(), floats.tolist()

    return read_one


@pytest.mark.parametrize(
    ("frame", "form"),
    [
        (b"one<", 0),
        (b"one", NO_MATCH),
        (b"one<7>", 1),
        (b"one<7", NO_MATCH),
        (b"one<7>>", NO_MATCH),
        (b"one<7;", 2),
        (b"only", 3),
        (b"two 5 and more", 4),
        (b"two 5 and", NO_MATCH),
        (b"x", 5),
        (b"xyz", 5),
        (b"", NO_MATCH),
    ],
)
def test_forms_that_begin_alike_are_told_apart(frame: bytes, form: int, read: Read) -> None:
    forms = {"one<": 0, "one<<n>>": 1, "one<<n>;": 2, "only": 3, "two <n> and <rest>": 4, "x<rest>": 5}
    assert read(grow(forms, FIELDS), frame)[0] == form


def test_the_order_of_forms_does_not_matter(read: Read) -> None:
    forms = {"a<n>b": 0, "a<n>c": 1, "abc": 2, "b": 3}
    turned = dict(reversed(forms.items()))
    for frame in (b"a1b", b"a1c", b"abc", b"b", b"a1d", b"ab"):
        assert read(grow(forms, FIELDS), frame)[0] == read(grow(turned, FIELDS), frame)[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((b"0", 0), (b"7", 7), (b"999999999999999999", 10**18 - 1)),
        *(
            (b"1000000000000000000", None),
            (b"00", None),
            (b"07", None),
            (b"", None),
            (b"-1", None),
            (b"/", None),
        ),
    ],
)
def test_integers(text: bytes, value: int | None, read: Read) -> None:
    form, ints, _ = read(grow({"<n>.": 0}, FIELDS), text + b".")
    assert (ints[0] if form == 0 else None) == value


@pytest.mark.parametrize(
    ("text", "us"),
    [
        *((b"1", 1_000), (b"1723161255343", 1723161255343000), (b"1723161255343001", 1723161255343001)),
        *((b"100000000000000", 100000000000000), (b"7258118399999999", 7258118399999999)),
        *((b"7258118399999", 7258118399999000), (b"7258118400000", None), (b"7258118400000000", None)),
        *((b"0", None), (b"99999999999999", None)),
    ],
)
def test_times(text: bytes, us: int | None, read: Read) -> None:
    form, ints, _ = read(grow({"<t>.": 0}, FIELDS), text + b".")
    assert (ints[0] if form == 0 else None) == us


@pytest.mark.parametrize(
    "text",
    [
        *("0", "0.0", "0.00000001", "5", "61837.63000000", "0.3", "9007199254740992"),
        *("900719925474099.2", "900719925474099.20", "9999999999.90000000", "0.00000000000000001"),
        *("1234567890.00000000", "1000000000000.00000"),
    ],
)
def test_decimals(text: str, read: Read) -> None:
    form, _, floats = read(grow({"<d>,": 0}, FIELDS), text.encode() + b",")
    assert (form, floats[0]) == (0, float(text))


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", ".5", "5.", "00.5", "01", "-1", "+1", "1e5", "1.5e5", "1..5", "1.5.5", "NaN", " 1", "1 "),
        *(
            "9007199254740993",
            "900719925474099.3",
            "100000000000000000.0",
            "123456789012345.6789",
            "0.000000000000000000001",
        ),
    ],
)
def test_decimals_that_are_left(text: str, read: Read) -> None:
    assert read(grow({"<d>,": 0}, FIELDS), text.encode() + b",")[0] == NO_MATCH


def test_a_field_ends_where_the_frame_ends(read: Read) -> None:
    assert read(grow({"<n>": 0}, FIELDS), b"12")[:2] == (0, [12, 0])
    assert read(grow({"<d>": 0}, FIELDS), b"1.2")[2] == [1.2, 0.0]
    assert read(grow({"<d>": 0}, FIELDS), b"1.")[0] == NO_MATCH
    assert read(grow({"<name>": 0}, FIELDS), b"A")[:2] == (0, [1, 1])
    assert read(grow({"<flag>": 0}, FIELDS), b"tru")[0] == NO_MATCH


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *((b"BTCUSDT_240927", True), (b"a", True), (b"1000PEPE", True), (b"A" * 64, True)),
        *(
            (b"A" * 65, False),
            (b"", False),
            (b"A-B", False),
            ("É".encode(), False),
            (b"A\\B", False),
            (b"[", False),
        ),
    ],
)
def test_names(text: bytes, found: bool, read: Read) -> None:
    form, ints, _ = read(grow({'"<name>"': 0}, FIELDS), b'"' + text + b'"')
    assert (form == 0) is found
    if found:
        assert ints == [2, len(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"true", 1), (b"false", 0), (b"True", None), (b"1", None), (b"falsee", None), (b"", None)],
)
def test_flags(text: bytes, value: int | None, read: Read) -> None:
    form, ints, _ = read(grow({"<flag>}": 0}, FIELDS), text + b"}")
    assert (ints[0] if form == 0 else None) == value


def test_each_field_goes_to_its_column(read: Read) -> None:
    assert read(grow({"<d>/<other>": 9}, FIELDS), b"1.5/2.5") == (9, [0, 0], [1.5, 2.5])
