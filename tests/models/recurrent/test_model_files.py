"""A model file describes itself, gives back the model bit for bit, and is refused where it is damaged."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from forewalk.errors import DataError
from helpers.lstm_models import fitted
from helpers.making import make_bars, make_settings
from models.base import predict_rows
from models.checkpoint import pack, unpack
from models.header import read_header
from models.recurrent.fitted import load_lstm


def test_a_stored_model_forecasts_what_it_did_before(variant, tmp_path):
    model, panel, fold = variant
    model.save(tmp_path / "m.safetensors")
    stored = load_lstm(tmp_path / "m.safetensors")
    assert stored.header() == json.loads(json.dumps(model.header())) | {
        "feature_names": stored.feature_names,
        "members": stored.header()["members"],
    }
    rows = (int(fold.test[0]), len(panel))
    for one, two in zip(predict_rows(model, panel, *rows), predict_rows(stored, panel, *rows), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_model_file_says_what_it_is(tmp_path):
    model, _, fold = fitted(make_bars(rows=330), make_settings())
    model.save(tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["forewalk"])
    assert header == read_header(tmp_path / "m.safetensors")
    assert header["trained_until"] == fold.trained_until.isoformat()
    assert header["data_fingerprint"] == "abc"
    assert header["settings"]["hidden_size"] == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:100],
        lambda data: b"",
        lambda data: b"\x80\x04not a model",
        lambda data: pack({"w": torch.tensor([float("nan")])}, {}),
        lambda data: pack({"seed-0|cell.weight_ih_l0": torch.zeros(3)}, unpack(data)[1]),
        lambda data: pack({}, {"format": 99}),
    ],
    ids=["truncated", "empty", "pickle", "nan", "wrong-shape", "other-format"],
)
def test_a_damaged_model_file_is_refused_with_its_name(tmp_path, damage):
    model, _, _ = fitted(make_bars(rows=330), make_settings())
    path = tmp_path / "m.safetensors"
    model.save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"m\.safetensors"):
        load_lstm(path)


def test_a_missing_model_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.safetensors"):
        load_lstm(tmp_path / "none.safetensors")


def test_model_dates_are_utc():
    model, _, _ = fitted(make_bars(rows=330), make_settings())
    assert isinstance(model.trained_until, pd.Timestamp)
    assert str(model.trained_until.tz) == "UTC"
