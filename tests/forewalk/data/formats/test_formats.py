"""Each format of docs/data.md is recognised by its own header and content, and its values are the source's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forewalk.data.loading import load_bars
from forewalk.errors import DataError
from forewalk.settings.sections import DataSettings
from helpers.foreign_files import FILES, OHLCV, F, Foreign


def read(foreign: Foreign, folder, **more):
    (folder / foreign.name).write_bytes(foreign.content)
    settings = {
        "source": "files",
        "path": folder / foreign.name,
        "min_history_bars": 1,
        **foreign.ask,
        **more,
    }
    return load_bars(DataSettings(**settings))


@pytest.mark.parametrize("what", FILES)
def test_a_file_of_somebody_elses_is_read_right(what, tmp_path):
    foreign = FILES[what]
    bars, report = read(foreign, tmp_path)
    assert report.understood.format == foreign.format
    assert bars.symbols == foreign.symbols
    assert bars.interval == "1d"
    for column, frame in enumerate(foreign.frames or (F,)):
        assert len(frame) == int(bars.present[:, column].sum())
        for name in OHLCV:
            if name == "volume" and foreign.no_volume:
                continue
            source = frame["close" if foreign.close_only and name != "volume" else name].to_numpy()
            found = getattr(bars, name)[:, column]
            assert np.allclose(found, source, rtol=foreign.tolerance, atol=0), name
    assert not report.of_kind("off_session")
    assert not [line for line in report.headlines() if "Closes only" not in line]


@pytest.mark.parametrize(("first", "second"), [("Last", "Settle"), ("price", "mid")])
def test_two_columns_that_can_be_the_close_are_refused_with_both_names(first, second, tmp_path):
    rows = [f"{day:%Y-%m-%d},{close},{close * 1.01:.2f}" for day, close in F["close"].items()]
    path = tmp_path / "ES.csv"
    path.write_text("\n".join([f"date,{first},{second}", *rows]))
    with pytest.raises(DataError, match="can both be the close") as refused:
        load_bars(DataSettings(source="files", path=path, min_history_bars=1))
    assert f"data.columns.close = '{first}' or '{second}'" in str(refused.value)
    bars, _ = load_bars(
        DataSettings(source="files", path=path, min_history_bars=1, columns={"close": second})
    )
    assert np.allclose(bars.close[:, 0], F["close"].to_numpy() * 1.01, atol=0.006)


def test_a_column_called_close_is_the_close_whatever_else_there_is(tmp_path):
    rows = [f"{day:%Y-%m-%d},{close},{close * 1.01:.2f}" for day, close in F["close"].items()]
    path = tmp_path / "NSE.csv"
    path.write_text("\n".join(["date,close,last", *rows]))
    bars, _ = load_bars(DataSettings(source="files", path=path, min_history_bars=1))
    np.testing.assert_array_equal(bars.close[:, 0], F["close"].to_numpy())


def test_a_bar_that_the_file_calls_unfinished_is_left_out_and_said(tmp_path):
    candles = [
        {
            "complete": number < len(F) - 1,
            "volume": int(row.volume),
            "time": f"{day:%Y-%m-%d}T05:00:00Z",
            "mid": {"o": str(row.open), "h": str(row.high), "l": str(row.low), "c": str(row.close)},
        }
        for number, (day, row) in enumerate(F.iterrows())
    ]
    path = tmp_path / "AAPL.json"
    path.write_text(json.dumps({"instrument": "AAPL", "granularity": "D", "candles": candles}))
    bars, report = load_bars(DataSettings(source="files", path=path, min_history_bars=1))
    assert len(bars) == len(F) - 1
    assert "1 unfinished bars are left out" in " ".join(report.understood.notes)
