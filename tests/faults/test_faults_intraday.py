"""Hourly bars: each is decided on at its close and its orders are sent at once."""

import numpy as np
import pandas as pd
import pytest
from in_process import Desk

from broker.simulator.harness import Simulator
from forewalk.sessions import session_grid, sessions_between
from forewalk.types import Bars
from helpers.live_values import SYMBOLS, live_settings, random_forecasts

pytestmark = pytest.mark.usefixtures("socket_enabled")


def hourly_bars():
    days = sessions_between("XNYS", "2026-03-02", "2026-03-13")
    closes = pd.DatetimeIndex([close for day in days for close in session_grid("XNYS", day, "1h")])
    random = np.random.default_rng(4)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.004, (len(closes), len(SYMBOLS))), axis=0)).round(4)
    opens = np.vstack([np.full(len(SYMBOLS), 100.0), close[:-1]])
    volume = np.full(close.shape, 1e6)
    high, low = np.maximum(opens, close) + 0.5, np.minimum(opens, close) - 0.5
    return Bars(closes, SYMBOLS, opens, high, low, close, volume, "XNYS", "1h")


def test_hourly_bars_are_decided_on_and_traded_at_their_close(tmp_path):
    bars = hourly_bars()
    settings = live_settings(data={"symbols": list(SYMBOLS), "interval": "1h"}, live={"close_delay_s": 5})
    with Simulator(bars, start="2026-03-11T09:35:00-04:00", market_fill="open") as simulator:
        desk = Desk(settings, simulator, tmp_path, random_forecasts(bars))
        for at in ("10:30:10", "11:30:10", "12:30:10", "15:30:10", "16:00:10"):
            simulator.control.advance(to=f"2026-03-11T{at}-04:00")
            desk.settle()
        journal = desk.daemon.journal
        assert [d.asof.strftime("%H:%M") for d in journal.decisions.all()] == [
            "14:30",
            "15:30",
            "16:30",
            "19:30",
            "20:00",
        ]
        sent = [order for order in journal.orders.all() if order.posted_at]
        assert sent
        assert all(0 <= (order.posted_at - order.send_from).total_seconds() < 60 for order in sent)
        last = [o for o in journal.orders.all() if o.decision_id.endswith("T2000")]
        assert {str(order.state) for order in last} <= {"decided"}  # the next bar opens tomorrow
        truth = {s: float(q) for s, q in simulator.control.state()["positions"].items() if float(q)}
        assert {s: float(q) for s, q in journal.ledger.quantities().items()} == truth
        journal.close()
