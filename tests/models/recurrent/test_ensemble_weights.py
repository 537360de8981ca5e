"""Who stands beside the networks, and how much each has to say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audit.job import audit
from engine.live.models.files import ModelFile, fit_live, forecasts_from, load_timeline, sha256_of
from engine.training.walkforward import walk_forward
from forewalk.compute.pool import Processes
from forewalk.errors import ConfigError
from forewalk.features.panel import build_labels
from forewalk.folds import walk_forward_folds
from helpers.audit_tables import pipeline_on, small_settings, small_table
from helpers.lstm_models import prepared
from helpers.making import make_bars, make_settings
from models.base import fit, predict_rows
from models.kinds import forecaster_of
from models.recurrent.pooling import Said, apart, likeliest, shares_of, with_said

RANKS = {"label__kind": "rank", "model__loss": "rank_correlation"}
KINDS = [{}, {"model__scope": "per_symbol"}, {"model__loss": "mse"}, RANKS]
WEIGHED = {"beside": ["trees", "ridge"], "weights": "validation"}


def settings_of(more, ensemble):
    return make_settings(model__kind="ensemble", model__seeds=2, model__ensemble=ensemble, **more)


def made(more, ensemble, rows=330):
    settings = settings_of(more, ensemble)
    panel, data, fold = prepared(make_bars(rows=rows, symbols=22 if more is RANKS else 3), settings)
    return settings, panel, data, fit(forecaster_of(settings), data), int(fold.test[0])


@pytest.fixture(scope="module", params=KINDS, ids=("likelihood", "per-symbol", "squares", "ranks"))
def weighed(request):
    return made(request.param, WEIGHED)


def test_shares_are_no_debts_and_add_up(weighed):
    _, _, _, model, _ = weighed
    assert list(model.shares) == ["network", "trees", "ridge"]
    assert sum(model.shares.values()) == pytest.approx(1.0)
    assert min(model.shares.values()) >= 0.0


def test_what_it_says_is_the_mixture_with_these_shares(weighed):
    settings, panel, _, model, first = weighed
    said = model.predict_scaled(panel, first, len(panel))
    parts = [each.predict_scaled(panel, first, len(panel)) for each in (model.network, *model.beside)]
    shares = list(model.shares.values())
    second = sum(share * one.std**2 for share, one in zip(shares, parts, strict=True))
    if settings.model.loss != "rank_correlation":
        mean = sum(share * one.mean for share, one in zip(shares, parts, strict=True))
        np.testing.assert_allclose(said.mean, mean, rtol=1e-9, atol=1e-12)
        second = second + sum(share * one.mean**2 for share, one in zip(shares, parts, strict=True)) - mean**2
    np.testing.assert_allclose(said.std**2, second, rtol=1e-9)


def test_its_file_and_live_say_the_same_bits(weighed, tmp_path):
    settings, panel, _, model, first = weighed
    path = tmp_path / "m.safetensors"
    model.save(path)
    timeline = load_timeline([ModelFile(path, sha256_of(path))], settings)
    assert timeline.models[0].shares == model.shares
    live = forecasts_from(panel, settings, timeline, panel.timestamps[-1])
    for one, two in zip(
        (live.mean[-1], live.std[-1]), predict_rows(model, panel, first, len(panel))[:2], strict=True
    ):
        np.testing.assert_array_equal(one, two[-1])


def test_a_later_label_changes_no_share():
    settings, bars = settings_of({}, WEIGHED), make_bars(rows=360)
    shares = []
    for seen in (bars, bars.until(bars.timestamps[329])):
        _, data, _ = prepared(seen, settings)
        shares.append(fit(forecaster_of(settings), data).shares)
    assert shares[0] == shares[1]


def test_the_bits_are_the_same_for_any_number_of_jobs():
    settings, panel, _, _, _ = made({}, WEIGHED)
    labels = build_labels(make_bars(rows=330), panel, settings.label)
    folds = walk_forward_folds(panel.timestamps, labels.end, settings.folds)
    one, two = (
        walk_forward(panel, labels, folds, forecaster_of(settings), 200, workers=Processes(jobs))[
            0
        ].forecasts(panel, 1)
        for jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.mean, two.mean)
    np.testing.assert_array_equal(one.std, two.std)


def test_the_daemon_trains_one_with_weights_of_its_own():
    settings = settings_of({}, WEIGHED)
    model = fit_live(make_bars(rows=330), settings, "live-1")
    assert sum(model.shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("beside", [["trees"], ["ridge"]])
@pytest.mark.parametrize("weights", ["equal", "validation"])
def test_one_alone_may_stand_beside_the_networks(beside, weights, tmp_path):
    _, panel, _, model, first = made({}, {"beside": beside, "weights": weights})
    assert list(model.shares) == ["network", *beside]
    model.save(tmp_path / "m.safetensors")
    other = settings_of({}, {"beside": ["trees", "ridge"]})
    read = forecaster_of(other).load(tmp_path / "m.safetensors")  # a file knows what it is made of
    np.testing.assert_array_equal(
        predict_rows(read, panel, first, first + 5)[0], predict_rows(model, panel, first, first + 5)[0]
    )


def test_each_seed_has_the_weights_of_all():
    _, _, _, model, _ = made({}, WEIGHED)
    assert [one.shares for one in model.by_seed()] == [model.shares] * 2


def test_its_certificate_finds_no_leak():
    settings = small_settings()
    ensemble = settings.model.ensemble.model_copy(update={"weights": "validation", "beside": ("ridge",)})
    model = settings.model.model_copy(update={"kind": "ensemble", "ensemble": ensemble})
    certificate = audit(settings.model_copy(update={"model": model}), pipeline_on(small_table()))
    assert certificate.clean
    assert certificate.fits > 0


@given(st.integers(0, 1000), st.integers(2, 4))
def test_no_other_shares_make_the_outcomes_likelier(seed, members):
    random = np.random.default_rng(seed)
    densities = random.gamma(1.0, 1.0, (200, members)) + 1e-3
    best = likeliest(densities)
    assert best.sum() == pytest.approx(1.0)
    likelihood = np.log(densities @ best).sum()
    for other in random.dirichlet(np.ones(members), 20):
        assert np.log(densities @ other).sum() <= likelihood + 1e-3


def test_a_member_that_says_nothing_useful_has_nothing_to_say():
    random = np.random.default_rng(2)
    label = random.normal(size=(40, 25))
    good, noise = label + random.normal(size=label.shape), random.normal(size=label.shape)
    shares = shares_of([Said(good, label), Said(-label, label), Said(noise, label)], ranks=True)
    assert shares[0] > 0.9
    assert shares[1] == 0.0


def test_where_nothing_is_known_all_have_the_same_say():
    nothing = Said(np.full((3, 2), np.nan), np.zeros((3, 2)))
    assert shares_of([nothing, nothing], ranks=False) == (0.5, 0.5)


def test_what_was_said_travels_with_its_part():
    said = Said(np.array([[0.5, np.nan]]), np.array([[1.0, 2.0]]))
    part, again = apart(with_said(b"weights", said))
    assert part == b"weights"
    np.testing.assert_array_equal(again.value, said.value)


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        ({"beside": []}, "name trees, ridge or both, each once"),
        ({"beside": "trees,trees"}, "name trees, ridge or both, each once"),
        ({"beside": ["tree"]}, "trees"),
        ({"weights": "best"}, "equal"),
    ],
)
def test_nobody_twice_nobody_unknown(ensemble, message):
    with pytest.raises(ConfigError, match=message):
        settings_of({}, ensemble)
