"""Forecasters of the user's own: asked like any other, answers checked, files read by the same source only."""

import numpy as np
import pandas as pd
import pytest

from engine.training.walkforward import training_data, walk_forward
from forewalk.errors import ConfigError, DataError, LookaheadError, PluginError
from forewalk.settings.loading import settings_from
from helpers.making import REPOSITORY
from helpers.own_code import write_module
from helpers.small_panels import folds_of, make_world
from models.base import fit, predict_rows
from models.kinds import forecaster_of
from models.recurrent.forecaster import LSTMForecaster
from models.timeline import Timeline

WORLD = make_world(slope=0.4)
FOLDS = folds_of(WORLD)
MODELS = """\
import numpy as np
from forewalk.types import TrainingCurve
from models.arrays import ArrayForecaster, learning_cells
from models.base import ScaledForecast

class Ridge(ArrayForecaster):
    def fit(self, data):
        x, y = learning_cells(data, data.train)
        penalty = self.settings.params.get("penalty", 1.0)
        return {"slope": np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)}

    def predict(self, arrays, panel, first, stop):
        return panel.values[first:stop] @ arrays["slope"]

class WithWidth(Ridge):
    def predict(self, arrays, panel, first, stop):
        mean = super().predict(arrays, panel, first, stop)
        return mean, np.full(mean.shape, 2.5)

class Raw:
    def __init__(self, settings, seed):
        self.seed = seed

    def members(self, symbols):
        return tuple(f"{symbol}-{number}" for symbol in symbols for number in range(2))

    def fit_member(self, data, member):
        return member.encode(), TrainingCurve(data.model_id, member, (), (1.0,), 0)

    def assemble(self, info, parts):
        assert tuple(part.decode() for part in parts) == self.members(info.symbols)
        return Constant()

class Constant:
    def predict_scaled(self, panel, first, stop):
        shape = (stop - first, len(panel.symbols))
        return ScaledForecast(np.zeros(shape), np.ones(shape))

class Peeks(Ridge):
    def predict(self, arrays, panel, first, stop):
        assert len(panel) == stop
        return np.zeros((stop - first, len(panel.symbols)))

class Nothing:
    pass

class Twice(Raw):
    def members(self, symbols):
        return ("a", "a")

class Text(Raw):
    def fit_member(self, data, member):
        return "weights"

class Empty(Raw):
    def assemble(self, info, parts):
        return None

class Shape(Ridge):
    def predict(self, arrays, panel, first, stop):
        return super().predict(arrays, panel, first, stop).T

class Certain(Ridge):
    def predict(self, arrays, panel, first, stop):
        mean = super().predict(arrays, panel, first, stop)
        return mean, np.zeros(mean.shape)

class Broken(Ridge):
    def fit(self, data):
        return self.no_such_thing

class Refuses(Ridge):
    def __init__(self, settings, seed):
        raise ValueError(f"penalty {settings.params['penalty']} is negative")
"""


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_module(tmp_path, "mine", MODELS)


def settings(name, **params):
    return settings_from({"model": {"kind": f"mine:{name}", "params": params}, "seed": 3})


def data(fold=0):
    return training_data(WORLD.panel, WORLD.labels, FOLDS[fold], "fingerprint")


def fitted(name, **params):
    return fit(forecaster_of(settings(name, **params)), data())


def ask(model, first=None, stop=None):
    start = int(FOLDS[0].test[0]) if first is None else first
    return predict_rows(model, WORLD.panel, start, start + 20 if stop is None else stop)


def test_the_default_is_the_recurrent_forecaster_and_its_files_do_not_know_of_kinds():
    forecaster = forecaster_of(settings_from({"seed": 5}))
    assert isinstance(forecaster, LSTMForecaster)
    assert forecaster.seed == 5


def test_a_model_written_as_arrays_learns_what_is_there():
    mean, std, p_up = ask(fitted("Ridge"))
    start = int(FOLDS[0].test[0])
    truth = WORLD.labels.returns[start : start + 20]
    assert np.corrcoef(mean.ravel(), truth.ravel())[0, 1] > 0.2
    assert (std > 0).all()
    assert ((p_up > 0.5) == (mean > 0)).all()


def test_its_width_is_its_error_on_the_validation_rows_unless_it_gives_one():
    model, fold = fitted("Ridge"), FOLDS[0]
    scaled = model.predict_scaled(WORLD.panel, int(fold.valid[0]), int(fold.valid[-1]) + 1)
    error = scaled.mean[fold.valid - fold.valid[0]] - WORLD.labels.scaled[fold.valid]
    assert scaled.std[0, 0] == pytest.approx(np.sqrt(np.nanmean(error**2)), rel=1e-6)
    given = fitted("WithWidth").predict_scaled(WORLD.panel, int(fold.test[0]), int(fold.test[0]) + 3)
    assert (given.std == 2.5).all()


def test_its_parameters_reach_it():
    assert np.abs(ask(fitted("Ridge", penalty=1e6))[0]).max() < 0.01 * np.abs(ask(fitted("Ridge"))[0]).max()


def test_it_goes_through_the_walk_forward_with_all_its_members():
    timeline, curves = walk_forward(
        WORLD.panel, WORLD.labels, FOLDS, forecaster_of(settings("Raw")), max_age_bars=500
    )
    assert len(timeline.models) == len(FOLDS)
    assert [curve.network for curve in curves[:6]] == ["S0-0", "S0-1", "S1-0", "S1-1", "S2-0", "S2-1"]
    assert isinstance(timeline, Timeline)


def test_its_dates_are_those_of_its_training_whatever_it_says():
    model = fitted("Raw")
    assert (model.trained_until, model.valid_from) == (FOLDS[0].trained_until, FOLDS[0].valid_from)
    with pytest.raises(LookaheadError):
        ask(model, first=int(FOLDS[0].valid[0]))


def test_it_is_shown_no_row_after_the_ones_it_is_asked_about():
    assert np.isfinite(ask(fitted("Peeks"))[0]).all()


def test_a_saved_model_answers_bit_for_bit_and_later_where_it_was_accepted_later(tmp_path):
    model, forecaster = fitted("Ridge"), forecaster_of(settings("Ridge"))
    model.save(tmp_path / "a.safetensors")
    again = forecaster.load(tmp_path / "a.safetensors")
    assert again.info == model.info
    assert all(np.array_equal(one, other) for one, other in zip(ask(model), ask(again), strict=True))
    later = forecaster.load(tmp_path / "a.safetensors", model.valid_from + pd.Timedelta(days=9))
    assert later.valid_from == model.valid_from + pd.Timedelta(days=9)
    earlier = forecaster.load(tmp_path / "a.safetensors", model.valid_from - pd.Timedelta(days=9))
    assert earlier.valid_from == model.valid_from


def test_a_file_of_another_class_or_of_another_source_is_refused(tmp_path):
    fitted("Ridge").save(tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="no model of mine:WithWidth; train it again"):
        forecaster_of(settings("WithWidth")).load(tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="a model of mine:Ridge, no recurrent one"):
        forecaster_of(settings_from({})).load(tmp_path / "a.safetensors")
    write_module(tmp_path, "mine", MODELS + "\n# edited\n")
    with pytest.raises(DataError, match=r"mine\.py has changed since this model was trained"):
        forecaster_of(settings("Ridge")).load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nothing", "lacks members, fit_member, assemble; derive a class from"),
        ("np", "is no forecaster"),
    ],
)
def test_what_is_no_forecaster_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        forecaster_of(settings(name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Twice", r"members\(\) gave \('a', 'a'\)"),
        ("Text", r"fit_member\(\) gave str; give \(bytes, TrainingCurve\)"),
        ("Empty", r"assemble\(\) gave NoneType"),
        ("Shape", r"gave mean \(3, 20\)|AxisError|IndexError|ValueError"),
        ("Certain", "a std that is not above 0"),
        ("Broken", "no_such_thing"),
        ("Refuses", "KeyError: 'penalty'"),
    ],
)
def test_what_goes_wrong_in_it_is_named(name, message):
    with pytest.raises(PluginError, match=message) as problem:
        ask(fitted(name))
    assert f"model.kind = 'mine:{name}'" in str(problem.value)


def test_parameters_without_a_model_of_ones_own_are_refused():
    with pytest.raises(ConfigError, match="params are for a model of your own"):
        settings_from({"model": {"params": {"penalty": 1}}})


@pytest.mark.parametrize("kind", ["own_model_sklearn:Lasso", "own_model_torch:Perceptron"])
def test_the_examples_learn_and_repeat_themselves(kind, monkeypatch):
    monkeypatch.chdir(REPOSITORY / "examples")
    forecaster = forecaster_of(settings_from({"model": {"kind": kind, "max_epochs": 2}}))
    one, other = (fit(forecaster, data()) for _ in range(2))
    assert one.parts == other.parts
    assert np.isfinite(ask(one)[0]).all()
    assert len((REPOSITORY / "examples" / f"{kind.partition(':')[0]}.py").read_text().splitlines()) <= 45
