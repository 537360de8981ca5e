"""A run that reads texts: their features are there, the run says what was read, and a run without differs."""

import json

import pytest
from typer.testing import CliRunner

from engine.backtest.job import backtest
from engine.backtest.writing import write_backtest
from engine.cli.app import app
from engine.live.tradable import refuse_untradable
from forewalk.errors import ConfigError, DataError
from forewalk.settings.loading import settings_from
from helpers.made_texts import many, written

SMALL = {
    "data": {"symbols": ["AAPL", "MSFT"], "start": "2010-01-04", "end": "2012-12-31"},
    "folds": {"train_bars": 400, "refit_every_bars": 200},
    "model": {"hidden_size": 4, "max_epochs": 1, "seeds": 1, "lookback_bars": 8},
    "evaluation": {"baselines": False},
    "jobs": 1,
}


@pytest.fixture
def texts(tmp_path):
    return written(
        many(["AAPL", "MSFT"], "2010-01-04", "2012-12-31", 600, seen=False), tmp_path / "texts.jsonl"
    )


def test_a_run_with_texts_says_what_it_read_and_what_it_guessed(texts, tmp_path):
    settings = settings_from({**SMALL, "news": {"path": str(texts)}})
    run = write_backtest(backtest(settings), tmp_path / "run")
    quality = json.loads((run / "quality.json").read_text())
    said = [finding["message"] for finding in quality["findings"] if finding["kind"] == "texts"]
    assert len(said) == 1
    gaps = [finding["message"] for finding in quality["findings"] if finding["kind"] == "feature_gaps"]
    assert len(gaps) == 1
    assert gaps[0].startswith("the feature of texts 'news_")
    assert "600 texts about 2 symbols" in said[0]
    assert "news_backfilled" in said[0]
    assert "600 texts about 2 symbols" in (run / "index.html").read_text()
    told = json.loads(texts.read_text().splitlines()[209])  # between two closes of one day
    day = ["--day", told["published"][:10]]
    shown = CliRunner().invoke(app, ["news", "behind", str(run), told["symbols"], *day, "--json"])
    assert told["headline"] in [text["headline"] for text in json.loads(shown.output)]
    assert (
        told["headline"]
        in CliRunner().invoke(app, ["news", "behind", str(run), told["symbols"], *day]).output
    )
    plain = write_backtest(backtest(settings_from(SMALL)), tmp_path / "plain")
    forecasts = [(folder / "forecasts.parquet").read_bytes() for folder in (run, plain)]
    assert forecasts[0] != forecasts[1]


def test_the_verdict_says_what_texts_added_that_say_nothing(texts):
    settings = settings_from(
        {**SMALL, "evaluation": {"baselines": True, "costs": False}, "news": {"path": str(texts)}}
    )
    result = backtest(settings)
    assert (
        "The texts added nothing that chance does not explain: beside the same model without them"
        in result.verdict
    )
    assert "without_texts" in result.metrics.baselines.forecasters
    added = result.metrics.texts
    assert added.log_likelihood.bars == added.qlike.bars > 100
    assert added.account.bars == len(result.subject.account)
    assert result.metrics.to_json()["texts"].keys() == result.metrics.texts.to_json().keys()


def test_texts_that_are_not_there_or_are_about_nothing_end_the_run(tmp_path):
    with pytest.raises(ConfigError, match=r"no such file \(news\.path\)"):
        backtest(settings_from({**SMALL, "news": {"path": str(tmp_path / "gone.csv")}}))
    other = written(many(["IBM"], "2010-01-04", "2012-12-31", 50), tmp_path / "other.csv")
    with pytest.raises(DataError, match="name none of the symbols"):
        backtest(settings_from({**SMALL, "news": {"path": str(other)}}))


def test_the_daemon_refuses_texts_that_would_stand_still(texts):
    with pytest.raises(ConfigError, match="a file that stands still"):
        refuse_untradable(settings_from({**SMALL, "news": {"path": str(texts)}}))


def test_texts_of_other_years_are_told_apart_from_a_feature_of_ones_own(tmp_path):
    late = written(many(["AAPL"], "2020-01-04", "2020-12-31", 50), tmp_path / "late.csv")
    with pytest.raises(DataError, match="do the texts reach into the span of the bars"):
        backtest(settings_from({**SMALL, "news": {"path": str(late)}}))
