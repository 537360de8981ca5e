import numpy as np
import pandas as pd
import pytest

from engine.report.charts import base as chart_base
from engine.report.charts import forecasts as charts
from engine.report.pages import forecast_path
from forewalk.types import TrainingCurve
from helpers.judged_runs import make_judged

TIMES = pd.bdate_range("2020-01-02", periods=3000, tz="UTC")


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_forecast_stands_at_the_bar_it_speaks_about(horizon):
    subject = make_judged(horizon=horizon, bars=520).subject
    path = forecast_path(subject, "MSFT")
    quoted = subject.bars.close[subject.bars.timestamps.get_indexer(path.times), 1]
    np.testing.assert_allclose(path.close * np.exp(path.actual), quoted)
    assert path.times[0] == subject.bars.timestamps[400 + horizon]
    assert path.times[-1] == subject.bars.timestamps[-1]


def test_thinned_lines_keep_their_ends_and_extremes():
    series = np.zeros(3000)
    series[1234], series[2345] = 5, -5
    rows = chart_base.thinned(3000, series)
    assert len(rows) <= chart_base.MAX_POINTS + 2
    assert {0, 1234, 2345, 2999} <= set(rows.tolist())


def test_a_chart_leaves_matplotlib_as_it_was():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    charts.equity_chart(TIMES, *np.ones((2, 3000)), *np.zeros((2, 3000)))
    assert dict(mpl.rcParams) == before


def test_names_are_drawn_as_they_are_and_never_as_markup_or_formulas():
    curve = TrainingCurve("<b>$x_1$</b>", "seed-0", (1.0, 0.5), (1.1, 0.9), 1)
    assert "&lt;b&gt;$x_1$&lt;/b&gt;" in charts.training_chart([curve])


@pytest.mark.parametrize("points", [0, 1, 50, 20_000])
def test_a_scatter_of_any_size_is_a_small_chart(points):
    x, y = np.random.default_rng(1).normal(0, 0.01, (2, points))
    svg = charts.scatter_chart(x, y)
    assert svg.startswith("<svg")
    assert len(svg) < 400_000


def test_forecasts_that_never_differ_are_called_that():
    assert "the forecasts do not differ" in charts.scatter_chart(np.zeros(100), np.arange(100.0))


def test_a_symbol_without_forecasts_gives_an_empty_chart():
    none = np.zeros(0)
    assert "no forecast" in charts.forecast_chart(charts.ForecastPath(TIMES[:0], none, none, none, none))


def test_hundreds_of_networks_are_capped():
    curves = [
        TrainingCurve(f"fold-{i:02d}", f"S{k}", (1.0, 0.5), (1.1, 0.9), 1)
        for i in range(40)
        for k in range(30)
    ]
    svg = charts.training_chart(curves)
    assert svg.count(">fold-") == charts.MAX_PANELS
    assert len(svg) < 400_000
