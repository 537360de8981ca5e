"""A market that a network learns in a moment, and models that have learned it or have not."""

from pathlib import Path

import numpy as np
import pandas as pd

from engine.live.models.files import fit_live
from forewalk.sessions import session_closes, sessions_between
from forewalk.settings.loading import settings_from
from forewalk.types import Bars

SYMBOLS = ("AAPL", "MSFT")
ROWS, AHEAD = 320, 20  # bars before the first live one, and after it
CHAMPION_AGE = 40  # bars for which the champion has forecast without having seen them
LEARNS = {
    "hidden_size": 8,
    "seeds": 1,
    "max_epochs": 12,
    "lookback_bars": 5,
    "sequence_targets": 16,
    "learning_rate": 0.02,
}
CANNOT_LEARN = LEARNS | {"max_epochs": 1, "learning_rate": 1e-12}
TREE = {
    "data": {"symbols": list(SYMBOLS), "min_history_bars": 60},
    "strategy": {"entry": 0.02, "min_hold_bars": 0, "max_weight": 0.3},
    "risk": {"max_weight": 0.9, "max_gross": 0.9, "max_drawdown": 0.9, "max_daily_loss": 0.9},
}


def zigzag_bars(seed=5, ahead=AHEAD):
    """Two symbols that rise and fall by about a percent in turn, the one when the other does not."""
    dates = sessions_between("XNYS", pd.Timestamp("2025-01-02"), pd.Timestamp("2026-12-31"))[: ROWS + ahead]
    turn = np.where(np.arange(len(dates)) % 2, 0.01, -0.01)[:, None] * np.array([1.0, -1.0])
    noise = np.random.default_rng(seed).normal(0, 0.003, turn.shape)
    close = np.round(100 * np.exp(np.cumsum(turn + noise, axis=0)), 2)
    opens = np.vstack([np.full(2, 100.0), close[:-1]])
    high, low = np.maximum(opens, close) + 0.05, np.minimum(opens, close) - 0.05
    return Bars(session_closes("XNYS", dates), SYMBOLS, opens, high, low, close, np.full(close.shape, 1e6))


def model_settings(model):
    return settings_from(TREE | {"model": model})


def run_with_champion(folder, bars, model):
    """A run's folder whose one model was trained CHAMPION_AGE bars before the first live bar."""
    known = bars.until(bars.timestamps[ROWS - CHAMPION_AGE])
    path = Path(folder) / "models" / "fold-00.safetensors"
    path.parent.mkdir(parents=True)
    fit_live(known, model_settings(model), "fold-00").save(path)
    return folder
