"""The slow cross-section beside ridge at the same horizon, equal weight and each seed alone, per year.

`python -m benchmarks.slow_cross_section FILE [SETTINGS]` trains once and prints every figure, whichever way it falls.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread per process, as the engine runs

import numpy as np
import pandas as pd

from engine.evaluation.baselines import run_baselines
from engine.evaluation.metrics.accounts.relative import alpha_against
from engine.evaluation.metrics.accounts.sharpe_interval import sharpe_difference, sharpe_interval
from engine.evaluation.policies import equal_weight_targets, target_account
from engine.evaluation.seeds import seed_timelines
from engine.simulation.benchmark import members_of
from engine.simulation.engines import simulate_beside
from engine.training.walked import walk
from forewalk.features.panel import one_bar_returns
from forewalk.returns import drawdown_series, simple_returns
from forewalk.settings.loading import load_settings
from forewalk.types import FloatArray

CONFIG = Path(__file__).resolve().parents[1] / "examples" / "slow_cross_section.toml"
YEAR = 252.0
SEED = 7


def accounts(path: str, config: Path) -> tuple[pd.DatetimeIndex, dict[str, FloatArray]]:
    """Return the times and the returns per bar, [T], of the network, each seed, ridge and equal weight."""
    settings = load_settings(config, {"data.source": "parquet", "data.path": path})
    walked = walk(settings, lambda what, done, total: print(f"{what} {done}/{total}", file=sys.stderr))
    settings, bars, forecasts = walked.settings, walked.bars, walked.forecasts
    returns = one_bar_returns(bars, relative=settings.label.relative)
    ridge = run_baselines(walked.panel, walked.labels, walked.folds, returns, settings, names=["ridge"])
    said = {"network": forecasts, "ridge": ridge["ridge"].forecasts}
    for number, timeline in enumerate(seed_timelines(walked.timeline)):
        said[f"seed {number + 1}"] = timeline.forecasts(walked.panel, settings.label.horizon_bars)
    found = {
        name: simulate_beside(bars, each, settings).equity["equity"].to_numpy(dtype=np.float64)
        for name, each in said.items()
    }
    span = bars.since(forecasts.timestamps[0])
    even = equal_weight_targets(members_of(span, forecasts), settings.strategy.max_gross)
    found["equal weight"] = target_account(span, even, settings.execution).equity
    return span.timestamps, {name: simple_returns(values) for name, values in found.items()}


def lines(times: pd.DatetimeIndex, returns: dict[str, FloatArray]) -> list[str]:
    """Return every figure: Sharpe ratios with intervals, alpha beside equal weight, the table per year."""
    held = returns["equal weight"]
    said = []
    for name, own in returns.items():
        value, low, high = sharpe_interval(own, YEAR, SEED)
        depth = float(drawdown_series(np.cumprod(1.0 + own)).min())
        said.append(f"{name:13} Sharpe {value:5.2f} ({low:.2f} to {high:.2f}), deepest drawdown {depth:.1%}")
        if name != "equal weight":
            alpha, beside = (
                alpha_against(own, {"held": held}, YEAR, 5),
                sharpe_difference(own, held, YEAR, SEED),
            )
            said.append(
                f"{'':13} beside equal weight {beside.value:+.2f} ({beside.low:.2f} to {beside.high:.2f}), alpha "
                f"{alpha.alpha_per_year:.1%} a year, t {alpha.t:.1f}, beta {alpha.loadings['held'].beta:.2f}"
            )
    seeds = [sharpe_interval(own, YEAR, SEED)[0] for name, own in returns.items() if name.startswith("seed")]
    said.append(f"seeds alone: {min(seeds):.2f} to {max(seeds):.2f}, std {np.std(seeds, ddof=1):.2f}")
    beside = sharpe_difference(returns["network"], returns["ridge"], YEAR, SEED)
    said.append(f"network minus ridge {beside.value:+.2f} ({beside.low:.2f} to {beside.high:.2f})")
    shown = {name: returns[name] for name in ("network", "ridge", "equal weight")}
    table = pd.DataFrame(shown, index=times)
    yearly = table.groupby(table.index.year).apply(lambda part: (1.0 + part).prod() - 1.0)
    return [*said, yearly.map(lambda value: f"{value:.1%}").to_string()]


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit code."""
    if not 1 <= len(arguments) <= 2:
        print("usage: python -m benchmarks.slow_cross_section FILE [SETTINGS]", file=sys.stderr)
        return 2
    begun = time.process_time()
    config = Path(arguments[1]) if arguments[1:] else CONFIG
    print("\n".join(lines(*accounts(arguments[0], config))))
    print(f"{time.process_time() - begun:.0f} s of this process")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
