"""What a source says beside prices and volume: dividends in cash, spreads; kept, doctored, stored and read back."""

import numpy as np
import pandas as pd
import pytest

from engine.audit.doctoring import DOCTORINGS, doctored
from engine.notebook.given import with_bars
from engine.simulation.cerebro import simulate
from forewalk.data.cleaning.closing import row_closes
from forewalk.data.cleaning.rules import clean
from forewalk.data.loading import load_bars, read_table
from forewalk.data.sources.memory import bars_table, write_table
from forewalk.errors import ConfigError, DataError
from forewalk.settings.loading import settings_from
from helpers.making import make_bars, make_settings
from helpers.small_panels import make_forecasts

EX_DATES, SPLIT = (40, 80), 60


@pytest.fixture
def raw(tmp_path):
    """A raw price file with two dividends and a 2:1 split between them, as pandas writes it, and the true bars."""
    bars = make_bars(100, 1)
    frame = bars.frame("S00")
    frame.index = frame.index.tz_convert("America/New_York").strftime("%Y-%m-%d")
    prices = ["open", "high", "low", "close"]
    frame.iloc[SPLIT:, [0, 1, 2, 3]] /= 2
    frame["volume"] = frame["volume"].where(np.arange(100) < SPLIT, frame["volume"] * 2)
    frame["dividend"], frame["split"] = 0.0, 0.0
    frame.iloc[list(EX_DATES), 5] = [0.5, 0.3]
    frame.iloc[SPLIT, 6] = 2.0
    assert list(frame.columns[:4]) == prices
    frame.rename_axis("date").to_csv(tmp_path / "S00.csv")
    return tmp_path / "S00.csv", bars


def settings(path, **data):
    return settings_from(
        {"data": {"source": "files", "path": str(path), "min_history_bars": 20, "dividends": "cash", **data}}
    ).data


def test_dividends_in_cash_stand_beside_prices_that_know_splits_only(raw):
    path, truth = raw
    bars, _ = load_bars(settings(path))
    np.testing.assert_allclose(bars.close, truth.close, rtol=1e-12)
    dividend = bars.extras["dividend"][:, 0]
    assert np.flatnonzero(np.nan_to_num(dividend)).tolist() == list(EX_DATES)
    assert dividend[EX_DATES[0]] == pytest.approx(0.5)
    assert dividend[EX_DATES[1]] == pytest.approx(0.3 * 2)  # of a share as it was before the split


def test_reinvested_and_paid_out_dividends_bring_the_same_return_to_the_first_order(raw):
    path, _ = raw
    grown = []
    for dividends in ("reinvested", "cash"):
        bars, _ = load_bars(settings(path, dividends=dividends))
        forecasts = make_forecasts(bars, np.full(bars.close.shape, 0.01), first=0)
        run = make_settings(
            strategy={"entry": 0.0, "exit": -9.0, "max_weight": 0.9},
            execution={"fee_bps": 0.0, "slippage_bps": 0.0, "fractional": True, "max_volume_share": None},
        )
        result = simulate(bars, forecasts, run)
        grown.append(result.equity["equity"].iloc[-1] / 1e5)
        assert result.counts.get("dividends", 0.0) > 500 or dividends == "reinvested"
    assert grown[0] == pytest.approx(grown[1], abs=2e-3)
    prices_alone = 1 + 0.9 * (bars.close[-1, 0] / bars.open[1, 0] - 1)
    assert grown[1] - prices_alone > 0.01


def test_dividends_that_would_count_twice_are_refused(raw):
    path, _ = raw
    with pytest.raises(DataError, match="adjusted for dividends already: they would count twice"):
        load_bars(settings(path, adjusted=True))
    plain = path.with_name("plain.csv")
    pd.read_csv(path).drop(columns=["dividend", "split"]).to_csv(plain, index=False)
    with pytest.raises(DataError, match="needs each dividend by itself"):
        load_bars(settings(plain))
    with pytest.raises(ConfigError, match=r"'yahoo' gives adjusted ones"):
        settings_from({"data": {"source": "yahoo", "symbols": ["AAPL"], "dividends": "cash"}})


@pytest.mark.parametrize("doctoring", DOCTORINGS)
def test_the_audit_replaces_what_is_said_of_later_bars_and_nothing_before(raw, doctoring):
    path, _ = raw
    given = settings(path)
    table = read_table(given)
    closes = row_closes(table, given)
    cut = int(np.sort(closes)[70])
    other = doctored(table, closes, cut, doctoring, [1], given)
    before, after = clean(table, given)[0], clean(other, given)[0]
    rows = 71
    np.testing.assert_array_equal(before.extras["dividend"][:rows], after.extras["dividend"][:rows])
    assert not np.array_equal(before.extras["dividend"][rows:], after.extras["dividend"][rows : len(before)])


def test_bars_in_memory_keep_them_through_a_file_of_ours(raw, tmp_path):
    path, _ = raw
    bars, _ = load_bars(settings(path))
    bars = bars.with_extras(spread=bars.open * 1e-4)
    write_table(bars_table(bars), tmp_path / "bars.parquet")
    again, _ = load_bars(settings_from({"data": {
        "source": "files", "path": str(tmp_path / "bars.parquet"), "min_history_bars": 20}}).data)  # fmt: skip
    assert set(again.extras) == {"dividend", "spread"}
    for name in again.extras:
        np.testing.assert_allclose(again.extras[name], np.nan_to_num(bars.extras[name]), rtol=1e-14)
    np.testing.assert_array_equal(again.close, bars.close)


def test_a_run_in_python_pays_the_dividends_of_its_bars(raw):
    path, _ = raw
    bars, _ = load_bars(settings(path))
    _, table = with_bars(make_settings(), bars)
    assert set(table.extras) == {"dividend"}
