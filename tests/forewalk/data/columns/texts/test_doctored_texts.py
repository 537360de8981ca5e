"""Whatever a file of texts says of the future, rewritten, moved or amended: no feature of the past changes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewalk.data.columns.texts.placing import with_texts
from forewalk.data.columns.texts.rows import text_rows
from forewalk.features.news import news_features
from forewalk.sessions import microseconds
from forewalk.settings.news import NewsSettings
from helpers.made_texts import many, written
from helpers.making import make_bars

BARS = make_bars(rows=90, symbols=3)
FIRST, LAST = (str(BARS.timestamps[row].date()) for row in (0, -1))
TEXTS = many(BARS.symbols, FIRST, LAST, 150)
SEEN = pd.to_datetime(TEXTS["first_seen"])


def stamped(moments):
    return [moment.isoformat() for moment in moments]


def deleted(frame, later, cut):
    return frame[~later]


def rewritten(frame, later, cut):
    return frame.assign(headline=frame["headline"].where(~later, "shares plunge, fraud and bankruptcy"))


def about_others(frame, later, cut):
    return frame.assign(symbols=frame["symbols"].where(~later, ",".join(BARS.symbols)))


def over_midnight(frame, later, cut):
    """Each text of the future just before or just after the midnight that is next to it, but never before the cut."""
    nights = SEEN.dt.ceil("D") + pd.to_timedelta(np.where(frame.index % 2, 1, -1), unit="s")
    return frame.assign(
        first_seen=stamped(SEEN.where(~later, nights.clip(lower=cut + pd.Timedelta(1, "us"))))
    )


def over_the_close(frame, later, cut):
    """Each text of the future a second before or after the next close, but never before the cut."""
    place = np.minimum(np.searchsorted(BARS.timestamps, SEEN), len(BARS) - 1)
    closes = pd.Series(BARS.timestamps[place]) + pd.to_timedelta(np.where(frame.index % 2, 1, -1), unit="s")
    return frame.assign(
        first_seen=stamped(SEEN.where(~later, closes.clip(lower=cut + pd.Timedelta(1, "us"))))
    )


def amended_backdated(frame, later, cut):
    """Every text of the past is changed in the future, by a row that claims to be as old as the first one."""
    past = frame[~later]
    words = [f"{symbol} shares plunge, fraud and bankruptcy" for symbol in past["symbols"]]
    after = (cut + pd.Timedelta(seconds=1)).isoformat()
    changed = past.assign(headline=words, symbols=",".join(BARS.symbols), first_seen=after)
    return pd.concat([changed, frame])


def repeated(frame, later, cut):
    """Every text of the past is said once more in the future, so that the first might be taken for the copy."""
    past = frame[~later]
    after = (cut + pd.Timedelta(seconds=1)).isoformat()
    again = past.assign(id="again " + past["id"], first_seen=after, published=after)
    return pd.concat([again, frame])


DOCTORINGS = (
    deleted,
    rewritten,
    about_others,
    over_midnight,
    over_the_close,
    amended_backdated,
    repeated,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("doctored")


def features(frame, folder):
    path = written(frame, folder / "texts.csv")
    rows, _ = text_rows(NewsSettings(path=path, silent_bars=30), BARS.symbols)
    return news_features(with_texts(BARS, rows), 21)


@pytest.mark.parametrize("doctoring", DOCTORINGS, ids=lambda each: each.__name__)
@settings(max_examples=20)
@given(cut=st.integers(10, 80))
def test_no_text_of_the_future_changes_a_feature_of_the_past(folder, doctoring, cut):
    moment = BARS.timestamps[cut]
    later = moment < SEEN
    own, other = features(TEXTS, folder), features(doctoring(TEXTS, later, moment), folder)
    assert sum(np.isfinite(values[: cut + 1]).sum() for values in own.values()) > 100
    for name, values in own.items():
        np.testing.assert_array_equal(values[: cut + 1], other[name][: cut + 1], err_msg=name)


@pytest.mark.parametrize("doctoring", DOCTORINGS, ids=lambda each: each.__name__)
def test_each_of_them_changes_what_comes_after(folder, doctoring):
    cut = 40
    own = features(TEXTS, folder)
    other = features(doctoring(TEXTS, BARS.timestamps[cut] < SEEN, BARS.timestamps[cut]), folder)
    assert any(
        not np.array_equal(values[cut + 1 :], other[name][cut + 1 :], equal_nan=True)
        for name, values in own.items()
    )
    assert microseconds(BARS.timestamps)[cut] < SEEN.max().value // 1000
