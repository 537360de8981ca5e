"""Axes are read as they are written, and nothing that would need new forecasts can be varied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.sweep.grid import Axis, default_axes, grid_settings, parse_axis, setting
from forewalk.errors import ConfigError, UsageError
from forewalk.settings.loading import settings_from

BASE = settings_from({})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("strategy.top=5,10,20", (5, 10, 20)),
        ("strategy.entry=0:0.3:0.1", (0, 0.1, 0.2, 0.3)),
        ("strategy.min_hold_bars=2:7:2", (2, 4, 6)),
        ("strategy.stop_loss=none,0.05", (None, 0.05)),
        ("execution.fractional=true,false", (True, False)),
        ("strategy.sizing=fixed_fraction,volatility_target", ("fixed_fraction", "volatility_target")),
        ("strategy.top=3,3,4", (3, 4)),
        ("strategy.exit = -0.1:0.1:0.1", (-0.1, 0.0, 0.1)),
    ],
)
def test_an_axis_is_a_list_or_a_range_with_both_ends(text, values):
    assert parse_axis(text).values == values


@given(first=st.integers(-50, 50), count=st.integers(1, 200), step=st.integers(1, 30))
def test_a_range_ends_where_it_says_whatever_the_step(first, count, step):
    scale = 1000
    last = first + (count - 1) * step
    axis = parse_axis(f"strategy.exit={first / scale}:{last / scale}:{step / scale}")
    assert len(axis.values) == count
    assert axis.values[-1] == pytest.approx(last / scale, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "strategy.top",
        "strategy.top=",
        *(f"strategy.entry={bad}" for bad in ("0:1", "0:1:0", "1:0:0.1", "a:b:c")),
    ],
)
def test_what_is_no_axis_is_a_usage_error(text):
    with pytest.raises(UsageError, match="--vary"):
        parse_axis(text)


@pytest.mark.parametrize("key", ["model.hidden_size", "label.horizon_bars", "seed", "folds.train_bars"])
def test_what_needs_new_forecasts_cannot_be_varied(key):
    with pytest.raises(ConfigError, match="needs a new backtest"):
        parse_axis(f"{key}=1,2")


def test_a_range_of_too_many_values_is_refused_before_it_is_made():
    with pytest.raises(UsageError, match=r"10,000,000,001 values are too many"):
        parse_axis("strategy.entry=0:1:0.0000000001")


def test_a_grid_is_every_combination_and_leaves_the_rest_alone():
    grid = grid_settings(BASE, [Axis("strategy.top", (1, 2)), Axis("execution.fee_bps", (0.0, 5.0, 9.0))])
    assert [(s.strategy.top, s.execution.fee_bps) for s in grid] == [
        (top, fee) for top in (1, 2) for fee in (0.0, 5.0, 9.0)
    ]
    assert all(s.model == BASE.model for s in grid)
    assert setting(grid[-1], "execution.fee_bps") == 9.0


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        ([], UsageError, "given: none"),
        ([Axis("strategy.top", (1,)), Axis("strategy.top", (2,))], UsageError, "once"),
        ([Axis("strategy.tpo", (1,))], ConfigError, "did you mean 'strategy.top'"),
        ([Axis("strategy.top", (0,))], ConfigError, r"strategy.top = 0"),
        (
            [Axis(f"strategy.{key}", tuple(range(1, 500))) for key in ("top", "hysteresis")],
            UsageError,
            "too many",
        ),
    ],
)
def test_an_impossible_grid_says_why(axes, error, message):
    with pytest.raises(error, match=message):
        grid_settings(BASE, axes)


@pytest.mark.parametrize("key", ["strategy.entry", "strategy.exit", "strategy.min_hold_bars"])
def test_thresholds_of_a_run_that_holds_everything_always_are_refused_with_the_way_on(key):
    with pytest.raises(UsageError, match=f"--vary {key}: .*--vary strategy.always_held=false"):
        grid_settings(BASE, [Axis(key, (0, 1))])
    signals = [Axis("strategy.always_held", (False,)), Axis("strategy.sizing", ("fixed_fraction",))]
    assert len(grid_settings(BASE, [*signals, Axis(key, (0, 1))])) == 2


@pytest.mark.parametrize("strategy", [{}, {"kind": "per_symbol"}, {"kind": "cross_section"}])
def test_the_default_axes_hold_the_default_settings_and_a_thousand_more(strategy):
    base = settings_from({"strategy": strategy})
    grid = grid_settings(base, default_axes(base))
    assert base in grid
    assert len(grid) > 1000
