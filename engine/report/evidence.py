"""The part of the reports that says how far the rest can be believed: tables and charts of an `Evidence`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from engine.evaluation.comparison import BaselineMetrics
from engine.evaluation.metrics.accounts.account import ReturnMetrics
from engine.evaluation.metrics.accounts.bootstrap import FAN_LEVELS
from engine.evaluation.metrics.forecasts.calibration import ReliabilityCurve
from engine.evaluation.metrics.forecasts.claims import SkillClaims
from engine.evaluation.metrics.forecasts.skill import ForecastSkill
from engine.evaluation.metrics.forecasts.volatility import VarianceSkill
from engine.evaluation.metrics.statistics import DieboldMariano, rank_ic
from engine.evaluation.metrics.texts import Added, TextMetrics
from engine.evaluation.seeds import SeedMetrics, SeedSpread
from engine.evaluation.subject import Evidence
from engine.report import tables
from engine.report.charts import evidence as charts
from engine.report.forecasters import LABELS, forecaster_table
from engine.report.luck import factor_notes, factor_table, luck_table
from engine.report.reality import capacity_svg, costs_svg, reality_table, size_table
from engine.report.tables import PageTable
from forewalk.types import FloatArray, Forecasts, SimulationResult

MOST_MODELS = 40  # of the last ones, in one chart
MONTHLY_SYMBOLS = 5  # fewer than this and a correlation across symbols says nothing


def evidence_context(
    evidence: Evidence, forecasts: Forecasts, actual: FloatArray, simulation: SimulationResult, own: str
) -> dict[str, Any]:
    """Return what `evidence.html` shows; `own` is the name of the network among the forecasters."""
    metrics = evidence.metrics
    monthly, monthly_aid = _monthly(forecasts, actual)
    return {
        "claims": claims_table(metrics.forecast.claims),
        "claims_enough": metrics.forecast.claims.enough,
        "claims_horizons": metrics.forecast.claims.horizons,
        "forecasters": forecaster_table(metrics.baselines, own),
        "skill_by_baseline": Markup(_skill_by_baseline(metrics.baselines)),
        "skill_by_model": Markup(_skill_by_model(metrics.forecast.per_model)),
        "calibration": Markup(_calibration(metrics.forecast.reliability)),
        "monthly": Markup(monthly),
        "monthly_aid": monthly_aid,
        "luck": luck_table(metrics.luck),
        "factors": factor_table(metrics.factors),
        "factor_notes": factor_notes(metrics.factors),
        "texts": text_table(metrics.texts),
        "fan": Markup(_fan(evidence, simulation)),
        "tries": Markup(_tries(evidence)),
        "policies": policy_table(metrics.strategy, metrics.policies),
        "costs": Markup(costs_svg(metrics.reality, metrics.benchmark.sharpe_annual or 0.0)),
        "reality": reality_table(metrics.reality, metrics.strategy.turnover_per_year),
        "sizes": size_table(metrics.reality),
        "capacity": Markup(capacity_svg(metrics.reality, metrics.benchmark.sharpe_annual)),
        "seeds": seed_table(metrics.seeds),
        "volatility": volatility_table(metrics.forecast.overall.variance),
    }


QUESTIONS = {
    "squared_error": "squared error below that of no change",
    "nested": "the same without the noise of learning (Clark-West)",
    "rank": "ranks the symbols (rank IC above 0)",
    "direction": "direction beyond chance (Pesaran-Timmermann)",
}


def claims_table(claims: SkillClaims) -> PageTable:
    """What was asked of the forecasts, and what may be claimed."""
    rows = tuple(
        (
            QUESTIONS[claim.question],
            tables.small(claim.estimate),
            tables.number(claim.t),
            tables.number(claim.p, 3),
            tables.number(claim.p_holm, 3),
            "yes" if claim.claimed else "no",
        )
        for claim in claims.questions
    )
    head = ("Question", "Estimate", "t", "p, one-sided", "p for all together (Holm)", "May be claimed")
    return PageTable(head, rows)


def volatility_table(variance: VarianceSkill | None) -> PageTable:
    """Losses of the volatility forecasts beside EWMA and GARCH; every pair on its own cells."""
    rows = []
    if variance:
        test = variance.diebold_mariano
        rows.append(("EWMA", *_losses(variance.qlike, variance.ewma_qlike, test)))
        garch = variance.garch
        if garch:
            rows.append(("GARCH(1,1)", *_losses(garch.own_qlike, garch.qlike, garch.diebold_mariano)))
    return PageTable(("Against", "QLIKE, this run", "QLIKE, theirs", "p: this run is better"), tuple(rows))


def text_table(texts: TextMetrics | None) -> PageTable:
    """What the texts added: four measures with and without them, and the leak that is usual."""
    columns = ("", "With texts", "Without", "t of the gain", "p: the texts help")
    if texts is None:
        return PageTable(columns, ())
    measures: tuple[tuple[str, Added | None, Callable[[float | None], str]], ...] = (
        ("Rank IC", texts.rank_ic, lambda v: tables.number(v, 4)),
        ("Log likelihood of an outcome", texts.log_likelihood, lambda v: tables.number(v, 4)),
        ("QLIKE of the variance (lower is better)", texts.qlike, lambda v: tables.number(v, 4)),
        ("Net return a bar", texts.account, lambda v: tables.percent(v, 4)),
    )
    rows = [
        (what, show(part.with_texts), show(part.without), tables.number(part.t), tables.number(part.p, 3))
        for what, part, show in measures
        if part is not None
    ]
    for what, test in (
        ("Rank IC of the tone, known in time", texts.tone_known),
        ("The trap: rank IC of the tone of the outcome's own day", texts.tone_by_day),
    ):
        rows.append((what, tables.number(test.mean, 4), "", tables.number(test.t), ""))
    return PageTable(columns, tuple(rows), (0,))


def policy_table(strategy: ReturnMetrics, policies: Mapping[str, ReturnMetrics]) -> PageTable:
    """The account beside policies that need no model."""
    rows = [
        (
            label,
            tables.percent(part.total_return),
            tables.number(part.sharpe_annual),
            tables.percent(part.max_drawdown),
        )
        for label, part in (("this run", strategy), *((LABELS.get(n, n), p) for n, p in policies.items()))
    ]
    return PageTable(("Policy", "Total return", "Sharpe ratio", "Deepest drawdown"), tuple(rows), (0,))


def seed_table(seeds: SeedSpread | None) -> PageTable:
    """Mean and spread over the seeds, each forecasting and trading alone."""
    columns = ("", "Mean", "Std over seeds")
    if not seeds:
        return PageTable(columns, ())
    wanted: tuple[tuple[str, Callable[[SeedMetrics], object], Callable[[float | None], str]], ...] = (
        ("Forecast skill", lambda seed: seed.forecast.returns.skill_mse, lambda v: tables.percent(v, 3)),
        ("Direction right", lambda seed: seed.forecast.direction.accuracy, tables.percent),
        (
            "Rank IC",
            lambda seed: seed.forecast.rank_ic and seed.forecast.rank_ic.mean,
            lambda v: tables.number(v, 4),
        ),
        (
            "Volatility QLIKE",
            lambda seed: seed.forecast.variance and seed.forecast.variance.qlike,
            lambda v: tables.number(v, 4),
        ),
        ("Sharpe ratio", lambda seed: seed.strategy.sharpe_annual, tables.number),
        ("Total return", lambda seed: seed.strategy.total_return, tables.percent),
    )
    found = ((label, seeds.of(which), show) for label, which, show in wanted)
    rows = [(label, show(spread.mean), show(spread.std)) for label, spread, show in found if spread]
    return PageTable(columns, tuple(rows))


def _losses(own: float | None, other: float | None, test: DieboldMariano) -> tuple[str, str, str]:
    return tables.number(own, 4), tables.number(other, 4), tables.number(test.p_less, 3)


def _with_range(loss: float, base: float | None, test: DieboldMariano) -> tuple[float, float, float]:
    """Skill 1 - loss / base with the 95 % range that the test's own standard error gives it."""
    if not base:
        return math.nan, math.nan, math.nan
    skill = 1.0 - loss / base
    if not test.statistic or test.mean_difference is None:
        return skill, skill, skill
    reach = 1.96 * abs(test.mean_difference / test.statistic) / base
    return skill, skill - reach, skill + reach


def _skill_by_baseline(comparison: BaselineMetrics) -> str:
    own = next(iter(comparison.forecasters.values())).mse
    scores = comparison.forecasters
    ranges = {
        LABELS.get(name, name): _with_range(own, scores[name].mse, against.diebold_mariano)
        for name, against in comparison.against.items()
        if own is not None and scores[name].mse is not None
    }
    return _skill_chart(ranges, "squared error smaller than that of ...")


def _skill_by_model(per_model: Mapping[str, ForecastSkill]) -> str:
    ranges = {
        name: _with_range(part.returns.mse, part.returns.naive_mse, part.diebold_mariano)
        for name, part in per_model.items()
        if part.returns.mse is not None
    }
    last = dict(list(ranges.items())[-MOST_MODELS:])
    return _skill_chart(last, "squared error smaller than that of no change")


def _skill_chart(ranges: Mapping[str, tuple[float, float, float]], what: str) -> str:
    skill, low, high = np.array(list(ranges.values()), dtype=np.float64).reshape(-1, 3).T
    return charts.skill_chart(list(ranges), skill, low, high, what)


def _calibration(reliability: ReliabilityCurve | None) -> str:
    bins = reliability.bins if reliability else ()
    stated = np.array([one.mean_p_up for one in bins], dtype=np.float64)
    came = np.array([one.share_up for one in bins], dtype=np.float64)
    return charts.calibration_chart(stated, came, np.array([one.forecasts for one in bins], dtype=np.float64))


def _monthly(forecasts: Forecasts, actual: FloatArray) -> tuple[str, str]:
    """Rank IC by month, or hits where there are too few symbols to rank, and how to read it."""
    known = np.isfinite(forecasts.mean) & np.isfinite(actual)
    if known.any(axis=0).sum() >= MONTHLY_SYMBOLS:
        chart = charts.monthly_chart(forecasts.timestamps, rank_ic(forecasts.mean, actual), "rank IC")
        return chart, "The correlation of forecast and outcome across the symbols of a bar; 0 is chance."
    known &= actual != 0
    hits = np.where(known, np.sign(actual) * np.sign(forecasts.mean), 0.0).sum(axis=1)
    count = known.sum(axis=1)
    mean = np.where(count > 0, hits / np.maximum(count, 1), np.nan)
    chart = charts.monthly_chart(forecasts.timestamps, mean, "right minus wrong directions")
    return chart, "The share of right directions minus that of wrong ones; 0 is chance."


def _fan(evidence: Evidence, simulation: SimulationResult) -> str:
    account = simulation.equity["equity"].to_numpy(dtype=np.float64)
    times, fan = pd.DatetimeIndex(simulation.equity["time"]), evidence.bootstrap
    bands = {}
    if fan.fan.size:
        levels = dict(zip(FAN_LEVELS, fan.fan, strict=True))
        rows = np.arange(len(account))
        for label, pair in (("95 % of resampled accounts", (0.025, 0.975)), ("50 %", (0.25, 0.75))):
            low, high = (np.interp(rows, fan.fan_rows, levels[level]) * account[0] for level in pair)
            bands[label] = (low, high)
    others = {LABELS.get(name, name): curve for name, curve in evidence.policies.items()}
    return charts.fan_chart(times, account, others, bands)


def _tries(evidence: Evidence) -> str:
    """The tries as a chart; nothing where this is the only one."""
    sharpes, best = evidence.trial_sharpes, evidence.metrics.luck.deflated.threshold_annual
    if np.isfinite(sharpes).sum() < 2:
        return ""
    return charts.trials_chart(sharpes, float(np.nan_to_num(sharpes[-1])), best or 0.0)
