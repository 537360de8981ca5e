"""What counts as another try, and what many tries are discounted by."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from made_trials import LONG, a_trial

from engine.evaluation.metrics.accounts.luck import expected_maximum_sharpe
from engine.runs.counts import count_tries, related_trials
from engine.runs.listing import ledger_summary
from engine.runs.trial import changes_result, make_trial, settings_hash
from forewalk.settings.base import Section
from forewalk.settings.loading import settings_from
from forewalk.types import Bars


@pytest.mark.parametrize(
    "same",
    [
        {"name": "other"},
        {"jobs": 2},
        {"data": {"offline": True}},
        {"executor": "ray", "address": "10.0.0.1:6379"},
        {"risk": {"max_gross": 0.5}},
        {"live": {"book": "other"}},
        {"evaluation": {"garch": False}},
        {"model": {"device": "cuda"}},
    ],
)
def test_settings_that_change_no_result_do_not_make_another_try(same):
    assert settings_hash(settings_from(same)) == settings_hash(settings_from({}))


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 8},
        {"strategy": {"entry": 0.5}},
        {"data": {"min_history_bars": 9}},
        {"execution": {"cash": 5}},
    ],
)
def test_settings_that_may_change_a_result_make_another_try(other):
    assert settings_hash(settings_from(other)) != settings_hash(settings_from({}))


def leaf_settings(section, path=""):
    for name in type(section).model_fields:
        value = getattr(section, name)
        here = f"{path}{name}"
        yield from leaf_settings(value, f"{here}.") if isinstance(value, Section) else (here,)


@pytest.mark.parametrize("setting", sorted(leaf_settings(settings_from({}))))
def test_every_setting_is_said_to_change_a_result_or_not_to(setting):
    """A new section belongs in one of the two tables."""
    assert changes_result(setting) in (True, False)


def test_a_setting_in_neither_table_is_an_error():
    with pytest.raises(KeyError, match="neither table"):
        changes_result("weather.forecast")


def test_equal_accounts_amount_to_one_try_and_unrelated_ones_to_all():
    common = np.random.default_rng(1).normal(size=2000)
    copies = [make_trial("sweep", "x", LONG, settings_from({"seed": n}), common) for n in range(5)]
    others = [a_trial(n, bars=LONG, rows=2000) for n in range(5)]
    assert (count_tries(copies).distinct, count_tries(copies).counted) == (5, 1)
    assert count_tries(others).counted == 5


def test_accounts_that_never_moved_are_one_try_however_many_there_are():
    idle = [make_trial("sweep", "x", LONG, settings_from({"seed": n}), np.zeros(2000)) for n in range(20)]
    moving = [a_trial(100 + n, bars=LONG, rows=2000) for n in range(3)]
    assert count_tries(idle).counted == 1
    assert count_tries([*idle, moving[0]]).counted == 2
    assert count_tries([*idle, *moving]).counted == 4


def test_the_spread_of_the_ratios_is_that_of_the_tries():
    trials = [a_trial(n, bars=LONG, rows=500) for n in range(40)]
    seen = np.var([trial.sharpe_per_bar for trial in trials], ddof=1)
    assert count_tries(trials).variance == pytest.approx(max(seen, 1 / 499), rel=0.02)


def alike(share, number, rows=1000, seed=3):
    """A try whose account shares `share` of its variance with all others of `seed`."""
    common = np.random.default_rng(seed).normal(0, 0.01, rows)
    own = np.random.default_rng([seed, number]).normal(0, 0.01, rows)
    returns = np.sqrt(share) * common + np.sqrt(1 - share) * own
    return make_trial("sweep", f"{number}", LONG, settings_from({"seed": number}), returns)


def test_tries_that_resemble_each_other_reach_less_by_luck_counted_once():
    """The best of many correlated tries: simulated, and as the count says."""
    counts = [count_tries([alike(share, n) for n in range(60)]) for share in (0.0, 0.8)]
    free, bound = (expected_maximum_sharpe(count.counted, count.variance) for count in counts)
    assert bound / free == pytest.approx(np.sqrt(1 - 0.8), rel=0.15)


def test_copies_of_one_try_cannot_press_the_threshold_down():
    different = [alike(0.0, n) for n in range(20)]
    copies = [alike(0.99, 100 + n, seed=9) for n in range(300)]
    alone, padded = count_tries(different), count_tries([*different, *copies])
    assert expected_maximum_sharpe(padded.counted, padded.variance) > 0.9 * expected_maximum_sharpe(
        alone.counted, alone.variance
    )


def test_lost_tries_count():
    trials = [a_trial(n, bars=LONG, rows=2000) for n in range(3)]
    assert count_tries(trials, lost=7).counted == 10
    assert count_tries(trials[:1], lost=1).variance > 0


def test_what_the_market_gave_is_taken_out_before_ratios_are_compared():
    market = np.random.default_rng(5).normal(0.001, 0.01, 2000)
    held = make_trial("backtest", "held", LONG, settings_from({"seed": 1}), market)
    half = make_trial("backtest", "half", LONG, settings_from({"seed": 2}), 0.5 * market)
    noisy = make_trial(
        "backtest", "n", LONG, settings_from({"seed": 3}), market + a_trial(4, bars=LONG, rows=2000).returns
    )
    benchmark = pd.Series(market, index=held.times)
    assert count_tries([held, half, noisy], benchmark=benchmark).counted == 2  # two never move without it


def part_of(first, last, symbols=("A", "B"), number=1):
    rows = slice(first, last)
    prices = np.ones((last - first, len(symbols)))
    bars = Bars(LONG.timestamps[rows], symbols, prices, prices, prices, prices, prices)
    returns = np.random.default_rng(number).normal(size=last - first - 1)
    return make_trial("backtest", "part", bars, settings_from({"seed": number}), returns)


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        (part_of(0, 1000), True),
        (part_of(1, 1000), True),  # a bar less is another fingerprint and the same data
        (part_of(0, 600), True),
        (part_of(0, 1000, ("A",)), True),
        (part_of(0, 1000, ("A", "B", "C", "D")), True),
        (part_of(0, 1000, ("A", "C", "D")), True),
        (part_of(0, 1000, ("C", "D")), False),
        (part_of(1000, 2000), False),
        (part_of(800, 1800), False),
    ],
)
def test_tries_count_together_where_half_of_the_data_is_shared(other, counts):
    own = part_of(0, 1000, number=2)
    assert (len(related_trials([other], own)) == 1) is counts
    assert (len(related_trials([own], other)) == 1) is counts


def test_one_more_bar_of_training_does_not_wipe_the_tries_away():
    tries = [part_of(0, 1000, number=n) for n in range(30)]
    shorter = part_of(1, 1000, number=99)
    count = count_tries(related_trials([*tries, shorter], shorter))
    assert count.counted == 31
    assert expected_maximum_sharpe(count.counted, count.variance) > 0.05


def test_the_summary_is_json_and_counts_the_kinds(full_ledger):
    full_ledger.record(a_trial(0, kind="backtest"))
    (entry,) = ledger_summary(full_ledger)
    json.dumps(asdict(entry), allow_nan=False)
    assert entry.kinds == {"backtest": 1, "sweep": 6, "tune": 0}
    assert (entry.trials, entry.distinct, entry.lost) == (7, 6, 0)
