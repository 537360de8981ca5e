from dataclasses import replace

import pytest

from engine.report.wording.headline import headline_rows
from helpers.judged_runs import make_judged

METRICS = make_judged(("A", "B", "C", "D", "E"), bars=520).evidence.metrics


@pytest.mark.parametrize("skills", [(None, -0.2), (-0.2, None), (None, None)])
def test_a_number_that_is_missing_never_wins(skills):
    score = next(iter(METRICS.baselines.forecasters.values()))
    scores = {
        name: replace(score, skill_mse=skill) for name, skill in zip(("one", "two"), skills, strict=True)
    }
    rows = headline_rows(replace(METRICS, baselines=replace(METRICS.baselines, forecasters=scores)))
    best = next(row for row in rows if row[0] == "best forecaster on the same rows")
    known = [name for name, skill in zip(("one", "two"), skills, strict=True) if skill is not None]
    assert best[1:] == ((known[0], "-20.0000%") if known else ("none has a known outcome", "-"))
