"""A source of the user's own, by name: read, cleaned, cached and blamed for what it does wrong."""

from __future__ import annotations

import shutil
import sqlite3

import numpy as np
import pandas as pd
import pytest

from forewalk.data.loading import load_bars
from forewalk.data.sources.cache import read_cached
from forewalk.errors import ConfigError, ConnectionFailed, DataError, PluginError
from forewalk.sessions import sessions_between
from forewalk.settings.loading import settings_from
from helpers.making import REPOSITORY
from helpers.own_code import write_module

DAYS = sessions_between("XNYS", "2020-01-02", "2020-03-02")
MINE = """
    import pandas as pd
    from forewalk.errors import RateLimited

    DAYS = pd.bdate_range("2020-01-02", "2020-03-02").delete([12, 32])  # two holidays

    class Plain:
        def __init__(self, level=100.0):
            self.level = level

        def bars(self, request):
            names = request.symbols or ("AAA", "BBB")
            parts = [self.one(name, request) for name in names]
            return pd.concat(parts)

        def one(self, name, request):
            frame = pd.DataFrame({"date": DAYS, "symbol": name, "volume": 1000})
            return frame.assign(open=self.level, high=self.level + 1, low=self.level - 1, close=self.level)

    class Remote(Plain):
        remote = True
        adjusted = "adjusted by me"
        asked = []

        def bars(self, request):
            self.asked.append(request)
            return super().bars(request)

    class Busy(Remote):
        def bars(self, request):
            raise RateLimited("come back", after_s=1000)

    class Broken:
        def bars(self, request):
            return 1 / 0

    class Wrong:
        def bars(self, request):
            return [1, 2, 3]

    class Silent(Remote):
        def bars(self, request):
            return super().bars(request)[lambda frame: frame.symbol != "BBB"]

    def function(request):
        return None
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_module(tmp_path, "mine", MINE)

    def data(name, *symbols, **values):
        given = {"source": f"mine:{name}", "symbols": symbols, "min_history_bars": 1, "calendar": "XNYS"}
        return settings_from({"data": {**given, "cache": str(tmp_path / "cache"), **values}}).data

    return data


def test_the_answer_is_cleaned_like_any_other_source(own):
    bars, report = load_bars(own("Plain"))
    assert bars.symbols == ("AAA", "BBB")
    assert len(bars) == len(DAYS)
    assert not report.of_kind("off_session")
    assert report.source == "mine:Plain"


def test_options_are_keyword_arguments_of_the_class(own):
    bars, _ = load_bars(own("Plain", "AAA", options={"level": 7.0}))
    assert np.unique(bars.close) == [7.0]


def test_symbols_come_in_the_order_asked_for(own):
    assert load_bars(own("Plain", "BBB", "AAA"))[0].symbols == ("BBB", "AAA")


def test_a_remote_source_is_asked_once_and_then_its_cache(own):
    first, _ = load_bars(own("Remote", "AAA"))
    again, report = load_bars(own("Remote", "AAA", offline=True))
    assert first.fingerprint == again.fingerprint
    assert report.of_kind("from_cache", "AAA")
    assert report.adjusted == ("AAA",)
    assert read_cached(own("Remote").cache / "own-mine.Remote", "AAA", "1d") is not None


@pytest.mark.parametrize(
    ("name", "symbols", "error", "words"),
    [
        ("Plian", ("AAA",), ConfigError, "did you mean 'Plain'"),
        ("function", ("AAA",), ConfigError, "write a class with a method bars"),
        ("Broken", ("AAA",), PluginError, r"ZeroDivisionError.*mine.py line \d+, in bars: return 1 / 0"),
        ("Wrong", ("AAA",), DataError, "returned list; return a pandas DataFrame"),
        ("Remote", (), ConfigError, "remote and needs symbols"),
        ("Silent", ("AAA", "BBB"), DataError, "returned no bar of BBB"),
        ("Busy", ("AAA",), ConnectionFailed, "1000 s more are asked for"),
    ],
)
def test_what_a_source_does_wrong_is_said_with_its_name(own, name, symbols, error, words):
    with pytest.raises(error, match=words):
        load_bars(own(name, *symbols))


def test_an_argument_that_the_class_does_not_take_is_named(own):
    with pytest.raises(PluginError, match="unexpected keyword argument 'levle'"):
        load_bars(own("Plain", "AAA", options={"levle": 7.0}))


def test_a_name_that_is_neither_a_source_nor_a_class_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="'yaho' is no source of bars; did you mean 'yahoo'"):
        settings_from({"data": {"source": "yaho", "symbols": ["AAA"]}})


def test_the_example_reads_a_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "examples" / "own_source.py", tmp_path)
    frame = pd.DataFrame({"symbol": "AAPL", "date": DAYS.strftime("%Y-%m-%d"), "volume": 10})
    frame = frame.assign(open=5.0, high=6.0, low=4.0, close=5.5)
    connection = sqlite3.connect("prices.sqlite")
    frame.to_sql("prices", connection, index=False)
    connection.close()
    data = {
        "source": "examples.own_source:Database",
        "options": {"file": "prices.sqlite"},
        "min_history_bars": 1,
    }
    bars, _ = load_bars(settings_from({"data": data}).data)
    assert (bars.symbols, len(bars)) == (("AAPL",), len(DAYS))
