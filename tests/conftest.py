"""Fixtures that every folder shares: made-up bars, small settings, the folder of real data."""

import os
from pathlib import Path

import hypothesis
import pytest

from helpers.making import REPOSITORY, make_bars, make_settings

# No deadline: machines differ. In CI the same examples every time, elsewhere new ones.
hypothesis.settings.register_profile("forewalk", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("forewalk")


@pytest.fixture(scope="session")
def shared_folder():
    """The folder of real market data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("FOREWALK_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real market data is not here: {folder}")
    return folder


@pytest.fixture
def bars():
    return make_bars()


@pytest.fixture
def settings():
    return make_settings()


# Small made-up panels, as functions that make them. The imports wait for a test that asks: a model brings torch.


@pytest.fixture(scope="session")
def world_of():
    from helpers.small_panels import make_world

    return make_world


@pytest.fixture(scope="session")
def folds():
    from helpers.small_panels import folds_of

    return folds_of


@pytest.fixture(scope="session")
def bars_of():
    from helpers.small_panels import make_bars

    return make_bars


@pytest.fixture(scope="session")
def forecasts_on():
    from helpers.small_panels import make_forecasts

    return make_forecasts
