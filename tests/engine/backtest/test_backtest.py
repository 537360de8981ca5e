import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from engine.backtest.job import backtest
from engine.backtest.writing import write_backtest
from engine.cli.app import main
from engine.cli.console import print_backtest
from engine.reproduce.job import reproduce
from engine.runs.folder import read_run, write_run
from forewalk.settings.loading import load_settings
from helpers.making import REPOSITORY
from helpers.waiting import PATIENCE_S
from models.recurrent.fitted import load_lstm

FAST = [
    "model.hidden_size=4", "model.seeds=1", "model.max_epochs=1", "model.lookback_bars=10", "jobs=1",
    "folds.train_bars=1250", "folds.refit_every_bars=1000",
]  # fmt: skip
EXPECTED_FILES = {
    "config.toml", "manifest.json", "forecasts.parquet", "equity.parquet", "orders.csv", "trades.csv",
    "decisions.csv", "open_positions.csv", "metrics.json", "quality.json", "models", "tearsheet.html",
    "forecast.html", "index.html",
}  # fmt: skip


@pytest.fixture(scope="module")
def result():
    return backtest(load_settings(overrides=FAST, environment={}))


@pytest.fixture(scope="module")
def run(result, tmp_path_factory):
    return write_backtest(result, tmp_path_factory.mktemp("runs") / "one")


def command(*arguments, cwd, **environment):
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env=variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_a_run_folder_is_complete(run):
    assert {path.name for path in run.iterdir()} >= EXPECTED_FILES
    assert [path.name for path in sorted((run / "models").iterdir())] == [
        "fold-00.safetensors", "fold-01.safetensors", "fold-02.safetensors",
    ]  # fmt: skip


def test_the_sample_stocks_are_forecast_and_the_short_one_is_refused(result):
    forecast = set(
        np.array(result.subject.forecasts.symbols)[np.isfinite(result.subject.forecasts.mean).any(axis=0)]
    )
    assert forecast == {"AAPL", "GOOG", "IBM", "MSFT"}
    assert "196 bars" in result.quality.refused["FB"]
    assert "FB" not in set(result.subject.simulation.orders["symbol"])


def test_every_forecast_comes_from_a_model_trained_before_it(run):
    table = pd.read_parquet(run / "forecasts.parquet")
    assert list(table.columns) == ["asof", "symbol", "horizon_bars", "mean", "std", "p_up", "actual",
                                   "model_id", "trained_until"]  # fmt: skip
    assert (table["trained_until"] < table["asof"]).all()
    assert not table.duplicated(["asof", "symbol"]).any()


def test_the_tables_have_the_documented_columns(run):
    orders = pd.read_csv(run / "orders.csv")
    documented = ["decided_at", "symbol", "side", "quantity", "type", "status", "reason", "filled_at",
                  "fill_price", "fee"]  # fmt: skip
    assert set(documented) <= set(orders.columns)
    equity = pd.read_parquet(run / "equity.parquet")
    assert list(equity.columns) == ["time", "equity", "cash", "gross_exposure", "benchmark"]
    assert equity["time"].is_monotonic_increasing


def test_the_manifest_says_what_the_run_depended_on(run, result):
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["data_fingerprint"] == result.subject.bars.fingerprint
    assert manifest["seed"] == 7
    assert len(manifest["code"]["sha256"]) == 64
    assert all(manifest["libraries"].values())


def test_stored_models_forecast_what_the_run_says(run, result):
    first = load_lstm(run / "models" / "fold-00.safetensors")
    rows = slice(0, 50)
    scaled = first.predict_scaled(result.subject.panel, 1250, 1300)
    mean = scaled.mean * result.subject.panel.scale[1250:1300]
    stored = result.subject.forecasts.mean[rows]
    known = np.isfinite(stored)
    np.testing.assert_allclose(mean[known], stored[known], rtol=0, atol=1e-9)


def test_a_rerun_reproduces_every_value(run):
    comparison = reproduce(run)
    assert comparison.same, comparison.lines()
    assert comparison.compared["forecasts"] > 10_000


def test_a_rerun_that_differs_says_where_and_why(run, tmp_path):
    import shutil

    changed = tmp_path / "changed"
    shutil.copytree(run, changed)
    config = (changed / "config.toml").read_text().replace("seed = 7", "seed = 8")
    (changed / "config.toml").write_text(config)
    manifest = json.loads((changed / "manifest.json").read_text())
    manifest["libraries"]["torch"] = "1.0"
    (changed / "manifest.json").write_text(json.dumps(manifest))
    metrics = json.loads((changed / "metrics.json").read_text())
    metrics["reality"]["grid"][0]["sharpe"] = 99.0  # in a list
    (changed / "metrics.json").write_text(json.dumps(metrics))
    comparison = reproduce(changed)
    assert not comparison.same
    text = "\n".join(comparison.lines())
    assert "NOT reproduced" in text
    assert "forecasts:" in text
    assert "metrics:" in text
    assert "torch (1.0 then" in text


def test_a_folder_that_is_no_run_is_named(tmp_path):
    from forewalk.errors import DataError

    with pytest.raises(DataError, match="not a run folder"):
        read_run(tmp_path)


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    def fill(folder):
        (folder / "half").write_text("x")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        write_run(tmp_path / "run", "x", fill)
    assert list(tmp_path.iterdir()) == []


def test_runs_get_their_own_folder_and_latest_points_to_the_newest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = write_run(None, "name", lambda folder: (folder / "a").write_text("1"))
    second = write_run(None, "name", lambda folder: (folder / "a").write_text("2"))
    assert first != second
    assert (tmp_path / "runs" / "latest" / "a").read_text() == "2"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--sorce", "x"], 2, "No such option"),
        (["--seed", "-1"], 2, "seed"),
        (["--set", "model.hiden_size=3"], 3, "did you mean 'model.hidden_size'?"),
        (["--config", "missing.toml"], 3, "no such configuration file"),
        (["--source", "csv"], 3, "needs a path"),
        (["--source", "ftp"], 3, "'ftp' is no source of bars; there are sample, files, csv"),
        (["--source", "csv", "--path", "nowhere.csv"], 5, "nowhere.csv"),
        (["--symbols", "TSLA"], 5, "TSLA"),
        (["--start", "2012-06-01"], 5, "data.min_history_bars"),
        (["--start", "2010-01-04"], 5, "folds.train_bars"),
        (["--out", "."], 2, "not empty"),
    ],
)
def test_a_mistake_gives_one_clear_line_and_its_exit_code(
    tmp_path, monkeypatch, capsys, arguments, code, message
):
    (tmp_path / "occupied").write_text("x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["backtest", *arguments])
    assert ended.value.code == code
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["occupied"]


def test_a_mistake_is_told_the_same_way_by_the_module(tmp_path):
    done = command("engine.backtest", "--set", "modle.cell=gru", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr == "error: unknown setting 'modle'; did you mean 'model'?\n"


def test_the_command_line_prints_one_json_object_when_asked(tmp_path):
    flags = [part for item in FAST for part in ("--set", item)]
    done = command("engine.backtest", *flags, "--json", "--out", "run", "--symbols", "AAPL,FB", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["run"] == "run"
    assert list(summary["refused"]) == ["FB"]
    assert summary["metrics"]["strategy"]["bars"] == 2020
    assert done.stderr == ""


def test_the_console_names_the_verdict_first_and_the_reports_last(result, run, capsys):
    print_backtest(result, run)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("The forecasts")
    assert lines[-1].endswith("forecast.html")
    assert any("naive / buy-and-hold" in line for line in lines)


def test_the_whole_way_opens_no_connection(run):
    assert run.is_dir()  # written under pytest-socket, which refuses every connection


def test_help_shows_examples_to_paste(tmp_path):
    done = command("engine.backtest", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "--config examples/quickstart.toml --set model.hidden_size=64" in done.stdout


@pytest.mark.parametrize("example", sorted((REPOSITORY / "examples").glob("*.toml")), ids=lambda p: p.name)
def test_every_example_configuration_is_valid(example):
    if example.name != "paper.toml":
        assert load_settings(example, environment={}).name == example.stem
