"""Of an audit Cerebro runs what is certified and what only it can show; every false future is simulated compiled."""

import backtrader as bt
import pytest

from engine.audit.job import audit
from helpers.audit_tables import pipeline_on, small_settings, small_table

REAL, BAR_BY_BAR = 1, 2


@pytest.fixture
def cerebros(monkeypatch):
    """Every run of a Cerebro from here on."""
    ran, run = [], bt.Cerebro.run

    def counting(self, **modes):
        ran.append(self)
        return run(self, **modes)

    monkeypatch.setattr(bt.Cerebro, "run", counting)
    return ran


def audited(engine):
    settings = small_settings(execution__engine=engine)
    return [
        (check.name, check.verdict, check.values, check.by_stage)
        for check in audit(settings, pipeline_on(small_table())).checks
    ]


def test_false_futures_are_compiled_and_the_certificate_is_that_of_cerebro(cerebros):
    compiled = audited("compiled")
    assert len(cerebros) == REAL + BAR_BY_BAR
    assert audited("cerebro") == compiled
    assert len(cerebros) > 10 * (REAL + BAR_BY_BAR)
