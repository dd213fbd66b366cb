"""From a source's rows to an answer: small ones are made at once and kept, large ones streamed."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import zlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from barograph.api import formats
from barograph.api.formats import Form, Gzip, Part, small_parts, writer
from barograph.api.pages import Position, cursor_of, fingerprint, first_rows, last_position, position_of, upto
from barograph.api.sources import Source, key_kinds
from barograph.api.versions import Days

if TYPE_CHECKING:
    import polars as pl

    from barograph.api.state import State

SMALL_ROWS = 16_384
"""An answer of at most so many rows is made at once; a larger one is streamed."""
PIECE_ROWS = {Form.JSON: 16_384, Form.CSV: 16_384, Form.ARROW: 65_536}
"""Rows that are written at once, some ten megabytes."""
_WRITING = 2
"""Pieces that are written at the same time."""
KEPT_BYTES = 64 << 20
"""Small answers that are kept for those who ask the same, all together."""
KEPT_ONE_BYTES = 2 << 20
VARY = "Accept, Accept-Encoding, Authorization"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for rows.

    Attributes:
        words: what makes it this query and no other: the route, and its parameters but for those below.
        limit: rows of the page.
    """

    source: Source
    words: tuple[object, ...]
    limit: int
    cursor: str | None
    form: Form
    gzip: bool

    @property
    def query(self) -> str:
        """What its cursors belong to."""
        return fingerprint(*self.words)

    @property
    def key(self) -> str:
        """What its answer is known by, together with the rows' version."""
        return fingerprint(*self.words, self.limit, self.cursor, self.form, self.gzip)

    def before(self) -> Position | None:
        """Where the page begins.

        Raises:
            Problem: 400, a cursor that is not ours.
        """
        if self.cursor is None:
            return None
        return position_of(self.cursor, self.query, key_kinds(self.source))


@dataclass(frozen=True, slots=True)
class Small:
    """A whole answer.

    Attributes:
        following: the next page's cursor.
        version: of the rows that it hangs on: those of ``days``, or all; None where only rows tell.
    """

    body: bytes
    tag: str
    following: str | None
    version: str | None = None
    days: Days | None = None


class Kept:
    """The small answers that were last asked for, by query."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most = most_bytes
        self._size = 0
        self._answers: OrderedDict[str, Small] = OrderedDict()

    def get(self, key: str) -> Small | None:
        """The answer that was made last; whether it still holds, its version tells."""
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def put(self, key: str, answer: Small) -> None:
        """Keep an answer in place of an older one."""
        former = self._answers.pop(key, None)
        if former is not None:
            self._size -= len(former.body)
        if len(answer.body) > KEPT_ONE_BYTES:
            return
        self._answers[key] = answer
        self._size += len(answer.body)
        while self._size > self._most:
            _, oldest = self._answers.popitem(last=False)
            self._size -= len(oldest.body)


@dataclass(slots=True)
class Answers:
    """Makes answers. One a process; used on its event loop."""

    state: State
    kept: Kept = field(default_factory=Kept)
    _being_made: dict[tuple[str, str], asyncio.Future[Small]] = field(default_factory=dict)

    async def give(self, request: Request, ask: Ask) -> Response:
        """The answer to ``ask``; 304 when the caller has it already.

        Raises:
            Problem, BarographError: as the source and the cursor say.
        """
        if ask.limit > SMALL_ROWS:
            version = await self.state.run(ask.source.version)
            tag = _tag(ask, version) if version is not None else None
            if tag is not None and _has(request, tag):
                return _not_modified(tag)
            return await self._stream(request, ask, tag)
        small = await self._small(ask)
        if _has(request, small.tag):
            return _not_modified(small.tag)
        return Response(small.body, headers=_headers(request, ask, small.tag, small.following))

    async def _small(self, ask: Ask) -> Small:
        key = ask.key
        kept = self.kept.get(key)
        version = await self.state.run(ask.source.version, kept.days if kept is not None else None)
        if version is None:
            return await self.state.run(make_small, ask)
        if kept is not None and kept.version == version:
            return kept
        if (making := self._being_made.get((key, version))) is not None:
            # Whoever asked first may go away; the answer is made all the same.
            return await asyncio.shield(making)
        making = asyncio.ensure_future(self.state.run(make_small, ask))
        self._being_made[key, version] = making
        making.add_done_callback(lambda made: self._made(key, version, made))
        return await asyncio.shield(making)

    def _made(self, key: str, version: str, made: asyncio.Future[Small]) -> None:
        del self._being_made[key, version]
        if not made.cancelled() and made.exception() is None:
            self.kept.put(key, made.result())

    async def _stream(self, request: Request, ask: Ask, tag: str | None) -> Response:
        """Where the page ends is found first, by keys alone: the header with the next page goes before it."""
        before = ask.before()
        end, following = await self.state.run(_end_of_page, ask, before)
        frames = ask.source.frames(before, ask.limit)
        if end is not None:
            frames = upto(frames, ask.source.sort, end)
        pieces = _pieces(self.state, ask, frames, following)
        headers = _headers(request, ask, tag, following)
        # The first piece is made before anything is sent: what goes wrong until then has a status.
        first = await anext(pieces)
        return StreamingResponse(_chained(first, pieces), headers=headers)


def make_small(ask: Ask) -> Small:
    """A whole answer; its tag is of the version of its rows, else of what it holds."""
    source, before = ask.source, ask.before()
    version, days = source.version(), None
    page = first_rows(source.frames(before, ask.limit + 1), source.sort, ask.limit, before)
    following = cursor_of(page.following, ask.query) if page.following is not None else None
    body = formats.whole(ask.form, source.schema, page.frames, following)
    if version is not None and following is not None:
        days = source.days_of(page.frames[0].row(0, named=True), page.frames[-1].row(-1, named=True))
    if days is not None:
        of_days = source.version(days)
        # What was read is of these days as they are now if nothing at all has changed since.
        version, days = (of_days, days) if source.version() == version else (version, None)
    tag = _tag(ask, version if version is not None else hashlib.blake2s(body).hexdigest())
    if ask.gzip:
        body = zlib.compress(body, 1, wbits=31)
    return Small(body, tag, following, version, days)


def _end_of_page(ask: Ask, before: Position | None) -> tuple[Position | None, str | None]:
    """The last position of a large page, and the cursor that goes on there; nothing when it has all rows."""
    most = ask.source.at_most()
    if most is not None and most <= ask.limit:
        return None, None
    position, left = before, ask.limit
    for frame in ask.source.frames(before, ask.limit, keys_only=True):
        if frame.is_empty():
            continue
        if left == 0:
            assert position is not None
            return position, cursor_of(position, ask.query)
        part = frame.head(left)
        left -= part.height
        position = last_position(part, ask.source.sort, position)
        if part.height < frame.height:
            return position, cursor_of(position, ask.query)
    return None, None


async def _pieces(
    state: State, ask: Ask, frames: Iterator[pl.DataFrame], following: str | None
) -> AsyncIterator[Part]:
    """The bytes of a large answer.

    While one piece goes out, the next ones are being written, and rows for the one after are read.
    """
    made = writer(ask.form, ask.source.schema)
    gzip = Gzip() if ask.gzip else None
    pieces = _Pieces(frames, PIECE_ROWS[ask.form])
    writing: deque[asyncio.Future[Sequence[Part]]] = deque()
    reading = asyncio.ensure_future(state.run(pieces.take))
    number = 0
    ahead = made.begin()
    try:
        while (frame := await reading) is not None or writing:
            if frame is not None:
                writing.append(asyncio.ensure_future(state.run(made.rows, frame, number)))
                number += 1
                reading = asyncio.ensure_future(state.run(pieces.take))
            if frame is None or len(writing) > _WRITING:
                parts = [ahead, *await writing.popleft()]
                ahead = b""
                if gzip is not None:
                    parts = [await state.run(gzip.piece, parts)]
                for part in small_parts(parts):
                    yield part
        ahead += made.end(following)
        yield gzip.piece([ahead]) + gzip.end() if gzip is not None else ahead
    finally:
        # Who has gone away waits for nothing; a thread that still reads ends by itself.
        reading.cancel()
        for piece_being_written in writing:
            piece_being_written.cancel()
        state.threads.tidy(pieces.close)


class _Pieces:
    """Frames in pieces of so many rows, taken one at a time by whatever thread."""

    def __init__(self, frames: Iterator[pl.DataFrame], rows: int) -> None:
        self._lock = threading.Lock()
        self._left = _cut(frames, rows)

    def take(self) -> pl.DataFrame | None:
        """The next one; None at the end, or once it is closed."""
        with self._lock:
            return next(self._left, None)

    def close(self) -> None:
        """Let go of what is being read, as soon as nobody takes."""
        with self._lock:
            self._left.close()


def _cut(frames: Iterator[pl.DataFrame], rows: int) -> Generator[pl.DataFrame, None, None]:
    for frame in frames:
        if frame.height:
            yield from frame.iter_slices(rows)


async def _chained(first: Part, others: AsyncIterator[Part]) -> AsyncIterator[Part]:
    yield first
    async for other in others:
        yield other


def _tag(ask: Ask, version: str) -> str:
    return f'"{fingerprint(ask.key, version)}"'


def _has(request: Request, tag: str) -> bool:
    asked = request.headers.get("if-none-match", "")
    return asked.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in asked.split(",")}


def _not_modified(tag: str) -> Response:
    return Response(
        status_code=304, headers={"ETag": tag, "Vary": VARY, "Cache-Control": "private, no-cache"}
    )


def _headers(request: Request, ask: Ask, tag: str | None, following: str | None) -> dict[str, str]:
    headers = {
        "Content-Type": formats.CONTENT_TYPES[ask.form],
        "Vary": VARY,
        # Kept by whoever asked, and asked about again each time: rows are revised.
        "Cache-Control": "private, no-cache",
    }
    if ask.gzip:
        headers["Content-Encoding"] = "gzip"
    if tag is not None:
        headers["ETag"] = tag
    if following is not None:
        following_url = request.url.include_query_params(cursor=following)
        headers["Link"] = f'<{following_url.path}?{following_url.query}>; rel="next"'
    return headers
