"""The gate lets an order pass only when nothing at all speaks against it."""

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.halts import HaltCause
from broker.orders import OrderState
from broker.trading.risk import Ask, Facts, check, forecast_problem, loss_breach
from forewalk.settings.trading import RiskSettings
from helpers.book_values import NOW, an_account, an_asset

LIMITS = RiskSettings()
ASK = Ask(
    "AAPL",
    "buy",
    Decimal(10),
    "market",
    OrderState.INTENT,
    0,
    Decimal(200),
    Decimal(200),
    NOW,
    NOW + timedelta(minutes=5),
)
FACTS = Facts(
    now=NOW,
    market_open=True,
    may_queue=False,
    account=an_account(),
    asset=an_asset(),
    held={},
    pending={},
    prices={},
    configured=frozenset({"AAPL", "IBM"}),
)
RICH = an_account(equity=Decimal(10**6), buying_power=Decimal(10**6))
SHORT = replace(ASK, side="sell")


def rules(ask=ASK, facts=FACTS, limits=LIMITS):
    return [breach.rule for breach in check(ask, facts, limits)]


def test_a_small_order_in_an_open_market_passes():
    assert rules() == []


@pytest.mark.parametrize(
    ("rule", "ask", "facts"),
    [
        ("halt", {}, {"halt": "drawdown"}),
        ("state", {"state": OrderState.AWAIT_APPROVAL}, {}),
        ("state", {"state": OrderState.DECIDED}, {}),
        ("posts", {"posts": 2}, {}),
        ("late", {}, {"now": NOW + timedelta(minutes=6)}),
        ("closed", {}, {"market_open": False}),
        ("symbol", {}, {"configured": frozenset({"IBM"})}),
        ("account", {}, {"account": an_account(status="ACCOUNT_CLOSED_PENDING")}),
        ("account", {}, {"account": an_account(account_blocked=True)}),
        ("account", {}, {"account": an_account(trading_blocked=True)}),
        ("account", {}, {"account": an_account(trade_suspended=True)}),
        ("account", {}, {"account": None}),
        ("asset", {}, {"asset": None}),
        ("asset", {}, {"asset": an_asset(tradable=False)}),
        ("asset", {}, {"asset": an_asset(status="inactive")}),
        ("asset", {"quantity": Decimal("1.5")}, {"asset": an_asset(fractionable=False)}),
        ("asset", {"quantity": Decimal("1.5"), "kind": "limit"}, {}),
        ("price", {"price": None}, {}),
        ("price", {"price": Decimal("NaN")}, {}),
        ("price", {"price": Decimal(0)}, {}),
        ("collar", {"price": Decimal(221)}, {}),
        (
            "value",
            {"quantity": Decimal(501)},
            {"account": an_account(equity=Decimal(10**6), buying_power=Decimal(10**6))},
        ),
        ("weight", {"quantity": Decimal(176)}, {}),
        ("gross", {}, {"held": {"IBM": Decimal(990)}, "prices": {"IBM": Decimal(100)}}),
        ("price", {}, {"held": {"IBM": Decimal(1)}}),
        ("count", {}, {"posted_today": 200}),
        ("daily_loss", {}, {"day_start_equity": Decimal(106_000)}),
        ("drawdown", {}, {"peak_equity": Decimal(140_000)}),
        ("bars", {}, {"bar_problem": "stale"}),
        ("model", {}, {"model_problem": "too old"}),
        ("wash", {}, {"foreign_sides": frozenset({"sell"})}),
        ("power", {}, {"account": an_account(buying_power=Decimal(2000))}),
    ],
)
def test_each_rule_stops_the_order_by_itself(rule, ask, facts):
    assert rules(replace(ASK, **ask), replace(FACTS, **facts)) == [rule]


@pytest.mark.parametrize(
    ("limits", "facts", "quantity"),
    [
        (RiskSettings(), {}, 10),
        (RiskSettings(allow_short=True), {}, "1.5"),
        (RiskSettings(allow_short=True), {"asset": an_asset(easy_to_borrow=False)}, 10),
        (RiskSettings(allow_short=True), {"asset": an_asset(shortable=False)}, 10),
        (RiskSettings(allow_short=True), {"account": an_account(shorting_enabled=False)}, 10),
        (RiskSettings(allow_short=True), {"account": an_account(equity=Decimal(1999))}, 1),
        (RiskSettings(allow_short=True), {"held": {"AAPL": Decimal(5)}}, 10),
    ],
)
def test_a_short_sale_that_the_broker_would_refuse_is_refused_here(limits, facts, quantity):
    ask = replace(SHORT, quantity=Decimal(quantity))
    assert "short" in rules(ask, replace(FACTS, **facts), limits)


def test_a_short_sale_passes_where_it_is_allowed():
    assert rules(SHORT, limits=RiskSettings(allow_short=True)) == []


@pytest.mark.parametrize("facts", [{"bar_problem": "stale"}, {"model_problem": "too old"}])
def test_doubtful_data_never_holds_back_a_reduction(facts):
    held = {"held": {"AAPL": Decimal(10)}, "prices": {"AAPL": Decimal(200)}}
    assert rules(SHORT, replace(FACTS, **held, **facts)) == []


def test_a_closed_market_takes_orders_only_where_queueing_is_configured():
    assert rules(facts=replace(FACTS, market_open=False, may_queue=True)) == []


LOST = {"halt": "drawdown", "peak_equity": Decimal(200_000), "held": {"AAPL": Decimal(10)}}


def test_a_halt_that_allows_exits_lets_a_reduction_pass_and_nothing_else():
    facts = replace(FACTS, **LOST, halt_allows_exits=True)
    assert rules(SHORT, facts) == []
    assert rules(replace(SHORT, quantity=Decimal(11)), facts) == ["halt", "short", "drawdown"]
    assert rules(ASK, facts) == ["halt", "drawdown"]


def test_a_halt_that_allows_no_exits_holds_a_reduction_back():
    assert rules(SHORT, replace(FACTS, **LOST)) == ["halt"]


def test_open_orders_count_towards_the_limits():
    pending = replace(FACTS, pending={"AAPL": Decimal(170)})
    assert rules(replace(ASK, quantity=Decimal(6)), pending) == ["weight"]


@given(
    quantity=st.integers(1, 2000),
    held=st.integers(0, 500),
    pending=st.integers(0, 500),
    price=st.integers(180, 220),
)
def test_no_order_that_passes_makes_a_position_larger_than_the_limits(quantity, held, pending, price):
    facts = replace(
        FACTS,
        held={"AAPL": Decimal(held)},
        pending={"AAPL": Decimal(pending)},
        prices={"AAPL": Decimal(price)},
    )
    ask = replace(ASK, quantity=Decimal(quantity), price=Decimal(price))
    if not check(ask, facts, LIMITS):
        after = (quantity + held + pending) * price / 100_000
        assert after <= LIMITS.max_weight
        assert quantity * price <= LIMITS.max_order_value


@given(st.floats(), st.floats())
def test_a_forecast_that_passes_is_finite_believable_and_has_a_spread(mean, std):
    if forecast_problem(mean, std, LIMITS) is None:
        assert math.isfinite(mean)
        assert abs(mean) <= LIMITS.max_forecast
        assert 0 < std < math.inf


@pytest.mark.parametrize(
    ("mean", "std"), [(None, None), (math.nan, 0.1), (0.01, math.inf), (0.01, 0.0), (0.01, -1.0), (0.3, 0.1)]
)
def test_an_absurd_forecast_is_named(mean, std):
    assert "forecast" in forecast_problem(mean, std, LIMITS)


def test_losing_too_much_halts_everything():
    assert loss_breach(Decimal(90), Decimal(100), Decimal(100), LIMITS).halts is HaltCause.DAILY_LOSS
    assert loss_breach(Decimal(70), None, Decimal(100), LIMITS).halts is HaltCause.DRAWDOWN
    assert loss_breach(Decimal(99), Decimal(100), Decimal(100), LIMITS) is None


def test_a_blocked_account_halts_everything():
    (breach,) = check(ASK, replace(FACTS, account=an_account(account_blocked=True)), LIMITS)
    assert breach.halts is HaltCause.ACCOUNT


@pytest.mark.parametrize(("ours", "halts"), [(True, None), (False, HaltCause.ACCOUNT)])
def test_no_order_goes_to_a_suspended_account_and_only_anothers_suspension_halts(ours, halts):
    facts = replace(FACTS, account=an_account(trade_suspended=True), suspension_is_ours=ours)
    (breach,) = check(ASK, facts, LIMITS)
    assert (breach.rule, breach.halts) == ("account", halts)
