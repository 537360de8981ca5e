"""A raw and an adjusted file of the same stock give the same returns, whoever tells the splits and dividends."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewalk.data.loading import load_bars
from forewalk.data.meaning.actions import adjust_series
from forewalk.settings.sections import DataSettings
from helpers.price_files import history, load

PRICES = ["open", "high", "low", "close"]
SPLIT, DIVIDEND = 200, 120  # rows of the events


def stock(split=4.0, dividend=1.5, split_row=SPLIT):
    """Raw prices, the events beside them, and the growth of the adjusted close on each bar."""
    true = history(rows=320)
    shares = np.where(np.arange(len(true)) >= split_row, split, 1.0)
    raw = true.copy()
    raw[PRICES] = true[PRICES].to_numpy() / shares[:, None]
    raw["volume"] = true["volume"] * shares
    raw["split"] = np.where(np.arange(len(true)) == split_row, split, 0.0)
    raw["dividend"] = np.where(np.arange(len(true)) == DIVIDEND, dividend, 0.0)
    growth = true["close"].to_numpy()[1:] / true["close"].to_numpy()[:-1]
    growth[DIVIDEND - 1] /= 1.0 - dividend / true["close"].iloc[DIVIDEND - 1]
    return raw, growth


def factor_lines(raw, split, dividend):
    """LEAN's lines: date, price factor, split factor, each up to and with its date."""
    paid = 1.0 - dividend / raw["close"].iloc[DIVIDEND - 1]
    day = [f"{raw.index[row - 1]:%Y%m%d}" for row in (DIVIDEND, SPLIT)]
    return f"{day[0]},{float(paid)!r},{1 / split!r}\n{day[1]},1,{1 / split!r}\n20501231,1,1\n"


def file_of(folder, raw, names):
    table = raw[[*PRICES, "volume", *names]].rename(columns=names)
    table.insert(0, "Date", raw.index.astype(str))
    path = folder / "AAPL.csv"
    table.to_csv(path, index=False)
    return path


def told_by(how, folder, raw, split, dividend):
    """A price file and the settings with which each vendor tells the same events."""
    if how == "columns":
        return file_of(folder, raw, {"dividend": "Dividends", "split": "Stock Splits"}), {"adjusted": False}
    path, events = file_of(folder, raw, {}), folder / "events"
    events.mkdir()
    if how == "factor files":
        (events / "aapl.csv").write_text(factor_lines(raw, split, dividend))
        return path, {"events": events}
    happened = raw[(raw["split"] > 0) | (raw["dividend"] > 0)]
    table = pd.DataFrame({"symbol": "AAPL", "date": happened.index.astype(str)})
    table["split"] = happened["split"].replace(0.0, np.nan).to_numpy()
    table["dividend"] = happened["dividend"].replace(0.0, np.nan).to_numpy()
    table.to_csv(events / "own.csv", index=False)
    return path, {"events": events / "own.csv"}


@pytest.mark.parametrize("split", [4.0, 1.5, 0.1])
@pytest.mark.parametrize("how", ["columns", "factor files", "own table"])
def test_raw_prices_with_their_events_earn_what_the_adjusted_close_does(how, split, tmp_path):
    raw, growth = stock(split)
    path, said = told_by(how, tmp_path, raw, split, 1.5)
    close = load(path, **said).close[:, 0]
    assert close[1:] / close[:-1] == pytest.approx(growth, rel=1e-9)


@pytest.mark.parametrize("how", ["columns", "factor files", "own table"])
def test_what_is_cut_off_changes_no_earlier_bar(how, tmp_path):
    raw, _ = stock()
    path, said = told_by(how, tmp_path, raw, 4.0, 1.5)
    said["adjusted"] = False  # the dividend that is left does not tell it
    whole = load(path, **said).close[:, 0]
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: 1 + SPLIT]))
    assert load(path, **said).close[:, 0] == pytest.approx(whole[:SPLIT], rel=1e-12)


def test_the_dividend_is_in_the_returns_of_crsp_only_once(tmp_path):
    raw, growth = stock()
    returns = np.concatenate([[np.nan], growth - 1.0])
    later = np.where(np.arange(len(raw)) >= SPLIT, 1.0, 4.0)
    told = adjust_series(
        raw[PRICES].to_numpy(), raw["volume"].to_numpy(), {"cfacpr": later, "total_return": returns},
        None, None, False, "AAPL",
    )  # fmt: skip
    assert told.prices[1:, 3] / told.prices[:-1, 3] == pytest.approx(growth, rel=1e-9)
    assert told.volume[SPLIT] == pytest.approx(history(rows=320)["volume"].iloc[SPLIT])


small = st.tuples(st.integers(1, 10), st.integers(1, 5)).map(lambda pair: Fraction(*pair))
split_ratios = st.one_of(small, st.integers(2, 100).map(Fraction)).filter(
    lambda ratio: ratio >= Fraction(5, 4)
)


@settings(max_examples=20, deadline=None)
@given(ratio=split_ratios, reverse=st.booleans())
def test_a_split_that_nothing_explains_ends_the_symbol_or_is_repaired(tmp_path_factory, ratio, reverse):
    split = float(1 / ratio if reverse else ratio)
    raw, _ = stock(split)
    folder = tmp_path_factory.mktemp("raw")
    raw.loc[raw.index[SPLIT], "open"] = raw["close"].iloc[SPLIT - 1] / split  # no night's move on top
    calm = raw.loc[raw.index[SPLIT], "open"]
    raw.loc[raw.index[SPLIT], ["high", "low", "close"]] = [calm * 1.01, calm * 0.99, calm * 1.005]
    raw.loc[raw.index[SPLIT], "volume"] = raw["volume"].iloc[SPLIT - 20 : SPLIT].median() * split
    path = file_of(folder, raw, {})
    bars, report = load_bars(DataSettings(source="files", path=path, min_history_bars=1))
    assert len(bars) == SPLIT
    assert "nothing explains" in report.headlines()[0]
    mended = load(path, cleaning={"split_like_jumps": "repair"}).close[:, 0]
    wanted = raw["close"].to_numpy() * np.where(np.arange(len(raw)) >= SPLIT, split, 1.0)
    assert mended == pytest.approx(wanted, rel=1e-9)
