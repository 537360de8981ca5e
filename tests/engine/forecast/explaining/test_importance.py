"""Which features carry the forecast is told from validation rows, from any model, and the same on any machine."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from typer.testing import CliRunner

from engine.cli.app import app
from engine.forecast.explaining.importance import importance_of, importances, losses_on, rotated, stability
from engine.forecast.explaining.job import shares_text, shown_where
from engine.report.certificate import NOT_EXPLAINED
from engine.training.walkforward import training_data
from forewalk.compute.pool import Processes
from helpers.run_folders import make_explainable_run
from models.base import ScaledForecast, fit
from models.baselines.simple import BaselineForecaster
from models.recurrent.ensemble import EnsembleForecaster
from models.recurrent.forecaster import LSTMForecaster


@pytest.fixture(scope="module")
def planted(world_of, folds):
    """A world in which the first feature leads the return, and its first fold."""
    world = world_of(slope=1.0)
    fold = folds(world)[0]
    data = training_data(world.panel, world.labels, fold)
    return SimpleNamespace(
        panel=world.panel, labels=world.labels, settings=world.settings, data=data,
        valid=(int(fold.valid[0]), int(fold.valid[-1])),
    )  # fmt: skip


def measured(model, world, feature, seed=1, repeats=3):
    return importance_of(model, world.panel, world.labels.scaled, world.valid, feature, seed, repeats)


@pytest.mark.parametrize("kind", ["ridge", "trees"])
def test_the_feature_that_leads_the_return_is_the_one_that_is_missed(planted, kind):
    model = fit(BaselineForecaster(kind, 1, 1), planted.data)
    loss = {name: np.mean(measured(model, planted, name).likelihood) for name in planted.panel.names}
    assert max(loss, key=loss.get) == "f0"
    assert loss["f0"] > 0.2 > 5 * max(abs(value) for name, value in loss.items() if name != "f0")


def test_a_model_that_does_not_look_at_a_feature_loses_exactly_nothing_by_it(planted):
    class Blind:
        model_id = "blind"

        def predict_scaled(self, panel, first, stop):
            mean = panel.values[first:stop, :, 1].astype(np.float64)
            return ScaledForecast(mean, np.ones_like(mean))

    assert measured(Blind(), planted, "f0").likelihood == (0.0, 0.0, 0.0)
    assert any(measured(Blind(), planted, "f1").likelihood)


def test_another_seed_draws_other_rotations_and_the_same_seed_the_same(planted):
    model = fit(BaselineForecaster("ridge", 1, 1), planted.data)
    first, again, other = (measured(model, planted, "f0", seed) for seed in (1, 1, 2))
    assert first == again != other


def test_rank_ic_is_measured_only_where_twenty_symbols_can_be_ranked(world_of, folds, planted):
    wide = world_of(symbols=24, slope=1.0)
    fold = folds(wide)[0]
    valid = int(fold.valid[0]), int(fold.valid[-1])
    model = fit(BaselineForecaster("ridge", 1, 1), training_data(wide.panel, wide.labels, fold))
    assert losses_on(model, wide.panel, wide.labels.scaled, valid).rank_ic > 0.3
    found = importance_of(model, wide.panel, wide.labels.scaled, valid, "f0", 1, 2)
    assert min(found.rank_ic) > 0.3
    assert measured(fit(BaselineForecaster("ridge", 1, 1), planted.data), planted, "f0").rank_ic is None


def test_equal_bits_for_any_number_of_jobs(planted, tmp_path):
    forecaster = LSTMForecaster(planted.settings.model, 7)
    file = tmp_path / "fold-00.safetensors"
    fit(forecaster, planted.data).save(file)

    def told(jobs):
        models = [(file, planted.valid)]
        return importances(planted.panel, planted.labels, forecaster, models, 3, 2, Processes(jobs))

    assert told(1) == told(2)


@examples(max_examples=30)
@given(st.integers(0, 2**16), st.integers(0, 4), st.integers(5, 30))
def test_a_rotation_moves_known_values_of_one_feature_on_the_rows_and_nothing_else(seed, holes, last):
    random = np.random.default_rng(seed)
    values = random.normal(size=(40, 3, 2)).astype(np.float32)
    values[random.integers(0, 40, holes), 1] = np.nan
    moved = rotated(values, 1, (4, last), np.random.default_rng(seed))
    assert np.array_equal(moved[:, :, 0], values[:, :, 0], equal_nan=True)
    outside = np.r_[0:4, last + 1 : 40]
    assert np.array_equal(moved[outside], values[outside], equal_nan=True)
    assert np.array_equal(np.isnan(moved), np.isnan(values))
    assert np.array_equal(
        np.sort(moved[4 : last + 1], axis=0), np.sort(values[4 : last + 1], axis=0), equal_nan=True
    )


def test_stability_is_one_where_models_agree_and_unknown_for_one_model():
    order = np.array([3.0, 1.0, 2.0, 0.5])
    assert stability(np.stack([order, 2 * order, order + 1])) == pytest.approx(1.0)
    assert stability(np.stack([order, -order])) == pytest.approx(-1.0)
    assert stability(order[None]) is None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_explainable_run(tmp_path_factory.mktemp("explained") / "runs" / "small")


def test_the_command_writes_the_file_and_the_page(run):
    page = run / "forecast.html"
    assert NOT_EXPLAINED in page.read_text(encoding="utf-8")
    answer = CliRunner().invoke(app, ["explain", str(run), "--repeats", "1", "--jobs", "1", "--json"])
    assert answer.exit_code == 0, answer.output
    told = json.loads((run / "explanation.json").read_text(encoding="utf-8"))
    assert json.loads(answer.stdout) == told
    assert sorted(told["models"]) == sorted(path.stem for path in (run / "models").iterdir())
    assert all(len(each["per_model"]) == len(told["models"]) for each in told["features"])
    falls = [each["likelihood"] for each in told["features"]]
    assert falls == sorted(falls, reverse=True)
    assert -1.0 <= told["stability"] <= 1.0
    assert [each["symbol"] for each in told["newest"]["symbols"]] == ["AAPL", "GOOG", "IBM", "MSFT"]
    for symbol in told["newest"]["symbols"]:
        assert sum(symbol["parts"].values()) == pytest.approx(symbol["value"] - symbol["baseline"], abs=1e-3)
    text = page.read_text(encoding="utf-8")
    assert NOT_EXPLAINED not in text
    assert told["features"][0]["feature"] in text.partition("carry the forecast</h3>")[2]


def test_a_folder_that_is_no_run_is_refused_as_data(tmp_path):
    answer = CliRunner().invoke(app, ["explain", str(tmp_path)])
    assert "is not a run folder" in str(answer.exception)


def test_a_page_without_a_place_for_it_is_said_to_have_none(run):
    page = run / "forecast.html"
    whole = page.read_text(encoding="utf-8")
    assert shown_where(run) == f"page: {page}"
    page.write_text("<p>of an earlier version</p>", encoding="utf-8")
    assert "has no place for it; run the backtest again" in shown_where(run)
    page.write_text(whole, encoding="utf-8")


def test_an_ensemble_leans_on_what_its_members_lean_on(planted):
    model = planted.settings.model.model_copy(update={"kind": "ensemble"})
    found = fit(EnsembleForecaster(model, 7), planted.data)
    features = planted.panel.names
    rises = [np.mean(measured(found, planted, name).likelihood) for name in features]
    assert int(np.argmax(rises)) == 0


@pytest.fixture(scope="module")
def ensemble_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble") / "runs" / "small"
    return make_explainable_run(folder, kind="ensemble", ensemble={"weights": "validation"})


def test_an_ensembles_page_says_how_much_each_has_to_say_and_whose_the_parts_are(ensemble_run):
    answer = CliRunner().invoke(app, ["explain", str(ensemble_run), "--repeats", "1", "--jobs", "1"])
    assert answer.exit_code == 0, answer.output
    told = json.loads((ensemble_run / "explanation.json").read_text(encoding="utf-8"))
    assert set(told["shares"]) == set(told["models"])
    assert all(sum(shares.values()) == pytest.approx(1.0) for shares in told["shares"].values())
    assert told["newest"]["of"] == "network"
    page = (ensemble_run / "forecast.html").read_text(encoding="utf-8")
    for text in (answer.output, page):
        assert shares_text(told["shares"]) in text
    assert "add up to the networks&#39; part of the forecast" in page


@pytest.mark.parametrize("which", ["run", "ensemble_run"])
def test_a_forecast_tells_what_it_is_made_of_as_explain_does(which, request, tmp_path):
    folder = request.getfixturevalue(which)
    words = ["forecast", str(folder), "--explain", "--log", str(tmp_path / "log.sqlite")]
    answer = CliRunner().invoke(app, [*words, "--json"])
    assert answer.exit_code == 0, answer.output
    made_of = json.loads(answer.stdout)["made_of"]
    explained = CliRunner().invoke(app, ["explain", str(folder), "--repeats", "1", "--jobs", "1", "--json"])
    assert made_of == json.loads(explained.stdout)["newest"]
    text = CliRunner().invoke(app, [*words, "--html", str(tmp_path / "page.html")])
    assert text.output.count("made of, in multiples of its volatility: ") == 4
    assert ("the networks' part, " in text.output) == (which == "ensemble_run")


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--explain"], "finished run"), (["runs/latest", "--explain", "--csv"], "no place in the table")],
)
def test_explain_without_a_run_or_a_place_is_refused(words, said, tmp_path):
    answer = CliRunner().invoke(app, ["forecast", *words, "--log", str(tmp_path / "log.sqlite")])
    assert answer.exit_code != 0
    assert said in str(answer.exception)
