"""Is the evaluation honest? Pure noise must look like noise, and a planted signal must be found.

`python -m benchmarks.noise sweeping` draws panels of made-up features and returns, trains ridge walk-forward on each
and asks the statistics of the report for their verdict. In the first hundred nothing leads anything: at 5 %, about
5 % of them may look significant. In the others one feature leads the returns with an information coefficient
of 0.05. Everything goes through the same public classes as a run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from engine.evaluation.baselines import run_baselines
from engine.evaluation.metrics.accounts.luck import deflated_sharpe, probabilistic_sharpe
from engine.evaluation.metrics.accounts.overfitting import superior_ability
from engine.evaluation.metrics.statistics import clark_west, diebold_mariano
from engine.evaluation.policies import target_account
from engine.runs.counts import count_tries
from engine.runs.trial import make_trial
from forewalk.features.panel import FeaturePanel, Labels
from forewalk.folds import walk_forward_folds
from forewalk.returns import sharpe_sample, simple_returns
from forewalk.sessions import session_closes, sessions_between
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import ExecutionSettings, Settings
from forewalk.types import Arrays, Bars, FloatArray, Forecasts

FREE = ExecutionSettings(fee_bps=0, slippage_bps=0, borrow_bps_per_year=0, margin_bps_per_year=0)
# costs would make noise look worse than noise
ENTRIES = (0.0, 0.005, 0.01, 0.02, 0.05)  # the settings that a user sweeps, long-short and long-flat
FEATURES = 6
VOLATILITY = 0.001  # per bar; so small that zero mean in log returns is zero mean in simple ones too
IC = 0.05


@dataclass(frozen=True)
class Task:
    """One panel: its seed, the information coefficient of its first feature, its size, and bootstraps."""

    seed: int
    ic: float
    bars: int = 2500
    symbols: int = 20
    repetitions: int = 500


@dataclass(frozen=True)
class Finding:
    """What the statistics say about one panel.

    Attributes:
        dm: p-value of Diebold-Mariano, ridge against zero, one-sided.
        clark_west: t of Clark & West; above 1.645 is significant.
        psr_first, psr_best: probabilistic Sharpe ratio of the first and the best of ten swept settings.
        dsr_best: deflated Sharpe ratio of the best, the ten counted as the ledger counts trials.
        psr_best_feature, dsr_best_feature: the same for the best of six independent ideas (one per feature).
        spa: Hansen's consistent p-value over the ten.
    """

    dm: float
    clark_west: float
    psr_first: float
    psr_best: float
    dsr_best: float
    psr_best_feature: float
    dsr_best_feature: float
    spa: float


def made_up_panel(task: Task) -> tuple[Bars, FeaturePanel, Labels]:
    """Draw features and returns; feature 0 at bar t has correlation `ic` with the return from t to t + 1."""
    random = np.random.default_rng(task.seed)
    times = session_closes("XNYS", sessions_between("XNYS", "2010-01-04", "2030-01-01")[: task.bars])
    values = random.normal(size=(task.bars, task.symbols, FEATURES))
    scaled = task.ic * values[:, :, 0] + np.sqrt(1 - task.ic**2) * random.normal(size=values.shape[:2])
    scale = np.full(scaled.shape, VOLATILITY)
    returns = scaled * scale
    returns[-1] = np.nan  # not known yet
    close = 100 * np.exp(np.vstack([np.zeros((1, task.symbols)), np.cumsum(returns[:-1], axis=0)]))
    opens = np.vstack([close[:1], close[:-1]])  # no gap: the next open is the close at which was decided
    symbols = tuple(f"N{number:02d}" for number in range(task.symbols))
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    bars = Bars(times, symbols, opens, high, low, close, np.full(close.shape, 1e9))
    names = tuple(f"noise_{number}" for number in range(FEATURES))
    panel = FeaturePanel(
        times, symbols, names, values.astype(np.float32), scale, np.ones(close.shape, dtype=bool)
    )
    end = times[1:].append(pd.DatetimeIndex([pd.NaT], tz="UTC")).as_unit("us")
    return bars, panel, Labels(returns, returns / scale, end, 1)


def study(task: Task, arrays: Arrays | None = None) -> Finding:
    """Train on one panel and let the statistics judge it."""
    bars, panel, labels = made_up_panel(task)
    settings = small_settings(task.bars)
    folds = walk_forward_folds(panel.timestamps, labels.end, settings.folds)
    past = np.vstack([np.full((1, task.symbols), np.nan), labels.returns[:-1]])
    forecasts = run_baselines(panel, labels, folds, past, settings, ["ridge"])["ridge"].forecasts
    actual = labels.returns[-len(forecasts) :]
    span = bars.since(forecasts.timestamps[0])
    sweep = np.column_stack([account(span, weights, FREE) for weights in swept_weights(forecasts)])
    trials = [
        make_trial("sweep", "noise", bars, tried, returns)
        for tried, returns in zip(swept_settings(), sweep.T, strict=True)
    ]
    signals = panel.values[-len(forecasts) :].astype(np.float64)
    ideas = [account(span, np.sign(signals[:, :, f]) / task.symbols, FREE) for f in range(FEATURES)]
    known = np.isfinite(actual)
    losses = [np.where(known, (actual - mean) ** 2, np.nan) for mean in (forecasts.mean, 0.0)]
    first = probabilistic_sharpe(sharpe_sample(sweep[:, 0]))
    count = count_tries(trials)
    best, deflated = _best(sweep, count.counted, count.variance)
    best_idea, deflated_idea = _best(np.column_stack(ideas), FEATURES)
    return Finding(
        dm=diebold_mariano(*losses).p_less,
        clark_west=clark_west(actual, forecasts.mean).t,
        psr_first=first,
        psr_best=best,
        dsr_best=deflated,
        psr_best_feature=best_idea,
        dsr_best_feature=deflated_idea,
        spa=superior_ability(sweep, seed=task.seed, repetitions=task.repetitions).consistent,
    )


def small_settings(bars: int) -> Settings:
    """Return the folds of a default run, or for fewer bars three folds over their second half."""
    if bars >= 2000:
        return settings_from({"jobs": 1})
    train = bars // 2
    return settings_from(
        {"folds": {"train_bars": train, "refit_every_bars": -(-(bars - train) // 3)}, "jobs": 1}
    )


def swept_settings() -> list[Settings]:
    """Return the ten settings of a sweep: each threshold, long-short and long-flat."""
    return [
        settings_from({"strategy": {"entry": entry, "direction": direction}})
        for entry in ENTRIES
        for direction in ("long_short", "long_flat")
    ]


def swept_weights(forecasts: Forecasts) -> list[FloatArray]:
    """Return target weights, [T, S], of these settings: equal parts of the symbols beyond the threshold."""
    score = np.nan_to_num(forecasts.mean / forecasts.std)
    share = 1.0 / score.shape[1]
    signs = [np.where(np.abs(score) >= entry, np.sign(score), 0.0) * share for entry in ENTRIES]
    return [weights for sign in signs for weights in (sign, np.maximum(sign, 0.0))]


def account(bars: Bars, weights: FloatArray, execution: ExecutionSettings) -> FloatArray:
    """Return the returns per bar of an account with these target weights."""
    return simple_returns(target_account(bars, weights, execution).equity)


def _best(returns: FloatArray, trials: float, spread: float | None = None) -> tuple[float, float]:
    """Probabilistic and deflated Sharpe ratio of the best column."""
    samples = [sharpe_sample(column) for column in returns.T]
    moved = [sample for sample in samples if np.isfinite(sample.sharpe)]
    if not moved:
        return 0.0, 0.0
    best = max(moved, key=lambda sample: sample.sharpe)
    variance = float(np.var([sample.sharpe for sample in moved], ddof=1)) if len(moved) > 1 else 0.0
    variance = variance if spread is None else spread
    return probabilistic_sharpe(best), deflated_sharpe(best, trials, variance).probability


def shares(findings: Sequence[Finding]) -> dict[str, float]:
    """Return the share of panels that each statistic calls significant at 5 %."""
    table = pd.DataFrame([asdict(finding) for finding in findings])
    significant = {
        "diebold_mariano": table["dm"] < 0.05,
        "clark_west": table["clark_west"] > 1.645,
        "sharpe_first": table["psr_first"] > 0.95,
        "sharpe_best": table["psr_best"] > 0.95,
        "deflated_best": table["dsr_best"] > 0.95,
        "sharpe_best_feature": table["psr_best_feature"] > 0.95,
        "deflated_best_feature": table["dsr_best_feature"] > 0.95,
        "spa": table["spa"] < 0.05,
    }
    return {name: float(column.mean()) for name, column in significant.items()}


def report(panels: int, signals: int) -> str:
    """Study so many panels without a signal and with one; return what was found as JSON."""
    tasks = [Task(seed, 0.0) for seed in range(panels)]
    tasks += [Task(1000 + seed, IC, symbols=40) for seed in range(signals)]
    findings = [study(task) for task in tasks]
    noise, signal = findings[:panels], findings[panels:]
    found = {
        "noise": {"panels": len(noise), "significant": shares(noise)},
        "signal": {
            "panels": len(signal),
            "ic": IC,
            "largest_dm_p": max(finding.dm for finding in signal),
            "largest_spa_p": max(finding.spa for finding in signal),
            "smallest_deflated": min(finding.dsr_best for finding in signal),
            "significant": shares(signal),
        },
    }
    return json.dumps(found, indent=2)
