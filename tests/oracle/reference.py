"""The one-minute table, by pandas over sorted rows, written from ``docs/tables.md`` alone.

The other half of the oracle. It imports nothing from Barograph, looks at all rows of a
symbol at once, and takes the direct way to each column, however slow: what the resumable
kernels must reproduce without seeing the future.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

MINUTE_US = 60_000_000
LATENESS_US = 2_000_000
SPIKE_WINDOW = 60
SPIKE_MINIMUM = 20
RSI_CHANGES = 14
ORDER = ["ts", "seq", "order"]

EXACT = ["timestamp", "symbol", "venue", "open", "high", "low", "price", "exec_price", "trade_count"]
"""Columns that are copied or counted, never summed."""

SUMMED = [
    "volume", "notional", "vwap", "buy_volume", "sell_volume", "order_imbalance",
    "volatility_1min", "volume_spike_score", "price_change_pct", "rsi_14",
]  # fmt: skip
"""Columns of sums and ratios, where the order of summation shows in the last digits."""

QUOTED = ["bid_price", "ask_price", "bid_ask_spread"]
COLUMNS = EXACT + SUMMED + QUOTED


def usable_ticks(ticks: pd.DataFrame) -> pd.DataFrame:
    """Trades with a positive price and size, in event order."""
    finite = np.isfinite(ticks["price"]) & np.isfinite(ticks["size"])
    return ticks[finite & (ticks["price"] > 0) & (ticks["size"] > 0)].sort_values(ORDER, kind="stable")


def usable_quotes(quotes: pd.DataFrame) -> pd.DataFrame:
    """Quotes with positive prices that are not crossed, in event order. A size may be unknown or 0."""
    prices = (quotes["bid_price"] > 0) & (quotes["ask_price"] > 0)
    sizes = ~(quotes["bid_size"] < 0) & ~(quotes["ask_size"] < 0)
    crossed = quotes["bid_price"] > quotes["ask_price"]
    return quotes[prices & sizes & ~crossed].sort_values(ORDER, kind="stable")


def tick_test(prices: np.ndarray) -> np.ndarray:
    """+1 after the last change of price was up, -1 after it was down, 0 before any change."""
    changes = pd.Series(np.sign(np.diff(prices, prepend=prices[:1])))
    return changes.replace(0, np.nan).ffill().fillna(0).to_numpy(dtype=np.int8)


def lee_ready(trades: pd.DataFrame, quotes: pd.DataFrame) -> np.ndarray:
    """The aggressor by Lee and Ready (1991): against the prevailing midpoint, at it by the tick test.

    A quote prevails for a trade when it is earlier, or of the same time and earlier on the tape.
    """
    signs = tick_test(trades["price"].to_numpy())
    ts, order = quotes["ts"].to_numpy(), quotes["order"].to_numpy()
    twice_middle = (quotes["bid_price"] + quotes["ask_price"]).to_numpy()
    for row, (when, place, price) in enumerate(trades[["ts", "order", "price"]].itertuples(index=False)):
        prevailing = np.flatnonzero((ts < when) | ((ts == when) & (order < place)))
        # Rounded: venues quote decimals, and of 0.1 and 0.2 the binary midpoint is not quite 0.15.
        if len(prevailing) and (beyond := round(2 * price - twice_middle[prevailing[-1]], 9)):
            signs[row] = np.sign(beyond)
    return signs


def with_sides(trades: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """The venue's side where it gives one, else Lee and Ready's."""
    if trades["side"].all():
        return trades
    return trades.assign(side=trades["side"].where(trades["side"] != 0, lee_ready(trades, quotes)))


def traded(trades: pd.DataFrame) -> pd.DataFrame:
    """The columns that a minute's own trades make, by minute."""
    side, size, price = trades["side"], trades["size"], trades["price"]
    after = trades["ts"] % MINUTE_US >= LATENESS_US
    work = pd.DataFrame(
        {
            "timestamp": trades["ts"] // MINUTE_US * MINUTE_US,
            "price": price,
            "eligible": price.where(after),
            "volume": size,
            "notional": price * size,
            "buy_volume": size.where(side > 0, 0.0),
            "sell_volume": size.where(side < 0, 0.0),
            "squared": np.log(price / price.shift()) ** 2,
        }
    )
    by = work.groupby("timestamp")
    table = by["price"].agg(open="first", high="max", low="min", price="last", trade_count="size")
    table["exec_price"] = by["eligible"].first()
    sums = by[["volume", "notional", "buy_volume", "sell_volume", "squared"]].sum()
    table = table.join(sums.drop(columns="squared"))
    table["volatility_1min"] = np.sqrt(sums["squared"])
    table["vwap"] = table["notional"] / table["volume"]
    return table


def quoted(minutes: pd.Index, quotes: pd.DataFrame) -> pd.DataFrame:
    """The last quote before the end of each of ``minutes``."""
    ends = pd.DataFrame({"ts": minutes.to_numpy() + MINUTE_US})
    last = pd.merge_asof(
        ends, quotes[["ts", "bid_price", "ask_price"]], on="ts", allow_exact_matches=False
    ).set_index(minutes)
    last["bid_ask_spread"] = last["ask_price"] - last["bid_price"]
    return last.drop(columns="ts")


def spike_score(volume: np.ndarray) -> np.ndarray:
    """Standard score of each volume against up to 60 bars before it."""
    score = np.full(len(volume), np.nan)
    for row in range(SPIKE_MINIMUM, len(volume)):
        window = volume[max(0, row - SPIKE_WINDOW) : row]
        if (spread := window.std(ddof=1)) > 0:
            score[row] = (volume[row] - window.mean()) / spread
    return score


def wilder_rsi(price: np.ndarray) -> np.ndarray:
    """Wilder's RSI (1978): plain means of the first 14 changes, then smoothed by 1/14."""
    rsi = np.full(len(price), np.nan)
    change = np.diff(price)
    if len(change) < RSI_CHANGES:
        return rsi
    gain = np.maximum(change, 0)
    loss = np.maximum(-change, 0)
    up, down = gain[:RSI_CHANGES].mean(), loss[:RSI_CHANGES].mean()
    for row in range(RSI_CHANGES, len(price)):
        if row > RSI_CHANGES:
            up = (up * (RSI_CHANGES - 1) + gain[row - 1]) / RSI_CHANGES
            down = (down * (RSI_CHANGES - 1) + loss[row - 1]) / RSI_CHANGES
        rsi[row] = 100 * up / (up + down) if up + down > 0 else 50.0
    return rsi


def looking_back(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that look back over bars; bars before the first trade have no price to look at."""
    table["volume_spike_score"] = spike_score(table["volume"].to_numpy())
    priced = table["price"].notna()
    price = table.loc[priced, "price"]
    table["price_change_pct"] = 100 * (price / price.shift() - 1)
    table["rsi_14"] = pd.Series(wilder_rsi(price.to_numpy()), index=price.index)
    return table


def minutes_of(trades: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """All minutes of one symbol at one venue."""
    trades = with_sides(trades, quotes)
    index = pd.Index(trades["ts"] // MINUTE_US * MINUTE_US, name="timestamp").union(
        pd.Index(quotes["ts"] // MINUTE_US * MINUTE_US, name="timestamp")
    )
    index = index.unique().sort_values()
    table = traded(trades).reindex(index)
    table["price"] = table["price"].ffill()
    for column in ("open", "high", "low"):
        table[column] = table[column].fillna(table["price"])
    zero = ["volume", "notional", "buy_volume", "sell_volume", "trade_count"]
    table[zero] = table[zero].fillna(0)
    sided = table["buy_volume"] + table["sell_volume"]
    table["order_imbalance"] = (table["buy_volume"] - table["sell_volume"]) / sided.where(sided > 0)
    return looking_back(table.join(quoted(index, quotes))).reset_index()


def minutes(ticks: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """``market_microstructure`` without revision and provenance, sorted by symbol, venue, time."""
    ticks, quotes = usable_ticks(ticks), usable_quotes(quotes)
    names = pd.concat([ticks[["symbol", "venue"]], quotes[["symbol", "venue"]]]).drop_duplicates()
    tables = []
    for symbol, venue in sorted(names.itertuples(index=False)):
        mine = [rows[(rows["symbol"] == symbol) & (rows["venue"] == venue)] for rows in (ticks, quotes)]
        tables.append(minutes_of(*mine).assign(symbol=symbol, venue=venue))
    table = pd.concat(tables, ignore_index=True)
    return table[COLUMNS].astype({"trade_count": "int64"})


def resampled(table: pd.DataFrame, every_us: int) -> pd.DataFrame:
    """Longer bars from minutes: prices of the minutes that traded, sums, the last quote."""
    table = table.assign(timestamp=table["timestamp"] // every_us * every_us)
    by = table.groupby(["symbol", "venue", "timestamp"])
    traded_by = table[table["trade_count"] > 0].groupby(["symbol", "venue", "timestamp"])
    longer = by.agg(
        volume=("volume", "sum"),
        notional=("notional", "sum"),
        trade_count=("trade_count", "sum"),
        price=("price", "last"),
    )
    own = traded_by.agg(open=("open", "first"), high=("high", "max"), low=("low", "min"))
    longer = longer.join(own)
    for column in own:
        longer[column] = longer[column].fillna(longer["price"])
    longer["vwap"] = longer["notional"] / longer["volume"].where(longer["volume"] > 0)
    return longer.reset_index()
