"""A ledger of its own for each test, empty and with six trials."""

import pytest
from made_trials import a_trial

from engine.runs.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "trials.sqlite")


@pytest.fixture
def full_ledger(ledger):
    ledger.record_many([a_trial(number) for number in range(6)])
    return ledger
