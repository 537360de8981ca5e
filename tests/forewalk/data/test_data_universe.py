"""Who belongs when: tables and holdings files, laid over bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.data.cleaning.rules import clean
from forewalk.data.loading import load_bars
from forewalk.data.membership import row_dates, with_universe
from forewalk.data.universe import OPEN_END, Universe, key_of, read_universe, vendor_names
from forewalk.errors import DataError
from forewalk.features.panel import build_features, build_labels
from forewalk.settings.loading import settings_from
from forewalk.settings.sections import FeatureSettings, LabelSettings
from helpers.making import make_bars
from helpers.universe_files import holdings_text, write_spans

DAY = 24 * 3600 * 10**6


def universe_of(*spans):
    """A universe of (symbol, first row, last row or None[, delisting return]) over the days of `make_bars`."""
    dates = row_dates(make_bars(rows=420, symbols=1))
    names = tuple(dict.fromkeys(span[0] for span in spans))
    return Universe(
        symbols=names,
        code=np.array([names.index(span[0]) for span in spans], np.int64),
        first=np.array([dates[span[1]] for span in spans]),
        last=np.array([OPEN_END if span[2] is None else dates[span[2]] for span in spans]),
        delisting_return=np.array([span[3] if len(span) > 3 else np.nan for span in spans]),
        source="universe.csv",
        sha256="0",
    )


def days(*texts):
    return pd.DatetimeIndex(texts)


def test_a_symbol_belongs_from_its_first_to_its_last_session_and_again(tmp_path):
    path = write_spans(
        tmp_path / "u.csv", ("AAA", "2020-01-02", "2020-01-03"), ("AAA", "2020-02-03"), ("BBB", "20200103")
    )
    asked = days("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06", "2020-02-03", "2030-01-02")
    assert read_universe(path).members(("AAA", "BBB"), asked).T.tolist() == [
        [False, True, True, False, True, True],
        [False, False, True, True, True, True],
    ]


@pytest.mark.parametrize(
    ("one", "other"), [("BRK.B", "BRKB"), ("BRK-B", "brk/b"), ("BF B", "BF.B"), ("M&M.NS", "MM.NS")]
)
def test_a_share_class_is_the_same_however_it_is_written(one, other):
    assert key_of(one) == key_of(other)


def test_an_index_and_a_currency_pair_keep_what_tells_them_apart():
    assert key_of("^RUI") != key_of("RUI")
    assert key_of("EURUSD=X") != key_of("EURUSDX")


def test_members_are_asked_for_by_the_vendors_names():
    universe = universe_of(("BRK.B", 0, None), ("AAPL", 0, None))
    assert vendor_names(universe, "yahoo") == ("BRK-B", "AAPL")
    assert vendor_names(universe, "alpaca") == ("BRK.B", "AAPL")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,price\nAAA,1\n", "write columns symbol, from, to"),
        ("symbol,from,to\nAAA,01/02/2020,\n", "line 2: '01/02/2020' is no date"),
        ("symbol,from,to\nAAA,2020-01-02,\nBBB,2020-13-02,\n", "line 3"),
        ("symbol,from,to\nAAA,2020-01-02,2019-01-02\n", "line 2: AAA leaves before it joins"),
        ("symbol,from,to,delisting_return\nAAA,2020-01-02,2020-02-03,-30\n", "-1 for a total loss"),
        ("symbol,from,to,delisting_return\nAAA,2020-01-02,2020-02-03,much\n", "write a fraction"),
        ("", "no readable table"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused_with_its_line(tmp_path, text, words):
    (tmp_path / "u.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_universe(tmp_path / "u.csv")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no such file or folder \(data.universe\)"):
        read_universe(tmp_path / "u.csv")


def test_holdings_count_from_the_day_after_their_date_to_the_day_the_next_are_of(tmp_path):
    (tmp_path / "june.csv").write_text(
        holdings_text("Jun 28, 2024", "AAPL", "BRKB", "GONE"), encoding="utf-8"
    )
    (tmp_path / "july.csv").write_text(holdings_text("Jul 31, 2024", "AAPL", "BRKB", "NEW"), encoding="utf-8")
    universe = read_universe(tmp_path)
    assert universe.symbols == ("AAPL", "BRK.B", "GONE", "NEW")
    asked = days("2024-06-28", "2024-07-01", "2024-07-31", "2024-08-01")
    assert universe.members(("AAPL", "BRK-B", "GONE", "NEW"), asked).T.tolist() == [
        [False, True, True, True],
        [False, True, True, True],
        [False, True, True, False],
        [False, False, False, True],
    ]
    assert universe.notes == (
        "2 holdings files from 2024-06-28 to 2024-07-31; each counts from the day after its date",
        "4 lines of cash, futures and without ticker left out",
    )


def test_one_holdings_file_is_enough_for_a_universe_that_begins_with_it(tmp_path):
    (tmp_path / "IWB_holdings.csv").write_text(holdings_text("2024-06-28", "AAPL"), encoding="utf-8")
    assert read_universe(tmp_path / "IWB_holdings.csv").members(("AAPL",), days("2030-01-02")).all()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.csv": holdings_text("soon", "AAPL")}, "'soon' is no date of holdings"),
        ({"a.csv": holdings_text("Jun 28, 2024")}, "without equities"),
        (
            {name: holdings_text("Jun 28, 2024", "AAPL") for name in ("a.csv", "b.csv")},
            "a second file of 2024-06-28",
        ),
        ({"a.csv": holdings_text("Jun 28, 2024", "AAPL"), "b.csv": "x,y\n1,2\n"}, "no holdings file"),
        ({}, "no .csv file in this folder"),
    ],
)
def test_holdings_that_cannot_be_understood_are_refused(tmp_path, files, words):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_universe(tmp_path)


def test_a_delisted_symbol_gets_one_last_price_on_the_bar_after_its_end():
    bars = make_bars(rows=60, symbols=2, missing=[(slice(40, None), 0)])
    found, (note,) = with_universe(bars, universe_of(("S00", 0, 39, -0.3), ("S01", 0, None)))
    assert found.close[40, 0] == pytest.approx(0.7 * bars.close[39, 0])
    assert found.volume[40, 0] == 0.0
    assert not found.present[41:, 0].any()
    assert (note.symbol, note.kind) == ("S00", "delisted")
    assert "-30.0%" in note.message


@pytest.mark.parametrize("own", [np.nan, -0.5])
def test_what_the_table_says_of_a_delisting_goes_before_the_setting(own):
    bars = make_bars(rows=60, symbols=2, missing=[(slice(40, None), 0)])
    found, _ = with_universe(bars, universe_of(("S00", 0, 39, own), ("S01", 0, None)), delisting_return=-0.1)
    assert found.close[40, 0] / bars.close[39, 0] == pytest.approx(0.9 if np.isnan(own) else 0.5)


def test_a_total_loss_leaves_a_price_that_has_a_logarithm():
    bars = make_bars(rows=60, symbols=1, missing=[(slice(40, None), 0)])
    found, _ = with_universe(bars, universe_of(("S00", 0, 39, -1.0)))
    assert 0 < found.close[40, 0] < 1e-4


def test_a_symbol_that_only_leaves_the_index_keeps_its_own_prices():
    bars = make_bars(rows=60, symbols=1)
    found, notes = with_universe(bars, universe_of(("S00", 0, 39, -0.3)))
    np.testing.assert_array_equal(found.close, bars.close)
    assert not notes


def test_a_universe_without_a_member_in_the_data_is_refused_with_both_spans():
    with pytest.raises(DataError, match=r"no symbol is a member.*the bars go from 2015-01-02"):
        with_universe(make_bars(rows=60, symbols=1), universe_of(("OTHER", 0, None)))


spans = st.lists(
    st.tuples(
        st.sampled_from(["S00", "S01", "S02"]), st.integers(0, 99), st.integers(0, 99), st.floats(-1, 0.5)
    ),
    min_size=1,
    max_size=6,
).map(lambda found: [(s, min(a, b), max(a, b), loss) for s, a, b, loss in found])


@given(spans, spans, st.integers(20, 98), st.integers(0, 99))
def test_what_comes_after_a_day_changes_nothing_before_it(one, other, cut, end):
    """Spans that agree up to a day give the same members and the same last prices up to that day."""
    bars = make_bars(rows=100, symbols=3, missing=[(slice(end, None), 0)])
    known = [("S02", 0, None), *(span for span in one if span[2] <= cut)]
    later = [(s, max(a, cut + 1), max(b, cut + 1), loss) for s, a, b, loss in other]
    first, _ = with_universe(bars, universe_of(*known))
    second, _ = with_universe(bars, universe_of(*known, *later))
    rows = slice(0, cut + 1)
    np.testing.assert_array_equal(first.member[rows], second.member[rows])
    np.testing.assert_array_equal(first.close[rows], second.close[rows])


def test_features_and_labels_are_those_of_the_members():
    """Prices of a symbol while it is no member change no value of the others, and it has none of its own."""
    bars = make_bars(rows=160, symbols=3)
    close = np.array(bars.close)
    close[60:120, 0] *= np.exp(np.random.default_rng(1).normal(0, 0.05, 60))
    results = []
    for prices in (bars.close, close):
        moved, _ = with_universe(
            make_bars(rows=160, symbols=3).with_extras(),
            universe_of(("S00", 0, 50), ("S01", 0, None), ("S02", 0, None)),
        )
        moved = type(moved)(
            moved.timestamps, moved.symbols, prices, prices * 1.01, prices * 0.99, prices, moved.volume,
            extras=moved.extras,
        )  # fmt: skip
        panel = build_features(moved, FeatureSettings(), 1, 60)
        results.append((panel, build_labels(moved, panel, LabelSettings(kind="market_relative"))))
    (panel, labels), (other, others) = results
    np.testing.assert_array_equal(panel.values[:, 1:], other.values[:, 1:])
    np.testing.assert_array_equal(labels.scaled[:, 1:], others.scaled[:, 1:])
    assert np.isnan(panel.scale[51:, 0]).all()
    assert np.isnan(labels.scaled[51:, 0]).all()
    assert np.isfinite(labels.scaled[70:-1, 1]).all()


def test_bars_remember_their_members_wherever_they_are_cut():
    bars, _ = with_universe(make_bars(rows=60, symbols=2), universe_of(("S00", 0, 39), ("S01", 5, None)))
    cut = bars.since(bars.timestamps[30]).select(("S01", "S00"))
    np.testing.assert_array_equal(cut.member, bars.member[30:, ::-1])
    plain = make_bars(rows=60, symbols=2)
    assert plain.member is None
    assert plain.fingerprint != bars.fingerprint


@pytest.fixture
def prices(tmp_path):
    bars = make_bars(rows=120, symbols=3)
    frames = [bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols]
    table = pd.concat(frames).rename_axis("date").reset_index()
    table["date"] = table["date"].dt.strftime("%Y-%m-%d")
    table.to_csv(tmp_path / "prices.csv", index=False)
    return {"source": "csv", "path": str(tmp_path / "prices.csv"), "min_history_bars": 1, "calendar": "XNYS"}


def test_the_members_are_the_symbols_and_those_without_bars_are_named(prices, tmp_path):
    file = write_spans(
        tmp_path / "u.csv", ("S02", "2015-01-02"), ("S00", "2015-02-02", "2015-03-02"), ("LOST", "2015-01-02")
    )
    bars, report = load_bars(settings_from({"data": {**prices, "universe": str(file)}}).data)
    assert bars.symbols == ("S00", "S02")
    assert bars.member.sum(axis=0).tolist() == [20, 120]
    (finding,) = report.of_kind("members_without_bars")
    assert finding.message == "1 of 3 members have no bars in this source: LOST"


def test_symbols_that_are_named_stay_the_symbols(prices, tmp_path):
    file = write_spans(tmp_path / "u.csv", ("S02", "2015-01-02"))
    bars, _ = load_bars(
        settings_from({"data": {**prices, "symbols": ["S01", "S02"], "universe": str(file)}}).data
    )
    assert bars.symbols == ("S01", "S02")
    assert bars.member.sum(axis=0).tolist() == [0, 120]


def test_a_universe_of_other_symbols_is_refused_with_both_lists(prices, tmp_path):
    file = write_spans(tmp_path / "u.csv", ("LOST", "2015-01-02"))
    with pytest.raises(DataError, match="the source has S00, S01, S02, the universe LOST"):
        load_bars(settings_from({"data": {**prices, "universe": str(file)}}).data)


def test_cleaning_lays_the_universe_over_the_bars(prices, tmp_path):
    from forewalk.data.loading import read_table

    file = write_spans(tmp_path / "u.csv", ("S00", "2015-01-05", "2015-01-06"))
    settings = settings_from({"data": {**prices, "universe": str(file)}}).data
    bars, _ = clean(read_table(settings), settings)
    assert np.flatnonzero(bars.member[:, 0]).tolist() == [1, 2]
