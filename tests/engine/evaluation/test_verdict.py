import pytest

from engine.evaluation.verdict import verdict_sentence
from forewalk.settings.sections import Settings


def metrics(skill=0.02, p=0.01, beats=True, **strategy):
    overall = {
        "bars": 1234,
        "beats_naive": beats,
        "returns": {"skill_mse": skill},
        "diebold_mariano": {"p_less": p},
    }
    account = {"total_return": 0.1, "trades": 3, "exposure": 0.4} | strategy
    return {"forecast": {"overall": overall}, "strategy": account, "benchmark": {"total_return": 0.25}}


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
    assert "did not beat buy-and-hold: it returned 10.0% after costs of 5 basis points per fill" in sentence
    assert "buying and holding the same symbols returned 25.0%" in sentence


def test_a_strategy_that_never_traded_is_called_that():
    sentence = verdict_sentence(metrics(total_return=0.0, trades=0, exposure=0.0), Settings())
    assert "The strategy never traded; buying and holding" in sentence


def test_forecasts_alone_get_a_sentence_about_forecasts_alone():
    alone = {"forecast": metrics()["forecast"]}
    assert "strategy" not in verdict_sentence(alone, Settings())


def test_unknown_outcomes_are_admitted():
    assert "nothing can be said" in verdict_sentence(metrics(skill=None, p=None, beats=False), Settings())
