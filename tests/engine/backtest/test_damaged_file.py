"""A file with damage that is within what is borne: what was done about it stands where the reader looks first."""

import pytest

from engine.backtest.job import backtest
from engine.backtest.writing import write_backtest
from forewalk.errors import DataError
from forewalk.settings.loading import settings_from
from helpers.price_files import history

SMALL = {
    "folds": {"train_bars": 400, "refit_every_bars": 200},
    "model": {"hidden_size": 4, "max_epochs": 1, "seeds": 1, "lookback_bars": 8},
    "evaluation": {"baselines": False},
    "jobs": 1,
}


def settings_of(path):
    return settings_from({**SMALL, "data": {"source": "files", "path": str(path), "symbols": ["AAPL"]}})


def written(tmp_path, doubled):
    """700 sessions of a stock, some days of which stand in the file twice, with other prices."""
    frame = history(rows=700)
    lines = [
        f"{day:%Y-%m-%d},{row.open},{row.high},{row.low},{row.close},{int(row.volume)}"
        for day, row in frame.iterrows()
    ]
    again = [lines[row].replace(",", ",1", 1) for row in range(50, 50 + doubled)]
    path = tmp_path / "AAPL.csv"
    path.write_text("\n".join(["date,open,high,low,close,volume", *lines, *again]))
    return path


def test_what_was_dropped_stands_on_the_front_page_and_before_the_verdict(tmp_path):
    result = backtest(settings_of(written(tmp_path, doubled=3)))
    assert (
        "duplicate" in result.verdict.partition("Forecast")[0]
        or "stamp that was there before" in result.verdict
    )
    page = (write_backtest(result, tmp_path / "run") / "index.html").read_text()
    section = page[page.index("<h2>Data</h2>") : page.index("<h2>Files</h2>")]
    assert "duplicate timestamps" in section
    assert "dropped" in section
    assert "table of one symbol: bars of 1d (told from the stamps) on XNYS" in section


def test_more_damage_than_is_borne_refuses_the_symbol_with_rule_examples_and_remedy(tmp_path):
    with pytest.raises(DataError, match="duplicate_timestamps") as refused:
        backtest(settings_of(written(tmp_path, doubled=60)))
    said = str(refused.value)
    assert "data.cleaning" in said
    assert said.count("20") >= 3  # three of the days
