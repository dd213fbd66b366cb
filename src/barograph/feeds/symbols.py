"""Canonical names of instruments: ``BTC-USDT``, ``BTC-USDT-PERP``, ``BTC-USDT-240927``."""

from __future__ import annotations

import re

_BINANCE_QUOTES = (
    *("FDUSD",),
    *("USDT", "USDC", "TUSD", "BUSD", "USD1", "USDP", "USDS", "USDE", "EURI", "DOGE", "IDRT", "BIDR", "BVND"),
    *(
        "BTC",
        "ETH",
        "BNB",
        "SOL",
        "XRP",
        "TRX",
        "DAI",
        "PAX",
        "VAI",
        "UST",
        "USD",
        "EUR",
        "GBP",
        "TRY",
        "BRL",
    ),
    *("AUD", "JPY", "RUB", "UAH", "ZAR", "PLN", "RON", "NGN", "MXN", "ARS", "COP", "CZK", "KZT"),
)
"""Assets that Binance quotes prices in, longest first."""

_AMBIGUOUS = {"BTCAEUR": "BTC-AEUR", "ETHAEUR": "ETH-AEUR", "EURAEUR": "EUR-AEUR"}
"""AEUR cannot stand among the suffixes: ``ADAEUR`` is ADA in EUR."""

_KRAKEN_QUOTES = (
    *("ZUSD", "ZEUR", "ZGBP", "ZCAD", "ZJPY", "ZAUD", "XXBT", "XETH", "USDT", "USDC", "PYUSD", "RLUSD"),
    *("USD", "EUR", "GBP", "CAD", "JPY", "AUD", "CHF", "XBT", "BTC", "ETH", "DAI", "DOT"),
)
_KRAKEN_LEGACY = re.compile(r"[XZ]([A-Z]{3})[XZ]([A-Z]{3})")
_KRAKEN_NAMES = {"XBT": "BTC", "XDG": "DOGE"}

USDM = "usdm:"
"""Before a Binance name that came in a USD-M futures frame: spot and futures share names."""


def split_at_quote(name: str, quotes: tuple[str, ...]) -> tuple[str, str] | None:
    """The base and the first of ``quotes`` that ``name`` ends in, or None.

    >>> split_at_quote("BTCFDUSD", ("FDUSD", "USD"))
    ('BTC', 'FDUSD')
    """
    for quote in quotes:
        if len(name) > len(quote) and name.endswith(quote):
            return name[: -len(quote)], quote
    return None


def binance_symbol(name: str) -> str:
    """The canonical symbol of a Binance name; one of futures begins with :data:`USDM`.

    A name that ends in no known quote asset is kept as it is (futures still get their
    ``-PERP`` or date): a wrong guess would be worse than an unsplit name.

    >>> [binance_symbol(n) for n in ("BTCUSDT", "ADAEUR", "usdm:BTCUSDT", "usdm:BTCUSDT_240927", "NEWXYZ")]
    ['BTC-USDT', 'ADA-EUR', 'BTC-USDT-PERP', 'BTC-USDT-240927', 'NEWXYZ']
    """
    if not name.startswith(USDM):
        return _split_binance(name)
    pair, _, expiry = name.removeprefix(USDM).partition("_")
    return f"{_split_binance(pair)}-{expiry or 'PERP'}"


def _split_binance(pair: str) -> str:
    if pair in _AMBIGUOUS:
        return _AMBIGUOUS[pair]
    parts = split_at_quote(pair, _BINANCE_QUOTES)
    return "-".join(parts) if parts else pair


def kraken_symbol(name: str) -> str:
    """The canonical symbol of a Kraken name: websocket v1 or v2, or a REST pair of either age.

    >>> [kraken_symbol(n) for n in ("XBT/USD", "BTC/USD", "XDG/EUR", "XXBTZUSD", "ADAUSD")]
    ['BTC-USD', 'BTC-USD', 'DOGE-EUR', 'BTC-USD', 'ADA-USD']
    """
    legacy = _KRAKEN_LEGACY.fullmatch(name)
    if "/" in name:
        parts = tuple(name.split("/"))
    elif legacy:
        parts = legacy.groups()
    else:
        parts = split_at_quote(name, _KRAKEN_QUOTES) or (name,)
        parts = tuple(part[1:] if part in _KRAKEN_QUOTES[:8] else part for part in parts)
    return "-".join(_KRAKEN_NAMES.get(part, part) for part in parts)
