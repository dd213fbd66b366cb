"""The parts that venues share: names, times, answers, the sorting of frames."""

from __future__ import annotations

import doctest
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import DecodeError
from barograph.feeds import answers, offset, registry, symbols, times
from barograph.feeds.batch import Heads, fault
from barograph.feeds.symbols import binance_symbol, kraken_symbol


@pytest.mark.parametrize("module", [answers, offset, registry, symbols, times])
def test_the_examples_in_the_docstrings_hold(module) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert result.failed == 0


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("BTCFDUSD", "BTC-FDUSD"),
        ("ETHBTC", "ETH-BTC"),
        ("BTCTUSD", "BTC-TUSD"),
        ("USDTTRY", "USDT-TRY"),
        ("ADAEUR", "ADA-EUR"),
        ("BTCAEUR", "BTC-AEUR"),
        ("1000SATSUSDT", "1000SATS-USDT"),
        ("BNSOLSOL", "BNSOL-SOL"),
        ("USDT", "USDT"),
        ("NEWXYZ", "NEWXYZ"),
        ("usdm:BTCUSDC", "BTC-USDC-PERP"),
        ("usdm:ETHUSDT_241227", "ETH-USDT-241227"),
        ("usdm:NEWXYZ", "NEWXYZ-PERP"),
    ],
)
def test_binance_names(name: str, symbol: str) -> None:
    assert binance_symbol(name) == symbol


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("XBT/USD", "BTC-USD"),
        ("KSM/XBT", "KSM-BTC"),
        ("XDG/USD", "DOGE-USD"),
        ("BTC/USD", "BTC-USD"),
        ("XXBTZUSD", "BTC-USD"),
        ("XETHXXBT", "ETH-BTC"),
        ("XXDGXXBT", "DOGE-BTC"),
        ("XBTUSD", "BTC-USD"),
        ("USDTZUSD", "USDT-USD"),
        ("SOLUSDT", "SOL-USDT"),
        ("WHAT", "WHAT"),
    ],
)
def test_kraken_names(name: str, symbol: str) -> None:
    assert kraken_symbol(name) == symbol


@settings(max_examples=200, deadline=None)
@given(us=st.integers(0, times.END_US), below=st.text("0123456789", max_size=12))
def test_seconds_in_decimal_text_are_exact(us: int, below: str) -> None:
    text = f"{us // 1_000_000}.{us % 1_000_000:06d}{below}"
    assert times.seconds_us(text) == us
    if us >= 1_000_000:
        assert times.decimal_us(Decimal(text)) == us


@pytest.mark.parametrize("text", ["", "1.", ".5", "-1", "1e9", "nan", "1,5", "१", "1" * 11, " 1", "1\n"])
def test_what_is_no_time_in_seconds(text: str) -> None:
    with pytest.raises(ValueError, match="no time in seconds"):
        times.seconds_us(text)


@pytest.mark.parametrize(
    "payload", [b"", b"[]\n", b'{"url":7}\n', b'{"url":"http://[x"}\n', b'{"a":' * 9_999]
)
def test_an_answer_without_its_address(payload: bytes) -> None:
    with pytest.raises(DecodeError, match="without its address"):
        answers.read_answer(payload)


def test_heads_forget_when_full_and_tell_the_same() -> None:
    asked: list[bytes] = []

    def kind_of(head: bytes) -> str:
        asked.append(head)
        return head.decode()[-3:-1]

    heads = Heads(kind_of, lambda _: "closer")
    payloads = [b'{"k":"%02d",1}' % (i % 100) for i in range(1_000)]
    kinds = heads.sort(payloads, range(1_000), [])
    assert len(asked) == 100
    assert kinds["07"] == list(range(7, 1_000, 100))
    for i in range(20_000):
        assert heads[b'{"k":"%08d"' % i] == f"{i % 100:02d}"
    assert len(heads) < 10_000
    assert heads.sort(payloads, range(1_000), []) == kinds


def test_long_heads_are_not_kept() -> None:
    heads = Heads(lambda _: "x", lambda _: "x")
    heads.sort([b"{" + b"a" * 10_000 + b'",'], [0], [])
    assert len(heads) == 0


def test_a_fault_can_be_stored_anywhere() -> None:
    found = fault(3, "bad \ud800 \0", b"\xff\0" * 1_000)
    assert (found.reason + found.excerpt).encode()
    assert "\0" not in found.reason + found.excerpt
    assert len(found.excerpt) <= 200


def test_the_room_is_cheap_to_enter() -> None:
    code = (
        "import sys, barograph.feeds.registry as r; assert 'barograph.feeds.binance' not in sys.modules; "
        "[r.feed(n) for n in ('binance', 'coinbase', 'kraken')]; "
        "heavy = {'numba', 'polars', 'duckdb', 'pyarrow', 'pandas'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
