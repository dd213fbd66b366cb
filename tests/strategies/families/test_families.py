"""Every family: what it accepts, what it refuses, when it trades."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from barograph.errors import UsageError
from barograph.strategies.families import FAMILIES, Family, check, external, register, rules
from barograph.strategies.families.family import Parameter, window
from barograph.strategies.generating import generate
from barograph.strategies.indicators import Indicators, warm_up
from barograph.strategies.prices import Prices
from barograph.strategies.rules import Condition, Indicator, Rules
from barograph.strategies.strategy import Side, Strategy, VolatilityFilter, from_json

DAY = 86_400_000_000
EASY = [name for name, family in FAMILIES.items() if family.drawable]


def bars(close: list[float] | np.ndarray, spread: float = 1.0) -> Prices:
    closes = np.asarray(close, dtype=np.float64)
    ts = np.arange(len(closes)) * DAY
    return Prices("X", DAY, ts, closes, closes + spread, closes - spread, closes, closes)


def holds(conditions: tuple[Condition, ...], prices: Prices, signals: np.ndarray | None = None) -> list[int]:
    """The bars at whose close all conditions are true."""
    wanted = [i for c in conditions for i in (c.x, c.y) if i is not None]
    table = dict(zip(wanted, Indicators(wanted, DAY).advance(prices, signals)[1:], strict=True))
    true = np.ones(len(prices), dtype=bool)
    for x, is_, level, y in conditions:
        value = table[x] - (table[y] if y else 0.0)
        true &= value > level if is_ == "above" else value < level
    return np.flatnonzero(true).tolist()


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_tells_what_it_is(family):
    assert family.about
    assert FAMILIES[family.name] is family
    for parameter in family.parameters:
        assert parameter.about
        if parameter.default is not None:
            assert parameter.checked(parameter.default) == parameter.default


@pytest.mark.parametrize("name", EASY)
def test_defaults_make_a_strategy_and_checking_changes_nothing_more(name):
    strategy = check(Strategy(family=name))
    assert set(strategy.params) == {parameter.name for parameter in FAMILIES[name].parameters}
    assert check(strategy) == strategy
    assert check(from_json(strategy.json)).id == strategy.id
    assert rules(strategy) == rules(Strategy(family=name))


@pytest.mark.parametrize("name", EASY)
def test_short_is_long_in_the_mirror(name):
    both = rules(Strategy(family=name, side="both"))
    assert both.enter_long
    assert both.enter_short
    assert rules(Strategy(family=name)) == both._replace(enter_short=(), exit_short=())
    assert rules(Strategy(family=name, side="short")) == both._replace(enter_long=(), exit_long=())


@pytest.mark.parametrize(
    "name", [name for name in EASY if name not in ("dip", "rsi", "coinflip", "momentum")]
)
def test_prices_upside_down_turn_long_into_short(name):
    # At a high level, a small walk is mirrored by its sign.
    walk = np.random.default_rng(3).normal(size=400).cumsum() * 1e-4
    up, down = bars(1000 + walk, 1e-6), bars(1000 - walk, 1e-6)
    both = rules(Strategy(family=name, side="both"))
    assert holds(both.enter_long, up) == holds(both.enter_short, down) != []
    assert holds(both.exit_long, up) == holds(both.exit_short, down) != []


@pytest.mark.parametrize("name", EASY)
def test_every_parameter_beyond_its_bounds_is_refused_by_name(name):
    for parameter in FAMILIES[name].parameters:
        for wrong in (parameter.low - 1, parameter.high + 1, math.nan, "much", True, None):
            with pytest.raises(UsageError, match=f"{name}: {parameter.name} is .*must be"):
                check(Strategy(family=name, params={parameter.name: wrong}))


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (Strategy(family="nope"), r"there is no family 'nope'; there are sma_cross, .*, python"),
        (
            Strategy(family="rsi", params={"fast": 3}),
            "rsi has no parameter 'fast'; it takes window, oversold",
        ),
        (Strategy(family="sma_cross", params={"fast": 9, "slow": 9}), "must be below slow, they are 9 and 9"),
        (Strategy(family="sma_cross", params={"fast": 9.5}), "fast is 9.5, it must be a whole number from 1"),
        (Strategy(family="macd", params={"fast": 30}), "fast must be below slow"),
        (Strategy(family="rsi", params={"oversold": 80}), "oversold must be below overbought"),
        (Strategy(family="breakout", params={"exit_window": 30}), "exit_window must not be above window"),
        (Strategy(family="mean_reversion", params={"exit": 2.0}), "exit must be below entry"),
        (Strategy(family="signals"), "signals is None, it must be a text"),
        (Strategy(family="signals", params={"signals": "01x"}), "signals has 'x' at place 2"),
        (Strategy(family="rsi", stop_loss=0.0), "stop_loss is 0.0, it must be above 0 and below 1"),
        (Strategy(family="rsi", stop_loss=5), "stop_loss is 5, it must be above 0 and below 1"),
        (Strategy(family="rsi", take_profit=-0.1), "take_profit is -0.1, it must be above 0"),
        (Strategy(family="rsi", take_profit=1.0, side="both"), "take_profit is 1.0, .* below 1"),
        (Strategy(family="rsi", size=1.5), "size is 1.5, it must be above 0 and at most 1"),
        (Strategy(family="rsi", size=math.nan), "size is nan"),
        (Strategy(family="rsi", volatility_filter=VolatilityFilter(window=9)), "neither below nor above"),
        (Strategy(family="rsi", volatility_filter=VolatilityFilter(window=1, below=1)), "from 2 to 100000"),
        (Strategy(family="rsi", volatility_filter=VolatilityFilter(window=9, below=-1)), "below is -1"),
        (
            Strategy(family="rsi", volatility_filter=VolatilityFilter(window=9, below=0.1, above=0.2)),
            "above must be less than below, they are 0.2 and 0.1",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_traded_is_refused(strategy, message):
    with pytest.raises(UsageError, match=message):
        check(strategy)


def test_different_spellings_of_a_strategy_are_one_try():
    plain = Strategy(family="sma_cross", params={"fast": 20, "slow": 50})
    spelled = Strategy(family="sma_cross", params={"slow": 50.0, "fast": 20.0}, size=1)
    assert check(plain).id == check(spelled).id == check(Strategy(family="sma_cross")).id
    assert check(plain).json == b'{"family":"sma_cross","params":{"fast":20,"slow":50}}'


def test_a_whole_number_where_a_real_one_is_meant_is_no_other_strategy():
    def made(one, half):
        filter_ = VolatilityFilter(window=20, below=one)
        return check(
            Strategy(family="dip", params={"drop": half}, take_profit=one, volatility_filter=filter_)
        )

    assert made(1, 0.5).json == made(1.0, 0.5).json


def test_dip_has_a_target_of_its_own_unless_told_another():
    assert check(Strategy(family="dip")).take_profit == 0.05
    assert check(Strategy(family="dip", take_profit=0.1)).take_profit == 0.1
    assert check(Strategy(family="rsi")).take_profit is None


def test_the_volatility_filter_joins_entries_only():
    filter_ = VolatilityFilter(window=20, below=0.02, above=0.001)
    plain = Strategy(family="rsi", side="both")
    calm = msgspec.structs.replace(plain, volatility_filter=filter_)
    volatility = Indicator("volatility", 20)
    added = (Condition(volatility, "below", 0.02), Condition(volatility, "above", 0.001))
    assert rules(calm).enter_long == rules(plain).enter_long + added
    assert rules(calm).enter_short == rules(plain).enter_short + added
    assert rules(calm).exit_long == rules(plain).exit_long
    assert rules(msgspec.structs.replace(calm, side="short")).enter_long == ()


UP_AND_DOWN = [10.0, 11, 12, 13, 14, 15, 14, 13, 12, 11, 10, 9, 10, 11, 12]


@pytest.mark.parametrize(
    ("family", "params", "enters", "leaves"),
    [
        # Means of 2 and 4 bars: 13.5 and 14 at bar 7, 10.5 and 10 at bar 13.
        ("sma_cross", {"fast": 2, "slow": 4}, [3, 4, 5, 6, 13, 14], [7, 8, 9, 10, 11, 12]),
        ("momentum", {"window": 2}, [2, 3, 4, 5, 13, 14], [7, 8, 9, 10, 11]),
        ("momentum", {"window": 2, "threshold": 0.19}, [2, 13, 14], [7, 8, 9, 10, 11]),
        # Closes against the highs and lows (one above, one below) of the bars before.
        ("breakout", {"window": 1, "exit_window": 1}, [], []),
        ("dip", {"window": 3, "drop": 0.2}, [], []),
        ("dip", {"window": 4, "drop": 0.2}, [9, 10, 11], []),
        ("rsi", {"window": 2, "oversold": 10, "overbought": 90}, [9, 10, 11], [2, 3, 4, 5]),
        ("bollinger", {"window": 5, "width": 1.4}, [8, 9, 10, 11], [4, 5, 14]),
        ("mean_reversion", {"window": 5, "entry": 1.2, "exit": 0.0}, [8, 9, 10, 11], [4, 5, 6, 13, 14]),
    ],
)
def test_a_family_enters_and_leaves_where_its_rule_says(family, params, enters, leaves):
    found = rules(Strategy(family=family, params=params))
    assert holds(found.enter_long, bars(UP_AND_DOWN)) == enters
    if found.exit_long:
        assert holds(found.exit_long, bars(UP_AND_DOWN)) == leaves
    else:
        assert not leaves


def test_breakout_compares_with_the_bars_before():
    prices = bars([10, 10, 12, 12, 12, 15, 10, 7])
    found = rules(Strategy(family="breakout", params={"window": 2, "exit_window": 2}))
    assert holds(found.enter_long, prices) == [2, 5]
    assert holds(found.exit_long, prices) == [6, 7]


def test_macd_and_ema_follow_their_lines():
    closes = 100 + np.random.default_rng(1).normal(size=200).cumsum()
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed: pip install TA-Lib")
    line, signal, _ = talib.MACD(closes, 5, 12, 4)
    found = rules(Strategy(family="macd", params={"fast": 5, "slow": 12, "signal": 4}))
    assert holds(found.enter_long, bars(closes)) == np.flatnonzero(line > signal).tolist()
    assert holds(found.exit_long, bars(closes)) == np.flatnonzero(line < signal).tolist()
    found = rules(Strategy(family="ema_cross", params={"fast": 5, "slow": 12}))
    fast, slow = talib.EMA(closes, 5), talib.EMA(closes, 12)
    assert holds(found.enter_long, bars(closes)) == np.flatnonzero(fast > slow).tolist()


def test_bollinger_uses_the_deviation_of_the_population():
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed: pip install TA-Lib")
    closes = 100 + np.random.default_rng(1).normal(size=500).cumsum()
    upper, _, lower = talib.BBANDS(closes, 20, 2.0, 2.0)
    found = rules(Strategy(family="bollinger", params={"window": 20, "width": 2.0}))
    assert holds(found.enter_long, bars(closes)) == np.flatnonzero(closes < lower).tolist() != []
    assert holds(found.exit_long, bars(closes)) == np.flatnonzero(closes > upper).tolist() != []


def _weekday_rules(params) -> Rules:
    above = Condition(Indicator("sma", params["days"]), "above", 0.0, Indicator("close"))
    return Rules(enter_long=(above,), exit_long=(above._replace(is_="below"),))


@pytest.fixture
def below_average(monkeypatch):
    family = Family(
        name="below_average",
        about="holds while the close is below its average",
        parameters=(window("days", "bars of the average", 10),),
        rules=_weekday_rules,
    )
    register(family)
    yield family
    from barograph.strategies import families

    del families._FAMILIES["below_average"]


def test_a_new_family_is_one_object_and_can_do_all_that_others_can(below_average):
    strategy = check(Strategy(family="below_average"))
    assert str(strategy) == "below_average(days=10)"
    assert holds(rules(strategy).enter_long, bars([10.0] * 9 + [9, 10, 11])) == [9]
    assert len(set(generate(20, 1, ["below_average"]))) == 20
    assert "below_average" in {member.family for member in generate(20, 1)}
    with pytest.raises(
        UsageError, match="below_average: days is 1, it must be a whole number from 2 to 100000"
    ):
        check(Strategy(family="below_average", params={"days": 1}))


def test_a_name_is_given_once(below_average):
    assert register(below_average) is below_average
    with pytest.raises(UsageError, match="there is a family 'rsi' already"):
        register(Family(name="rsi", about="", parameters=(), rules=_weekday_rules))


def test_families_on_prices_have_no_array():
    assert external(Strategy(family="rsi"), bars([1.0, 2.0])) is None


@pytest.mark.parametrize("side", ["long", "short", "both"])
@pytest.mark.parametrize("name", EASY)
def test_every_indicator_of_every_family_can_be_had(name: str, side: Side):
    for strategy in generate(3, 5, [name], sides=[side]):
        found = rules(strategy)
        conditions = found.enter_long + found.exit_long + found.enter_short + found.exit_short
        for indicator in {i for c in conditions for i in (c.x, c.y) if i is not None}:
            row = Indicators([indicator], DAY).advance(bars(np.linspace(50, 60, 400)), np.ones((1, 400)))[1]
            assert len(row) == 400
            assert np.isnan(row[: warm_up(indicator)]).all()


def test_bounds_are_told_in_words():
    assert Parameter("x", "", 1.0).bounds == "a number"
    assert Parameter("x", "", 1.0, 0, 2).bounds == "a number from 0 to 2"
    assert Parameter("x", "", "", kind="text").bounds == "a text"
