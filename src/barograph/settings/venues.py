"""What venues ask of us, and what we want of them: the branch ``feeds`` of the tree."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr

from barograph.settings.section import Section

_Channel = Literal["trades", "quotes"]
_CHANNELS: Any = Field(
    default=("trades", "quotes"), min_length=1, description="What is recorded of each symbol."
)


def _symbols(example: str) -> Any:
    return Field(default=(), description=f"Symbols to record, as {example}.")


def _address(default: str, what: str) -> Any:
    return Field(default=default, pattern="^(wss?|https?)://", description=what)


class BinanceSection(Section):
    """Binance: no key is needed."""

    symbols: tuple[str, ...] = _symbols("BTC-USDT; BTC-USDT-PERP is the USD-M future")
    channels: tuple[_Channel, ...] = _CHANNELS
    url: str = _address("wss://stream.binance.com:9443", "Spot websocket.")
    rest_url: str = _address("https://api.binance.com", "Spot REST, for refills.")
    futures_url: str = _address("wss://fstream.binance.com", "USD-M websocket.")
    futures_rest_url: str = _address("https://fapi.binance.com", "USD-M REST, for refills.")
    api_key: SecretStr | None = Field(
        default=None,
        description="Only old trades of USD-M futures ask for one (a key without any rights does).",
    )


class CoinbaseSection(Section):
    """Coinbase Exchange: no key is needed."""

    symbols: tuple[str, ...] = _symbols("BTC-USD")
    channels: tuple[_Channel, ...] = _CHANNELS
    url: str = _address("wss://ws-feed.exchange.coinbase.com", "Websocket.")
    rest_url: str = _address("https://api.exchange.coinbase.com", "REST, for refills.")


class KrakenSection(Section):
    """Kraken: no key is needed."""

    symbols: tuple[str, ...] = _symbols("BTC-USD")
    channels: tuple[_Channel, ...] = _CHANNELS
    url: str = _address("wss://ws.kraken.com/v2", "Websocket, version 2.")
    rest_url: str = _address("https://api.kraken.com", "REST, for refills.")


_Tier = Literal["basic", "starter", "developer", "advanced"]


class PolygonSection(Section):
    """Massive (formerly Polygon.io): crypto and stocks."""

    api_key: SecretStr | None = Field(
        default=None, description="The account's key; better given as POLYGON_API_KEY than written here."
    )
    tier_crypto: _Tier = Field(default="basic", description="The account's crypto plan.")
    tier_stocks: _Tier = Field(default="basic", description="The account's stocks plan.")
    crypto: tuple[str, ...] = _symbols("BTC-USD")
    stocks: tuple[str, ...] = _symbols("AAPL")
    channels: tuple[_Channel, ...] = _CHANNELS
    url: str = _address("wss://socket.massive.com", "Websocket of real-time plans.")
    delayed_url: str = _address("wss://delayed.massive.com", "Websocket of plans 15 minutes behind.")
    rest_url: str = _address("https://api.massive.com", "REST, for refills.")


class KiteSection(Section):
    """Zerodha Kite. `barograph login kite` gets the day's access token."""

    api_key: SecretStr | None = Field(
        default=None, description="The app's key; better given as KITE_API_KEY than written here."
    )
    api_secret: SecretStr | None = Field(
        default=None, description="The app's secret, for the login; better given as KITE_API_SECRET."
    )
    access_token: SecretStr | None = Field(
        default=None, description="The day's token; the one that the login has stored when absent."
    )
    symbols: tuple[str, ...] = _symbols("NSE:INFY")
    url: str = _address("wss://ws.kite.trade", "Websocket.")
    rest_url: str = _address("https://api.kite.trade", "REST, for the login and the list of instruments.")
    login_url: str = _address("https://kite.zerodha.com/connect/login", "Where the login begins.")


class SimSection(Section):
    """The simulated market, live: no key, no network, never closed."""

    symbols: tuple[str, ...] = Field(
        default=("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "DOGE-USD", "ADA-USD"),
        description="Symbols to record, of those that are simulated.",
    )
    channels: tuple[_Channel, ...] = _CHANNELS
    seed: int = Field(default=1, ge=0, description="The same seed gives the same anomalies each day.")
    events_per_s: float | None = Field(
        default=None,
        gt=0,
        le=1_000,
        description="Trades and quotes of each symbol a second, on average; 1 to 3 as usual when absent.",
    )
    cadence_s: float = Field(
        default=0.1, ge=0.001, le=10, description="How often what has come due is brought."
    )


class FeedsSection(Section):
    """What venues ask of us, and what we want of them."""

    binance: BinanceSection = BinanceSection()
    coinbase: CoinbaseSection = CoinbaseSection()
    kite: KiteSection = KiteSection()
    kraken: KrakenSection = KrakenSection()
    polygon: PolygonSection = PolygonSection()
    sim: SimSection = SimSection()
