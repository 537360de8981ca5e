"""US, London and Tokyo shares, a currency pair and a coin in one panel: later closes change no earlier forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from engine.audit.job import audit
from engine.simulation.cerebro import simulate
from engine.training.walkforward import walk_forward
from forewalk.data.cleaning.together import by_day, each_market, true_closes
from forewalk.data.loading import load_bars
from forewalk.features.own import panel_of
from forewalk.features.panel import build_labels
from forewalk.folds import walk_forward_folds
from forewalk.sessions import microseconds
from forewalk.types import BAR_FIELDS, Bars, Forecasts, SimulationResult
from helpers.audit_tables import small_settings
from helpers.market_panels import WORLD, world
from models.recurrent.forecaster import LSTMForecaster

SETTINGS = small_settings(execution__fractional=True, folds__train_bars=150, folds__refit_every_bars=60)


def true_bars() -> Bars:
    return world("2019-01-01", "2019-12-31")


@dataclass(frozen=True)
class Outcome:
    """What the product makes of bars at their true closes."""

    days: Bars
    forecasts: Forecasts
    simulation: SimulationResult


def outcome(bars: Bars) -> Outcome:
    days = by_day(bars)
    panel = panel_of(days, SETTINGS)
    labels = build_labels(days, panel, SETTINGS.label)
    folds = walk_forward_folds(days.timestamps, labels.end, SETTINGS.folds)
    forecaster = LSTMForecaster(SETTINGS.model, SETTINGS.seed)
    timeline, _ = walk_forward(panel, labels, folds, forecaster, SETTINGS.model.max_age_bars)
    forecasts = timeline.forecasts(panel, SETTINGS.label.horizon_bars)
    return Outcome(days, forecasts, simulate(days, forecasts, SETTINGS))


def doctored(bars: Bars, cut: int) -> Bars:
    """The bars with noise on every price and volume of a bar that closes after `cut`."""
    later = microseconds(bars.timestamps) > cut
    noise = np.random.default_rng(1).uniform(0.7, 1.4, (len(bars), len(bars.symbols)))
    noise[~later] = 1.0
    return replace(bars, **{name: getattr(bars, name) * noise for name in BAR_FIELDS})


def said_by(found: Outcome, cut: int) -> np.ndarray:
    """Every forecast of a bar that had closed by `cut`, in order."""
    closes = true_closes(found.days)[len(found.days) - len(found.forecasts) :]
    there = closes <= cut
    values = [np.where(there, getattr(found.forecasts, name), np.nan) for name in ("mean", "std", "p_up")]
    return np.stack(values)


def ordered_by(found: Outcome, cut: int) -> str:
    orders = found.simulation.orders
    decided = orders.loc[microseconds(pd.DatetimeIndex(orders["decided_at"])) <= cut]
    return str(decided[["decided_at", "symbol", "side", "quantity", "type"]].map(repr).to_csv())


@pytest.fixture(scope="module")
def real() -> Outcome:
    return outcome(true_bars())


@pytest.mark.parametrize("market", WORLD)
def test_a_cut_at_the_close_of_any_market_leaves_what_was_said_by_then(market, real):
    """The day is cut in two: what closed before goes on as it was, what closes later in it is replaced."""
    own = {found.calendar: bars for found, bars in each_market(real.days)}[market]
    cut = int(microseconds(own.timestamps)[len(own) - 40])
    other = outcome(doctored(true_bars(), cut))
    said = said_by(real, cut)
    assert np.isfinite(said).sum() > 100
    np.testing.assert_array_equal(said_by(other, cut), said)
    assert ordered_by(other, cut) == ordered_by(real, cut) != ordered_by(real, 0)
    assert not np.array_equal(other.forecasts.mean, real.forecasts.mean, equal_nan=True)


def test_the_certificate_covers_a_file_of_all_these_markets(tmp_path):
    bars = world("2019-05-01", "2019-12-31")
    frames = [bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols]
    rows = pd.concat(frames).rename_axis("date").reset_index()
    rows["date"] = session_dates(rows["date"], rows["symbol"])
    path = tmp_path / "world.csv"
    rows.to_csv(path, index=False)
    settings = small_settings(data={"source": "files", "path": path}, execution__fractional=True)
    assert set(load_bars(settings.data)[0].calendars) == set(WORLD)
    certificate = audit(settings)
    assert [check.line() for check in certificate.leaks] == []
    stages = dict(certificate.check("future replaced by noise").by_stage)
    assert min(stages[name] for name in ("cleaning", "features", "labels", "fit", "forecasts")) > 100


def session_dates(closes: pd.Series, symbols: pd.Series) -> pd.Series:
    """The date by which people's files name a bar: of the session, of the day that ends at 17:00 or at midnight."""
    zones = {
        "XNYS": "America/New_York",
        "FX": "America/New_York",
        "XLON": "Europe/London",
        "XTKS": "Asia/Tokyo",
    }
    zone = {symbol: zones.get(market, "UTC") for market, names in WORLD.items() for symbol in names}
    pairs = zip(closes - pd.Timedelta("1us"), symbols, strict=True)
    return pd.Series([f"{close.tz_convert(zone[symbol]):%Y-%m-%d}" for close, symbol in pairs], closes.index)
