"""How much skill is there on a panel, and what does an account make of it?

`python -m benchmarks.skill PANEL ...` reads bars from each file (whatever `--source files` reads), trains the ranking
network, trees and ridge with the same inputs walk-forward, and prints beside reversal and momentum: the rank IC with
its t, the same against the return that an order can have (from the next open to the open after it), the lead of the
network over each with its t, both by year and by decade, and long-only accounts after costs beside equal weight. A
symbol needs `--min-history` bars; one that never has them is left out. Nothing is tuned here.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.evaluation.baselines import returns_panel
from engine.evaluation.metrics.statistics import mean_test, rank_ic
from engine.evaluation.policies import equal_weight_targets, target_account
from engine.simulation.compiled.run import simulate_settings
from engine.training.walkforward import walk_forward
from forewalk.compute.workers import workers_of
from forewalk.data.loading import load_bars
from forewalk.features.own import panel_of
from forewalk.features.panel import FeaturePanel, Labels, build_labels, label_returns, one_bar_returns
from forewalk.folds import Fold, walk_forward_folds
from forewalk.returns import simple_returns
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import LabelSettings, Settings
from forewalk.types import Bars, FloatArray, Forecasts
from models.base import Forecaster
from models.baselines.rank_rules import SIGNALS
from models.baselines.simple import BaselineForecaster
from models.recurrent.ensemble import EnsembleForecaster, FittedEnsemble
from models.recurrent.forecaster import LSTMForecaster
from models.timeline import Timeline

NETWORK = "lstm"
BARS_A_YEAR = 252


@dataclass(frozen=True, eq=False)
class Judged:
    """One panel: the close of each bar out of sample, daily rank ICs [T] and account returns [T] by name."""

    times: pd.DatetimeIndex
    ranks: Mapping[str, FloatArray]
    tradable: Mapping[str, FloatArray]
    accounts: Mapping[str, FloatArray]


def settings_of(path: Path, seeds: int, refit: int, source: Mapping[str, Any], train: int = 1250) -> Settings:
    """Return the settings of a panel: ranked inputs and labels, the recipe of docs/skill.md."""
    return settings_from(
        {
            "data": {"source": "files", "path": str(path), **source},
            "features": {"cross_section": True},
            "label": {"kind": "rank", "horizon_bars": 1},
            "folds": {"train_bars": train, "refit_every_bars": refit},
            "model": {
                "loss": "rank_correlation",
                "seeds": seeds,
                "input_dropout": 0.1,
                "learning_rate": 2e-3,
                "sequence_targets": 20,
                "max_epochs": 8,
                "patience": 3,
                "max_age_bars": refit + 100,
            },
            "strategy": {"kind": "cross_section", "min_hold_bars": 5, "max_weight": 0.25},
            "execution": {"fee_bps": 5.0, "slippage_bps": 0.0},
            "seed": 7,
        }
    )


def judge(settings: Settings, fewest_bars: int, ensemble: bool = False) -> Judged:
    """Train, forecast and trade one panel; with `ensemble` also network, trees and ridge together, both ways."""
    bars, _ = load_bars(settings.data)
    if bars.member is None:
        enough = (bars.present.sum(axis=0) >= fewest_bars).tolist()
        bars = bars.select([symbol for symbol, there in zip(bars.symbols, enough, strict=True) if there])
    print(f"{len(bars.symbols)} symbols, {len(bars)} bars", flush=True)
    panel = panel_of(bars, settings)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    returns = returns_panel(panel, one_bar_returns(bars, relative=True))
    forecasts: dict[str, Forecasts] = {}
    for name in (*SIGNALS, "ridge", NETWORK, "trees"):
        seen = returns if name in SIGNALS else panel
        age = settings.model.max_age_bars
        timeline, _ = walk_forward(
            seen, labels, folds, _forecaster(name, settings), age, workers_of(settings)
        )
        forecasts[name] = timeline.forecasts(seen, 1)
        told = labels.returns[len(bars) - len(forecasts[name]) :]
        print(f"  {name}: rank IC x 1e-4 {_told(rank_ic(forecasts[name].mean, told))}", flush=True)
    first = len(bars) - len(forecasts[NETWORK])
    told = labels.returns[first:]
    together = pooled(panel, labels, folds, settings) if ensemble else {}
    forecasts = {name: forecasts[name] for name in (NETWORK, "trees", "ridge", *SIGNALS)} | together
    traded = label_returns(bars, LabelSettings(kind="market_relative", execution="next_open"))[first:]
    ranks = {name: rank_ic(each.mean, told) for name, each in forecasts.items()}
    tradable = {name: rank_ic(each.mean, traded) for name, each in forecasts.items()}
    accounts = {name: _account(bars, each, settings) for name, each in forecasts.items()}
    accounts["equal_weight"] = _equal_weight(bars, forecasts[NETWORK], settings)
    return Judged(bars.timestamps[first:], ranks, tradable, accounts)


def pooled(
    panel: FeaturePanel, labels: Labels, folds: Sequence[Fold], settings: Settings
) -> dict[str, Forecasts]:
    """Return what an ensemble forecasts with equal weights and with those of its validation rows; trained once."""
    model = settings.model.model_copy(
        update={"ensemble": settings.model.ensemble.model_copy(update={"weights": "validation"})}
    )
    forecaster = EnsembleForecaster(model, settings.seed)
    timeline, _ = walk_forward(panel, labels, folds, forecaster, model.max_age_bars, workers_of(settings))
    models = [each for each in timeline.models if isinstance(each, FittedEnsemble)]
    for each in models:
        print(
            f"  {each.model_id}: " + ", ".join(f"{name} {share:.2f}" for name, share in each.shares.items())
        )
    even = Timeline(tuple(replace(each, weights=None) for each in models), model.max_age_bars)
    return {"ensemble, equal": even.forecasts(panel, 1), "ensemble, weighed": timeline.forecasts(panel, 1)}


def _forecaster(name: str, settings: Settings) -> Forecaster:
    if name == NETWORK:
        return LSTMForecaster(settings.model, settings.seed)
    return BaselineForecaster(name, settings.seed, 1)  # type: ignore[arg-type]


def _account(bars: Bars, forecasts: Forecasts, settings: Settings) -> FloatArray:
    """Long the top fifth, equal parts; a holding stays until it falls out of the better half."""
    top = max(1, len(bars.symbols) // 5)
    strategy = settings.strategy.model_copy(
        update={"top": top, "hysteresis": max(1, int(0.3 * len(bars.symbols)))}
    )
    (equity,) = simulate_settings(
        bars, forecasts, [settings.model_copy(update={"strategy": strategy})]
    ).equity
    return simple_returns(equity)


def _equal_weight(bars: Bars, forecasts: Forecasts, settings: Settings) -> FloatArray:
    span = bars.since(forecasts.timestamps[0])
    members = np.maximum.accumulate(np.isfinite(forecasts.mean), axis=0) & span.present
    target = equal_weight_targets(members, settings.strategy.max_gross)
    return simple_returns(target_account(span, target, settings.execution).equity)


def lines_of(found: Judged) -> list[str]:
    """Return the tables of one panel as text."""
    head = "| | rank IC x 1e-4 (t) | tradable (t) | network's lead (t) | net Sharpe | net a year |"
    lines = ["", head, "|---|--:|--:|--:|--:|--:|"]
    for name, account in found.accounts.items():
        cells = ["", "", ""]
        if name in found.ranks:
            own = found.ranks[name]
            lead = "" if name == NETWORK else _told(found.ranks[NETWORK] - own)
            cells = [_told(own), _told(found.tradable[name]), lead]
        lines.append(f"| {name} | {' | '.join(cells)} | {_sharpe(account):.2f} | {_yearly(account):.1%} |")
    years = found.times.year.to_numpy()
    for title, key in (("decade", years // 10 * 10), ("year", years)):
        lines += ["", f"By {title}: rank IC x 1e-4 / tradable; net return a year", ""]
        lines += _periods(found, key, title)
    return lines


def _periods(found: Judged, key: Any, title: str) -> list[str]:
    names = list(found.accounts)
    lines = [f"| {title} | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for period in np.unique(key):
        here = key == period
        cells = []
        for name in names:
            ranks = ""
            if name in found.ranks:
                pair = (found.ranks[name][here], found.tradable[name][here])
                ranks = " / ".join(f"{1e4 * _mean(values):.0f}" for values in pair) + "; "
            cells.append(f"{ranks}{_yearly(found.accounts[name][here]):.1%}")
        lines.append(f"| {period} | {' | '.join(cells)} |")
    return lines


def _told(values: FloatArray) -> str:
    test = mean_test(values)
    t = math.nan if test.t is None else test.t
    return f"{1e4 * _mean(values):.0f} ({t:.1f})"


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _sharpe(returns: FloatArray) -> float:
    std = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / std * math.sqrt(BARS_A_YEAR) if std > 0 else math.nan


def _yearly(returns: FloatArray) -> float:
    if not len(returns):
        return math.nan
    return float(np.prod(1.0 + returns)) ** (BARS_A_YEAR / len(returns)) - 1.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of every panel named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.skill", description=__doc__)
    parser.add_argument("panels", nargs="+", type=Path, metavar="PANEL")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--refit", type=int, default=504, help="bars")
    parser.add_argument("--fewest-bars", type=int, default=1512, help="of a symbol")
    parser.add_argument("--start", help="first session")
    parser.add_argument("--ensemble", action="store_true", help="network, trees and ridge together as well")
    parser.add_argument("--universe", type=Path, help="who belongs when, for a panel with all that ever were")
    given = parser.parse_args(arguments)
    source = {
        name: str(value) for name in ("start", "universe") if (value := getattr(given, name)) is not None
    }
    for panel in given.panels:
        print(f"\n## {panel.stem}", flush=True)
        begun = time.perf_counter()
        found = judge(settings_of(panel, given.seeds, given.refit, source), given.fewest_bars, given.ensemble)
        print("\n".join(lines_of(found)))
        print(f"\n{len(found.times)} bars out of sample, {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
