"""An adversary wants a flattering answer without skill; every way tried here ends in one that does not flatter."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from engine.evaluation.cautions import gains_of
from engine.evaluation.evidence import gather_evidence
from engine.evaluation.subject import Subject
from engine.evaluation.verdict import verdict_sentence
from engine.report.wording.words import Luck, luck_case, luck_test_of
from engine.simulation.cerebro import simulate
from forewalk.features.panel import FeaturePanel, Labels
from forewalk.folds import walk_forward_folds
from forewalk.settings.loading import settings_from
from forewalk.types import BAR_FIELDS, Bars, Forecasts
from models.timeline import Timeline

TRAINED = 250
NOT_BELIEVED = {Luck.NO, Luck.PERHAPS, Luck.NOT_BY_FORECASTS, Luck.NOT_BY_MODEL}


def market(seed, symbols=6, rows=900, drift=0.0006):
    """Prices with a common factor, fat tails and a drift: an annual Sharpe ratio of about 1 for holding all."""
    random = np.random.default_rng(seed)
    times = pd.bdate_range("2012-01-02", periods=rows, tz="UTC") + pd.Timedelta(hours=21)
    common = random.standard_t(5, (rows, 1)) * 0.006
    close = 50 * np.exp(np.cumsum(drift + common + random.standard_t(5, (rows, symbols)) * 0.008, axis=0))
    opens = np.vstack([close[:1], close[:-1]]) * np.exp(random.normal(0, 0.001, close.shape))
    high, low = np.maximum(opens, close) * 1.003, np.minimum(opens, close) * 0.997
    names = tuple(f"S{number}" for number in range(symbols))
    return Bars(times.as_unit("us"), names, opens, high, low, close, np.full(close.shape, 1e7))


def told(bars, mean, **sections):
    """Judge an account that trades these forecasts [T, S] of the last rows; return metrics, case and verdict."""
    quick = {"baselines": False, "garch": False, "costs": False, "bootstrap_repetitions": 100}
    tree = {"folds": {"train_bars": TRAINED}, "evaluation": quick, "strategy": {"kind": "per_symbol"}}
    settings = settings_from({**tree, **sections})
    first, shape = len(bars) - len(mean), bars.close.shape
    actual = np.full(shape, np.nan)
    actual[:-1] = np.log(bars.close[1:] / bars.close[:-1])
    ends = pd.DatetimeIndex([*bars.timestamps[1:], pd.NaT])
    std = np.where(np.isfinite(mean), 0.012, np.nan)
    ids, until = ("fold-00",) * len(mean), pd.DatetimeIndex([bars.timestamps[first - 1]] * len(mean))
    p_up = 0.5 + 0.3 * np.clip(mean / std, -1, 1)
    forecasts = Forecasts(bars.timestamps[first:], bars.symbols, mean, std, p_up, 1, ids, until)
    nothing = np.zeros((*shape, 1), np.float32)
    panel = FeaturePanel(bars.timestamps, bars.symbols, ("x",), nothing, np.ones(shape), np.ones(shape, bool))
    subject = Subject(
        settings=settings,
        bars=bars,
        panel=panel,
        labels=Labels(actual, actual, ends, 1),
        folds=walk_forward_folds(bars.timestamps, ends, settings.folds),
        timeline=Timeline((), settings.model.max_age_bars),
        forecasts=forecasts,
        actual=actual[first:],
        simulation=simulate(bars, forecasts, settings),
    )
    metrics = gather_evidence(subject).metrics
    return metrics, luck_case(luck_test_of(metrics, leak=False)), verdict_sentence(metrics, settings)


def always(bars, value=0.001):
    return np.full((len(bars) - TRAINED, len(bars.symbols)), value)


@pytest.mark.parametrize("seed", range(3))
def test_the_drift_of_a_market_is_neither_skill_nor_more_than_luck(seed):
    bars = market(seed)
    metrics, case, verdict = told(bars, always(bars))
    assert metrics.strategy.sharpe_annual > 0.4
    assert case == Luck.NO
    assert not metrics.forecast.claims.any
    assert "hold information" not in verdict
    assert "does not hang on the forecasts" in verdict


@pytest.mark.parametrize("drift", [0.0, 0.0006, 0.003])
def test_a_forecast_that_never_changes_has_no_skill_in_any_drift(drift):
    bars = market(1, drift=drift)
    for value in (0.0005, 0.003):
        assert not told(bars, always(bars, value))[0].forecast.claims.any


def test_coins_that_are_flipped_in_a_market_that_rises_are_hardly_ever_more_than_luck():
    passed = skilled = 0
    for seed in range(12):
        bars = market(seed, symbols=4, rows=700)
        weeks = np.random.default_rng(500 + seed).choice([-0.002, 0.002], (90, 4))
        metrics, case, _ = told(bars, np.repeat(weeks, 5, axis=0))
        passed += case == Luck.YES
        skilled += metrics.forecast.claims.any
    assert passed <= 2  # of 12 at 5 %: three or more come in 2 of 100
    assert skilled <= 2


def test_the_symbol_that_rose_most_chosen_afterwards_is_not_taken_for_skill():
    for seed in range(3):
        bars = market(seed, symbols=10)
        mean = always(bars, -0.001)
        mean[:, int(np.argmax(bars.close[-1] / bars.close[TRAINED]))] = 0.001
        _, case, _ = told(bars, mean, strategy={"kind": "per_symbol", "fraction": 0.95, "max_weight": 0.95})
        assert case in NOT_BELIEVED


def test_one_symbol_that_made_the_gain_is_named_before_anything_else():
    bars = market(4, symbols=4, drift=0.0)
    rising = np.exp(np.arange(len(bars)) * 0.003)[:, None] ** np.array([0.0, 0.0, 1.0, 0.0])
    fields = {name: getattr(bars, name) * rising for name in BAR_FIELDS if name != "volume"}
    bars = Bars(bars.timestamps, bars.symbols, volume=bars.volume, **fields)
    metrics, _, verdict = told(bars, always(bars))
    assert "Of 4 symbols that were traded S2 alone made" in verdict
    assert verdict.index("S2 alone") < verdict.index("naive forecast")
    assert not any("alone made" in text for text in told(market(2), always(market(2)))[0].cautions or ())
    assert metrics.cautions


@pytest.mark.parametrize("rows", [14, 40])
def test_a_few_days_say_nothing(rows):
    for seed in range(3):
        bars = market(seed, rows=TRAINED + rows)
        _, case, verdict = told(bars, np.random.default_rng(seed).normal(0, 0.002, (rows, 6)))
        assert case == Luck.TOO_SHORT
        assert "luck alone rarely" not in verdict


def test_a_single_trade_is_never_more_than_luck():
    for seed in range(3):
        bars = market(seed)
        mean = always(bars, -0.001)
        mean[100:160, 2] = 0.003
        assert told(bars, mean)[1] in NOT_BELIEVED


def test_a_later_opening_that_was_chosen_afterwards_is_no_skill():
    bars = market(5)
    lowest = TRAINED + int(np.argmin(bars.close[TRAINED : TRAINED + 300].mean(axis=1)))
    later = Bars(
        bars.timestamps[lowest - TRAINED :],
        bars.symbols,
        *(getattr(bars, n)[lowest - TRAINED :] for n in BAR_FIELDS),
    )
    assert told(later, always(later))[1] == Luck.NO


def test_the_same_series_under_two_names_adds_no_evidence():
    bars = market(6, symbols=3)
    twice = {name: np.repeat(getattr(bars, name), 2, axis=1) for name in BAR_FIELDS}
    doubled = Bars(bars.timestamps, ("A", "A2", "B", "B2", "C", "C2"), **twice)
    mean = np.random.default_rng(6).normal(0, 0.002, (len(bars) - TRAINED, 3))
    once, _, _ = told(bars, mean)
    again, _, _ = told(doubled, np.repeat(mean, 2, axis=1))
    for question in ("squared_error", "nested"):
        assert again.forecast.claims.of(question).t == pytest.approx(once.forecast.claims.of(question).t)


def test_bars_thinned_at_random_make_the_drift_no_skill_and_the_growth_no_faster():
    bars = market(7)
    kept = np.sort(np.random.default_rng(7).permutation(len(bars))[: len(bars) // 2])
    fields = {name: getattr(bars, name)[kept] for name in BAR_FIELDS}
    thin = Bars(bars.timestamps[kept], bars.symbols, **fields)
    whole, thinned = told(bars, always(bars)), told(thin, always(thin))
    assert thinned[1] == Luck.NO
    span = [(len(b.timestamps) - TRAINED) for b in (bars, thin)]
    assert span[1] < span[0] / 2
    years = (thin.timestamps[-1] - thin.timestamps[TRAINED]).days / 365.25
    assert thinned[0].strategy.cagr == pytest.approx(
        (1 + thinned[0].strategy.total_return) ** (1 / years) - 1, rel=0.03
    )
    assert whole[1] == Luck.NO


def test_a_rank_over_the_future_is_too_good_to_be_believed():
    bars = market(8)
    ahead = np.vstack([np.log(bars.close[TRAINED + 1 :] / bars.close[TRAINED:-1]), np.zeros((1, 6))])
    ranks = ahead.argsort(axis=1).argsort(axis=1) - 2.5
    _, case, verdict = told(
        bars, ranks * 0.002, strategy={"kind": "cross_section", "top": 2, "hysteresis": 0}
    )
    assert case == Luck.TOO_GOOD
    assert verdict.startswith("This is too good to be believed.")


def test_what_the_symbols_brought_adds_up_to_what_the_account_gained():
    for strategy in ({"kind": "per_symbol"}, {"target_volatility": 0.2}):
        bars = market(9)
        mean = np.random.default_rng(9).normal(0, 0.002, (len(bars) - TRAINED, 6))
        settings = settings_from({"strategy": strategy})
        ids, until = ("fold-00",) * len(mean), pd.DatetimeIndex([bars.timestamps[0]] * len(mean))
        forecasts = Forecasts(
            bars.timestamps[TRAINED:], bars.symbols, mean, mean * 0 + 0.012, mean * 0 + 0.5, 1, ids, until
        )
        simulation = simulate(bars, forecasts, settings)
        equity = simulation.equity["equity"]
        assert sum(gains_of(simulation).values()) == pytest.approx(equity.iloc[-1] - settings.execution.cash)
