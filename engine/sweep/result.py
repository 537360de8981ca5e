"""What a sweep found, and what the number of tries means for the best of them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.evaluation.metrics.accounts.luck import CLEAR, FEWEST_RETURNS, deflated_sharpe, passes_test
from engine.evaluation.metrics.accounts.relative import alpha_against
from engine.evaluation.metrics.alarms import MAX_SHARPE_ANNUAL, WHERE_LEAKS_SIT
from engine.evaluation.metrics.door import Record, named, to_json
from engine.runs.counts import count_tries, distinct_trials, related_trials
from engine.runs.ledger import Ledger
from engine.sweep.grid import Axis
from forewalk.returns import bars_per_year_covered, hedged_returns, sharpe_sample
from forewalk.sessions import bars_per_year
from forewalk.types import Bars

SHOWN = 10  # settings that a notebook shows
AGAINST = {"buy_and_hold": "buying and holding", "cash": "cash"}
METRICS = ("sharpe", "total_return", "max_drawdown", "turnover_per_year")


@dataclass(frozen=True)
class SweepLuck(Record):
    """What the tries on these data, all of them, mean for the best setting of a sweep.

    Attributes:
        tries: distinct ones in the ledger, and those known to be lost.
        independent_tries: that they amount to.
        best_sharpe_annual: of the sweep's best setting; None, as are the next three, where no setting traded.
        median_sharpe_annual: of the sweep's settings.
        threshold_annual: Sharpe ratio beyond `against` that luck is expected to reach.
        probability: 1 - p of the test that nothing is left of the best beyond `against`, after all tries: its
            deflated Sharpe ratio (Bailey & Lopez de Prado 2014); None also below `FEWEST_RETURNS` bars.
        against: "buy_and_hold", or "cash" where every setting is as much short as long by construction.
        passes: whether the best passes that test as a run would have to, see `luck.passes`, and is not too good to
            be believed.
        bars: of the best setting's account.
        best_beyond_annual: Sharpe ratio of what is left of the best beyond `against`; None where nothing traded,
            and in sweeps of before 0.2.
    """

    tries: float = field(metadata=named("trials"))
    independent_tries: float = field(metadata=named("effective"))
    best_sharpe_annual: float | None = field(metadata=named("best_sharpe"))
    median_sharpe_annual: float | None = field(metadata=named("median_sharpe"))
    threshold_annual: float | None = field(metadata=named("threshold"))
    probability: float | None
    against: str = "buy_and_hold"
    passes: bool = False
    bars: int = 0
    best_beyond_annual: float | None = field(default=None, metadata=named("best_beyond"))

    @property
    def left_annual(self) -> float | None:
        """The discounted best: its Sharpe ratio beyond `against`, less what luck is expected to reach."""
        if self.best_beyond_annual is None or self.threshold_annual is None:
            return None
        return self.best_beyond_annual - self.threshold_annual


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep found.

    Attributes:
        run: folder of the run whose forecasts were used.
        name: of the sweep, as in the ledger.
        axes: what was varied.
        table: one row per setting: the varied values by key, then the metrics of `VectorResult.table`.
        own: the run's own values of the varied settings.
        equals_run: whether the run's own settings gave the stored account again, bar by bar.
        luck: what the number of tries means for the best of them.
        held: what buying and holding gave, by the names of `METRICS`; without those it has no value of.
    """

    run: Path
    name: str
    axes: tuple[Axis, ...]
    table: pd.DataFrame
    own: dict[str, Any]
    equals_run: bool
    luck: SweepLuck
    held: Mapping[str, float] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in sweep_lines(self))
        return lines + best_rows(self, SHOWN).to_html(index=False)


def summary(result: Sweep) -> dict[str, Any]:
    """Return the sweep in short, JSON-able: axes, the best setting, the run's own values, luck."""
    best = best_rows(result, 1).to_dict("records")
    return {
        "run": str(result.run),
        "name": result.name,
        "settings": len(result.table),
        "axes": {axis.key: list(axis.values) for axis in result.axes},
        "own": result.own,
        "equals_run": result.equals_run,
        "best": to_json(best[0]) if best else None,
        "held": dict(result.held),
        "luck": result.luck.to_json(),
    }


def best_rows(result: Sweep, count: int) -> pd.DataFrame:
    """Return the `count` settings with the highest Sharpe ratio, best first; settings that never moved last."""
    return result.table.sort_values("sharpe", ascending=False, na_position="last", kind="stable").head(count)


def sweep_lines(result: Sweep) -> list[str]:
    """Return the outcome in sentences."""
    luck = result.luck
    lines = []
    if luck.best_sharpe_annual is not None:
        best = best_rows(result, 1).iloc[0]
        values = ", ".join(f"{axis.key} = {best[axis.key]}" for axis in result.axes)
        lines.append(
            f"Of {len(result.table):,} settings the best reached a Sharpe ratio of "
            f"{luck.best_sharpe_annual:.2f} a year ({values}); half of them were below "
            f"{luck.median_sharpe_annual:.2f}."
        )
        lines.append(
            f"These data have now been tried {luck.tries:,.0f} times, of which {luck.independent_tries:,.0f} count: "
            f"beyond {AGAINST[luck.against]}, luck alone would be expected to reach {luck.threshold_annual:.2f}"
            f"{_left(luck)}. {_tested(luck)}"
        )
        if luck.best_sharpe_annual > MAX_SHARPE_ANNUAL:
            lines.append(
                f"A Sharpe ratio above {MAX_SHARPE_ANNUAL:g} is too good to be believed. {WHERE_LEAKS_SIT}"
            )
    else:
        lines.append(f"None of the {len(result.table):,} settings traded.")
    if not result.equals_run:
        lines.append(
            "The run's own settings do not give its stored account any more: the code has changed since. "
            "Run the backtest again before comparing."
        )
    return lines


def _tested(luck: SweepLuck) -> str:
    if luck.probability is None:
        return f"{luck.bars} bars are too few to test the best against that; {FEWEST_RETURNS} are needed."
    believable = luck.best_sharpe_annual is not None and luck.best_sharpe_annual <= MAX_SHARPE_ANNUAL
    doubt = luck.probability > CLEAR and believable and not luck.passes
    rest = ", but its alpha, with errors that allow for days that follow from each other, is within luck"
    return f"Tested against that, the best has 1 - p = {luck.probability:.2f}{rest if doubt else ''}."


def _left(luck: SweepLuck) -> str:
    if luck.best_beyond_annual is None or luck.left_annual is None or luck.probability is None:
        return ""
    rest = f"{luck.left_annual:.2f}" if luck.left_annual > 0 else "nothing"
    return f" and the best reached {luck.best_beyond_annual:.2f}, so that {rest} is left after the discount"


def luck_of_the_best(
    table: pd.DataFrame, ledger: Ledger, bars: Bars, held: pd.Series, neutral: bool
) -> SweepLuck:
    """Return what all tries on overlapping data mean for the best setting of this sweep.

    Args:
        held: simple returns of buying and holding by time in seconds.
        neutral: every setting is as much short as long by construction, so that the best is compared with cash.
    """
    benchmark = None if neutral else held
    everyone = ledger.trials()
    own = next(trial for trial in reversed(everyone) if trial.data_fingerprint == bars.fingerprint)
    related = distinct_trials(related_trials(everyone, own))
    count = count_tries(related, ledger.lost(), benchmark)
    tries = float(count.distinct + count.lost)
    usual = bars_per_year(bars.calendar, bars.interval)
    year = math.sqrt(bars_per_year_covered(bars.timestamps[own.first_row :], usual))
    against = "cash" if neutral else "buy_and_hold"
    found = table["sharpe_per_bar"].dropna()
    if found.empty:
        return SweepLuck(tries, count.counted, None, None, None, None, against)
    best = max((t for t in related if t.sharpe_per_bar == found.max()), key=lambda trial: trial.number)
    returns, market = best.returns.astype(np.float64), held.reindex(best.times).to_numpy(dtype=np.float64)
    left = hedged_returns(returns, None if neutral else market)
    sample = sharpe_sample(left[np.isfinite(left)])
    deflated = deflated_sharpe(sample, count.counted, count.variance)
    enough = sample.observations >= FEWEST_RETURNS
    probability = deflated.probability if enough and np.isfinite(deflated.probability) else None
    alpha = alpha_against(returns, {"buy_and_hold": market}, year**2)
    believable = float(found.max()) * year <= MAX_SHARPE_ANNUAL
    return SweepLuck(
        tries=tries,
        independent_tries=count.counted,
        best_sharpe_annual=float(found.max()) * year,
        median_sharpe_annual=float(table["sharpe_per_bar"].fillna(0.0).median()) * year,
        threshold_annual=deflated.threshold * year,
        probability=probability,
        against=against,
        passes=believable and passes_test(probability, alpha),
        bars=len(returns),
        best_beyond_annual=sample.sharpe * year,
    )
