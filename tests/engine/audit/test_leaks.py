"""Each leak is planted alone, and each must be caught by the checks that the documentation names."""

import numpy as np
import pandas as pd
import pytest
from planted import LEAKS

from engine.audit.checks import check_vintages
from engine.audit.job import audit
from forewalk.sessions import session_closes
from forewalk.types import Bars
from helpers.audit_tables import pipeline_on, small_settings
from helpers.making import REPOSITORY

FUTURE = "future replaced by "


def caught_by(certificate):
    """Name the checks that found a leak; the three futures count as one, with the first stage that changed."""
    futures = [check for check in certificate.leaks if check.name.startswith(FUTURE)]
    names = [f"future replaced ({futures[-1].offender.stage})"] if futures else []
    return ", ".join([*names, *(check.name for check in certificate.leaks if check not in futures)])


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_planted_leak_is_caught(leak):
    certificate = audit(small_settings(**leak.settings), pipeline_on(leak.table(), **leak.stages))
    assert not certificate.clean
    assert caught_by(certificate) == leak.caught_by
    assert certificate.first_offender.sentence() in certificate.headline()


def test_the_documentation_shows_the_suite_as_it_is():
    page = (REPOSITORY / "docs" / "certificate.md").read_text(encoding="utf-8")
    section = page.partition("| Planted leak | Caught by |")[2].partition("\n\n")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert rows == [f"| {leak.name} | {leak.caught_by} |" for leak in LEAKS]


def vintage(frame, column):
    """The adjusted closes that were downloaded at one date, as bars."""
    table = frame.pivot(index="date", columns="symbol", values=column).astype(float).iloc[:-2]
    closes = table.to_numpy(copy=True)
    return Bars(
        timestamps=session_closes("XNYS", pd.DatetimeIndex(table.index)),
        symbols=tuple(table.columns),
        **dict.fromkeys(("open", "high", "low", "close"), closes),
        volume=np.where(np.isnan(closes), np.nan, 1.0),
    )


def test_a_real_history_that_was_adjusted_after_the_first_download_is_caught(shared_folder):
    file = shared_folder / "dirty" / "dirty_vintage_adjclose_restatement_2020_06.parquet"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    frame = pd.read_parquet(file)
    earlier, later = (vintage(frame, f"adj_close_pulled_2020_06_{day}") for day in (17, 25))
    check = check_vintages(earlier, later)
    assert check.verdict == "leak"
    assert check.offender.bar == earlier.timestamps[0].isoformat()
    assert check.offender.size > 0.01
    assert check_vintages(earlier, earlier).verdict == "clean"


def test_a_bar_that_was_not_finished_at_the_first_download_is_caught(shared_folder):
    file = shared_folder / "dirty" / "dirty_vintage_partial_last_bar_2020_06.parquet"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    frame = pd.read_parquet(file)
    frame = frame[frame.groupby("symbol")["date"].transform("size") == frame["symbol"].value_counts().max()]
    bars = [pulled_bars(part) for _, part in frame.groupby("pulled")]
    check = check_vintages(*bars)
    assert check.verdict == "leak"
    assert check.offender.what.startswith("volume")
    assert check.offender.bar.startswith(
        "2020-06-16"
    )  # the day before was corrected, the day itself unfinished


def pulled_bars(frame):
    """One download as bars, all symbols."""
    fields = {
        name: frame.pivot(index="date", columns="symbol", values=name).astype(float)
        for name in ("open", "high", "low", "close", "volume")
    }
    stamps = session_closes("XNYS", pd.DatetimeIndex(fields["close"].index))
    symbols = tuple(fields["close"].columns)
    return Bars(
        timestamps=stamps, symbols=symbols, **{name: values.to_numpy() for name, values in fields.items()}
    )
