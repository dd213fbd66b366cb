"""Who is let in, how often, and how what goes wrong is told."""

from __future__ import annotations

import gzip
import json
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from tests.api.house import Served, fill, served, settings_of
from tests.store.making import DAY_0, bar, commit, rows

from barograph.api import application
from barograph.api.doors import limits
from barograph.api.doors.limits import Buckets
from barograph.api.doors.tokens import Scope, create, read_tokens, revoke, tokens_path
from barograph.api.doors.using import KEEP_EVERY_S, LastUsed, read_used
from barograph.api.serving import bound, check
from barograph.clock import NS_PER_S, ManualClock
from barograph.disk import Lock
from barograph.errors import SettingsError, StorageBusy, UsageError

NOW = datetime(2024, 8, 8, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(int(NOW.timestamp()) * NS_PER_S)


@pytest.fixture
def guarded(filled: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Served]:
    """A server that asks for tokens, over a lake of its own state."""
    (tmp_path / "lake").symlink_to(filled / "lake")
    with served(settings_of(tmp_path, tokens="always"), clock) as running:
        yield running


def token(
    data: Path, scope: Scope = "read", name: str = "", expires: datetime | None = None
) -> dict[str, str]:
    """A new token, as a header."""
    _, text = create(tokens_path(data), scope, name, NOW, expires)
    return {"Authorization": f"Bearer {text}"}


def test_without_a_token_nothing_is_told(guarded: Served) -> None:
    answer = guarded.get("/v1/symbols", 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "barograph token create" in answer.json()["detail"]
    for path in ("/v1/bars", "/v1/trades", "/v1/studies", "/metrics"):
        guarded.get(path, 401)


@pytest.mark.parametrize("text", ["baro_", "baro_00000000_x", "x", "baro_a_b_c", "é"])
def test_a_token_that_was_never_made_is_refused(guarded: Served, tmp_path: Path, text: str) -> None:
    token(tmp_path)
    answer = guarded.client.get("/v1/symbols", headers={"Authorization": f"Bearer {text}".encode()})
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["www-authenticate"]


def test_the_id_of_one_token_with_the_secret_of_another_is_refused(guarded: Served, tmp_path: Path) -> None:
    one, other = (token(tmp_path)["Authorization"].split("_", 2) for _ in range(2))
    guarded.get("/v1/symbols", 401, headers={"Authorization": f"{one[0]}_{one[1]}_{other[2]}"})


def test_a_token_is_let_in_whatever_its_scope(guarded: Served, tmp_path: Path) -> None:
    guarded.get("/v1/symbols", headers=token(tmp_path, "read"))
    guarded.get("/v1/symbols", headers=token(tmp_path, "trade"))


def test_a_token_whose_scope_is_not_enough_is_refused(guarded: Served, tmp_path: Path) -> None:
    door = guarded.state.require("trade")

    @guarded.app.get("/guarded", dependencies=[application.Depends(door)])
    async def _() -> str:
        return "let in"

    assert guarded.get("/guarded", headers=token(tmp_path, "trade")).json() == "let in"
    assert "scope" in guarded.get("/guarded", 403, headers=token(tmp_path, "read")).json()["detail"]


def test_a_token_ends_when_it_expires(guarded: Served, tmp_path: Path, clock: ManualClock) -> None:
    header = token(tmp_path, expires=NOW + timedelta(minutes=1))
    clock.advance(59)
    guarded.get("/v1/symbols", headers=header)
    clock.advance(1)
    guarded.get("/v1/symbols", 401, headers=header)


def test_a_token_that_is_revoked_while_the_server_runs_is_refused_soon(
    guarded: Served, tmp_path: Path, clock: ManualClock
) -> None:
    kept, lost = token(tmp_path, name="kept"), token(tmp_path, name="lost")
    guarded.get("/v1/symbols", headers=lost)
    revoke(tokens_path(tmp_path), "lost")
    clock.advance(2)
    guarded.get("/v1/symbols", 401, headers=lost)
    guarded.get("/v1/symbols", headers=kept)


def test_a_token_that_is_revoked_before_the_clock_is_set_back_is_refused_at_once(
    guarded: Served, tmp_path: Path, clock: ManualClock
) -> None:
    header = token(tmp_path, name="lost")
    guarded.get("/v1/symbols", headers=header)
    revoke(tokens_path(tmp_path), "lost")
    clock.advance(-60)
    guarded.get("/v1/symbols", 401, headers=header)


def test_tokens_that_cannot_be_read_let_nobody_in(
    guarded: Served, tmp_path: Path, clock: ManualClock
) -> None:
    header = token(tmp_path)
    guarded.get("/v1/symbols", headers=header)
    good = tokens_path(tmp_path).read_bytes()
    for content in (b"{", b"", b'{"tokens": 5}', b'{"tokens": [{"id": "\xff"}]}'):
        tokens_path(tmp_path).write_bytes(content)
        clock.advance(2)
        with capture_logs() as lines:
            problems = [guarded.get("/v1/symbols", 503, headers=header).json() for _ in range(2)]
        assert "tokens" in problems[0]["detail"]
        assert str(tmp_path) not in str(problems), "where it is, is nobody's business"
        assert guarded.get("/readyz", headers=header).json()["reasons"] == []
        (told,) = [line for line in lines if line["event"] == "nobody is let in"]
        assert str(tokens_path(tmp_path)) in told["error"]
        tokens_path(tmp_path).write_bytes(good)
        clock.advance(2)
        guarded.get("/v1/symbols", headers=header)


def test_only_a_digest_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    made, text = create(tokens_path(tmp_path), "read", "", NOW)
    path = tokens_path(tmp_path)
    assert text.split("_", 2)[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_tokens(path) == (made,)
    assert not list(path.parent.glob("*.tmp"))


def test_two_changes_at_once_lose_no_token(tmp_path: Path) -> None:
    path = tokens_path(tmp_path)
    made, _ = create(path, "read", "first", NOW)
    with Lock(path.with_suffix(".lock"), "held"):
        for change in (lambda: create(path, "read", "second", NOW), lambda: revoke(path, "first")):
            with pytest.raises(StorageBusy):
                change()
    assert read_tokens(path) == (made,)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    create(tokens_path(tmp_path), "read", "laptop", NOW)
    with pytest.raises(UsageError, match="laptop"):
        create(tokens_path(tmp_path), "trade", "laptop", NOW)
    with pytest.raises(UsageError, match="token list"):
        revoke(tokens_path(tmp_path), "desktop")


def test_the_last_use_is_kept_now_and_then_and_of_several_servers_the_later(
    tmp_path: Path, clock: ManualClock
) -> None:
    one, other = (LastUsed(tmp_path / "used.json", clock) for _ in range(2))
    one.note("a")
    assert not one.due()
    clock.advance(KEEP_EVERY_S + 1)
    assert one.due()
    other.note("a")
    other.note("b")
    other.keep()
    one.keep()
    now_ns = clock.now_ns()
    assert read_used(tmp_path / "used.json") == {"a": now_ns, "b": now_ns}


def test_the_last_use_is_kept_when_the_server_ends(filled: Path, tmp_path: Path) -> None:
    header = token(tmp_path, name="me")
    with served(settings_of(tmp_path, tokens="always")) as running:
        running.get("/v1/symbols", headers=header)
    (made,) = read_tokens(tokens_path(tmp_path))
    assert list(read_used(tmp_path / "state" / "tokens.used.json")) == [made.id]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_public_address_needs_tokens(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="never"):
        application.create_app(settings_of(tmp_path, host=host, tokens="never"))
    with pytest.raises(SettingsError, match="barograph token create"):
        check(settings_of(tmp_path, host=host))
    token(tmp_path)
    check(settings_of(tmp_path, host=host))
    with served(settings_of(tmp_path, host=host)) as running:
        running.get("/v1/symbols", 401)


def test_an_expired_token_does_not_open_a_public_address(tmp_path: Path) -> None:
    token(tmp_path, expires=NOW)
    with pytest.raises(SettingsError, match="no token"):
        check(settings_of(tmp_path, host="0.0.0.0"))


def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    with bound(settings_of(tmp_path, api_port=0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(SettingsError, match=r"web\.api_port"):
            bound(settings_of(tmp_path, api_port=port))


def test_without_tokens_only_this_machine_is_answered_by_its_own_name(api: Served) -> None:
    assert "web.tokens" in api.get("/v1/symbols", 421, headers={"Host": "evil.example:8000"}).json()["detail"]
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        api.get("/v1/symbols", headers={"Host": host})


def test_without_tokens_pages_of_other_sites_are_not_answered(api: Served, filled: Path) -> None:
    api.get("/v1/symbols", 403, headers={"Origin": "https://evil.example"})
    api.get("/v1/symbols", 403, headers={"Origin": "null"})
    api.get("/v1/symbols", headers={"Origin": "http://localhost:8501"})
    with served(settings_of(filled, cors=("https://mine.example",))) as running:
        answer = running.get("/v1/symbols", headers={"Origin": "https://mine.example"})
        assert answer.headers["access-control-allow-origin"] == "https://mine.example"
        assert "Link" in answer.headers["access-control-expose-headers"]
        running.get("/v1/symbols", 403, headers={"Origin": "https://evil.example"})


@pytest.mark.parametrize("host", ["[", "[abc]", "[::1", "a]"])
def test_a_host_that_is_none_is_refused_with_tokens_and_without(
    api: Served, guarded: Served, tmp_path: Path, host: str
) -> None:
    for path in ("/v1/symbols", "/v1/stream", "/healthz"):
        assert "Host" in api.get(path, 400, headers={"Host": host}).json()["detail"]
    guarded.get("/v1/symbols", 400, headers={"Host": host, **token(tmp_path)})


def test_an_origin_that_is_none_is_of_another_site(api: Served) -> None:
    for origin in ("http://[", "http://[abc]", "["):
        api.get("/v1/symbols", 403, headers={"Origin": origin})


def test_more_requests_than_allowed_are_told_when_to_come_again(filled: Path, clock: ManualClock) -> None:
    with served(settings_of(filled, requests_per_minute=30), clock) as running:
        for _ in range(5):
            running.get("/v1/symbols")
        answer = running.get("/v1/symbols", 429)
        assert answer.headers["retry-after"] == "2"
        assert "30 requests a minute" in answer.json()["detail"]
        running.get("/healthz")
        clock.advance(2)
        running.get("/v1/symbols")
        running.get("/v1/symbols", 429)


def test_a_clock_that_is_set_back_gives_no_requests_and_takes_none(clock: ManualClock) -> None:
    buckets = Buckets(6, clock)
    assert [buckets.wait_s("a"), buckets.wait_s("a")] == [0.0, 10.0]
    clock.advance(-3_600)
    assert buckets.wait_s("a") == 10.0
    clock.advance(10)
    assert buckets.wait_s("a") == 0.0


def test_who_was_quiet_has_no_more_requests_than_the_bucket_holds(clock: ManualClock) -> None:
    buckets = Buckets(30, clock)
    assert buckets.wait_s("a") == 0.0
    clock.advance(86_400)
    assert [buckets.wait_s("a") > 0 for _ in range(7)] == [*[False] * 5, True, True]


def test_callers_beyond_the_bound_are_forgotten_the_quietest_first(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CALLERS", 2)
    buckets = Buckets(6, clock)
    for key in ("a", "b", "a", "c"):  # b goes
        buckets.wait_s(key)
    assert [buckets.wait_s("a") > 0, buckets.wait_s("b") > 0] == [True, False]


def test_each_token_has_requests_of_its_own(filled: Path, tmp_path: Path, clock: ManualClock) -> None:
    one, other = token(tmp_path, name="one"), token(tmp_path, name="other")
    with served(settings_of(tmp_path, requests_per_minute=6, tokens="always"), clock) as running:
        running.get("/v1/symbols", headers=one)
        running.get("/v1/symbols", 429, headers=one)
        running.get("/v1/symbols", headers=other)
        running.get("/v1/symbols", 401)
        running.get("/v1/symbols", 429)  # those who guess are counted by their address


def test_a_request_keeps_its_number(api: Served) -> None:
    assert api.get("/healthz", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert (
        api.get("/v1/bars", 400, cursor="x", headers={"X-Request-ID": "mine-2"}).json()["request_id"]
        == "mine-2"
    )
    made = {api.get("/healthz", headers={"X-Request-ID": "a b"}).headers["x-request-id"] for _ in range(2)}
    assert len(made) == 2
    assert "a b" not in made


def test_answers_carry_safe_headers(api: Served) -> None:
    for path in ("/v1/symbols", "/healthz", "/openapi.json", "/"):
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/v1/nothing", 404, "Not Found"),
        ("/v1/bars?limit=0", 422, "limit"),
        ("/v1/bars?limit=x", 422, "limit"),
        ("/v1/bars?simbol=BTC-USD", 422, "simbol"),
        ("/v1/bars?start=yesterday", 400, "yesterday"),
        ("/v1/trades?start=0001-01-01T00:00:00%2B14:00", 400, "years 1 and 9999"),
        ("/v1/trades?end=9999-12-31T23:59:59-14:00", 400, "years 1 and 9999"),
        ("/v1/bars?interval=7m", 400, "7m"),
        ("/v1/bars?interval=", 400, "interval"),
        ("/v1/bars?format=xml", 422, "format"),
    ],
)
def test_what_is_wrong_is_told_as_a_problem(api: Served, path: str, status: int, word: str) -> None:
    answer = api.get(path, status)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == status
    assert word in problem["detail"]


def test_a_method_that_is_not_allowed_is_a_problem(api: Served) -> None:
    answer = api.client.delete("/v1/bars")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")


@pytest.mark.parametrize(
    "path", ["/v1/bars", "/v1/ticks?limit=20000", "/v1/studies", "/healthz", "/readyz", "/"]
)
def test_head_is_answered_as_get_is_without_the_body(api: Served, path: str) -> None:
    whole, head = api.get(path), api.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "etag", "link", "content-length", "vary", "cache-control"):
        assert head.headers.get(name) == whole.headers.get(name), name
    tag = whole.headers.get("etag")
    if tag is not None:
        assert api.client.head(path, headers={"If-None-Match": tag}).status_code == 304


def test_head_of_what_cannot_be_got_is_a_problem_and_of_the_stream_an_end(api: Served) -> None:
    assert api.client.head("/v1/bars?limit=0").status_code == 422
    assert api.client.head("/v1/query").status_code == 405
    stream = api.client.head("/v1/stream")
    assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    asked = 'barograph_api_requests_total{method="HEAD",route="/v1/stream",status="200"} 1.0'
    for _ in range(2_000):
        if asked in api.get("/metrics").text:
            return
    pytest.fail("the stream goes on")


def test_a_body_that_says_it_is_too_long_is_refused_before_it_comes(api: Served) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 413"


def test_a_bug_is_logged_under_its_number_and_told_to_nobody(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    with served(settings_of(filled)) as running:

        @running.app.get("/bug")
        async def _() -> None:
            raise ZeroDivisionError("a secret of ours")

        answer = running.get("/bug", 500, headers={"X-Request-ID": "number-7"})
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    (line,) = [json.loads(each) for each in capsys.readouterr().out.splitlines() if "number-7" in each]
    assert "a secret of ours" in line["exception"]


def test_a_body_that_is_too_long_is_refused(api: Served) -> None:
    @api.app.post("/swallow")
    async def _(request: application.Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    assert api.client.post("/swallow", content=b"x" * (1 << 20)).json() == {"bytes": 1 << 20}
    assert api.client.post("/swallow", content=b"x" * ((1 << 20) + 1)).status_code == 413

    def piecemeal() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 65_536

    assert api.client.post("/swallow", content=piecemeal()).status_code == 413


@pytest.mark.parametrize("path", ["/v1/bars", "/v1/trades", "/v1/symbols"])
def test_who_has_it_already_is_not_sent_it_again(api: Served, path: str) -> None:
    first = api.get(path)
    tag = first.headers["etag"]
    again = api.get(path, 304, headers={"If-None-Match": f'"other", W/{tag}'})
    assert again.content == b""
    assert again.headers["etag"] == tag
    for answer in (first, again):
        assert set(answer.headers["vary"].split(", ")) >= {"Accept", "Accept-Encoding", "Authorization"}
        assert answer.headers["cache-control"] == "private, no-cache"
    assert api.get(path, format="csv").headers["etag"] != tag
    assert api.get(path, limit=2).headers["etag"] != tag
    assert api.get(path, headers={"Accept-Encoding": "identity"}).headers["etag"] != tag


def test_a_tag_changes_with_the_rows_of_its_table_and_not_with_others(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    with served(settings_of(tmp_path)) as running:
        tag = running.get("/v1/bars").headers["etag"]
        lake.commit(commit(20_000, 20_001, rejects=[{"recv_ts": DAY_0, "tape_pos": 20_000}]))
        running.get("/v1/bars", 304, headers={"If-None-Match": tag})
        lake.commit(commit(20_001, 20_002, market_microstructure=[bar(DAY_0, 20_001, revision=5)]))
        answer = running.get("/v1/bars", headers={"If-None-Match": tag})
        assert answer.headers["etag"] != tag
        assert answer.json()["rows"][0]["revision"] == 5
    lake.close()


def test_a_tag_changes_with_rows_of_another_store_that_nobody_committed_here(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    with served(settings_of(tmp_path)) as running:
        tag = running.get("/v1/bars").headers["etag"]
        # As `barograph sync` puts them in: into the file of a sealed day.
        came = rows("market_microstructure", bar(DAY_0, 5_000, revision=9), bar(DAY_0, 5_000, "ZEC-USD"))
        lake.absorb("market_microstructure", came.to_batches())
        answer = running.get("/v1/bars", headers={"If-None-Match": tag})
        assert answer.json()["rows"][0]["revision"] == 9
        assert len(running.rows("/v1/bars", symbol="ZEC-USD")) == 1
    lake.close()


def test_gzip_is_sent_to_who_asks_for_it(api: Served) -> None:
    plain = api.get("/v1/bars", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in api.get("/v1/bars", headers={"Accept-Encoding": "gzip;q=0, br"}).headers
    with api.client.stream("GET", "/v1/bars", headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        raw = b"".join(packed.iter_raw())
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 3
