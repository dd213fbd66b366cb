"""Reading frames whose form is known to the byte, in machine code.

A venue writes the same few forms over and over. A :class:`Forms` holds them as a tree,
and :func:`match` walks a frame down it: literal bytes must be there exactly, fields are
read where they stand. A frame of any other form, or with a number that cannot be read
exactly here, does not match and is left to the parser, whose word is the definition: what
matches must give the same values, bit for bit.

A form is text with fields in angle brackets: ``{"t":<seq>,"p":"<price>"}``.

Decimals are exact by Clinger's rule ("How to read floating point numbers accurately", PLDI
1990): digits below 2**53 and a power of ten up to 10**22 are both floats without error, so
their one division is rounded once, as the true quotient would be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from os.path import commonprefix
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.compiled import compiled_part
from barograph.feeds.times import END_US, LEAST_US
from barograph.rows import Floats, Ints

Bytes = npt.NDArray[np.uint8]

NO_MATCH = -1
"""The form of a frame that has none of the known ones, and the end of a field that is not there."""
LONGEST_NAME = 64


class Op(IntEnum):
    """What a node of the tree reads. The number in a field's place is the column it fills."""

    LITERAL = 0
    INTEGER = 1
    """Up to 18 digits: an int."""
    TIME = 2
    """Milli- or microseconds since 1970, as in ``times.py``: an int, microseconds."""
    DECIMAL = 3
    """Digits, at most one point, no sign, no exponent: a float."""
    NAME = 4
    """Up to 64 ASCII letters, digits and underscores: two ints, where it begins and its length."""
    FLAG = 5
    """``true`` or ``false``: an int, 1 or 0."""
    REST = 6
    """The remaining bytes, whatever they are."""
    END = 7
    """Nothing may follow."""


class Forms(NamedTuple):
    """A tree of forms; see :func:`grow`.

    Attributes:
        nodes: int64, shape (n, 5): :class:`Op`; its column, its place in ``text`` or the number of the
            form; the length of a literal; the next node; the node to try instead.
        text: the bytes of the literals.
    """

    nodes: Ints
    text: Bytes


Field = tuple[Op, int]
_Steps = tuple["str | Field", ...]


def grow(forms: Mapping[str, int], fields: Mapping[str, Field]) -> Forms:
    """The tree of ``forms`` (and the number that :func:`match` gives for each).

    >>> grow({"a<n>": 0, "b<n>": 1}, {"n": (Op.INTEGER, 0)}).nodes[:, 0].tolist()
    [0, 1, 7, 0, 1, 7]
    """
    nodes: list[list[int]] = []
    text: list[str] = []
    _branch([(_steps(form, fields), number) for form, number in forms.items()], nodes, text)
    return Forms(np.array(nodes, dtype=np.int64), np.frombuffer("".join(text).encode("ascii"), dtype=np.uint8))


def _steps(form: str, fields: Mapping[str, Field]) -> _Steps:
    """Characters and fields, one by one."""
    parts = re.split(r"<(\w+)>", form)
    return tuple(step for i, part in enumerate(parts) for step in ([fields[part]] if i % 2 else part))


def _branch(forms: Sequence[tuple[_Steps, int]], nodes: list[list[int]], text: list[str]) -> int:
    """Add the nodes for what remains of each form; the first of them, or NO_MATCH for none."""
    if not forms:
        return NO_MATCH
    at = len(nodes)
    nodes.append([])
    steps, number = forms[0]
    alike = [form for form in forms if form[0][:1] == steps[:1]]
    others = [form for form in forms if form[0][:1] != steps[:1]]
    if not steps:
        node = [Op.END, number, 0, NO_MATCH]
    elif isinstance(steps[0], tuple):
        op, column = steps[0]
        node = [op, column, 0, _branch([(form[1:], n) for form, n in alike], nodes, text)]
    else:
        shared = _shared([form for form, _ in alike])
        place = len(text)
        text += shared
        rest = [(form[len(shared) :], n) for form, n in alike]
        node = [Op.LITERAL, place, len(shared), _branch(rest, nodes, text)]
    nodes[at] = [*node, _branch(others, nodes, text)]
    return at


def _shared(forms: Sequence[_Steps]) -> list[str]:
    """The characters that all forms begin with."""
    shared: list[str] = []
    for step in commonprefix(forms):
        if not isinstance(step, str):
            break
        shared.append(step)
    return shared


@compiled_part
def match(
    nodes: Ints, text: Bytes, joined: Bytes, at: int, stop: int, ints: Ints, floats: Floats
) -> int:
    """The number of the form of ``joined[at:stop]``, its fields in ``ints`` and ``floats``, or NO_MATCH.

    After NO_MATCH the fields hold anything.
    """
    node = 0
    while node >= 0:
        op, column = nodes[node, 0], nodes[node, 1]
        if op == 0:
            reached = _literal(joined, at, stop, text, column, nodes[node, 2])
        elif op == 1:
            reached = _integer(joined, at, stop, ints, column)
        elif op == 2:
            reached = _time(joined, at, stop, ints, column)
        elif op == 3:
            reached = _decimal(joined, at, stop, floats, column)
        elif op == 4:
            reached = _name(joined, at, stop, ints, column)
        elif op == 5:
            reached = _flag(joined, at, stop, ints, column)
        elif op == 6:
            reached = stop
        elif at == stop:
            return column
        else:
            reached = -1
        if reached < 0:
            node = nodes[node, 4]
        else:
            at, node = reached, nodes[node, 3]
    return -1


@compiled_part
def _literal(joined: Bytes, at: int, stop: int, text: Bytes, place: int, length: int) -> int:
    if at + length > stop:
        return -1
    for i in range(length):
        if joined[at + i] != text[place + i]:
            return -1
    return at + length


_MOST_DIGITS = 18
_EXACT = 2**53
_ZERO, _NINE, _POINT = ord("0"), ord("9"), ord(".")
_POWERS = np.array([float(10**n) for n in range(_MOST_DIGITS + 1)])


@compiled_part
def _digits(joined: Bytes, at: int, stop: int) -> tuple[int, int]:
    """A JSON integer of at most 18 digits and where it ends, or NO_MATCH for its end."""
    value, end = 0, at
    last = min(stop, at + _MOST_DIGITS)
    while end < last and _ZERO <= joined[end] <= _NINE:
        value = value * 10 + (joined[end] - _ZERO)
        end += 1
    if end == at or (joined[at] == _ZERO and end > at + 1):
        end = -1
    return value, end


@compiled_part
def _integer(joined: Bytes, at: int, stop: int, ints: Ints, column: int) -> int:
    value, end = _digits(joined, at, stop)
    ints[column] = value
    return end


@compiled_part
def _time(joined: Bytes, at: int, stop: int, ints: Ints, column: int) -> int:
    value, end = _digits(joined, at, stop)
    if value < LEAST_US:
        value *= 1_000
    ints[column] = value
    return end if 0 < value < END_US else -1


@compiled_part
def _decimal(joined: Bytes, at: int, stop: int, floats: Floats, column: int) -> int:
    value, end = _digits(joined, at, stop)
    decimals = 0
    if 0 <= end < stop and joined[end] == _POINT:
        point = end
        last = min(stop, at + _MOST_DIGITS + 1)
        end += 1
        while end < last and _ZERO <= joined[end] <= _NINE:
            value = value * 10 + (joined[end] - _ZERO)
            end += 1
        decimals = end - point - 1
        if decimals == 0:
            return -1
        while value > _EXACT and value % 10 == 0 and decimals > 0:
            value //= 10
            decimals -= 1
    floats[column] = value / _POWERS[decimals]
    return end if value <= _EXACT else -1


@compiled_part
def _name(joined: Bytes, at: int, stop: int, ints: Ints, column: int) -> int:
    end = at
    last = min(stop, at + LONGEST_NAME)
    while end < last and _in_names(joined[end]):
        end += 1
    ints[column], ints[column + 1] = at, end - at
    return end if end > at else -1


@compiled_part
def _in_names(byte: int) -> bool:
    # Letters differ from capitals by one bit.
    return _ZERO <= byte <= _NINE or 97 <= (byte | 32) <= 122 or byte == 95


@compiled_part
def _flag(joined: Bytes, at: int, stop: int, ints: Ints, column: int) -> int:
    end = _literal(joined, at, stop, _TRUE, 0, 4)
    ints[column] = end >= 0
    return end if end >= 0 else _literal(joined, at, stop, _FALSE, 0, 5)


_TRUE = np.frombuffer(b"true", dtype=np.uint8)
_FALSE = np.frombuffer(b"false", dtype=np.uint8)
