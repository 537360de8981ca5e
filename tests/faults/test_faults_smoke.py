"""The fault tests' own ground: without any fault the daemon trades, and both books agree."""

import pytest


def test_without_faults_every_bar_is_decided_once_and_both_books_agree(scene):
    for _ in range(3):
        assert scene.decide_and_send() == [0, 0]
    assert len(scene.broker_orders()) == 6
    assert set(scene.states()) == {"filled"}
    scene.check()


def test_running_a_bar_twice_does_nothing(scene):
    scene.decide_and_send()
    assert scene.once() == 0
    assert len(scene.posts()) == 2
    scene.check()


@pytest.mark.parametrize("strategy", ["BuyOnce", "Idle"])
def test_a_strategy_that_holds_sends_nothing_more(scene, strategy):
    for _ in range(3):
        scene.decide_and_send(strategy=f"fault_strategies:{strategy}")
    assert len(scene.posts()) == {"BuyOnce": 1, "Idle": 0}[strategy]
    scene.check()


def test_a_strategy_that_does_not_repeat_itself_is_refused_with_the_reason(scene):
    scene.tree["risk"] = {"max_weight": 0.01}
    scene.decide_and_send(strategy="fault_strategies:Forgetful")
    scene.decide_and_send(strategy="fault_strategies:Forgetful")
    assert len(scene.orders()) == 1
    assert any("does not repeat itself" in text for text in scene.events("no_decision"))


def test_a_limit_order_rests_over_days_and_is_taken_back_by_its_strategy(scene):
    for _ in range(2):
        scene.decide_and_send(strategy="fault_strategies:RestingLimit")
    assert scene.states() == ["acked"]
    for _ in range(2):
        scene.decide_and_send(strategy="fault_strategies:RestingLimit")
    assert scene.states()[0] == "canceled"
    assert scene.orders()[0].time_in_force == "gtc"
    scene.check()
