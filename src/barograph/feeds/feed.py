"""What a feed is: a name, a state, and a pure decoder.

``decode(state, frames)`` takes the records of one feed in tape order, changes ``state``
and returns columns. It looks at nothing else and never ahead: any cutting of the tape
into runs gives the same rows. A frame that cannot be read becomes a
:class:`~barograph.rows.Reject`; nothing in a frame may make it raise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from barograph.records import Frames
from barograph.rows import Decoded


class FeedState(msgspec.Struct):
    """What every decoder remembers; a venue's own state adds to it.

    ``symbols``: canonical symbols in order of first appearance; ``Ticks.instrument`` and
    the like are indices into it. ``codes`` is its inverse, keyed by the venue's own name.
    """

    symbols: list[str] = msgspec.field(default_factory=list)
    codes: dict[str, int] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feed:
    """One venue.

    Attributes:
        name: the venue's short name, as in the ``venue`` column and in ``--feed``.
        state: the type of its state; ``state()`` is a new one.
        decode: ``decode(state, frames) -> Decoded``.
        describe: one line for ``barograph feeds``.
    """

    name: str
    state: type[FeedState]
    decode: Callable[[Any, Frames], Decoded]
    describe: str
