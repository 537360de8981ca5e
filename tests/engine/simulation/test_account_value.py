"""An account is worth what backtrader's own broker says, to the last bit, whatever a strategy has asked of it."""

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from engine.simulation.account import SimulatedBroker, Terms
from engine.simulation.cerebro import build_cerebro
from forewalk.settings.loading import settings_from
from helpers.making import make_bars

TERMS = settings_from({"execution": {"borrow_bps_per_year": 300.0}}).execution


class Gambler(bt.Strategy):
    """Trades at random, with margin or money paid in where it is told so."""

    params = (("seed", 0), ("margin", 1.0), ("paid_in", 0.0))

    def __init__(self):
        self.random = np.random.default_rng(self.p.seed)
        self.worth = []
        if self.p.margin != 1.0:
            self.broker.setcommission(commission=0.001, leverage=self.p.margin)

    def next(self):
        broker = self.broker
        whole = (broker.getvalue(), broker.get_value_lever(), broker.getvalue(mkt=True))
        parts = [broker.getvalue([data]) for data in self.datas]
        self.worth.append((*whole, broker.get_leverage(), broker.fundvalue, *parts))
        if self.p.paid_in and len(self) % 7 == 0:
            broker.add_cash(self.p.paid_in)
        for data in self.datas:
            if self.random.random() < 0.4:
                self.order_target_size(data, int(self.random.integers(-40, 60)))


def worth(bars, by_backtrader, **params):
    """What the account was worth bar by bar; where any terms are not plain, backtrader's own code says so."""
    broker = SimulatedBroker(Terms(TERMS, bars))
    if by_backtrader:
        broker.setcommission(leverage=3.0, name="a feed that is not there")
    return build_cerebro(bars, TERMS, Gambler, params, broker).run()[0].worth


@examples(max_examples=15)
@given(seed=st.integers(0, 10_000), symbols=st.integers(1, 5))
@pytest.mark.parametrize("margin", [1.0, 2.0])
@pytest.mark.parametrize("paid_in", [0.0, 1000.0])
def test_it_is_valued_as_backtrader_values_it(seed, symbols, margin, paid_in):
    bars = make_bars(40, symbols, seed=seed)
    told = {"seed": seed, "margin": margin, "paid_in": paid_in}
    assert worth(bars, False, **told) == worth(bars, True, **told)
