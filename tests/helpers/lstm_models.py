"""Small recurrent models, prepared and trained, of every kind that the settings know."""

from engine.training.walkforward import training_data
from forewalk.features.panel import build_features, build_labels
from forewalk.folds import walk_forward_folds
from models.base import fit
from models.recurrent.forecaster import LSTMForecaster

VARIANTS = [
    {},
    {"model__cell": "gru"},
    {"model__attention": True},
    {"model__layers": 2, "model__dropout": 0.1},
    {"model__loss": "mse"},
    {"model__scope": "per_symbol"},
    {"model__layer_norm": True},
    {"model__symbol_embedding": 3},
    {"model__residual": "ridge"},
    {"model__loss": "sharpe"},
    {"model__seeds": 2, "label__kind": "market_relative", "label__horizon_bars": 3},
]


def prepared(bars, settings):
    panel = build_features(
        bars, settings.features, settings.label.horizon_bars, settings.data.min_history_bars
    )
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    return panel, training_data(panel, labels, folds[0], "abc"), folds[0]


def fitted(bars, settings):
    panel, data, fold = prepared(bars, settings)
    return fit(LSTMForecaster(settings.model, settings.seed), data), panel, fold
