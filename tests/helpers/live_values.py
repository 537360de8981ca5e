"""Bars, forecasts and a simulated account in this process, for the tests of live trading."""

import numpy as np
import pandas as pd

from broker.simulator.loading import synthetic_bars
from forewalk.settings.loading import settings_from
from forewalk.types import Forecasts

SYMBOLS = ("AAPL", "MSFT", "SPY")


def some_bars(sessions=120, seed=1, symbols=SYMBOLS):
    return synthetic_bars(symbols, first="2024-01-02", sessions=sessions, seed=seed)


def random_forecasts(bars, seed=2, scale=0.05):
    """Forecasts that change their mind often."""
    random = np.random.default_rng(seed)
    shape = (len(bars), len(bars.symbols))
    std = np.full(shape, 0.02)
    return Forecasts(
        timestamps=bars.timestamps,
        symbols=bars.symbols,
        mean=random.normal(0, scale * 0.02, shape),
        std=std,
        p_up=np.full(shape, 0.5),
        horizon_bars=1,
        model_ids=("fold-00",) * len(bars),
        trained_until=pd.DatetimeIndex([bars.timestamps[0]] * len(bars)),
    )


def live_settings(**sections):
    """Settings without costs, as a paper account has none."""
    base = {
        "data": {"symbols": list(SYMBOLS)},
        "execution": {
            **dict.fromkeys(("fee_bps", "slippage_bps", "borrow_bps_per_year", "margin_bps_per_year"), 0.0),
            "max_volume_share": None,
        },
        "strategy": {"max_weight": 0.3, "min_hold_bars": 3, "stop_loss": 0.03, "take_profit": 0.05},
        "risk": {"max_weight": 0.9, "max_gross": 3.0, "max_drawdown": 0.9, "max_daily_loss": 0.9},
    }
    return settings_from({**base, **sections})
