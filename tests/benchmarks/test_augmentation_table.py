"""What `benchmarks.augmentation` compares, and when it calls a change worth switching on."""

import numpy as np
import pytest

from benchmarks.augmentation import CHANGES, compare, judged, lines_of, settings_of, verdict
from forewalk.settings.model import AugmentSettings
from helpers.making import make_bars, make_settings


def losses(seeds=5, rows=400, lower=0.0):
    noise = np.random.default_rng(2)
    plain = noise.normal(1.0, 0.1, (seeds, rows))
    return plain, plain - lower + noise.normal(0.0, 0.02, (seeds, rows))


def test_every_change_of_the_settings_is_measured_alone():
    assert set(CHANGES) == set(AugmentSettings.model_fields)
    assert all(value > 0 for value in CHANGES.values())


@pytest.mark.parametrize(("lower", "helps"), [(0.02, True), (-0.02, False)])
def test_a_change_helps_where_the_loss_of_its_bars_is_lower_by_more_than_luck(lower, helps):
    found = judged("jitter", *losses(lower=lower))
    assert found.helps is helps
    assert found.lower == (5 if helps else 0)
    assert found.changed - found.plain == pytest.approx(-lower, abs=0.002)


def test_bars_without_a_loss_on_one_side_count_on_neither():
    plain, changed = losses()
    changed[0, :100] = np.nan
    assert judged("jitter", plain, changed).test.observations == 300


def test_a_change_is_named_only_where_it_helps_on_every_file():
    good, bad = (judged("mixup", *losses(lower=lower)) for lower in (0.02, -0.02))
    assert "mixup" in verdict([[good], [good]])
    assert verdict([[good], [bad]]).startswith("No change")
    (row,) = [line for line in lines_of([good]) if line.startswith("| `mixup = 0.2`")]
    assert row.endswith("5 of 5 |")


def test_plain_and_changed_are_measured_on_the_same_bars():
    settings = make_settings(model__max_epochs=1)
    (found,) = compare(make_bars(rows=330), settings, [1, 2], {"jitter": 0.5})
    assert found.plain != found.changed
    assert found.seeds == 2


def test_with_ranks_the_recipe_is_the_ranking_network_of_one_seed(tmp_path):
    model = settings_of(tmp_path / "bars.parquet", ranks=True).model
    assert (model.loss, model.seeds, model.augment.on) == ("rank_correlation", 1, False)
