"""The table of all forecasters, and what forecasters and policies are called on the pages."""

from __future__ import annotations

from engine.evaluation.comparison import AgainstBaseline, BaselineMetrics
from engine.evaluation.metrics.forecasts.confidence_set import SIZE
from engine.report import tables
from engine.report.tables import PageTable

LABELS = {
    "zero": "no change",
    "drift": "drift",
    "ridge": "ridge regression",
    "trees": "boosted trees",
    "arima": "ARIMA",
    "reversal_1": "reversal, 1 bar",
    "reversal_5": "reversal, 5 bars",
    "momentum_12_1": "momentum, 252 bars without the last 21",
    "shuffled_twin": "its own forecasts at other dates",
    "without_texts": "this run's model without texts",
    "lstm": "LSTM",
    "gru": "GRU",
    "ensemble": "network, trees and ridge together",
    "buy_and_hold": "buy and hold",
    "equal_weight": "equal weight, rebalanced",
    "momentum": "sign of momentum",
    "shuffled": "same policy, shuffled forecasts",
    "ewma_sized": "same policy, sized by RiskMetrics",
    "equal_exposure": "the same mean exposure, held all the time",
    "equal_risk": "buy and hold at the account's volatility",
}


def forecaster_table(comparison: BaselineMetrics, own: str) -> PageTable:
    """Every forecaster on the same cells, and whether the network's errors are smaller and its ranks better."""
    rows = []
    for name, score in comparison.forecasters.items():
        against, rank = comparison.against.get(name), score.rank_ic
        rows.append(
            (
                LABELS.get(name, name) + (" (this run)" if name == own else ""),
                tables.small(score.rmse),
                tables.percent(score.skill_mse, 3),
                tables.percent(score.accuracy),
                tables.number(score.mcc, 4),
                f"{rank.mean:.4f} ({tables.number(rank.t, 1)})" if rank else tables.NOTHING,
                tables.number(against.diebold_mariano.p_less, 3) if against else "",
                _ranks_better(against),
                _in_set(comparison, name),
            )
        )
    columns = (
        "Forecaster",
        "RMSE",
        "Skill",
        "Direction",
        "MCC",
        "Rank IC (t)",
        "p: this run is better",
        "Rank IC: this run more by (p)",
        "May be the best (p)",
    )
    return PageTable(columns, tuple(rows))


def _ranks_better(against: AgainstBaseline | None) -> str:
    if against is None:
        return ""
    paired = against.rank_difference
    return f"{tables.number(paired.mean, 4)} ({tables.number(paired.p, 3)})" if paired else tables.NOTHING


def _in_set(comparison: BaselineMetrics, name: str) -> str:
    p = (comparison.confidence_set or {}).get(name)
    if p is None:
        return tables.NOTHING
    return f"{'yes' if p > SIZE else 'no'} ({p:.2f})"
