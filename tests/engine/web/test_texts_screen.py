"""The texts behind a bar on a page: all of them, escaped, and nothing of a later bar."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from engine.evaluation.metrics.texts import text_metrics
from engine.web.screens.texts import texts_screen
from forewalk.data.loading import load_bars
from forewalk.settings.loading import settings_from
from forewalk.types import Forecasts
from helpers.made_texts import many, written
from helpers.making import make_bars
from helpers.run_folders import make_run
from helpers.web import client_in

HOSTILE = '<script>alert("x")</script> beats estimates'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    bars, _ = load_bars(settings_from({}).data)
    frame = many(bars.symbols, "2012-12-01", "2013-03-01", 600)
    frame.loc[frame.index % 5 == 0, "headline"] = HOSTILE
    path = written(frame, folder / "texts.jsonl")
    (folder / "runs").mkdir()
    make_run(folder / "runs" / "told", rows=120, news={"path": str(path)})
    make_run(folder / "runs" / "plain", rows=120)
    return folder


def test_a_bar_shows_only_what_it_knew_and_the_bars_together_show_all(folder):
    run, seen, day = folder / "runs" / "told", 0, "2013-02-25"
    for _ in range(10):
        found = texts_screen(run, "IBM", day)
        assert all(
            pd.Timestamp(row[0]) <= pd.Timestamp(found.day) + pd.Timedelta(days=1) for row in found.rows
        )
        assert found.count == len(found.rows)
        seen += found.count
        day = dict(found.near)["bar before"]
    assert seen > 10


@pytest.mark.parametrize("day", [None, "never", "2013-02-30", "2099-01-01", "1900-01-01"])
def test_any_day_is_one_of_the_run(folder, day):
    found = texts_screen(folder / "runs" / "told", "no such", day)
    assert found.symbol == found.symbols[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found.day)
    assert 1 <= len(found.near) <= 2


def test_the_page_writes_headlines_as_text(folder):
    browser = client_in(folder)
    pages = [browser.get(f"/runs/told/texts?symbol=IBM&day=2013-02-{day:02}").text for day in range(11, 28)]
    assert any("&lt;script&gt;alert" in page for page in pages)
    assert not any("<script>alert" in page for page in pages)


def test_the_api_says_the_same_as_the_page(folder):
    browser = client_in(folder)
    answer = browser.get("/api/v1/runs/told/texts?symbol=IBM&day=2013-02-25")
    found = texts_screen(folder / "runs" / "told", "IBM", "2013-02-25")
    assert [tuple(row) for row in answer.json()["rows"]] == list(found.rows)
    again = browser.get(
        "/api/v1/runs/told/texts?symbol=IBM&day=2013-02-25", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304
    assert browser.get("/api/v1/runs/plain/texts").json()["silent"] == "This run used no texts."


def test_a_run_without_texts_says_so_and_one_that_lost_them_why(folder, tmp_path):
    browser = client_in(folder)
    assert "This run used no texts." in browser.get("/runs/plain/texts").text
    assert browser.get("/runs/none/texts").status_code == 404
    lost = shutil.copytree(folder / "runs" / "told", tmp_path / "lost")
    config = (lost / "config.toml").read_text().replace("texts.jsonl", "gone.jsonl")
    (lost / "config.toml").write_text(config)
    assert "gone.jsonl" in texts_screen(lost).silent


def test_what_texts_added_stands_above_them_with_its_p_value(folder, tmp_path):
    run = shutil.copytree(folder / "runs" / "told", tmp_path / "judged")
    bars = make_bars(rows=200, symbols=6)
    random = np.random.default_rng(1)
    actual = random.normal(0, 0.01, bars.close.shape)
    own = forecasts_of(bars, 0.3 * actual + random.normal(0, 0.003, actual.shape))
    without = forecasts_of(bars, random.normal(0, 0.003, actual.shape))
    judged = text_metrics(own, without, actual, np.sign(actual))
    (run / "metrics.json").write_text(json.dumps({"texts": judged.to_json()}))
    found = texts_screen(run)
    assert [row[0] for row in found.added][:3] == [
        "ranks the symbols, rank IC",
        "likelihood of what came",
        "error of the likely range (QLIKE)",
    ]
    assert found.added[0][4] == "less than 0.001"
    assert "known in time it shows" in found.trap


def forecasts_of(bars, mean):
    until = pd.DatetimeIndex([bars.timestamps[0]] * len(bars))
    spread = np.full(mean.shape, 0.01)
    ids = ("fold-00",) * len(bars)
    return Forecasts(bars.timestamps, bars.symbols, mean, spread, spread * 50, 1, ids, until)
