"""Every policy of every kind of damage, on short series whose right answer is plain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dirty_tables import INF, NAN, closes, expect

from forewalk.data.cleaning.rules import clean
from forewalk.data.table import concatenate
from forewalk.errors import DataError
from helpers.data_tables import daily, make_table


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [("refuse", [10, 11]), ("drop", [10, 11, 13]), ("repair", [10, 11, 11, 13]), ("flag", [10, 11, 13])],
)
def test_a_close_that_is_no_number(policy, wanted):
    expect(make_table([10, 11, NAN, 13]), "non_finite", policy, wanted)  # a kept NaN is no bar


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [("refuse", [10, 11]), ("drop", [10, 11, 13]), ("repair", [10, 11, 11, 13]), ("flag", [10, 11, INF, 13])],
)
def test_a_close_that_is_infinite(policy, wanted):
    expect(make_table([10, 11, INF, 13]), "non_finite", policy, wanted)


def test_repair_rebuilds_missing_prices_from_the_bars_own_close():
    table = make_table([10, 11], open=[10, NAN], high=[10, NAN], low=[10, 9])
    bars, _ = clean(table, daily(non_finite="repair"))
    assert [bars.open[1, 0], bars.high[1, 0], bars.low[1, 0], bars.close[1, 0]] == [11, 11, 9, 11]


def test_repair_carries_the_last_close_with_zero_volume_where_the_close_is_missing():
    bars, _ = clean(make_table([10, NAN, 12]), daily(non_finite="repair"))
    assert (bars.close[1, 0], bars.volume[1, 0]) == (10, 0)


def test_repair_drops_a_first_bar_without_a_close():
    found, _ = closes(make_table([NAN, 11, 12]), non_finite="repair")
    assert found == [11, 12]


@pytest.mark.parametrize("bad", [0.0, -5.0])
@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("refuse", [10, 11]),
        ("drop", [10, 11, 13]),
        ("repair", [10, 11, 11, 13]),
        ("flag", [10, 11, None, 13]),
    ],
)
def test_a_close_at_or_below_zero(bad, policy, wanted):
    wanted = [bad if value is None else value for value in wanted]
    expect(make_table([10, 11, bad, 13]), "non_positive_price", policy, wanted)


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [("refuse", [10, 11]), ("drop", [10, 11, 13]), ("repair", [10, 11, 12, 13]), ("flag", [10, 11, 12, 13])],
)
def test_a_high_below_the_close(policy, wanted):
    expect(make_table([10, 11, 12, 13], high=[10, 11, 9, 13]), "impossible_range", policy, wanted)


def test_repair_widens_high_and_low_to_the_bars_prices():
    bars, _ = clean(make_table([10, 12], high=[10, 9], low=[10, 13]), daily(impossible_range="repair"))
    assert (bars.high[1, 0], bars.low[1, 0]) == (13, 9)


def test_rounding_of_adjusted_prices_is_no_impossible_range():
    _, report = closes(make_table([10, 11], high=[10, 11 * (1 - 9e-5)]))
    assert not report.of_kind("impossible_range")


@pytest.mark.parametrize("bad", [-1.0, NAN, INF])
@pytest.mark.parametrize(
    ("policy", "volume"), [("refuse", [5]), ("drop", [5, 5]), ("repair", [5, 0, 5]), ("flag", [5, None, 5])]
)
def test_a_volume_below_zero_or_no_number(bad, policy, volume):
    bars, report = clean(make_table([10, 11, 12], volume=[5, bad, 5]), daily(negative_volume=policy))
    wanted = [bad if value is None else value for value in volume]
    np.testing.assert_array_equal(bars.volume[:, 0], wanted)
    assert report.of_kind("negative_volume")[0].count == 1


WEEKEND = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-04", "2020-01-06"])


@pytest.mark.parametrize(
    ("policy", "wanted", "action"),
    [
        ("refuse", [10, 11], "ended"),
        ("drop", [10, 11, 13], "dropped"),
        ("repair", [10, 11, 13], "dropped"),
        ("flag", [10, 11, 12, 13], "kept"),
    ],
)
def test_a_bar_on_a_saturday(policy, wanted, action):
    expect(make_table([10, 11, 12, 13], dates=WEEKEND), "off_session", policy, wanted, action=action)


REPEATED = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-03", "2020-01-06"])


@pytest.mark.parametrize("policy", ["drop", "repair", "flag"])
def test_of_a_repeated_timestamp_the_first_row_counts(policy):
    expect(
        make_table([10, 11, 12, 13], dates=REPEATED),
        "duplicate_timestamps",
        policy,
        [10, 11, 13],
        action="dropped",
    )


def test_a_repeated_timestamp_can_refuse_the_file_with_its_line():
    with pytest.raises(DataError, match=r"prices.csv line 4: AAA repeats a timestamp"):
        closes(make_table([10, 11, 12, 13], dates=REPEATED), duplicate_timestamps="refuse")


SHUFFLED = pd.DatetimeIndex(["2020-01-02", "2020-01-06", "2020-01-03", "2020-01-07"])


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [("drop", [10, 12, 13]), ("repair", [10, 12, 11, 13]), ("flag", [10, 12, 11, 13])],
)
def test_a_row_out_of_time_order(policy, wanted):
    action = "dropped" if policy == "drop" else "repaired"
    expect(
        make_table([10, 11, 12, 13], dates=SHUFFLED), "unordered_timestamps", policy, wanted, action=action
    )


def test_a_row_out_of_time_order_can_refuse_the_file_with_its_line():
    with pytest.raises(DataError, match=r"prices.csv line 3: AAA is out of time order; sort"):
        closes(make_table([10, 11, 12, 13], dates=SHUFFLED), unordered_timestamps="refuse")


GAP = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-08", "2020-01-09"])


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [("refuse", [10, 11]), ("drop", [10, 11, 12, 13]), ("repair", [10, 11, 11, 11, 12, 13]),
     ("flag", [10, 11, 12, 13])],
)  # fmt: skip
def test_two_missing_sessions(policy, wanted):
    expect(
        make_table([10, 11, 12, 13], dates=GAP),
        "missing_sessions",
        policy,
        wanted,
        2,
        "kept" if policy == "drop" else None,
    )


def test_carried_bars_have_no_volume_and_stop_after_five_sessions():
    dates = pd.DatetimeIndex(["2020-01-02", "2020-01-31"])
    bars, _ = clean(make_table([10, 11], dates=dates), daily(missing_sessions="repair"))
    assert bars.close[:, 0].tolist() == [10] * 6 + [11]
    assert bars.volume[1:6, 0].tolist() == [0] * 5


def test_a_symbol_that_ends_is_carried_as_if_its_end_were_unknown():
    pair = concatenate([make_table([10, 11], "AAA"), make_table(np.arange(50, 70), "BBB")])
    bars, _ = clean(pair, daily(missing_sessions="repair"))
    assert bars.frame("AAA")["close"].tolist() == [10] + [11] * 6


@pytest.mark.parametrize(("policy", "bars_left"), [("refuse", 6), ("drop", 7), ("repair", 9), ("flag", 9)])
def test_a_run_without_volume_counts_from_its_fifth_bar(policy, bars_left):
    table = make_table(np.full(9, 10.0), volume=[7, 7, 0, 0, 0, 0, 0, 0, 7])
    found, report = closes(table, zero_volume_runs=policy)
    assert len(found) == bars_left
    (finding,) = report.of_kind("zero_volume_runs")
    assert (finding.policy, finding.count) == (policy, 2)


def test_an_instrument_that_never_reports_volume_has_no_silent_run():
    _, report = closes(make_table(np.full(9, 10.0), volume=np.zeros(9)))
    assert not report.of_kind("zero_volume_runs")


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [("refuse", [10, 10]), ("drop", [10, 10, 5]), ("repair", [10, 10, 10, 10]), ("flag", [10, 10, 5, 5])],
)
def test_a_two_for_one_split(policy, wanted):
    expect(make_table([10, 10, 5, 5]), "split_like_jumps", policy, wanted)


@pytest.mark.parametrize(
    "ratio", [2, 3, 4, 5, 7, 15, 20, 1.5, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 7, 1 / 15, 2 / 3]
)
def test_split_repair_continues_the_series_and_scales_volume_the_other_way(ratio):
    table = make_table([60.0, 60.6 * ratio], volume=[900, 900 / ratio])
    bars, _ = clean(table, daily(split_like_jumps="repair"))
    assert bars.close[:, 0] == pytest.approx([60, 60.6])
    assert bars.volume[:, 0] == pytest.approx([900, 900])


@pytest.mark.parametrize("ratio", [1.22, 0.85])
def test_a_move_of_a_quarter_is_not_reported(ratio):
    _, report = closes(make_table([10, 10 * ratio]))
    assert not report.findings


def test_a_crash_is_reported_as_a_jump_and_kept():
    table = make_table([10, 4.4], open=[10, 5.0], high=[10, 5.8], low=[10, 4.2])
    found, report = closes(table, split_like_jumps="drop")
    assert found == [10, 4.4]
    assert report.of_kind("jump")[0].action == "noted"


@pytest.mark.parametrize("factor", [10, 100, 1 / 10, 1 / 100, 10 * 1.15, 0.01 / 1.15])
@pytest.mark.parametrize("policy", ["refuse", "drop", "repair", "flag"])
def test_a_close_off_by_ten_or_a_hundred(factor, policy):
    nearest = min((10, 100, 0.1, 0.01), key=lambda known: abs(np.log(factor / known)))
    bad = 50 * factor
    wanted = {
        "refuse": [50, 51, 52], "drop": [50, 51, 52, 53], "repair": [50, 51, 52, bad / nearest, 53],
        "flag": [50, 51, 52, bad, 53],
    }[policy]  # fmt: skip
    expect(make_table([50, 51, 52, bad, 53]), "outliers", policy, wanted)


@pytest.mark.parametrize("factor", [1.3, 3, 5, 7.9, 13, 40, 75, 130])
def test_other_factors_are_no_outliers(factor):
    _, report = closes(make_table([50, 50, 50 * factor, 50]))
    assert not report.of_kind("outliers")


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        ("refuse", [50.0] * 6),
        ("drop", [50.0] * 6),
        ("repair", [50.0] * 9),
        ("flag", [50.0] * 6 + [500.0] * 3),
    ],
)
def test_a_level_that_lasts_five_bars_is_another_unit_from_the_sixth_on(policy, left):
    found, report = closes(make_table([50.0] * 6 + [500.0] * 8), unit_switches=policy)
    assert found == left
    assert report.of_kind("outliers")[0].count == 5
    assert report.of_kind("unit_switches")[0].count == 1
    assert not report.of_kind("split_like_jumps")


def test_pence_that_become_pounds_and_pence_again_can_be_repaired_into_one_unit():
    pence = 500 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, 90)))
    mixed = np.where((np.arange(90) >= 30) & (np.arange(90) < 60), pence / 100, pence)
    found, _ = closes(make_table(mixed), unit_switches="repair", outliers="repair")
    assert found == pytest.approx(pence.tolist())


def test_outlier_repair_leaves_alone_the_prices_that_were_right():
    table = make_table([50, 50, 0.5], open=[50, 50, 49], high=[50, 50, 51], low=[50, 50, 0.5])
    bars, _ = clean(table, daily(outliers="repair"))
    assert [bars.open[2, 0], bars.high[2, 0], bars.low[2, 0], bars.close[2, 0]] == [49, 51, 50, 50]


def level_change(ratio, shares, bars=60):
    """Prices that go on at `ratio` from the middle on, open and close alike, with `shares` times the volume."""
    random = np.random.default_rng(4)
    close = 240 * np.exp(np.cumsum(random.normal(0, 0.01, bars)))
    later = np.arange(bars) >= bars // 2
    opened = np.r_[close[0], close[:-1]] * np.exp(random.normal(0, 0.003, bars))
    scale = np.where(later, ratio, 1.0)
    opened, close = opened * scale, close * scale
    volume = np.round(1e6 * np.exp(random.normal(0, 0.2, bars)) * np.where(later, shares, 1.0))
    high, low = np.maximum(opened, close) * 1.004, np.minimum(opened, close) * 0.996
    return make_table(close, open=opened, high=high, low=low, volume=volume)


@pytest.mark.parametrize("ratio", [9, 10, 11, 0.1, 1 / 9, 1 / 11, 0.01, 100])
def test_a_split_keeps_the_money_traded_and_another_unit_does_not(ratio):
    split = level_change(ratio, 1 / ratio)
    found, report = closes(split, split_like_jumps="repair", unit_switches="refuse", outliers="refuse")
    assert report.of_kind("split_like_jumps")[0].count == 1
    assert not report.of_kind("unit_switches")
    assert len(found) == 60
    assert np.abs(np.diff(np.log(found))).max() < 0.06
    _, report = closes(level_change(ratio, 1.0), split_like_jumps="repair")
    assert not report.of_kind("split_like_jumps")
    assert report.of_kind("outliers") or report.of_kind("unit_switches")


@pytest.mark.parametrize("ratio", [10, 0.1, 0.01])
def test_without_volume_nothing_tells_them_apart_and_the_level_is_not_believed(ratio):
    table = level_change(ratio, 1 / ratio)
    table.volume[:] = np.nan
    _, report = closes(table, split_like_jumps="repair", negative_volume="flag")
    assert report.of_kind("outliers") or report.of_kind("unit_switches")


def test_whether_it_is_a_split_hangs_on_no_later_bar():
    whole = level_change(0.1, 10.0)
    for rows in (31, 32, 40):
        cut = make_table(
            whole.prices[:rows, 3], open=whole.prices[:rows, 0], high=whole.prices[:rows, 1],
            low=whole.prices[:rows, 2], volume=whole.volume[:rows],
        )  # fmt: skip
        found, _ = closes(cut, split_like_jumps="repair")
        longer, _ = closes(whole, split_like_jumps="repair")
        assert found == longer[:rows]
