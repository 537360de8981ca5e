from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.evaluation.evidence import universe_metrics
from engine.evaluation.metrics.accounts.relative import FactorLoading
from engine.evaluation.metrics.alarms import Alarm
from engine.evaluation.metrics.forecasts.claims import SkillClaim, SkillClaims
from engine.evaluation.metrics.over_time import RankAt, WithoutYear
from engine.evaluation.verdict import verdict_sentence
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts
from helpers.judged_runs import make_judged

BASE = make_judged(("A", "B", "C", "D", "E"), bars=520).evidence.metrics


def claims_of(enough=True, p=0.5, **claimed):
    """Claims of which the named ones hold."""
    questions = tuple(
        SkillClaim(name, 0.02, 3.0 if claimed.get(name) else 0.5, p, p, claimed.get(name, False))
        for name in ("squared_error", "nested", "rank", "direction")
    )
    return SkillClaims(questions, 500, enough)


def claiming(**more):
    known = metrics(beats=False)
    return replace(known, forecast=replace(known.forecast, claims=claims_of(**more)))


def metrics(skill=0.02, p=0.01, beats=True, **strategy):
    overall = BASE.forecast.overall
    overall = replace(
        overall,
        bars=1234,
        beats_naive=beats,
        returns=replace(overall.returns, skill_mse=skill),
        diebold_mariano=replace(overall.diebold_mariano, p_less=p),
    )
    changed = {"total_return": 0.1, "trades": 3, "mean_gross_exposure": 0.4, **strategy}
    return replace(
        BASE,
        forecast=replace(BASE.forecast, overall=overall, claims=claims_of(squared_error=beats)),
        strategy=replace(BASE.strategy, **changed),
        benchmark=replace(BASE.benchmark, total_return=0.25),
    )


def test_skill_and_its_evidence_come_first():
    sentence = verdict_sentence(metrics(), Settings())
    assert sentence.startswith("The forecasts beat the naive forecast of no change over 1 bar")
    assert "squared error 2.00% lower (one-sided Diebold-Mariano p = 0.010, 1,234 bars" in sentence


@pytest.mark.parametrize(
    ("skill", "p", "words"),
    [(-0.01, 0.8, "1.00% higher"), (0.001, 0.4, "within luck"), (0.0, None, "no test")],
)
def test_a_lack_of_skill_is_the_first_thing_said(skill, p, words):
    sentence = verdict_sentence(metrics(skill, p, beats=False), Settings())
    assert sentence.startswith("The forecasts do not beat the naive forecast")
    assert words in sentence


def test_the_account_is_compared_with_holding_after_costs():
    sentence = verdict_sentence(metrics(), Settings())
    assert "The strategy returned 10.0% after costs of 5 basis points per fill, while buying" in sentence
    assert "buying and holding the same symbols returned 25.0%" in sentence


def test_a_strategy_that_never_traded_is_called_that():
    sentence = verdict_sentence(metrics(total_return=0.0, trades=0, mean_gross_exposure=0.0), Settings())
    assert "The strategy never traded; buying and holding" in sentence


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({}, "They do not rank the symbols better than chance (rank IC"),
        ({"rank": True}, "They rank the symbols slightly right (rank IC"),
        ({"p": 0.99}, "They rank the symbols the wrong way round (rank IC"),
        ({"p": 0.99, "enough": False}, "do not rank the symbols better"),
    ],
)
def test_ranks_are_claimed_where_the_family_of_tests_allows_it(claims, words):
    assert words in verdict_sentence(claiming(**claims), Settings())


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"direction": True}, "They hold information: a rise was 2.0% likelier where one was forecast"),
        (
            {"nested": True},
            "without the noise of learning the squared error is below that of a drift (Clark-West t = 3.0)",
        ),
    ],
)
def test_skill_that_squared_error_does_not_see_is_said(claims, words):
    sentence = verdict_sentence(claiming(**claims), Settings())
    assert sentence.startswith("The forecasts do not beat")
    assert words in sentence


def test_few_horizons_are_no_basis_for_any_claim():
    sentence = verdict_sentence(claiming(enough=False, rank=False), Settings())
    assert sentence.startswith("There are 500 horizons that do not overlap; below 15 nothing can be said")


def test_what_is_too_good_to_be_believed_is_said_first():
    alarmed = replace(metrics(), alarms=(Alarm("mean rank IC a bar", 0.9678, 0.15),))
    sentence = verdict_sentence(alarmed, Settings())
    assert sentence.startswith("This is too good to be believed. mean rank IC a bar: 0.97 (limit 0.15).")
    assert "look for a leak" in sentence


def lucky(**changed):
    return replace(metrics(), luck=replace(BASE.luck, **changed))


def deflated(probability):
    return replace(BASE.luck.deflated, probability=probability)


@pytest.mark.parametrize(("tries", "words"), [(1, "at the first try"), (1200, "after 1,200 tries")])
def test_the_number_of_tries_stands_beside_what_was_tested(tries, words):
    assert words in verdict_sentence(lucky(tries=tries, deflated=deflated(0.5)), Settings())


@pytest.mark.parametrize(
    ("passed", "p", "words"),
    [
        (0.05, 0.01, "within luck"),
        (0.95, 0.01, "within luck"),
        (0.96, 0.01, "luck alone rarely gives that"),
        (0.96, 0.06, "but with errors that allow for days that follow from each other it is within luck"),
    ],
)
def test_more_than_the_benchmark_is_said_only_where_the_test_says_so(passed, p, words):
    alpha = replace(BASE.luck.alpha, p_greater=p)
    sentence = verdict_sentence(lucky(deflated=deflated(passed), alpha=alpha), Settings())
    assert f"1 - p = {passed:.2f}; " in sentence
    assert words in sentence
    assert ("rarely" in sentence) == ("rarely" in words)


def test_alpha_stands_with_its_t_and_its_beta():
    alpha = replace(
        BASE.luck.alpha,
        alpha_per_year=0.005,
        t=0.15,
        low_per_year=-0.06,
        high_per_year=0.07,
        loadings={"buy_and_hold": replace(BASE.luck.alpha.loadings["buy_and_hold"], beta=0.63)},
    )
    sentence = verdict_sentence(lucky(alpha=alpha, deflated=deflated(0.5)), Settings())
    assert "beta of 0.63 to buying and holding, an alpha of 0.5% a year is left" in sentence
    assert "(95% interval -6.0% to 7.0%, t = 0.1)" in sentence or "t = 0.2)" in sentence


def test_a_neutral_book_is_compared_with_cash_and_says_so():
    sentence = verdict_sentence(lucky(against="cash", deflated=deflated(0.97)), Settings())
    assert "as much short as long, it is compared with cash" in sentence


def test_a_neutral_book_that_lives_on_the_markets_drift_is_told_so():
    alpha = replace(
        BASE.luck.alpha, t=0.4, p_greater=0.34, loadings={"buy_and_hold": FactorLoading(0.41, 20.0)}
    )
    sentence = verdict_sentence(lucky(against="cash", deflated=deflated(0.99), alpha=alpha), Settings())
    assert (
        "its beta to buying and holding is 0.41, and the alpha beside that (t = 0.4) is within luck"
        in sentence
    )
    assert "rarely" not in sentence


def test_ranks_that_no_order_can_have_are_told_so():
    known = claiming(rank=True)
    gone, there = (replace(known.time, tradable=RankAt(0, 0.001, t)) for t in (0.2, 3.0))
    assert "No order can have that: from the next open" in verdict_sentence(
        replace(known, time=gone), Settings()
    )
    assert "No order can have" not in verdict_sentence(replace(known, time=there), Settings())
    assert "No order can have" not in verdict_sentence(replace(claiming(), time=gone), Settings())


@pytest.mark.parametrize(("lost", "said"), [(0, False), (7, True)])
def test_a_ledger_that_was_cut_is_spoken_of(lost, said):
    assert (
        "at least 7 tries that it held are gone" in verdict_sentence(lucky(lost_tries=lost), Settings())
    ) is said


def test_nothing_is_called_real():
    assert " real" not in verdict_sentence(lucky(deflated=deflated(0.99)), Settings())


def test_an_account_that_never_moved_gets_no_interval():
    luck = replace(BASE.luck, sharpe=replace(BASE.luck.sharpe, low=None, high=None), deflated=deflated(None))
    assert "interval" not in verdict_sentence(replace(metrics(), luck=luck), Settings())


def test_survivorship_is_the_last_word():
    universe = replace(BASE.universe, survivorship_bias=True)
    assert verdict_sentence(replace(metrics(), universe=universe), Settings()).endswith(
        "(survivorship bias)."
    )


@pytest.mark.parametrize(
    ("ended", "missing", "biased"),
    [(0, 0, True), (0, 1, True), (0, 400, True), (5, 0, True), (60, 0, False)],
)
def test_survivorship_is_said_though_a_symbol_lacks_the_last_bar(ended, missing, biased):
    shape = (2520, 400)
    present = np.ones(shape, bool)
    present[1000:, :ended] = False
    present[-1, 400 - missing :] = False
    price = np.where(present, 10.0, np.nan)
    times = pd.bdate_range("2010-01-04", periods=shape[0], tz="UTC") + pd.Timedelta(hours=21)
    names = tuple(f"S{number}" for number in range(shape[1]))
    held = Bars(times, names, price, price, price, price, np.where(present, 1e6, np.nan))
    told = Forecasts(times, names, *(np.zeros(shape) for _ in range(3)), 1, ("m",) * shape[0], times)
    found = universe_metrics(held, told, Settings())
    assert found.still_there_at_the_end == 400 - ended
    assert found.survivorship_bias is biased
    words = verdict_sentence(replace(metrics(), universe=found), Settings())
    assert ("(survivorship bias)" in words) is biased
    assert ("Almost every symbol (395 of 400)" in words) is (ended == 5)


def test_unknown_outcomes_are_admitted():
    assert "nothing can be said" in verdict_sentence(metrics(skill=None, p=None, beats=False), Settings())


@pytest.mark.parametrize(
    ("twin", "said"), [(0.68, True), (0.62, True), (1.5, True), (0.6, False), (None, False)]
)
def test_a_shuffled_twin_that_does_as_well_is_said(twin, said):
    known = metrics(sharpe_annual=0.72)
    policies = {"shuffled": replace(BASE.benchmark, sharpe_annual=twin)}
    sentence = verdict_sentence(replace(known, policies=policies), Settings())
    assert ("in another order of time has a Sharpe ratio of" in sentence) is said


@pytest.mark.parametrize("trades", [3, 0])  # a position that is resized and never closed is no closed trade
@pytest.mark.parametrize(
    ("twin", "against", "said"),
    [
        (0.68, "buy_and_hold", True),
        (1.5, "buy_and_hold", True),
        (0.6, "buy_and_hold", False),
        (None, "buy_and_hold", False),
        (1.5, "cash", False),
    ],
)
def test_the_same_exposure_without_any_decision_that_does_as_well_is_said(twin, against, said, trades):
    known = replace(metrics(sharpe_annual=0.72, trades=trades), luck=replace(BASE.luck, against=against))
    policies = {"equal_exposure": replace(BASE.benchmark, sharpe_annual=twin)}
    sentence = verdict_sentence(replace(known, policies=policies), Settings())
    assert ("The same mean exposure, held all the time in equal parts, has" in sentence) is said


GOOD_YEAR = WithoutYear(2015, 0.3, 0.1, None, alpha_per_year=0.05, t=3.0)


@pytest.mark.parametrize(
    ("rest", "total", "said"),
    [
        (GOOD_YEAR, 0.4, False),
        (replace(GOOD_YEAR, total_return=-0.05), 0.4, True),  # nothing is left of it
        (replace(GOOD_YEAR, total_return=0.08), 0.4, True),  # it is behind the benchmark
        (replace(GOOD_YEAR, t=0.4), 0.4, True),  # its alpha is within luck
        (None, 0.4, False),
    ],
)
def test_a_result_that_one_year_made_is_told_without_it(rest, total, said):
    known = replace(metrics(total_return=total), luck=replace(BASE.luck, deflated=deflated(0.99)))
    sentence = verdict_sentence(replace(known, time=replace(BASE.time, without=rest)), Settings())
    assert ("Without 2015: " in sentence) is said
    assert ("that one year made the result" in sentence) is said
