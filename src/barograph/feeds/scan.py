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
    """What a node of the tree reads after its literal, into which column."""

    FORK = 0
    """Nothing: from here on the forms differ."""
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
    """The remaining bytes, whatever they are: no column."""
    END = 7
    """Nothing may follow; the number of the form in place of a column."""


class Forms(NamedTuple):
    """A tree of forms; see :func:`grow`.

    Attributes:
        nodes: int64, shape (n, 6): where the node's literal is in ``text``, its length, the :class:`Op`
            after it, its column; the next node; the node to try instead.
        text: the bytes of the literals.
    """

    nodes: Ints
    text: Bytes


Field = tuple[Op, int]
_Steps = tuple["str | Field", ...]


def grow(forms: Mapping[str, int], fields: Mapping[str, Field]) -> Forms:
    """The tree of ``forms`` (and the number that :func:`match` gives for each).

    >>> grow({"a<n>": 5, "b<n>": 6}, {"n": (Op.INTEGER, 0)}).nodes.tolist()
    [[0, 1, 1, 0, 1, 2], [1, 0, 7, 5, -1, -1], [1, 1, 1, 0, 3, -1], [2, 0, 7, 6, -1, -1]]
    """
    nodes: list[list[int]] = []
    text: list[str] = []
    _branch([_steps(form, fields, number) for form, number in forms.items()], nodes, text)
    return Forms(
        np.array(nodes, dtype=np.int64), np.frombuffer("".join(text).encode("ascii"), dtype=np.uint8)
    )


def _steps(form: str, fields: Mapping[str, Field], number: int) -> _Steps:
    """Characters and fields one by one, and the end."""
    parts = re.split(r"<(\w+)>", form)
    steps = [step for i, part in enumerate(parts) for step in ([fields[part]] if i % 2 else part)]
    return *steps, (Op.END, number)


def _branch(forms: Sequence[_Steps], nodes: list[list[int]], text: list[str]) -> int:
    """Add the nodes for what remains of each form; the first of them, or NO_MATCH for none."""
    if not forms:
        return NO_MATCH
    at, place = len(nodes), len(text)
    nodes.append([])
    alike = [steps for steps in forms if steps[0] == forms[0][0]]
    others = [steps for steps in forms if steps[0] != forms[0][0]]
    literal = _shared(alike)
    text += literal
    rest = [steps[len(literal) :] for steps in alike]
    op, column = Op.FORK, 0
    if not isinstance(rest[0][0], str) and all(steps[0] == rest[0][0] for steps in rest):
        op, column = rest[0][0]
        rest = [steps[1:] for steps in rest if op != Op.END]
    following = _branch(rest, nodes, text)
    nodes[at] = [place, len(literal), op, column, following, _branch(others, nodes, text)]
    return at


def _shared(forms: Sequence[_Steps]) -> list[str]:
    """The characters that all forms begin with."""
    shared: list[str] = []
    for steps in zip(*forms, strict=False):
        step = steps[0]
        if not isinstance(step, str) or steps.count(step) < len(steps):
            break
        shared.append(step)
    return shared


@compiled_part
def match(  # noqa: C901 - all fields in one loop: a call for each would cost half as much again
    nodes: Ints, text: Bytes, joined: Bytes, at: int, stop: int, ints: Ints, floats: Floats
) -> int:
    """The number of the form of ``joined[at:stop]``, its fields in ``ints`` and ``floats``, or NO_MATCH.

    After NO_MATCH the fields hold anything.
    """
    node = 0
    while node >= 0:
        reached = literal(joined, at, stop, text, nodes[node, 0], nodes[node, 1])
        op, column = nodes[node, 2], nodes[node, 3]
        if reached < 0:
            pass
        elif op == Op.INTEGER:
            reached, ints[column] = _digits(joined, reached, stop)
        elif op == Op.TIME:
            reached, ints[column] = _time(joined, reached, stop)
        elif op == Op.DECIMAL:
            reached, floats[column] = _decimal(joined, reached, stop)
        elif op == Op.NAME:
            ints[column] = reached
            reached, ints[column + 1] = _name(joined, reached, stop)
        elif op == Op.FLAG:
            reached, ints[column] = _flag(joined, reached, stop)
        elif op == Op.REST:
            reached = stop
        elif op == Op.END:
            if reached == stop:
                return int(column)
            reached = NO_MATCH
        if reached < 0:
            node = nodes[node, 5]
        else:
            at, node = reached, nodes[node, 4]
    return NO_MATCH


@compiled_part
def literal(joined: Bytes, at: int, stop: int, text: Bytes, place: int, length: int) -> int:
    """The end of ``text[place : place + length]`` in ``joined`` if it is there at ``at``, or NO_MATCH."""
    if at + length > stop:
        return NO_MATCH
    for i in range(length):
        if joined[at + i] != text[place + i]:
            return NO_MATCH
    return at + length


_MOST_DIGITS = 18
_EXACT = 2**53
_ZERO, _NINE, _POINT = ord("0"), ord("9"), ord(".")
_POWERS = np.array([float(10**n) for n in range(_MOST_DIGITS + 1)])


@compiled_part
def _digits(joined: Bytes, at: int, stop: int) -> tuple[int, int]:
    """Where a JSON integer of at most 18 digits ends, or NO_MATCH; and its value."""
    value, end = 0, at
    last = min(stop, at + _MOST_DIGITS)
    while end < last and _ZERO <= joined[end] <= _NINE:
        value = value * 10 + (joined[end] - _ZERO)
        end += 1
    if end == at or (end > at + 1 and joined[at] == _ZERO):
        return NO_MATCH, 0
    return end, value


@compiled_part
def _time(joined: Bytes, at: int, stop: int) -> tuple[int, int]:
    end, us = _digits(joined, at, stop)
    if us < LEAST_US:
        us *= 1_000
    return end if 0 < us < END_US else NO_MATCH, us


@compiled_part
def _decimal(joined: Bytes, at: int, stop: int) -> tuple[int, float]:
    end, value = _digits(joined, at, stop)
    decimals = 0
    if 0 <= end < stop and joined[end] == _POINT:
        point, end = end, end + 1
        last = min(stop, at + _MOST_DIGITS + 1)
        while end < last and _ZERO <= joined[end] <= _NINE:
            value = value * 10 + (joined[end] - _ZERO)
            end += 1
        decimals = end - point - 1
        if decimals == 0:
            return NO_MATCH, 0.0
        while value > _EXACT and value % 10 == 0 and decimals > 0:
            value //= 10
            decimals -= 1
    return end if value <= _EXACT else NO_MATCH, value / _POWERS[decimals]


@compiled_part
def _name(joined: Bytes, at: int, stop: int) -> tuple[int, int]:
    end = at
    last = min(stop, at + LONGEST_NAME)
    while end < last and _in_names(joined[end]):
        end += 1
    return end if end > at else NO_MATCH, end - at


@compiled_part
def _in_names(byte: int) -> bool:
    # Letters differ from capitals by one bit.
    return _ZERO <= byte <= _NINE or 97 <= (byte | 32) <= 122 or byte == 95


@compiled_part
def _flag(joined: Bytes, at: int, stop: int) -> tuple[int, int]:
    end = literal(joined, at, stop, _TRUE, 0, 4)
    if end >= 0:
        return end, 1
    return literal(joined, at, stop, _FALSE, 0, 5), 0


_TRUE = np.frombuffer(b"true", dtype=np.uint8)
_FALSE = np.frombuffer(b"false", dtype=np.uint8)
