"""`forewalk explain RUN`: which features carry its forecasts, told from the stored models; nothing is trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.forecast.explaining.importance import Importance
    from engine.runs.folder import StoredRun
    from forewalk.compute.workers import Workers
    from forewalk.features.panel import FeaturePanel
    from forewalk.settings.sections import Settings
    from forewalk.types import Bars
    from models.base import FittedForecaster, StoredForecaster

FILE = "explanation.json"


def explain(
    run: Path,
    repeats: int = 3,
    workers: Workers | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, Any]:
    """Measure what each model of a run loses by each feature, and what the newest forecasts are made of.

    Writes `explanation.json` into the run and its table onto the forecast page; returns what it wrote.

    Raises:
        DataError: it is no run, its data have changed, or it has no models.
        PluginError, ConfigError: the user's own code is not what the run was made with.
    """
    from engine.forecast.explaining.importance import first_and_last, importances
    from engine.forecast.explaining.page import explanation_fragment
    from engine.live.models.files import run_models
    from engine.report.certificate import show_explanation
    from engine.runs.folder import read_run
    from engine.runs.stored import require_same_bars
    from forewalk.compute.workers import workers_of
    from forewalk.errors import PluginError
    from forewalk.features.own import panel_of
    from forewalk.features.panel import build_labels
    from forewalk.plugins.holding import changed_since, held, sources_of
    from forewalk.settings.loading import load_settings
    from models.kinds import forecaster_of

    stored = read_run(run)
    settings = load_settings(run / "config.toml", environment={})
    changed = changed_since(stored.manifest, sources_of(settings))
    if changed:
        raise PluginError(f"{', '.join(changed)}: not what {run} was made with; put it back")
    files = {path.stem: path for path in run_models(run)}
    progress("data", 0, 1)
    with held(settings):
        bars = require_same_bars(stored, settings)
        panel = panel_of(bars, settings)
        labels = build_labels(bars, panel, settings.label)
        forecaster = forecaster_of(settings)
        folds = [fold for fold in stored.manifest["folds"] if fold["model_id"] in files]
        models = [(files[fold["model_id"]], first_and_last(fold["valid_rows"])) for fold in folds]
        progress("importance", 0, 1)
        found = importances(
            panel, labels, forecaster, models, settings.seed, repeats, workers or workers_of(settings)
        )
        progress("newest forecast", 0, 1)
        newest = _newest(stored, panel, forecaster, files, settings)
        shares = _shares(forecaster, files)
    told = {**_told(found, panel.names, repeats), "newest": newest, **({"shares": shares} if shares else {})}
    _write(run / FILE, told)
    show_explanation(run, explanation_fragment(told))
    return told


def _told(found: list[Importance], names: tuple[str, ...], repeats: int) -> dict[str, Any]:
    """Return what was measured in plain JSON types, the most important feature first."""
    import numpy as np

    from engine.forecast.explaining.importance import stability

    ids = list(dict.fromkeys(each.model_id for each in found))
    ranked = all(each.rank_ic is not None for each in found)
    measure = "rank_ic" if ranked else "likelihood"
    by = {(each.model_id, each.feature): each for each in found}

    def table(of: str) -> Any:
        return np.array([[np.mean(getattr(by[model, name], of)) for name in names] for model in ids])

    tables = {of: table(of) for of in ("likelihood", *(["rank_ic"] if ranked else []))}
    mean = tables[measure].mean(axis=0)
    features = [
        {
            "feature": names[at],
            **{of: float(values[:, at].mean()) for of, values in tables.items()},
            "positive_models": int((tables[measure][:, at] > 0).sum()),
            "per_model": [float(value) for value in tables[measure][:, at]],
        }
        for at in np.argsort(-mean, kind="stable")
    ]
    return {
        "measure": measure,
        "repeats": repeats,
        "models": ids,
        "stability": stability(tables[measure]),
        "features": features,
    }


def _newest(
    stored: StoredRun,
    panel: FeaturePanel,
    forecaster: StoredForecaster,
    files: dict[str, Path],
    settings: Settings,
) -> dict[str, Any] | None:
    """Return the parts of each symbol's newest forecast; None where the model has no gradient to follow."""
    import pandas as pd

    last = stored.forecasts.iloc[-1]
    row = int(panel.timestamps.searchsorted(pd.Timestamp(last["asof"])))
    model = forecaster.load(files[str(last["model_id"])])
    return parts_of(model, panel, min(row, len(panel) - 1), settings)


def parts_of(
    model: FittedForecaster, panel: FeaturePanel, row: int, settings: Settings
) -> dict[str, Any] | None:
    """Return what the forecast of each symbol at one bar is made of, by integrated gradients, in plain JSON types.

    Of an ensemble the parts are those of its networks: a forest is a step function. None where the model has no
    gradient to follow.
    """
    import numpy as np

    from models.recurrent.attribution import attribution
    from models.recurrent.ensemble import FittedEnsemble
    from models.recurrent.fitted import FittedLSTM

    of = "network" if isinstance(model, FittedEnsemble) else "model"
    if isinstance(model, FittedEnsemble):
        model = model.network
    if not isinstance(model, FittedLSTM):
        return None
    symbols = []
    for column, symbol in enumerate(panel.symbols):
        if not (np.isfinite(panel.values[row, column]).all() and panel.eligible[row, column]):
            continue
        if model.members[0].symbols and not any(symbol in member.symbols for member in model.members):
            continue
        found = attribution(model, panel, row, column)
        parts = dict(zip(panel.names, found.parts.tolist(), strict=True))
        symbols.append(
            {
                "symbol": symbol,
                "value": found.value,
                "baseline": found.baseline,
                "gap": found.gap,
                "parts": parts,
            }
        )
    unit = "score" if settings.model.loss == "rank_correlation" else "volatilities"
    about = {"asof": panel.timestamps[row].isoformat(), "model_id": model.model_id, "of": of, "unit": unit}
    return {**about, "symbols": symbols}


def newest_parts(run: Path, bars: Bars, settings: Settings, model_id: str) -> dict[str, Any]:
    """Return what the forecasts of the newest bar are made of, as a run's own model makes them.

    Raises:
        UsageError: the model is none whose forecast has parts.
    """
    from engine.live.models.files import run_models
    from forewalk.errors import UsageError
    from forewalk.features.own import panel_of
    from forewalk.plugins.holding import held
    from models.kinds import forecaster_of

    files = {path.stem: path for path in run_models(run)}
    with held(settings):
        panel = panel_of(bars, settings)
        model = forecaster_of(settings).load(files[model_id])
        found = parts_of(model, panel, len(panel) - 1, settings)
    if found is None:
        raise UsageError(
            f"--explain: {settings.model.kind} has no gradient to follow; `forewalk explain {run}` says which "
            "features carry it"
        )
    return found


def _shares(forecaster: StoredForecaster, files: dict[str, Path]) -> dict[str, dict[str, float]]:
    """Return how much each member of each ensemble has to say, by model; nothing where the models are none."""
    from models.recurrent.ensemble import FittedEnsemble

    models = {name: forecaster.load(path) for name, path in sorted(files.items())}
    return {name: model.shares for name, model in models.items() if isinstance(model, FittedEnsemble)}


def _write(path: Path, told: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(told, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def summary_lines(told: dict[str, Any], most: int = 10) -> list[str]:
    """Return what was found in a few lines for a terminal."""
    what = "rank IC lost" if told["measure"] == "rank_ic" else "likelihood lost"
    lines = [
        f"{what} on validation rows when a feature is out of step, mean of {len(told['models'])} models:"
    ]
    for each in told["features"][:most]:
        count = f"above 0 in {each['positive_models']} of {len(told['models'])}"
        lines.append(f"  {each['feature']:<28} {each[told['measure']]:+.5f}  {count}")
    if told.get("shares"):
        lines.append(f"mean share of {shares_text(told['shares'])}")
    if told["stability"] is not None:
        lines.append(f"rank correlation of importances between models: {told['stability']:+.2f}")
    return lines


def shares_text(shares: dict[str, dict[str, float]]) -> str:
    """Return the mean share of each member of the ensembles and how far it goes from model to model."""
    said = []
    for name in next(iter(shares.values())):
        values = [model[name] for model in shares.values()]
        said.append(f"{name} {sum(values) / len(values):.0%} ({min(values):.0%} to {max(values):.0%})")
    return ", ".join(said)


def shown_where(run: Path) -> str:
    """Say whether the forecast page shows it: a page of an earlier version has no place for it."""
    from engine.report.certificate import EXPLANATION

    page = run / "forecast.html"
    if page.is_file() and EXPLANATION[0] in page.read_text(encoding="utf-8"):
        return f"page: {page}"
    return f"{page} was written by an earlier version and has no place for it; run the backtest again to see it there"
