import pytest
from simulator_bars import plain_bars

from broker.simulator.harness import start_simulator


@pytest.fixture(scope="session")
def bars():
    return plain_bars()


@pytest.fixture(scope="module")
def simulator(bars):
    with start_simulator(bars, start="2026-03-02T10:00:00-05:00") as handle:
        yield handle
