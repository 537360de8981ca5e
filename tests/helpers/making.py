"""Made-up bars and small settings, for all tests."""

from pathlib import Path

import numpy as np
import pandas as pd

from forewalk.sessions import session_closes, sessions_between
from forewalk.settings.loading import settings_from
from forewalk.types import Bars

REPOSITORY = Path(__file__).resolve().parents[2]


def make_bars(rows=420, symbols=3, seed=0, missing=(), start="2015-01-02"):
    """Random daily bars on real sessions; `missing` lists (row slice, column) without a bar."""
    generator = np.random.default_rng(seed)
    sessions = sessions_between("XNYS", start, pd.Timestamp(start) + pd.Timedelta(days=int(rows * 1.6) + 10))
    close = 50 * np.exp(np.cumsum(generator.normal(0.0003, 0.015, (rows, symbols)), axis=0))
    opens = close * np.exp(generator.normal(0, 0.004, close.shape))
    spread = np.abs(generator.normal(0, 0.006, close.shape)) + 1e-4
    fields = {
        "open": opens,
        "high": np.maximum(opens, close) * (1 + spread),
        "low": np.minimum(opens, close) * (1 - spread),
        "close": close,
        "volume": generator.integers(50_000, 500_000, close.shape).astype(float),
    }
    for where, column in missing:
        for values in fields.values():
            values[where, column] = np.nan
    return Bars(
        timestamps=session_closes("XNYS", sessions[:rows]),
        symbols=tuple(f"S{column:02d}" for column in range(symbols)),
        **fields,
    )


def make_settings(**overrides):
    """Settings whose training takes a fraction of a second; overrides are `section__field=value`."""
    tree = {
        "jobs": 1,
        "data": {"min_history_bars": 60},
        "folds": {"train_bars": 240, "refit_every_bars": 80, "embargo_bars": 1},
        "model": {
            "hidden_size": 4,
            "seeds": 1,
            "max_epochs": 2,
            "lookback_bars": 10,
            "sequence_targets": 16,
            "max_age_bars": 200,
        },
    }
    for name, value in overrides.items():
        section, _, field = name.partition("__")
        if field:
            tree.setdefault(section, {})[field] = value
        else:
            tree[section] = value
    return settings_from(tree)
