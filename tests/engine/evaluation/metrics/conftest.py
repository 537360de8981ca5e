import numpy as np
import pandas as pd
import pytest

from forewalk.types import Forecasts


def make_forecasts(mean, std=None, p_up=None, horizon=1, model_ids=None, symbols=None):
    """Forecasts around `mean` [T, S] with everything else plain."""
    mean = np.asarray(mean, dtype=float)
    bars, count = mean.shape
    times = pd.bdate_range("2020-01-02", periods=bars, tz="UTC")
    return Forecasts(
        timestamps=times,
        symbols=tuple(symbols or (f"S{i}" for i in range(count))),
        mean=mean,
        std=np.full_like(mean, 0.01) if std is None else std,
        p_up=np.full_like(mean, 0.5) if p_up is None else p_up,
        horizon_bars=horizon,
        model_ids=tuple(model_ids or ("fold-00",) * bars),
        trained_until=times,
    )


@pytest.fixture(scope="session")
def panel():
    """mean, actual, close and trailing returns, [120, 6], with a little skill and a gap."""
    random = np.random.default_rng(5)
    returns = random.normal(0, 0.01, (121, 6))
    actual, trailing = returns[1:].copy(), returns[:-1]
    mean = 0.1 * actual + random.normal(0, 0.002, actual.shape)
    actual[3, 2] = np.nan
    close = 50 * np.exp(np.cumsum(trailing, axis=0))
    return mean, actual, close, trailing


@pytest.fixture(scope="session")
def forecasts_of():
    return make_forecasts
