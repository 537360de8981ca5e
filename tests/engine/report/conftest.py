import pytest

from helpers.judged_runs import make_judged


@pytest.fixture(scope="session")
def judged():
    return make_judged()
