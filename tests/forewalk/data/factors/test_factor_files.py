"""Files of factor returns: those of Kenneth R. French as they come, others, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewalk.data.factors.laying import factor_returns, session_days
from forewalk.data.factors.reading import read_factors
from forewalk.errors import ConfigError, DataError
from forewalk.settings.loading import load_settings, settings_from
from helpers.making import make_bars

BARS = make_bars(400, 6, seed=3)
MARKET = np.vstack([np.zeros((1, 6)), BARS.close[1:] / BARS.close[:-1] - 1]).mean(axis=1)
DAYS = pd.DatetimeIndex(session_days(BARS).astype("datetime64[D]"))
NOISE = np.random.default_rng(1).normal(0, 0.005, (400, 2))
FRENCH = (
    "This file was created by using the 202409 CRSP database.\n"
    "The 1-month TBill rate data until 202405 are from Ibbotson Associates.\n\n"
    ",Mkt-RF,SMB,HML,RF\n"
)


def french(path, market=MARKET, days=DAYS, noise=NOISE):
    rows = [
        f"{day:%Y%m%d},{100 * m:8.4f},{100 * s:8.4f},{100 * h:8.4f},   0.001"
        for day, m, (s, h) in zip(days, market, noise, strict=True)
    ]
    path.write_text(FRENCH + "\n".join(rows) + "\n\nCopyright 2024 Eugene F. Fama and Kenneth R. French\n")
    return path


def plain(path, **columns):
    pd.DataFrame({"date": DAYS.strftime("%Y-%m-%d"), **columns}).to_csv(path, index=False)
    return path


def laid(path, bars=BARS, first=200, **evaluation):
    return factor_returns(settings_from({"evaluation": {"factors": str(path), **evaluation}}), bars, first)


def test_a_file_of_the_library_is_read_as_it_comes(tmp_path):
    found = read_factors(french(tmp_path / "F-F_Research_Data_Factors_daily.CSV"))
    assert (found.names, found.unit, found.market) == (("Mkt-RF", "SMB", "HML"), "percent", "Mkt-RF")
    np.testing.assert_allclose(found.values[:, 0], MARKET, atol=1e-6)
    np.testing.assert_allclose(found.risk_free, 1e-5)
    assert len(found.days) == 400


@given(st.floats(0.002, 0.012), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_per_cent_and_fractions_of_the_same_returns_are_the_same(tmp_path_factory, size, seed):
    values = np.random.default_rng(seed).normal(0, size, 400)
    folder = tmp_path_factory.mktemp("unit")
    one = read_factors(plain(folder / "fractions.csv", value=values))
    other = read_factors(plain(folder / "percent.csv", value=100 * values))
    assert (one.unit, other.unit) == ("fraction", "percent")
    np.testing.assert_allclose(one.values, other.values)


@pytest.mark.parametrize("name", ["mktrf", "Mkt-RF", "MKT_RF", "mkt.rf", "mkt-rf "])
def test_the_market_is_known_in_any_spelling(tmp_path, name):
    assert read_factors(plain(tmp_path / "f.csv", **{name: MARKET})).market == "Mkt-RF"


def test_a_parquet_file_of_the_same_is_the_same(tmp_path):
    text = read_factors(plain(tmp_path / "f.csv", Mkt=MARKET, UMD=NOISE[:, 0]))
    frame = pd.DataFrame({"Mkt": MARKET, "UMD": NOISE[:, 0]}, index=DAYS)
    frame.to_parquet(tmp_path / "f.parquet")
    packed = read_factors(tmp_path / "f.parquet")
    assert packed.names == text.names == ("Mkt", "Mom")
    assert np.array_equal(packed.days, text.days)
    np.testing.assert_allclose(packed.values, text.values)


def test_an_unknown_value_of_the_library_is_unknown(tmp_path):
    market = np.where(np.arange(400) == 7, -0.9999, MARKET)
    values = read_factors(french(tmp_path / "f.csv", market)).values
    assert np.flatnonzero(np.isnan(values[:, 0])).tolist() == [7]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("date,Mkt\n2015-01,0.4\n2015-02,0.5\n", "months or years"),
        (",Mkt-RF\n201501,0.4\n", "months or years"),
        ("date,Mkt\n01/02/2015,0.4\n", "YYYYMMDD or YYYY-MM-DD"),
        ("date,Mkt\n20150102,0.4\n20150102,0.5\n", "dates repeat"),
        ("date,Mkt,mkt\n20150102,0.4,1\n", "columns repeat"),
        ("date,Mkt\n20150102,x\n", "'x' is no number"),
        ("date,Mkt\n20150102,0.4,0.5\n", "3 cells under 2 headings"),
        ("date,Mkt\n20151302,0.4\n", "no date"),
        ("date,Mkt\n20150102,0.4\nnext\n20150105,0.4\n", "line 4 does again"),
        ("date,RF\n20150102,0.4\n", "no factor in it"),
        ("date,Mkt\n20150102,0.03\n20150105,0.03\n", "evaluation.factors_unit"),
        ("date,Mkt\n20150102,0\n", "ever moves"),
        ("20150102,0.4\n", "give a header"),
        ("", "give a header"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_remedy(tmp_path, text, words):
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_factors(tmp_path / "f.csv")


def test_a_unit_that_was_named_decides(tmp_path):
    path = plain(tmp_path / "f.csv", value=np.full(400, 0.03))
    assert read_factors(path, "fraction").values[0, 0] == 0.03
    assert read_factors(path, "percent").values[0, 0] == pytest.approx(0.0003)


def test_no_such_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_factors(tmp_path / "none.csv")


def test_values_lie_on_the_bars_of_their_dates(tmp_path):
    found = laid(french(tmp_path / "f.csv"))
    np.testing.assert_allclose(found.values[:, 0], MARKET[200:], atol=1e-6)
    assert found.risk_free.shape == (200,)


def test_daily_returns_are_compounded_over_longer_bars(tmp_path):
    every_second = np.arange(1, 400, 2)
    fields = {name: getattr(BARS, name)[every_second] for name in ("open", "high", "low", "close", "volume")}
    bars = type(BARS)(BARS.timestamps[every_second], BARS.symbols, **fields)
    found = laid(french(tmp_path / "f.csv"), bars, first=100)
    grown = (1 + MARKET[2::2]) * (1 + MARKET[3::2]) - 1
    np.testing.assert_allclose(found.values[:, 0], grown[99:], atol=1e-5)


@pytest.mark.parametrize(
    ("shift", "words"), [(-1, "bar after its date.*know the future"), (1, "bar before its date")]
)
def test_a_file_that_is_dated_by_another_bar_is_refused(tmp_path, shift, words):
    with pytest.raises(DataError, match=words):
        laid(french(tmp_path / "f.csv", market=np.roll(MARKET, shift)))


def test_a_column_that_knows_the_next_return_is_refused_beside_an_honest_market(tmp_path):
    noise = NOISE.copy()
    noise[:-1, 1] = 0.5 * MARKET[1:] + 0.3 * noise[:-1, 1]
    with pytest.raises(DataError, match="HML goes with the returns of the bar after"):
        laid(french(tmp_path / "f.csv", noise=noise))


@pytest.mark.parametrize("rows", [slice(0, 250), slice(250, 400)])
def test_a_file_of_other_dates_is_refused(tmp_path, rows):
    path = french(tmp_path / "f.csv", MARKET[rows], DAYS[rows], NOISE[rows])
    with pytest.raises(DataError, match="must have 95%"):
        laid(path)


def test_factors_of_days_are_refused_for_shorter_bars(tmp_path):
    hours = type(BARS)(BARS.timestamps, BARS.symbols, *(getattr(BARS, n) for n in
                       ("open", "high", "low", "close", "volume")), interval="1h")  # fmt: skip
    with pytest.raises(ConfigError, match="bars are of 1h"):
        laid(french(tmp_path / "f.csv"), hours)


def test_the_path_is_relative_to_the_settings_file(tmp_path):
    (tmp_path / "c.toml").write_text('[evaluation]\nfactors = "f.csv"\n')
    assert load_settings(tmp_path / "c.toml", environment={}).evaluation.factors == tmp_path / "f.csv"


def test_without_a_file_there_are_none():
    assert factor_returns(settings_from({}), BARS, 200) is None
