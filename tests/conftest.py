"""Fixtures that every folder shares: made-up bars, small settings, the folder of real data."""

import os
from pathlib import Path

import hypothesis
import pytest

from helpers.making import REPOSITORY, make_bars, make_settings

# No deadline: machines differ. In CI the same examples every time, elsewhere new ones.
hypothesis.settings.register_profile("forewalk", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.register_profile("fast", deadline=None, max_examples=20)
hypothesis.settings.load_profile("forewalk")

# Folders and files that `make test-fast` leaves out: whole backtests, audits, daemons, servers that start anew.
SLOW = (
    "broker/alpaca/test_alpaca_source.py",
    "broker/simulator",
    "benchmarks/test_counted_run.py",
    "docs/test_api_page.py",
    "docs/test_documented_commands.py",
    "docs/test_plugins_page.py",
    "docs/test_python_page.py",
    "broker/trading/test_sending_machine.py",
    "engine/audit/test_audit_command.py",
    "engine/audit/test_audited_engines.py",
    "engine/audit/test_future_invariance.py",
    "engine/audit/test_leaks.py",
    "engine/audit/test_no_false_alarm.py",
    "engine/audit/test_own_code_leaks.py",
    "engine/audit/test_text_leaks.py",
    "engine/backtest",
    "engine/compare",
    "engine/evaluation/metrics/test_claims.py",
    "engine/evaluation/metrics/test_robust_inference.py",
    "engine/evaluation/test_baseline_runs.py",
    "engine/evaluation/test_noise_and_signal.py",
    "engine/evaluation/test_reality_costs.py",
    "engine/live/models",
    "engine/live/test_live_example.py",
    "engine/live/test_live_own_code.py",
    "engine/live/test_orders_now.py",
    "engine/live/watch/test_live_daily.py",
    "engine/notebook",
    "engine/report/test_report.py",
    "engine/simulation/compiled",
    "engine/sweep/test_sweep.py",
    "engine/simulation/test_live_capture.py",
    "engine/simulation/test_own_strategies.py",
    "engine/simulation/test_simulate.py",
    "engine/training",
    "engine/tune",
    "engine/web/test_api_conforms.py",
    "engine/web/test_browser.py",
    "engine/web/test_pages.py",
    "engine/web/test_browser_practice.py",
    "engine/web/test_postgresql.py",
    "engine/web/test_practice.py",
    "faults",
    "forewalk/compute",
    "forewalk/data/test_data_dirty.py",
    "models/recurrent/test_stacked.py",
    "packaging/test_shadows.py",
)


def is_slow(path):
    place = path.relative_to(Path(__file__).parent).as_posix()
    return any(place == slow or place.startswith(f"{slow}/") for slow in SLOW)


def pytest_collection_modifyitems(items):
    """Mark what is slow."""
    for item in items:
        if is_slow(item.path):
            item.add_marker("slow")


def pytest_ignore_collect(collection_path, config):
    """Do not even import the slow files where they would be left out: that alone takes half a minute."""
    return True if "not slow" in config.option.markexpr and is_slow(collection_path) else None


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
