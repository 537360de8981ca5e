import math

from engine.reproduce.job import numbers_by_path


def test_every_number_is_compared_those_in_lists_too_and_luck_is_not():
    metrics = {
        "skill": {"mse": 0.5, "name": "ridge", "p": None},
        "reality": {"grid": [{"sharpe": 1.0}, {"sharpe": 2.0}], "pairs": [[1, 2], [3]]},
        "luck": {"tries": 7},
    }
    found = dict(numbers_by_path(metrics))
    assert math.isnan(found.pop("skill.p"))
    assert found == {
        "skill.mse": 0.5,
        "reality.grid.0.sharpe": 1.0,
        "reality.grid.1.sharpe": 2.0,
        "reality.pairs.0.0": 1.0,
        "reality.pairs.0.1": 2.0,
        "reality.pairs.1.0": 3.0,
    }
