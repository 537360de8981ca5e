"""The texts behind a bar add up to its sums, for every symbol and scorer."""

import pandas as pd
import pytest

from forewalk.data.columns.texts.behind import texts_behind
from forewalk.data.columns.texts.placing import extra, with_texts
from forewalk.data.columns.texts.rows import text_rows
from forewalk.errors import DataError
from forewalk.settings.news import NewsSettings
from helpers.made_texts import many, written
from helpers.making import make_bars

BARS = make_bars(rows=120, symbols=3)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    first, last = (str(BARS.timestamps[row].date()) for row in (0, -1))
    frame = many(BARS.symbols, first, last, 500, seen=False)
    frame.loc[frame.index % 9 == 0, "headline"] = "the same words about all of them again"
    frame.loc[frame.index % 7 == 0, "symbols"] = ",".join(BARS.symbols)
    return written(frame, tmp_path_factory.mktemp("texts") / "texts.jsonl")


@pytest.mark.parametrize("scorer", ["lexicon", "ridge"])
def test_the_texts_behind_a_bar_add_up_to_its_sums(path, scorer):
    news = NewsSettings(path=path, scorer=scorer, learn_texts=60, silent_bars=200)
    bars = with_texts(BARS, text_rows(news, BARS.symbols)[0])
    count, tone, every = (bars.extras[extra("news", what)] for what in ("count", "tone", "all"))
    seen = 0
    for row in range(80, 120, 3):
        for column, symbol in enumerate(BARS.symbols):
            found = texts_behind(news, BARS, symbol, BARS.timestamps[row])
            fresh = [text for text in found if not text.repeats]
            assert sum(text.weight for text in found) == pytest.approx(every[row, column])
            assert sum(text.weight for text in fresh) == pytest.approx(count[row, column])
            assert sum(text.weight * text.tone for text in fresh) == pytest.approx(tone[row, column])
            assert all(text.known_at <= BARS.timestamps[row] for text in found)
            assert all(text.backfilled and text.published < text.known_at for text in found)
            seen += len(found)
    assert seen > 50


def test_before_a_learner_knows_enough_texts_have_no_tone(path):
    news = NewsSettings(path=path, scorer="ridge", learn_texts=60)
    tones = [
        text.tone for symbol in BARS.symbols for text in texts_behind(news, BARS, symbol, BARS.timestamps[5])
    ]
    assert tones
    assert set(tones) == {None}


def test_no_such_symbol_or_bar_is_said(path):
    news = NewsSettings(path=path)
    with pytest.raises(DataError, match="not among the symbols"):
        texts_behind(news, BARS, "ZZZ", BARS.timestamps[5])
    for moment in (BARS.timestamps[5] + pd.Timedelta(seconds=1), BARS.timestamps[-1] + pd.Timedelta(days=1)):
        with pytest.raises(DataError, match="no bar closes at"):
            texts_behind(news, BARS, BARS.symbols[0], moment)
