"""Columns of the user's own: read beside the prices, and used on no bar that closed before they were known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.data.loading import load_bars
from forewalk.errors import ConfigError, DataError
from forewalk.features.own import panel_of
from forewalk.settings.loading import settings_from
from forewalk.types import Bars
from helpers.making import make_bars
from helpers.own_code import price_table

BARS = make_bars(300, 2)
PRICES = price_table(BARS)
CLOSE = BARS.timestamps


def moments(delay):
    """When each row of the price table was known: its bar's close and a delay."""
    closes = dict(zip(CLOSE.tz_convert("America/New_York").strftime("%Y-%m-%d"), CLOSE, strict=True))
    return [(closes[date] + pd.Timedelta(delay)).isoformat() for date in PRICES["date"]]


@pytest.fixture
def load(tmp_path):
    def run(table, columns="score", other=None, **data):
        table.to_csv(tmp_path / "prices.csv", index=False)
        tree = {"source": "csv", "path": str(tmp_path / "prices.csv"), "min_history_bars": 60, **data}
        if other is not None:
            other.to_csv(tmp_path / "other.csv", index=False)
            tree["columns_path"] = str(tmp_path / "other.csv")
        settings = settings_from({"data": tree, "features": {"columns": columns}})
        bars, quality = load_bars(settings.data, columns=settings.features.columns)
        return bars, quality, settings

    return run


def with_score(**more):
    return PRICES.assign(score=np.arange(len(PRICES), dtype=float), **more)


def column_notes(quality):
    return [finding.message for finding in quality.of_kind("columns")]


def test_a_column_of_the_price_file_lies_over_its_bars(load):
    bars, quality, _ = load(with_score())
    assert np.array_equal(bars.extras["score"].T.ravel(), np.arange(len(PRICES)))
    assert bars.fingerprint != load(PRICES, columns=())[0].fingerprint
    assert "does not say when its values were known" in column_notes(quality)[0]
    assert any("score_known_at" in line for line in quality.summary_lines())


def test_it_is_a_feature_as_it_stands(load):
    bars, _, settings = load(with_score())
    panel = panel_of(bars, settings)
    assert panel.names[-1] == "score"
    there = np.isfinite(panel.values[:, :, 0])
    assert np.array_equal(panel.values[:, :, -1][there], bars.extras["score"][there].astype(np.float32))


def test_without_columns_nothing_changes(load):
    bars, _, _ = load(with_score(), columns=())
    assert not bars.extras
    assert bars.fingerprint == load(PRICES, columns=())[0].fingerprint


def test_a_file_without_symbols_counts_for_every_symbol(load):
    dates = PRICES["date"].unique()
    other = pd.DataFrame({"date": dates, "vix": np.arange(len(dates), dtype=float)})
    bars, _, _ = load(PRICES, columns="vix", other=other)
    assert (bars.extras["vix"] == np.arange(len(dates))[:, None]).all()


def test_a_file_with_symbols_counts_for_each_of_its_own(load):
    other = with_score()[["date", "symbol", "score"]].sample(frac=1, random_state=1)
    bars, _, _ = load(PRICES, other=other)
    assert np.array_equal(bars.extras["score"].T.ravel(), np.arange(len(PRICES)))


def test_a_folder_has_a_file_for_each_symbol(tmp_path):
    for symbol, rows in with_score().groupby("symbol"):
        rows.drop(columns="symbol").to_csv(tmp_path / f"{symbol}.csv", index=False)
    settings = settings_from(
        {"data": {"source": "csv", "path": str(tmp_path)}, "features": {"columns": ["score"]}}
    )
    bars, _ = load_bars(settings.data, columns=settings.features.columns)
    assert np.array_equal(bars.extras["score"].T.ravel(), np.arange(len(PRICES)))


def test_parquet_and_csv_give_the_same_columns(tmp_path, load):
    table = with_score(score_known_at=moments("-1h"))
    table["score_known_at"] = pd.to_datetime(table["score_known_at"], utc=True)
    table.to_parquet(tmp_path / "prices.parquet", index=False)
    tree = {"source": "parquet", "path": str(tmp_path / "prices.parquet"), "min_history_bars": 60}
    bars, _ = load_bars(settings_from({"data": tree}).data, columns=["score"])
    assert bars.fingerprint == load(with_score(score_known_at=moments("-1h")))[0].fingerprint


@pytest.mark.parametrize("column", ["score_known_at", "known_at"])
def test_a_value_known_after_the_close_of_its_bar_is_refused_with_its_line(load, column):
    with pytest.raises(DataError) as problem:
        load(with_score(**{column: moments("1min")}))
    assert "prices.csv line 2: score was known at 2015-01-02 21:01 UTC, after the close of its bar" in str(
        problem.value
    )
    assert "data.cleaning.late_values to 'repair'" in str(problem.value)


def test_a_late_value_can_be_left_out(load):
    known = moments("0s")
    known[5] = moments("1min")[5]
    bars, quality, _ = load(with_score(score_known_at=known), cleaning={"late_values": "drop"})
    assert np.isnan(bars.extras["score"]).sum() == 1
    assert np.isnan(bars.extras["score"][5, 0])
    assert "1 values of 'score' were known after the close of their bar: left out" in column_notes(quality)


def test_a_late_value_can_be_used_from_the_first_bar_that_knew_it(load):
    bars, quality, _ = load(with_score(score_known_at=moments("5h")), cleaning={"late_values": "repair"})
    score = bars.extras["score"]
    assert np.isnan(score[0]).all()
    assert np.array_equal(score[1:, 0], np.arange(len(BARS) - 1))
    assert any("used from the first bar that knew them" in note for note in column_notes(quality))


def test_a_value_known_before_the_close_is_used_on_its_bar(load):
    bars, quality, _ = load(with_score(score_known_at=moments("-10min")))
    assert np.array_equal(bars.extras["score"].T.ravel(), np.arange(len(PRICES)))
    assert column_notes(quality) == []


def test_a_value_stays_in_force_for_as_long_as_asked(load):
    dates = PRICES["date"].unique()
    other = pd.DataFrame({"date": dates[::20], "vix": np.arange(len(dates[::20]), dtype=float)})
    alone, _, _ = load(PRICES, columns="vix", other=other)
    assert np.isfinite(alone.extras["vix"][:, 0]).sum() == len(dates[::20])
    carried, _, _ = load(PRICES, columns="vix", other=other, columns_carry_bars=19)
    assert np.array_equal(carried.extras["vix"][:, 0], np.arange(len(dates)) // 20)
    short, _, _ = load(PRICES, columns="vix", other=other, columns_carry_bars=2)
    assert np.isfinite(short.extras["vix"][:60, 0]).sum() == 9


def test_a_date_without_a_session_is_left_out_or_moved_on(load):
    dates = PRICES["date"].unique()
    other = pd.DataFrame({"date": ["2015-01-03", *dates[5:]], "vix": 1.0})  # a Saturday
    bars, quality, _ = load(PRICES, columns="vix", other=other)
    assert np.isnan(bars.extras["vix"][:5]).all()
    assert any("1 values of 'vix' are on no bar" in note for note in column_notes(quality))
    moved, _, _ = load(PRICES, columns="vix", other=other, cleaning={"late_values": "repair"})
    assert np.isfinite(moved.extras["vix"][:5, 0]).tolist() == [False, True, False, False, False]


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(30, 290), policy=st.sampled_from(["drop", "repair"]))
def test_no_bar_depends_on_what_became_known_after_it(tmp_path_factory, seed, cut, policy):
    """The law: replace every value known after a cut, and no bar up to the cut holds anything else."""
    from forewalk.data.columns.placing import with_columns
    from forewalk.data.columns.reading import column_rows

    random = np.random.default_rng(seed)
    settings = settings_from({"data": {"cleaning": {"late_values": policy}, "columns_carry_bars": 3}}).data
    delays = pd.to_timedelta(random.choice([-60, 0, 30, 2000, 9000, 40000], len(PRICES)), unit="min")
    known = pd.DatetimeIndex(moments("0s")) + delays
    table = PRICES.assign(score=random.normal(size=len(PRICES)), known_at=known)
    line = np.arange(len(table))
    rows = column_rows(table, ["score"], "made up", line, "row")
    later = (known > CLOSE[cut]) | (pd.DatetimeIndex(moments("0s")) > CLOSE[cut])
    changed = table.assign(score=table["score"].where(~later, 99.0))
    other = column_rows(changed, ["score"], "made up", line, "row")
    one, two = (with_columns(BARS, each, settings)[0].extras["score"][: cut + 1] for each in (rows, other))
    assert np.array_equal(one, two, equal_nan=True)


@pytest.mark.parametrize(
    ("table", "columns", "error", "message"),
    [
        (with_score(), "scor", DataError, "no column 'scor' (features.columns); did you mean 'score'?"),
        (with_score(), "volume", ConfigError, "'volume' is a field of every bar already"),
        (with_score(), "close", ConfigError, "'close' is a field of every bar already"),
        (PRICES.assign(score="x"), "score", DataError, "line 2: score = 'x' is no number"),
        (
            with_score(known_at="2015-01-02 16:00"),
            "score",
            DataError,
            "line 2: known_at = 2015-01-02 16:00 has no time zone",
        ),
        (with_score(known_at="soon"), "score", DataError, "line 2: known_at 'soon' is no date"),
        (
            with_score(known_at=[*moments("0s")[:-1], None]),
            "score",
            DataError,
            "has a value, but no time at which",
        ),
        (
            pd.concat([with_score(), with_score().iloc[[7]]]),
            "score",
            DataError,
            "a second row for the same bar",
        ),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(load, table, columns, error, message):
    with pytest.raises(error) as problem:
        load(table, columns=columns)
    assert message in str(problem.value)


def test_a_column_that_is_on_no_bar_at_all_is_refused(load):
    other = pd.DataFrame({"date": ["1999-01-04"], "vix": [1.0]})
    with pytest.raises(DataError, match="no value of 'vix' belongs to a bar"):
        load(PRICES, columns="vix", other=other)


def test_a_source_without_a_file_needs_one_for_its_columns():
    with pytest.raises(ConfigError, match=r"name it in data\.columns_path"):
        load_bars(settings_from({}).data, columns=["vix"])
    settings = settings_from({"data": {"columns_path": "/nowhere/at/all.csv"}}).data
    with pytest.raises(ConfigError, match="no such file"):
        load_bars(settings, columns=["vix"])


def test_bars_from_a_frame_take_columns_along():
    bars = Bars.from_frame(with_score(), columns=["score"])
    assert np.array_equal(bars.extras["score"].T.ravel(), np.arange(len(PRICES)))
    with pytest.raises(DataError, match=r"columns=\['score'\]"):
        panel_of(Bars.from_frame(with_score()), settings_from({"features": {"columns": ["score"]}}))


def test_bars_in_memory_keep_their_columns_on_the_way_through_a_file(tmp_path):
    from forewalk.data.sources.memory import bars_table, write_table

    bars = Bars.from_frame(with_score(), columns=["score"])
    table = bars_table(bars)
    tree = {"source": "parquet", "path": str(tmp_path / "bars.parquet"), "min_history_bars": 60}
    settings = settings_from({"data": tree}).data
    there, _ = load_bars(settings, table, columns=["score"])
    write_table(table, tmp_path / "bars.parquet")
    again, _ = load_bars(settings, columns=["score"])
    assert there.fingerprint == again.fingerprint == bars.fingerprint
