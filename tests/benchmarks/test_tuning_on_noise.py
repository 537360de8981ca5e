"""A small version of `python -m benchmarks.noise tuning`: what is tuned on noise, and how it is counted."""

import pandas as pd
import pytest

from benchmarks.noise.tuning import SPACES, TRIALS, Task, study, summary, tasks


@pytest.fixture(scope="module")
def found():
    return [study(Task(seed, "alike", bars=600, symbols=3)) for seed in range(3)]


def test_values_that_differ_in_luck_alone_gain_nothing_to_speak_of(found):
    for each in found:
        assert each["tuned is better p"] is None or each["by bars alone p"] <= each["tuned is better p"] < 1.0
    assert max(abs(each["gain"]) for each in found) < 0.05
    assert any(each["folds that changed"] > 0 for each in found)


def test_a_panel_is_tuned_the_same_each_time(found):
    assert study(Task(0, "alike", bars=600, symbols=3)) == found[0]


def test_there_are_more_values_than_one_and_trials_for_them():
    assert all(len(values) > 1 for space in SPACES.values() for values in space.values())
    assert TRIALS >= 4
    assert [task.seed for task in tasks(2)] == [0, 1, 0, 1]


def test_a_panel_in_which_nothing_changed_is_neither_better_nor_worse():
    table = pd.DataFrame(
        {
            "space": "alike",
            "tuned is better p": [0.2, 0.5, 0.99, None],
            "by bars alone p": [0.01, 0.5, 0.99, None],
            "gain": [0.1, 0.0, -0.1, 0.0],
        }
    )
    row = summary(table).loc["alike"]
    assert (row["panels"], row["tuned is better"]) == (4, 0.0)
    assert (row["by bars alone"], row["worse by bars alone"]) == (0.25, 0.25)
    assert row["nothing changed"] == 0.25
