"""Small made-up panels for the tests of this folder."""

import pytest

from helpers.small_panels import folds_of, make_bars, make_forecasts, make_world


@pytest.fixture(scope="session")
def world_of():
    return make_world


@pytest.fixture(scope="session")
def folds():
    return folds_of


@pytest.fixture(scope="session")
def bars_of():
    return make_bars


@pytest.fixture(scope="session")
def forecasts_on():
    return make_forecasts
