"""The process that runs queries: ``python -m barograph.api.sandbox.worker``, one question at a time.

It is told what to do on its standard input and answers on its standard output; when the one who asks is
gone, so is it. It holds nothing from one question to the next.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from barograph.api.sandbox import bounds
from barograph.api.sandbox.asked import (
    ANSWER,
    DATA,
    DATABASE,
    END,
    LAKE,
    PIECE_BYTES,
    PROBLEM,
    QUESTION,
    READY,
    Question,
    Refusal,
    read_frame,
    write_frame,
)
from barograph.api.sandbox.written import written
from barograph.errors import BarographError, DataError, SettingsError, StorageError, StorageFull, UsageError
from barograph.store.opening import Querying

_MEMORY = (
    "needs more memory",
    "needs more disk",
    "Out of Memory",
    "bad_alloc",
    "ailed to allocate",
    "llocation failure",
    "Cannot allocate",
    "malloc",
    "File too large",
)
_UNHEARD_OF = (ValueError, TypeError, RuntimeError, OverflowError, LookupError, OSError)
"""What the engine's own Python side may raise for values that it cannot take or give."""


def main() -> None:
    """Answer questions until nobody asks any more."""
    source, out = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library may print is no answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asked: queue.SimpleQueue[Question] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(source, asked), daemon=True).start()
    _prepare(*sys.argv[1:])
    _send(out, READY)
    bounded = False
    while True:
        question = asked.get()
        if not bounded:
            bounds.apply(question.memory_mb)
            bounded = True
        _reply(out, question)


def _listen(source: BinaryIO, asked: queue.SimpleQueue[Question]) -> None:
    """Take questions; when there is nobody left to ask, end at once, whatever is being computed."""
    while (frame := read_frame(source)) is not None and frame[0] == QUESTION:
        asked.put(msgspec.msgpack.decode(frame[1], type=Question))
    os._exit(0)


def _prepare(kind: str = LAKE) -> None:
    """Load what every question needs."""
    if kind == DATABASE:
        import barograph.api.sandbox.database
        from barograph.store.postgres.connection import driver
        from barograph.store.postgres.sessions import adbc

        with suppress(SettingsError):  # told with the first question
            driver()
            adbc()
        return
    import barograph.store.lake
    import barograph.store.sql  # noqa: F401
    from barograph.api.sandbox.lake import functions

    functions()


def _reply(out: BinaryIO, question: Question) -> None:
    try:
        with closing(_opened(question)) as connection:
            reader = connection.query(question.sql, question.parameters)
            with closing(reader):
                answer, pieces = written(question.form, reader, question.rows, question.bytes)
    except BarographError as error:
        write_frame(out, PROBLEM, msgspec.msgpack.encode(_refusal(error, question)))
    except MemoryError:
        write_frame(out, PROBLEM, msgspec.msgpack.encode(_too_much(question)))
    except _UNHEARD_OF as error:
        refusal = _refusal(UsageError(f"the engine cannot do this: {error}"), question)
        write_frame(out, PROBLEM, msgspec.msgpack.encode(refusal))
    else:
        write_frame(out, ANSWER, msgspec.msgpack.encode(answer))
        for piece in _even(pieces):
            write_frame(out, DATA, piece)
    _send(out, END)


def _opened(question: Question) -> Querying:
    """A connection, once the statement has been looked at."""
    where = question.where.location(question.seconds)
    if where.address is not None:
        from barograph.api.sandbox.database import checked

        return checked(where, question.sql, question.parameters)
    from barograph.api.sandbox.lake import check_alone

    check_alone(question.sql)
    return where.sql(f"{question.memory_mb}MB")


def _refusal(error: BarographError, question: Question) -> Refusal:
    words = _without_places(str(error), question)
    if isinstance(error, StorageFull) or any(word in words for word in _MEMORY):
        return _too_much(question)
    if isinstance(error, UsageError):
        return Refusal(408 if "took longer than" in words else 400, words)
    if "permission denied" in words:
        return Refusal(403, words)
    if isinstance(error, StorageError | SettingsError | DataError):
        return Refusal(503, words)
    return Refusal(400, words)


def _too_much(question: Question) -> Refusal:
    return Refusal(
        413,
        f"the query needs more than the {question.memory_mb} MB of memory that it may have; ask for less, "
        "run it with `barograph query` on the machine itself, or raise query.memory_limit_mb",
    )


def _without_places(words: str, question: Question) -> str:
    """A message that does not tell where things are on this machine."""
    data = question.where.data
    for place, name in ((data, "data"), (data and str(Path(data).resolve()), "data"), (sys.prefix, "python")):
        if place:
            words = words.replace(place, name)
    return words[:2_000]


def _even(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Pieces of about the same size."""
    held, size = [], 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _send(out: BinaryIO, kind: bytes) -> None:
    write_frame(out, kind)
    out.flush()


if __name__ == "__main__":
    main()
