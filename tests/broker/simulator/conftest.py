import pytest

from broker.simulator.harness import Simulator
from helpers.simulator_bars import plain_bars

START = "2026-03-02T10:00:00-05:00"


@pytest.fixture(scope="session")
def bars():
    return plain_bars()


@pytest.fixture(scope="session")
def one_simulator(bars):
    with Simulator(bars, start=START) as handle:
        yield handle


@pytest.fixture(scope="module")
def simulator(one_simulator):
    """The one process of all tests, as it was at its start, in the first session at 10:00."""
    control = one_simulator.control
    control.restore()
    control.keys()
    control.rate_limit(per_minute=0)
    control.clear_log()
    return one_simulator
