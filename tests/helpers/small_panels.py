"""Small made-up panels: random features, some of which may lead the returns."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from forewalk.features.panel import FeaturePanel, Labels
from forewalk.folds import walk_forward_folds
from forewalk.sessions import session_closes, sessions_between
from forewalk.settings.loading import settings_from
from forewalk.types import Bars, Forecasts


def make_world(seed=1, bars=300, symbols=3, features=4, slope=0.0, horizon=1):
    """Features, labels, one-bar returns and folds; `slope` times the first feature leads the scaled return."""
    random = np.random.default_rng(seed)
    times = pd.bdate_range("2015-01-02", periods=bars, tz="UTC").as_unit("us") + pd.Timedelta(hours=21)
    values = random.normal(size=(bars, symbols, features)).astype(np.float32)
    values[:10] = np.nan
    scale = 0.01 * np.exp(random.normal(0, 0.1, (bars, symbols)))
    steps = random.normal(size=(bars, symbols))
    steps[1:] += slope * np.nan_to_num(values[:-1, :, 0])
    returns = np.full((bars, symbols), np.nan)
    returns[1:] = (steps[1:] * scale[:-1]).astype(np.float32)
    labels = make_labels(returns, scale, times, horizon)
    panel = FeaturePanel(
        timestamps=times,
        symbols=tuple(f"S{number}" for number in range(symbols)),
        names=tuple(f"f{number}" for number in range(features)),
        values=values,
        scale=scale * np.sqrt(horizon),
        eligible=np.ones((bars, symbols), dtype=bool),
    )
    return SimpleNamespace(panel=panel, labels=labels, returns=returns, settings=small_settings(horizon))


def make_labels(returns, scale, times, horizon):
    ahead = np.full(returns.shape, np.nan)
    total = np.cumsum(np.nan_to_num(returns), axis=0)
    ahead[:-horizon] = total[horizon:] - total[:-horizon]
    end = times[horizon:].append(pd.DatetimeIndex([pd.NaT] * horizon, tz="UTC")).as_unit("us")
    return Labels(ahead, ahead / (scale * np.sqrt(horizon)), end, horizon)


def small_settings(horizon=1):
    return settings_from(
        {
            "label": {"horizon_bars": horizon},
            "folds": {"train_bars": 180, "refit_every_bars": 60},
            "model": {
                "hidden_size": 4,
                "max_epochs": 2,
                "seeds": 2,
                "lookback_bars": 5,
                "sequence_targets": 16,
            },
            "jobs": 1,
        }
    )


def folds_of(world):
    return walk_forward_folds(world.panel.timestamps, world.labels.end, world.settings.folds)


def make_bars(seed=1, count=120, symbols=3, drift=0.0):
    """Bars of New York sessions whose opens lie between the closes."""
    random = np.random.default_rng(seed)
    times = session_closes("XNYS", sessions_between("XNYS", "2015-01-02", "2018-12-31")[:count])
    close = 50 * np.exp(np.cumsum(random.normal(drift, 0.01, (count, symbols)), axis=0))
    opens = np.vstack([close[:1], close[:-1]]) * np.exp(random.normal(0, 0.003, close.shape))
    high, low = np.maximum(opens, close) * 1.001, np.minimum(opens, close) * 0.999
    names = tuple(f"S{number}" for number in range(symbols))
    return Bars(times, names, opens, high, low, close, np.full(close.shape, 1e6))


def make_forecasts(bars, mean=None, first=20, seed=2):
    """Forecasts for the bars from row `first` on; `mean` defaults to noise."""
    rows = len(bars) - first
    random = np.random.default_rng(seed)
    values = random.normal(0, 0.002, (rows, len(bars.symbols))) if mean is None else mean
    std = np.where(np.isfinite(values), 0.01, np.nan)
    return Forecasts(
        timestamps=bars.timestamps[first:],
        symbols=bars.symbols,
        mean=values,
        std=std,
        p_up=np.where(np.isfinite(values), 0.5 + values, np.nan),
        horizon_bars=1,
        model_ids=("fold-00",) * rows,
        trained_until=bars.timestamps[[0] * rows],
    )
