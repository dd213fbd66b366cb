"""Pages: each row once, whatever is committed in between; a cursor belongs to its query."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import httpx
import polars as pl
import pyarrow as pa
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from tests.api.house import TIED, Served, commit_of, fill, served, settings_of
from tests.store.making import DAY_0, MINUTE, Row, bar, commit

from barograph.api import answers, formats, windows
from barograph.api.formats import Form
from barograph.api.pages import Position, after, cursor_of, first_rows, last_position, position_of
from barograph.api.problems import Problem
from barograph.errors import StoreCorrupt


@pytest.mark.parametrize("limit", [1, 7, 61])
@pytest.mark.parametrize("resource", ["ticks", "coverage"])
def test_pages_of_any_size_give_each_row_once(api: Served, resource: str, limit: int) -> None:
    if limit == 1:
        whole = api.get(f"/v1/{resource}", limit=40).json()["rows"]
        pages = []
        cursor = None
        for _ in range(40):
            page = api.get(f"/v1/{resource}", limit=1, **({"cursor": cursor} if cursor else {})).json()
            pages, cursor = pages + page["rows"], page["next"]
        assert pages == whole
        return
    assert api.rows(f"/v1/{resource}", limit=limit) == api.get(f"/v1/{resource}", limit=9_999).json()["rows"]


def test_trades_that_nothing_tells_apart_are_given_once_each(api: Served) -> None:
    found = api.rows("/v1/ticks", symbol="BTC-USD", end="2024-08-09", limit=2)
    assert sorted(row["size"] for row in found if row["size"] >= 2) == [2.0 + n for n in range(TIED)]


def test_the_next_page_is_at_the_link_in_every_form(api: Served) -> None:
    for form in ("json", "csv", "arrow"):
        address = f"/v1/bars?limit=100&format={form}&symbol=BTC-USD&symbol=ETH-USD"
        pages = 0
        while address:
            answer = api.get(address)
            pages += 1
            address = answer.links.get("next", {}).get("url", "")
        assert pages == 4


def test_rows_committed_between_pages_are_neither_given_twice_nor_leave_others_out(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    with served(settings_of(tmp_path)) as running:
        page = running.get("/v1/bars", limit=100).json()
        found = page["rows"]
        # Before the cursor, after it, and a new symbol at the very end.
        early = bar(DAY_0 - MINUTE, 20_000, "BTC-USD")
        late = bar(DAY_0 + 3_000 * MINUTE, 20_000, "BTC-USD")
        new = bar(DAY_0, 20_000, "ZEC-USD")
        lake.commit(commit(20_000, 20_001, market_microstructure=[early, late, new]))
        while page["next"]:
            page = running.get("/v1/bars", limit=100, cursor=page["next"]).json()
            found += page["rows"]
        keys = [(row["symbol"], row["timestamp"]) for row in found]
        assert keys == sorted(set(keys))
        # Four times 90 minutes, 30 candles of two days, and what is new after the cursor.
        assert len(keys) == 4 * 90 + 2 * 30 + 2
    lake.close()


def test_what_is_committed_is_served_at_once(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    with served(settings_of(tmp_path)) as running:
        for number in range(20):
            pos = 20_000 + number
            lake.commit(commit(pos, pos + 1, market_microstructure=[bar(DAY_0 + number, pos, "NEW-USD")]))
            assert len(running.rows("/v1/bars", symbol="NEW-USD")) == number + 1
        lake.seal(all=True, grace_s=0)
        assert len(running.rows("/v1/bars", symbol="NEW-USD")) == 20
        lake.commit(commit_of(2, 30_000))
        assert len(running.rows("/v1/bars", symbol="ETH-USD")) == 270
    lake.close()


def test_a_full_page_of_old_days_holds_while_newer_days_come(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    asked = {"symbol": "BTC-USD", "start": "2024-08-08", "limit": 10}
    with served(settings_of(tmp_path)) as running:
        tag = running.get("/v1/bars", **asked).headers["etag"]
        later = DAY_0 + 3_000 * MINUTE
        lake.commit(commit(20_000, 20_001, market_microstructure=[bar(later, 20_000)]))
        running.get("/v1/bars", 304, {"If-None-Match": tag}, **asked)
        # A symbol that is new may come before others where none is named.
        everything = running.get("/v1/bars", limit=10).json()
        lake.commit(commit(20_001, 20_002, market_microstructure=[bar(later, 20_001, "AAA-USD")]))
        page = running.get("/v1/bars", limit=10).json()
        assert (everything["rows"][0]["symbol"], page["rows"][0]["symbol"]) == ("BTC-USD", "AAA-USD")
    lake.close()


@pytest.mark.parametrize(
    "row",
    [
        bar(DAY_0 + 4 * MINUTE, 20_000, revision=1),  # a minute of the page, revised
        bar(DAY_0 + 4 * MINUTE + 1, 20_000),  # one in between
        bar(DAY_0 + 5_000 * MINUTE, 20_000, venue="aaa"),  # a venue that comes before, on another day
    ],
)
def test_a_full_page_is_another_when_a_row_of_it_is(tmp_path: Path, row: Row) -> None:
    lake = fill(tmp_path)
    asked = {"symbol": "BTC-USD", "start": "2024-08-08", "limit": 10}
    with served(settings_of(tmp_path)) as running:
        before = running.get("/v1/bars", **asked)
        lake.commit(commit(20_000, 20_001, market_microstructure=[row]))
        now = running.get("/v1/bars", headers={"If-None-Match": before.headers["etag"]}, **asked)
        assert now.json()["rows"] != before.json()["rows"]
    lake.close()


def test_a_page_that_is_not_full_grows_on_any_day(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    asked = {"symbol": "BTC-USD", "start": "2024-08-09", "limit": 100}
    with served(settings_of(tmp_path)) as running:
        before = running.get("/v1/bars", **asked).json()["rows"]
        lake.commit(commit(20_000, 20_001, market_microstructure=[bar(DAY_0 + 9_000 * MINUTE, 20_000)]))
        assert len(running.get("/v1/bars", **asked).json()["rows"]) == len(before) + 1
    lake.close()


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_a_streamed_answer_is_the_same_as_one_made_at_once(
    filled: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    with served(settings_of(filled)) as running:
        whole = running.get("/v1/ticks", limit=9_000, format=form)
    monkeypatch.setattr(answers, "SMALL_ROWS", 10)
    monkeypatch.setattr(answers, "PIECE_ROWS", dict.fromkeys(Form, 7))
    monkeypatch.setattr(windows, "ROWS", 20)
    with served(settings_of(filled)) as running:
        streamed = running.get("/v1/ticks", limit=9_000, format=form)
        assert streamed.headers["transfer-encoding"] == "chunked"
        assert streamed.headers["content-encoding"] == "gzip"
        # A stream of Arrow has other batches: its rows are compared.
        assert _table(streamed, form) == _table(whole, form)
        first = running.get("/v1/ticks", limit=100, format=form)
        second = running.get(first.links["next"]["url"])
        if form == "json":
            assert first.json()["rows"] + second.json()["rows"] == whole.json()["rows"][:200]
            assert f"cursor={first.json()['next']}" in first.links["next"]["url"]


def test_an_answer_that_breaks_off_lacks_its_end_and_is_logged(
    filled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: object, frame: pl.DataFrame, number: int) -> list[bytes]:
        if number == 9:
            raise StoreCorrupt("a file broke in the middle")
        return [b"x"]

    monkeypatch.setattr(answers, "SMALL_ROWS", 10)
    monkeypatch.setattr(answers, "PIECE_ROWS", dict.fromkeys(Form, 7))
    monkeypatch.setattr(formats._Csv, "rows", broken)
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    with served(settings_of(filled)) as running:
        with running.client.stream("GET", "/v1/ticks?limit=9000&format=csv") as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        running.get("/v1/ticks?limit=5")
    assert "a file broke in the middle" in capsys.readouterr().out


def test_who_goes_away_in_the_middle_is_written_no_more(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def large(self: object, frame: pl.DataFrame, number: int) -> list[bytes]:
        written.append(frame.height)
        return [bytes(1 << 20)]

    monkeypatch.setattr(answers, "SMALL_ROWS", 10)
    monkeypatch.setattr(answers, "PIECE_ROWS", dict.fromkeys(Form, 1))
    monkeypatch.setattr(formats._Csv, "rows", large)
    with served(settings_of(filled)) as running:
        with running.client.stream("GET", "/v1/ticks?limit=9000&format=csv") as answer:
            next(answer.iter_raw())
        for _ in range(2_000):
            if "barograph_api_requests_in_progress 1.0" in running.get("/metrics").text:
                break  # nobody but who asks for the figures
        else:
            pytest.fail("the answer is still being made")
        assert len(written) < 100
        assert len(running.rows("/v1/ticks", limit=9)) == 4 * (60 + TIED)


def _table(answer: httpx.Response, form: str) -> object:
    if form != "arrow":
        return answer.text
    return pa.ipc.open_stream(io.BytesIO(answer.content)).read_all().combine_chunks()


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "!!!", "e30", "é" * 3, "4AG3yFsiNTQ1OWQz"])
def test_a_cursor_that_is_none_is_refused(api: Served, cursor: str) -> None:
    assert "cursor" in api.get("/v1/bars", 400, cursor=cursor).json()["detail"]


def test_a_cursor_in_which_something_was_changed_is_refused(api: Served) -> None:
    cursor = api.get("/v1/bars", symbol="BTC-USD", limit=5).json()["next"]
    data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert b"BTC-USD" in data
    changed = base64.urlsafe_b64encode(data.replace(b"BTC-USD", b"BTB-USD")).rstrip(b"=").decode()
    assert "damaged" in api.get("/v1/bars", 400, symbol="BTC-USD", cursor=changed).json()["detail"]


def test_of_small_answers_the_last_asked_for_are_kept_up_to_a_bound() -> None:
    kept = answers.Kept(most_bytes=10)
    for key in "abc":
        kept.put(key, answers.Small(bytes(4), key, None))
        kept.get("a")
    assert [key for key in "abc" if kept.get(key) is not None] == ["a", "c"]
    kept.put("a", answers.Small(bytes(1), "a2", None))
    kept.put("d", answers.Small(bytes(5), "d", None))
    assert [key for key in "acd" if kept.get(key) is not None] == ["a", "c", "d"]


def test_a_cursor_of_another_query_is_refused(api: Served) -> None:
    cursor = api.get("/v1/bars", symbol="BTC-USD", limit=5).json()["next"]
    for path, more in (
        ("/v1/bars", {"symbol": "ETH-USD"}),
        ("/v1/bars", {}),
        ("/v1/ticks", {"symbol": "BTC-USD"}),
    ):
        assert "another query" in api.get(path, 400, cursor=cursor, **more).json()["detail"]
    # How much, and written how, is no other query; nor is the same time in other words.
    api.get("/v1/bars", symbol="BTC-USD", cursor=cursor, limit=7, format="csv")


def test_a_limit_above_the_setting_is_the_settings(filled: Path) -> None:
    with served(settings_of(filled, rows_max=50)) as running:
        page = running.get("/v1/bars", limit=1_000_000).json()
        assert len(page["rows"]) == 50
        assert page["next"]


KEYS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.none() | st.integers(0, 2)), max_size=25
)


@given(keys=KEYS, sizes=st.lists(st.integers(1, 9), min_size=30, max_size=30), cut=st.integers(1, 5))
def test_any_rows_in_pages_of_any_sizes_are_each_given_once(
    keys: list[tuple[str, int, int | None]], sizes: list[int], cut: int
) -> None:
    sort = ("s", "t", "q")
    schema = {"s": pl.String, "t": pl.Int64, "q": pl.Int64}
    frame = pl.DataFrame(keys, schema=schema, orient="row").sort(sort, nulls_last=True).with_row_index("n")
    found: list[int] = []
    position: Position | None = None
    for size in sizes:
        rest = frame if position is None else after(frame, sort, position)
        page = first_rows(rest.iter_slices(cut), sort, size, position)
        found += [row for part in page.frames for row in part["n"]]
        position = page.following
        if position is None:
            break
        assert position_of(cursor_of(position, "q"), "q", [(str,), (int,), (int, type(None))]) == position
    assert found == list(range(len(keys)))


def test_a_cursor_whose_key_does_not_fit_is_refused() -> None:
    for key, seen in (
        (("a", "b"), 1),
        (("a",), 1),
        (("a", 1, 1), 1),
        ((None, 1), 1),
        (("a", 2**63), 1),
        (("a", 1), 0),
    ):
        with pytest.raises(Problem, match="another version"):
            position_of(cursor_of(Position(key, seen), "q"), "q", [(str,), (int,)])


def test_a_position_counts_the_rows_with_its_key() -> None:
    frame = pl.DataFrame({"t": [1, 2, 2, 2]})
    assert last_position(frame, ["t"], None) == Position((2,), 3)
    assert last_position(frame.tail(1), ["t"], Position((2,), 2)) == Position((2,), 3)
