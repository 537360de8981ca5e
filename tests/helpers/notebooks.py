"""Bars and settings with which a front door's backtest takes a second or two."""

from helpers.making import make_bars

QUICK = {
    "jobs": 1,
    "data.min_history_bars": 60,
    "folds": {"train_bars": 240, "refit_every_bars": 100, "embargo_bars": 1},
    "model": {
        "hidden_size": 4,
        "seeds": 1,
        "max_epochs": 1,
        "lookback_bars": 10,
        "sequence_targets": 16,
        "max_age_bars": 200,
    },
    "evaluation": {"baselines": False, "garch": False, "costs": False, "bootstrap_repetitions": 100},
    "strategy.entry": 0.0,
}


def quick_bars(rows=420, symbols=2):
    return make_bars(rows, symbols, seed=4)
