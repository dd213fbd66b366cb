"""The small pure pieces: names of symbols, holes among ids, the meaning of an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.errors import SettingsError
from barograph.feeds.live import ending
from barograph.feeds.live.holes import Holes, unaskable
from barograph.feeds.live.naming import (
    binance_name,
    kraken_name,
    read_binance_name,
    read_coinbase_name,
    read_kraken_name,
    venue_names,
)
from barograph.feeds.live.venue import Again, Stop
from barograph.feeds.symbols import USDM, binance_symbol, kraken_symbol
from barograph.gaps import Channel, Gap

WORDS = st.one_of(
    st.text("ABCDEUSTP0123456789", min_size=1, max_size=12),
    st.tuples(
        st.text("ABCDEPR1", min_size=1, max_size=6), st.sampled_from(["USDT", "BTC", "EUR", "FDUSD"])
    ).map("".join),
)


@given(WORDS, st.sampled_from(["spot", "", "_240927"]))
def test_a_binance_name_comes_back_from_its_symbol(word: str, market: str) -> None:
    name = word if market == "spot" else USDM + word + market
    assert binance_name(binance_symbol(name)) == name


@given(st.text("ABCDEUSTXZ", min_size=2, max_size=6), st.sampled_from(["USD", "EUR", "ETH", "BTC"]))
def test_a_kraken_symbol_comes_back_from_its_name(base: str, quote: str) -> None:
    symbol = kraken_symbol(f"{base}/{quote}")
    assert kraken_symbol(kraken_name(symbol)) == symbol


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("btc-usdt", "BTC-USDT"),
        ("BTCUSDT-PERP", "BTC-USDT-PERP"),
        ("NEW-XYZ", "NEWXYZ"),
    ],
)
def test_a_binance_symbol_that_is_not_canonical_is_refused_with_the_canonical_one(
    wrong: str, right: str
) -> None:
    with pytest.raises(SettingsError, match=rf"here: '{wrong}' is not .* write it as '{right}'"):
        venue_names([wrong], "here", "this", binance_name, read_binance_name)


@pytest.mark.parametrize(
    ("wrong", "right"), [("XBT-USD", "BTC-USD"), ("BTC/USD", "BTC-USD"), ("eth-eur", "ETH-EUR")]
)
def test_a_kraken_symbol_that_is_not_canonical_is_refused_with_the_canonical_one(
    wrong: str, right: str
) -> None:
    with pytest.raises(SettingsError, match=f"write it as '{right}'"):
        venue_names([wrong], "here", "this", kraken_name, read_kraken_name)


def test_a_coinbase_symbol_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(SettingsError, match="write it as 'BTC-USD'"):
        venue_names(["btc/usd"], "here", "this", str, read_coinbase_name)


def test_a_symbol_named_twice_is_taken_once() -> None:
    names = venue_names(["ETH-USDT", "BTC-USDT", "ETH-USDT"], "here", "this", binance_name, read_binance_name)
    assert names == {"ETH-USDT": "ETHUSDT", "BTC-USDT": "BTCUSDT"}


def test_holes_are_told_as_ranges() -> None:
    holes = Holes(10, 20)
    holes.fill([9, 10, 11, 14, 15, 20, 21])
    assert len(holes) == 6
    assert holes.told() == "6 trades did not come: 12 to 13, 16 to 19"
    holes.fill([12, 13, 16, 17, 18])
    assert holes.told() == "1 trade did not come: 19"
    holes.fill([19])
    assert holes.told() is None


def test_an_open_gap_reaches_to_the_highest_id_that_came() -> None:
    holes = Holes(10, None)
    assert holes.told() is None
    holes.fill([5, 6])
    assert holes.told() is None
    holes.fill([13, 14])
    assert holes.told() == "3 trades did not come: 10 to 12"


def test_many_holes_are_not_all_told() -> None:
    holes = Holes(0, 100)
    holes.fill(range(1, 100, 2))
    assert holes.told() == "51 trades did not come: 0, 2, 4, 6, 8, ..."


@given(st.lists(st.sets(st.integers(0, 60), max_size=30), max_size=6), st.booleans())
def test_holes_are_the_ids_that_no_page_brought(pages: list[set[int]], open_ended: bool) -> None:
    holes = Holes(10, None if open_ended else 50)
    for page in pages:
        holes.fill(page)
    came = set().union(*pages)
    top = max((i for i in came if i >= 10), default=9) if open_ended else 50
    assert len(holes) == len(set(range(10, top + 1)) - came)


def gap(first_id: int | None, last_id: int | None, channel: Channel = Channel.TRADES) -> Gap:
    return Gap("x", "A-B", channel, 0, 1, first_id, last_id)


def test_what_cannot_be_asked_for_is_told_and_the_rest_can() -> None:
    assert unaskable(gap(1, 2)) is None
    assert unaskable(gap(1, None)) is None
    assert "quotes" in (unaskable(gap(1, 2, Channel.QUOTES)) or "")
    assert "ids" in (unaskable(gap(None, None)) or "")
    assert "back" in (unaskable(gap(5, 4)) or "")


def test_breaking_a_rule_costs_a_long_wait_and_a_plain_end_none() -> None:
    waits = {ending.POLICY: 60.0}
    assert ending.closed(None, "", waits) == Again("the connection broke")
    assert ending.closed(1001, "going away", waits) == Again("closed with 1001 going away", 0.0)
    assert ending.closed(1008, "", waits) == Again("closed with 1008", 60.0)


def test_a_refusal_for_legal_reasons_stops_and_names_the_setting() -> None:
    stop = ending.refused(451, "feeds.x.url", 300.0)
    assert isinstance(stop, Stop)
    assert "feeds.x.url" in stop.message


@pytest.mark.parametrize(
    ("status", "wait_s"), [(429, 300.0), (418, 300.0), (403, 300.0), (503, 1.0), (404, 60.0)]
)
def test_a_refusal_waits_as_long_as_its_status_asks(status: int, wait_s: float) -> None:
    again = ending.refused(status, "feeds.x.url", 300.0)
    assert isinstance(again, Again)
    assert again.wait_s == wait_s
    assert str(status) in again.reason
