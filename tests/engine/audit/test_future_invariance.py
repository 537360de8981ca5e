"""Bars after time t change nothing up to t: the whole product, from a file to the account, without the audit."""

import numpy as np
import pandas as pd
import pytest

from engine.simulation.cerebro import simulate
from engine.training.walkforward import walk_forward
from forewalk.data.loading import load_bars
from forewalk.features.panel import build_features, build_labels
from forewalk.folds import walk_forward_folds
from helpers.audit_tables import GAP, small_settings
from helpers.making import make_bars
from models.recurrent.forecaster import LSTMForecaster

CUTS = {"last bar before a refit": 164, "first bar after a refit": 165, "middle of a test window": 183}
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def rows():
    """Three symbols as one long table, one with a gap."""
    bars = make_bars(215, 3, seed=5, missing=[GAP])
    frames = [bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols]
    frame = pd.concat(frames).rename_axis("date").reset_index()
    return frame.assign(date=frame["date"].dt.tz_convert("America/New_York").dt.date.astype(str))


def outcome(rows, folder):
    """Everything the product makes of the rows: models, forecasts, account."""
    folder.mkdir()
    rows.to_csv(folder / "prices.csv", index=False)
    settings = small_settings(data={"source": "csv", "path": folder / "prices.csv"}, model__max_epochs=3)
    bars, _ = load_bars(settings.data)
    panel = build_features(bars, settings.features, 1, settings.data.min_history_bars)
    labels = build_labels(bars, panel, settings.label)
    folds = walk_forward_folds(bars.timestamps, labels.end, settings.folds)
    forecaster = LSTMForecaster(settings.model, settings.seed)
    timeline, _ = walk_forward(panel, labels, folds, forecaster, settings.model.max_age_bars)
    forecasts = timeline.forecasts(panel, settings.label.horizon_bars)
    return timeline, forecasts, simulate(bars, forecasts, settings)


@pytest.fixture(scope="module")
def real(rows, tmp_path_factory):
    return outcome(rows, tmp_path_factory.mktemp("real") / "run")


def weights(timeline, until):
    """Scalers and weights of the models that were in use by `until`, as plain numbers."""
    members = [member for model in timeline.models if model.valid_from <= until for member in model.members]
    scalers = [(member.scaler.mean, member.scaler.std, member.residual_std) for member in members]
    return scalers, [weight.tolist() for m in members for weight in m.network.state_dict().values()]


def account(simulation, until):
    """Orders decided, fills made and equity known by `until`, as text that keeps every bit."""
    orders, equity = simulation.orders, simulation.equity
    decided = orders.loc[orders["decided_at"] <= until, ["decided_at", "symbol", "side", "quantity", "type"]]
    filled = orders.loc[orders["filled_at"] <= until, ["filled_at", "symbol", "fill_price", "fee"]]
    return [table.map(repr).to_csv() for table in (decided, filled, equity[equity["time"] <= until])]


def known(forecasts, until):
    rows = forecasts.timestamps <= until
    return np.stack([forecasts.mean[rows], forecasts.std[rows], forecasts.p_up[rows]])


def after(rows, cut):
    return rows["date"] > sorted(rows["date"].unique())[cut]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_altering_later_bars_changes_no_model_forecast_order_or_equity(rows, real, cut, tmp_path):
    altered, later = rows.copy(), after(rows, cut)
    prices = ["open", "high", "low", "close"]
    noise = np.random.default_rng(cut).uniform(0.7, 1.4, (int(later.sum()), 1))
    altered.loc[later, prices] = altered.loc[later, prices].to_numpy() * noise
    altered.loc[later, "volume"] = altered.loc[later, "volume"] * 3
    timeline, forecasts, simulation = outcome(altered, tmp_path / "run")
    until = real[1].timestamps[cut - 120]
    assert weights(timeline, until) == weights(real[0], until)
    np.testing.assert_array_equal(known(forecasts, until), known(real[1], until))
    assert account(simulation, until) == account(real[2], until)
    assert not np.array_equal(forecasts.mean, real[1].mean)  # what comes later did change


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_cutting_later_bars_off_changes_no_order_and_rounds_forecasts_at_most(
    rows, real, cut, tmp_path, record_property
):
    timeline, forecasts, simulation = outcome(rows[~after(rows, cut)], tmp_path / "run")
    until = real[1].timestamps[cut - 120]
    assert forecasts.timestamps[-1] == until
    difference = np.nanmax(np.abs(known(forecasts, until) - known(real[1], until)))
    record_property("largest_difference_of_a_forecast", float(difference))
    assert difference <= ROUNDING
    assert weights(timeline, until) == weights(real[0], until)
    assert account(simulation, until) == account(real[2], until)


def test_there_are_models_orders_and_fills_to_compare_at_every_date(real):
    for cut in CUTS.values():
        until = real[1].timestamps[cut - 120]
        assert len(weights(real[0], until)[0]) >= 1
        assert all(len(table.splitlines()) > 5 for table in account(real[2], until))
