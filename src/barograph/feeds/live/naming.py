"""Symbols of the settings, and the names that venues have for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from barograph.errors import SettingsError
from barograph.feeds.symbols import USDM, binance_symbol, kraken_symbol

_DATED = re.compile(r"(.+)-(\d{6})")


def venue_names(
    symbols: Iterable[str],
    setting: str,
    example: str,
    to_venue: Callable[[str], str],
    to_canonical: Callable[[str], str],
) -> dict[str, str]:
    """The venue's name of each symbol, in the order of the settings, each once.

    A symbol must come back as it is when the venue's name of it is read from a frame: else
    its rows would go by another name than the one that was asked for.

    Raises:
        SettingsError: there are none, or one is not written in the canonical way.
    """
    found: dict[str, str] = {}
    for symbol in symbols:
        found[symbol] = to_venue(symbol)
        canonical = to_canonical(found[symbol])
        if canonical != symbol:
            raise SettingsError(f"{setting}: {symbol!r} is not a symbol of ours; write it as {canonical!r}")
    if not found:
        raise SettingsError(f"{setting} is empty, so there is nothing to record; for instance {example}")
    return found


def binance_name(symbol: str) -> str:
    """The Binance name of a canonical symbol, of futures behind ``usdm:``; undoes ``binance_symbol``.

    >>> [binance_name(s) for s in ("BTC-USDT", "BTC-USDT-PERP", "BTC-USDT-240927", "NEWXYZ")]
    ['BTCUSDT', 'usdm:BTCUSDT', 'usdm:BTCUSDT_240927', 'NEWXYZ']
    """
    if symbol.endswith("-PERP"):
        return USDM + symbol.removesuffix("-PERP").replace("-", "")
    dated = _DATED.fullmatch(symbol)
    if dated:
        return f"{USDM}{dated[1].replace('-', '')}_{dated[2]}"
    return symbol.replace("-", "")


def read_binance_name(name: str) -> str:
    """The canonical symbol of a Binance name in any case.

    >>> read_binance_name(binance_name("btc-usdt"))
    'BTC-USDT'
    """
    is_future = name.startswith(USDM)
    word = name.removeprefix(USDM).upper()
    return binance_symbol(USDM + word if is_future else word)


def kraken_name(symbol: str) -> str:
    """The name of a canonical symbol on websocket v2, which REST takes as well.

    >>> kraken_name("BTC-USD")
    'BTC/USD'
    """
    return symbol.replace("-", "/", 1)


def read_kraken_name(name: str) -> str:
    """The canonical symbol of a Kraken name in any case.

    >>> [read_kraken_name(kraken_name(s)) for s in ("BTC-USD", "XBT-USD", "eth-eur", "ETHEUR")]
    ['BTC-USD', 'BTC-USD', 'ETH-EUR', 'ETH-EUR']
    """
    return kraken_symbol(name.upper())


def read_coinbase_name(name: str) -> str:
    """The canonical symbol of a Coinbase product.

    >>> [read_coinbase_name(n) for n in ("BTC-USD", "btc/usd", "BTC_USD")]
    ['BTC-USD', 'BTC-USD', 'BTC-USD']
    """
    return re.sub(r"[/_:]", "-", name.upper())
