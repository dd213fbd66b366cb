"""What a person tells a trading process: stop, flatten, go on.

A word is written into the ledger by the command and read there by the process, which notes at which
position of the tape it took effect before it does. So it is part of what is repeated after a crash.
"""

from __future__ import annotations

import secrets
from typing import Literal

import msgspec

from barograph.paper.ledger import Ledger

WANTED = "control/wanted"
APPLIED = "control/applied"

Action = Literal["stop", "flatten", "resume"]


class Word(msgspec.Struct, frozen=True):
    """What was said; ``id`` tells two equal words apart."""

    id: str
    action: Action
    said_ns: int


class Applied(msgspec.Struct, frozen=True):
    """A word and the position from which on it counts."""

    pos: int
    word: Word


def say(ledger: Ledger, action: Action, now_ns: int) -> Word:
    """Tell the process that trades with ``ledger``, now or when it starts."""
    word = Word(secrets.token_hex(8), action, now_ns)
    ledger.note(WANTED, msgspec.json.encode(word))
    return word


def heard(ledger: Ledger) -> Word | None:
    """The newest word; None where none was ever said."""
    data = ledger.noted(WANTED)
    return None if data is None else msgspec.json.decode(data, type=Word)


def applied(ledger: Ledger) -> list[Applied]:
    """Every word that has taken effect, in order."""
    data = ledger.noted(APPLIED)
    return [] if data is None else msgspec.json.decode(data, type=list[Applied])


def apply_at(ledger: Ledger, words: list[Applied], word: Word, pos: int) -> list[Applied]:
    """Note durably that ``word`` counts from ``pos`` on; all words after it."""
    known = [*words, Applied(pos, word)]
    ledger.note(APPLIED, msgspec.json.encode(known))
    return known
