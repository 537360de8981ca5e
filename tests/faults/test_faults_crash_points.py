"""A. Killed at every fail point, in twenty ways each: no order lost, none doubled, both books equal."""

import random

import pytest
from crash_steps import KILLED
from crash_stories import STORIES

from broker.failpoints import POINTS

SEEDS = range(20)
ROWS = {  # of the fault matrix, beside row 12
    "before_decision_commit": 1,
    "after_decision_commit": 2,
    "after_intent_commit": 3,
    "before_post": 3,
    "after_post": 5,
    "after_ack_commit": 6,
    "before_fill_commit": 8,
    "after_fill_commit": 8,
    "before_cancel": 9,
    "after_cancel": 9,
    "after_halt_commit": 10,
    "after_broker_cancel_all": 10,
    "before_suspend": 102,
    "after_suspend": 102,
    "before_resume_commit": 102,
    "after_resume_commit": 102,
    "after_approve_commit": 102,
    "during_rebuild": 102,
    "during_migration": 11,
    "before_lookup": 28,
    "after_lookup": 28,
}
ELSEWHERE = {
    "before_model_rename",
    "after_cut_commit",
}  # told in test_faults_crash_models.py and test_faults_books.py


def test_every_fail_point_has_a_story():
    assert set(STORIES) | ELSEWHERE == set(POINTS)


@pytest.mark.faults
@pytest.mark.row(12)
@pytest.mark.parametrize("point", [pytest.param(p, marks=pytest.mark.row(ROWS.get(p, 12))) for p in STORIES])
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_every_fail_point_in_many_ways_both_books_agree(scene, point, seed):
    codes = STORIES[point](scene, point, random.Random(f"{point} {seed}"))
    assert KILLED in codes
    scene.check()
