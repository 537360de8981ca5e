"""How often does the verdict claim something on a market that holds nothing? Each panel goes through a whole run.

Prices in, features, a tiny network trained walk-forward, the policy, Cerebro, the verdict. Costs are switched off:
they would make noise look worse than noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.noise.worlds import World, market
from engine.backtest.job import Backtest, backtest
from engine.evaluation.evidence import gather_evidence
from engine.evaluation.metrics.accounts.luck import LuckMetrics, passes
from engine.evaluation.subject import Metrics
from engine.notebook.given import with_bars
from engine.runs.counts import Tried
from engine.runs.trial import make_trial
from engine.simulation.engines import simulate_again
from forewalk.returns import hedged_returns, sharpe_sample, simple_returns
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import Settings

ENTRIES = (0.0, 0.005, 0.01, 0.02, 0.05)
DIRECTIONS = ("long_flat", "long_short")
HORIZONS = (1, 5, 20)
KINDS = ("noise", "drift")
FREE = {"fee_bps": 0, "slippage_bps": 0, "borrow_bps_per_year": 0, "margin_bps_per_year": 0}
DRIFT = (0.4, 0.8)  # annual Sharpe ratios of the market


@dataclass(frozen=True)
class Task:
    """One panel.

    Attributes:
        seed: of the market.
        kind: "noise" (no drift) or "drift" (a Sharpe ratio between 0.4 and 0.8).
        horizon: of the labels, in bars.
        bars, symbols: its size; the second half is out of sample.
    """

    seed: int
    kind: str
    horizon: int = 1
    bars: int = 1500
    symbols: int = 10


def tasks(panels: int) -> list[Task]:
    """Return so many panels of each kind and horizon."""
    return [Task(seed, kind, h) for h in HORIZONS for kind in KINDS for seed in range(panels)]


def study(task: Task) -> dict[str, float | None]:
    """Run one panel and return what the verdict is made of: p-values, and claims as 0 or 1."""
    low, high = DRIFT
    sharpe = 0.0 if task.kind == "noise" else low + (high - low) * np.random.default_rng(task.seed).random()
    world = World(task.seed, task.bars, task.symbols, sharpe)
    settings, table = with_bars(small_settings(task), market(world))
    run = backtest(settings, given=table)
    found = _of_forecasts(run.metrics)
    found |= {f"first {name}": value for name, value in _of_account(run.metrics.luck).items()}
    best = best_of_ten(run)
    found |= {f"best of ten {name}": value for name, value in _of_account(best.luck).items()}
    green = run.metrics.forecast.claims.any and passes(run.metrics.luck) and not run.metrics.alarms
    found["green box"] = float(green)
    found["alarm"] = float(bool(run.metrics.alarms))
    return found


def small_settings(task: Task) -> Settings:
    """Return the settings of a panel: a network of four units, two folds, no costs, no other forecasters."""
    return settings_from(
        {
            "seed": task.seed,
            "jobs": 1,
            "model": {"hidden_size": 4, "seeds": 1, "max_epochs": 4},
            "label": {"horizon_bars": task.horizon},
            "folds": {"train_bars": task.bars // 2, "refit_every_bars": task.bars // 4},
            "strategy": {"kind": "per_symbol"},
            "execution": {**FREE, "fractional": True, "max_volume_share": None},
            "evaluation": {"baselines": False, "garch": False, "costs": False, "bootstrap_repetitions": 300},
        }
    )


def best_of_ten(run: Backtest) -> Metrics:
    """Judge the best of ten policies on the run's forecasts, with the other nine as tries before it."""
    subject = run.subject
    tried = [
        subject.settings.model_copy(
            update={
                "strategy": subject.settings.strategy.model_copy(
                    update={"entry": entry, "direction": direction}
                )
            }
        )
        for entry in ENTRIES
        for direction in DIRECTIONS
    ]
    accounts = [replace(subject, settings=each, simulation=_simulated(run, each)) for each in tried]
    held = simple_returns(accounts[0].simulation.equity["benchmark"].to_numpy(dtype=np.float64))
    ratios = [
        float(np.nan_to_num(sharpe_sample(hedged_returns(each.account, held)).sharpe)) for each in accounts
    ]
    best = int(np.argmax(ratios))
    trials = tuple(
        make_trial("sweep", "noise", subject.bars, each.settings, each.account)
        for number, each in enumerate(accounts)
        if number != best
    )
    return gather_evidence(accounts[best], Tried(trials)).metrics


def _simulated(run: Backtest, settings: Settings):
    return simulate_again(run.subject.bars, run.subject.forecasts, settings)


def _of_forecasts(metrics: Metrics) -> dict[str, float | None]:
    claims = metrics.forecast.claims
    found: dict[str, float | None] = {}
    for claim in claims.questions:
        found[f"{claim.question} p"] = claim.p
        found[f"{claim.question} claimed"] = float(claim.claimed)
    found["any skill claimed"] = float(claims.any)
    ranks = claims.of("rank")
    found["wrong way round"] = float(bool(ranks and ranks.p is not None and ranks.p > 0.975))
    dm = metrics.forecast.overall.diebold_mariano.p_less
    found["diebold_mariano p"] = dm
    return found


def _of_account(luck: LuckMetrics) -> dict[str, float | None]:
    passed = luck.deflated.probability
    return {
        "more than luck claimed": None if passed is None else float(passes(luck)),
        "more than luck p": None if passed is None else 1.0 - passed,
        "alpha p": luck.alpha.p_greater,
        "Sharpe difference p": luck.sharpe_difference.p_greater,
        "superior ability p": luck.superior_ability.consistent,
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the share of panels in which each test rejects at 5 % (or a claim is made), by kind and horizon."""
    names = [name for name in table.columns if name not in ("seed", "kind", "horizon", "bars", "symbols")]
    at_5 = table[["kind", "horizon"]].copy()
    for name in names:
        values = table[name].astype(float)
        hit = (values < 0.05) if name.endswith(" p") else (values > 0.5)
        at_5[name] = hit.where(values.notna())
    return at_5.groupby(["kind", "horizon"])[names].mean().T
