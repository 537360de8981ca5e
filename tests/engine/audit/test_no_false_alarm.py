"""The certificate of an honest pipeline is clean, whatever the settings and however bad the data."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.audit.doctoring import DOCTORINGS
from engine.audit.job import audit
from forewalk.data.loading import read_table
from forewalk.data.table import Table
from forewalk.sessions import microseconds, session_grid, sessions_between
from helpers.audit_tables import (
    GAP,
    damaged_table,
    pipeline_on,
    small_settings,
    small_table,
    table_with_a_universe,
)

SETTINGS = {
    "as they are": {},
    "gru": {"model__cell": "gru", "model__layers": 2, "model__dropout": 0.2},
    "attention": {"model__attention": True},
    "per symbol": {"model__scope": "per_symbol"},
    "squared error": {"model__loss": "mse"},
    "quantiles": {"model__loss": "quantile"},
    "positions": {"model__loss": "sharpe"},
    "rolling folds": {"folds__scheme": "rolling"},
    "horizon 5": {"label__horizon_bars": 5, "folds__embargo_bars": 5},
    "market relative": {"label__kind": "market_relative"},
    "a fund in the place of an index": {"data__trade_as": {"S00": "S01"}},
    "two seeds, several epochs": {"model__seeds": 2, "model__max_epochs": 4, "model__patience": 1},
    "changed training rows": {
        "model__augment": {
            "jitter": 0.2, "feature_dropout": 0.1, "magnitude": 0.1, "time_mask_bars": 5, "burn_in": 0.5,
            "mixup": 0.2,
        },
    },
    "layer norm, numbers of each symbol, a line": {
        "model__layer_norm": True, "model__symbol_embedding": 2, "model__residual": "ridge",
    },
    "across symbols": {
        "strategy__kind": "cross_section", "strategy__direction": "long_short", "strategy__top": 1,
        "strategy__hysteresis": 0, "strategy__turnover_cap": 1.0, "strategy__sizing": "volatility_target",
    },
    "weights that vary least together": {
        "strategy__kind": "cross_section", "strategy__sizing": "least_variance", "strategy__top": 2,
        "strategy__covariance_bars": 60, "strategy__smooth_std_bars": 5,
    },
    "stops and fractions": {
        "strategy__stop_loss": 0.02, "strategy__take_profit": 0.02, "execution__fractional": True,
        "execution__max_volume_share": 1e-4,
    },
}  # fmt: skip


def offenders(certificate):
    return [check.line() for check in certificate.leaks]


@pytest.mark.parametrize("overrides", SETTINGS.values(), ids=SETTINGS)
def test_an_honest_pipeline_is_certified(overrides):
    certificate = audit(small_settings(**overrides), pipeline_on(small_table()))
    assert offenders(certificate) == []
    stages = dict(certificate.check("future replaced by noise").by_stage)
    assert (
        min(stages[name] for name in ("cleaning", "features", "labels", "fit", "forecasts", "equity")) > 100
    )


def test_a_network_that_ranks_characteristics_is_certified():
    ranks = {"features__cross_section": True, "label__kind": "rank", "model__loss": "rank_correlation"}
    ranks["model__augment"] = {"jitter": 0.1, "time_mask_bars": 5}
    table = small_table(symbols=21, missing=(GAP,))
    certificate = audit(small_settings(**ranks, label__execution="next_open"), pipeline_on(table))
    assert offenders(certificate) == []
    assert certificate.check("level of one symbol").values > 100_000


def test_a_universe_with_joining_leaving_and_a_delisting_is_certified():
    certificate = audit(small_settings(label__kind="market_relative"), pipeline_on(table_with_a_universe()))
    assert offenders(certificate) == []


@pytest.mark.parametrize("policy", ["default", "drop", "repair", "flag"])
def test_damaged_data_are_certified_under_every_policy(policy):
    kinds = (
        "off_session", "non_finite", "impossible_range", "missing_sessions",
        "zero_volume_runs", "split_like_jumps", "outliers", "duplicate_timestamps", "unordered_timestamps",
    )  # fmt: skip
    cleaning = {} if policy == "default" else dict.fromkeys(kinds, policy)
    settings = small_settings(data__cleaning=cleaning)
    certificate = audit(settings, pipeline_on(damaged_table()))
    assert offenders(certificate) == []


def test_hourly_bars_are_certified():
    sessions = sessions_between("XNYS", "2024-01-02", "2024-03-01")
    closes = np.concatenate([microseconds(session_grid("XNYS", day, "1h")) for day in sessions])[:200]
    starts = closes - 3600 * 10**6
    price = 50 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.004, len(closes))))
    table = Table(
        symbols=("S00",),
        origins=("made up",),
        code=np.zeros(len(closes), np.int64),
        wall=starts,
        instant=starts,
        line=np.arange(len(closes)) + 1,
        prices=np.column_stack([price, price * 1.002, price * 0.998, price]),
        volume=np.full(len(closes), 1e6),
    )
    certificate = audit(small_settings(data__interval="1h"), pipeline_on(table))
    assert offenders(certificate) == []


def test_a_market_that_never_closes_is_certified():
    table = small_table(missing=())
    days = microseconds(pd.date_range("2015-01-03", periods=len(table) // 2))
    settings = small_settings(data__calendar="24/7")
    certificate = audit(settings, pipeline_on(replace(table, wall=np.concatenate([days, days]))))
    assert offenders(certificate) == []


def test_real_stocks_are_certified(shared_folder):
    settings = small_settings(
        data={
            "source": "parquet",
            "path": shared_folder / "market" / "equity_sp500_daily_2010_2020.parquet",
            "symbols": ("ETN", "WY", "AAPL"),
            "start": "2018-01-02",
        },
        folds__train_bars=300,
        folds__refit_every_bars=200,
    )
    certificate = audit(settings, pipeline_on(read_table(settings.data)))
    assert offenders(certificate) == []
    assert set(DOCTORINGS) == {check.name.rpartition("by ")[2] for check in certificate.checks[:3]}
