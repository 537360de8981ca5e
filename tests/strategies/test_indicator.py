import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from engine.simulation.cerebro import build_cerebro
from forewalk.types import Forecasts
from helpers.making import make_bars, make_settings
from strategies.indicator import ForecastIndicator, ForecastTable, backtrader_times


def forecasts_for(bars, seed=0, gap=(40, 50)):
    generator = np.random.default_rng(seed)
    mean = generator.normal(0, 0.001, bars.close.shape)
    mean[slice(*gap), 0] = np.nan
    return Forecasts(
        timestamps=bars.timestamps,
        symbols=bars.symbols,
        mean=mean,
        std=np.where(np.isnan(mean), np.nan, generator.uniform(0.01, 0.03, mean.shape)),
        p_up=np.where(np.isnan(mean), np.nan, 0.5 + 20 * mean),
        horizon_bars=1,
        model_ids=("m",) * len(bars),
        trained_until=bars.timestamps - pd.Timedelta(days=400),
    )


class Watcher(bt.Strategy):
    """Writes down what the indicator says at each bar."""

    params = (("table", None),)

    def __init__(self):
        self.forecasts = [ForecastIndicator(data, table=self.p.table) for data in self.datas]
        self.seen = []

    def next(self):
        self.seen.append([[f.mean[0], f.std[0], f.p_up[0]] for f in self.forecasts])


def watched(bars, forecasts, **modes):
    params = {"table": ForecastTable(forecasts)}
    cerebro = build_cerebro(bars, make_settings().execution, Watcher, params, **modes)
    return np.array(cerebro.run()[0].seen)


@pytest.mark.parametrize("runonce", [True, False])
@pytest.mark.parametrize("preload", [True, False])
def test_the_lines_are_the_forecasts_of_the_bar_in_every_mode(runonce, preload):
    bars = make_bars(rows=80)
    forecasts = forecasts_for(bars)
    expected = np.stack([forecasts.mean, forecasts.std, forecasts.p_up], axis=2)
    np.testing.assert_array_equal(watched(bars, forecasts, runonce=runonce, preload=preload), expected)


def test_bars_without_a_row_in_the_table_have_no_forecast():
    bars = make_bars(rows=80)
    late = forecasts_for(bars.since(bars.timestamps[30]))
    seen = watched(bars, late)
    assert np.isnan(seen[:30]).all()
    assert np.isfinite(seen[30:70, 1]).all()


def test_an_unknown_symbol_is_named():
    bars = make_bars(rows=30, symbols=2)
    with pytest.raises(ValueError, match="no forecasts for 'S01'"):
        watched(bars, forecasts_for(bars.select(["S00"])))


def test_the_table_prints_shortly_in_chart_labels():
    assert repr(ForecastTable(forecasts_for(make_bars(rows=30)))) == "forecasts"


def test_backtrader_times_come_back_as_the_same_moment():
    stamps = make_bars(rows=30).timestamps
    back = [bt.num2date(number) for number in backtrader_times(stamps)]
    assert back == list(stamps.tz_localize(None).to_pydatetime())
