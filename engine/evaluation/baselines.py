"""All baseline forecasters through the same walk-forward as the network: same folds, rows, purge and guard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.training.walkforward import walk_forward
from forewalk.compute.pool import Processes
from forewalk.compute.workers import Workers, workers_of
from forewalk.errors import ConfigError
from forewalk.features.news import TEXT_FEATURES
from forewalk.features.panel import FeaturePanel, Float32Array, Labels
from forewalk.folds import Fold
from forewalk.settings.sections import Settings
from forewalk.types import FloatArray, Forecasts, TrainingCurve
from models.base import Forecaster
from models.baselines.arima import RETURN_FEATURE
from models.baselines.rank_rules import SIGNALS
from models.baselines.simple import BaselineForecaster
from models.kinds import forecaster_of
from models.recurrent.forecaster import LSTMForecaster
from models.timeline import Timeline

OF_RETURNS = ("arima", *SIGNALS)  # read past returns instead of the features
WITHOUT_TEXTS = "without_texts"  # the run's own model without features of texts
SIMPLE = ("zero", "drift", "ridge", "trees", *OF_RETURNS)
TWIN_SEEDS = 1  # the twin stands beside the mean over the network's own seeds, at a third of the cost
TWIN_EPOCHS = 6  # torch has no fused GRU on CPU: at the network's own passes the twin would cost more than it
PARALLEL_CELLS = 100_000  # below this a process takes longer to start than the simple baselines to fit


@dataclass(frozen=True, eq=False)
class Baseline:
    """One baseline's models, its out-of-sample forecasts (the network's rows) and its training curves."""

    name: str
    timeline: Timeline
    forecasts: Forecasts
    curves: tuple[TrainingCurve, ...]


def baseline_names(settings: Settings) -> tuple[str, ...]:
    """Return the baselines of a run, the simple ones first, then the other recurrent cell.

    A run with texts stands beside the same model without them, too: same folds, same seeds.
    """
    more = (WITHOUT_TEXTS,) if settings.news.path is not None else ()
    return (*SIMPLE, twin_name(settings), *more)


def twin_name(settings: Settings) -> str:
    """Return the recurrent cell beside the run's model: "gru" beside an LSTM, "lstm" beside anything else."""
    return "gru" if settings.model.called == "lstm" else "lstm"


def run_baselines(
    panel: FeaturePanel,
    labels: Labels,
    folds: Sequence[Fold],
    returns: FloatArray,
    settings: Settings,
    names: Sequence[str] | None = None,
    data_fingerprint: str = "",
    on_done: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> dict[str, Baseline]:
    """Train and ask every baseline on the folds of the network; return them by name.

    Args:
        panel, labels, folds: as the network was given them.
        returns: one-bar log return ending at each bar, [T, S], in the label's units (`one_bar_returns`).
        settings: `seed`, `jobs` or the cluster, `label.horizon_bars` and `model`; the twin has the other cell,
            `TWIN_SEEDS` and at the most `TWIN_EPOCHS` passes.
        names: some of `baseline_names(settings)`; None means all.
        data_fingerprint: of the bars, kept in the models.
        on_done: told the baseline, the models finished and their number.

    The forecasts of all baselines have the same rows, and a value in the same cells, as the network's.

    Raises:
        ConfigError: a name is unknown.
    """
    chosen = baseline_names(settings) if names is None else tuple(names)
    unknown = set(chosen) - set(baseline_names(settings))
    if unknown:
        raise ConfigError(
            f"no baseline {', '.join(sorted(unknown))}; there are: {', '.join(baseline_names(settings))}"
        )
    baselines = {}
    for name in chosen:
        own = _own_panel(name, panel, returns)
        timeline, curves = walk_forward(
            own,
            labels,
            folds,
            _forecaster(name, settings),
            max_age_bars=settings.model.max_age_bars,
            workers=_workers(name, panel, settings),
            data_fingerprint=data_fingerprint,
            on_done=lambda done, total, name=name: on_done(name, done, total),  # type: ignore[misc]
        )
        forecasts = timeline.forecasts(own, labels.horizon_bars)
        baselines[name] = Baseline(name, timeline, forecasts, curves)
    return baselines


def returns_panel(panel: FeaturePanel, returns: FloatArray) -> FeaturePanel:
    """Return a panel with the one-bar return as its only feature, usable where `panel` is.

    Its scale is NaN where `panel` has no complete features, so that both give forecasts for the same cells.
    """
    there = np.isfinite(panel.values).all(axis=2)
    values: Float32Array = np.where(np.isfinite(returns), returns, np.nan).astype(np.float32)[:, :, None]
    return replace(panel, names=(RETURN_FEATURE,), values=values, scale=np.where(there, panel.scale, np.nan))


def without_texts(panel: FeaturePanel) -> FeaturePanel:
    """Return a panel without the features of texts, usable where `panel` is."""
    kept = [number for number, name in enumerate(panel.names) if not name.startswith(TEXT_FEATURES)]
    there = np.isfinite(panel.values).all(axis=2)
    return replace(
        panel,
        names=tuple(panel.names[number] for number in kept),
        values=panel.values[:, :, kept],
        scale=np.where(there, panel.scale, np.nan),
    )


def _own_panel(name: str, panel: FeaturePanel, returns: FloatArray) -> FeaturePanel:
    if name == WITHOUT_TEXTS:
        return without_texts(panel)
    return returns_panel(panel, returns) if name in OF_RETURNS else panel


def _workers(name: str, panel: FeaturePanel, settings: Settings) -> Workers:
    small = panel.scale.size < PARALLEL_CELLS
    quick = name in SIMPLE and (small or name in ("zero", "drift", *SIGNALS))
    return Processes(1) if quick else workers_of(settings)


def _forecaster(name: str, settings: Settings) -> Forecaster:
    if name == WITHOUT_TEXTS:
        return forecaster_of(settings)
    if name == twin_name(settings):
        epochs = min(settings.model.max_epochs, TWIN_EPOCHS)
        recurrent = {"kind": "recurrent", "params": {}, "cell": name}
        update = {**recurrent, "seeds": TWIN_SEEDS, "max_epochs": epochs}
        model = settings.model.model_copy(update=update)
        return LSTMForecaster(model, settings.seed)
    return BaselineForecaster(name, settings.seed, settings.label.horizon_bars)  # type: ignore[arg-type]
