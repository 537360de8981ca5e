"""Each format of docs/data.md is recognised by its own header and content, and its values are the source's."""

from __future__ import annotations

import numpy as np
import pytest

from forewalk.data.loading import load_bars
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
