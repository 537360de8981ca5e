"""Values that the tests of the broker share."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from broker.journal.records import DecisionRow, NewOrder, Target
from broker.values import Account, Asset, BrokerOrder, Fill

NOW = datetime(2026, 11, 20, 14, 30, 5, tzinfo=UTC)
ASOF = datetime(2026, 11, 19, 21, 0, tzinfo=UTC)


def a_decision(asof=ASOF, **more):
    values = {
        "decision_id": f"paper-{asof:%Y%m%dT%H%M}",
        "asof": asof,
        "session": asof.date(),
        "made_at": asof + timedelta(minutes=1),
        "send_from": NOW - timedelta(seconds=5),
        "valid_until": NOW + timedelta(minutes=10),
        "equity": Decimal(100_000),
        "cash": Decimal(100_000),
        "model_id": "fold-00",
        "fingerprint": "f" * 8,
    }
    return DecisionRow(**(values | more))


def a_target(symbol="AAPL", **more):
    values = {
        "close": 200.0,
        "mean": 0.01,
        "std": 0.02,
        "target_weight": 0.02,
        "reason": "entry",
        "held": Decimal(0),
    }
    return Target(symbol=symbol, **(values | more))


def a_new_order(name="paper-20261119-AAPL-m-0", **more):
    values = {
        "client_order_id": name,
        "symbol": "AAPL",
        "side": "buy",
        "quantity": Decimal(10),
        "kind": "market",
        "time_in_force": "day",
        "decided_price": Decimal(200),
        "reduces": False,
    }
    return NewOrder(**(values | more))


def a_report(name="paper-20261119-AAPL-m-0", **more):
    values = {
        "id": "broker-1",
        "client_order_id": name,
        "symbol": "AAPL",
        "side": "buy",
        "quantity": Decimal(10),
        "kind": "market",
        "status": "new",
        "filled": Decimal(0),
        "average_price": None,
        "submitted_at": NOW,
    }
    return BrokerOrder(**(values | more))


def a_fill(number=1, **more):
    values = {
        "id": f"execution-{number}",
        "order_id": "broker-1",
        "symbol": "AAPL",
        "side": "buy",
        "quantity": Decimal(4),
        "price": Decimal("200.5"),
        "at": NOW + timedelta(seconds=number),
    }
    return Fill(**(values | more))


def an_account(**more):
    values = {
        "id": "account-1",
        "status": "ACTIVE",
        "equity": Decimal(100_000),
        "last_equity": Decimal(100_000),
        "cash": Decimal(100_000),
        "buying_power": Decimal(400_000),
        "account_blocked": False,
        "trading_blocked": False,
        "trade_suspended": False,
        "shorting_enabled": True,
    }
    return Account(**(values | more))


def an_asset(symbol="AAPL", **more):
    values = {
        "status": "active",
        "tradable": True,
        "fractionable": True,
        "shortable": True,
        "easy_to_borrow": True,
    }
    return Asset(symbol=symbol, **(values | more))


def session(text="2026-11-19"):
    return date.fromisoformat(text)
