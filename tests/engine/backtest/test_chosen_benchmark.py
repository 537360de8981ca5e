"""A benchmark of the user's choice stands beside the account; luck is still discounted against the same symbols."""

import json

import numpy as np
import pytest

from engine.backtest.job import backtest
from engine.backtest.writing import write_backtest
from engine.reproduce.job import reproduce
from forewalk.data.benchmark import benchmark_bars
from forewalk.errors import DataError
from forewalk.returns import same_symbols
from forewalk.settings.loading import load_settings
from helpers.making import make_bars
from helpers.own_code import price_table, write_project

BARS = make_bars(240, 3)
COST = 5e-4


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    write_project(folder, table=price_table(BARS))
    one = price_table(BARS.select(["S02"])).drop(columns="symbol")
    one.to_csv(folder / "SPY.csv", index=False)
    one.iloc[:200].to_csv(folder / "short.csv", index=False)
    return folder


def settings_of(project, *more):
    return load_settings(project / "config.toml", ["data.symbols=S00,S01", *more], environment={})


@pytest.fixture(scope="module")
def plain(project):
    return backtest(settings_of(project))


@pytest.fixture(scope="module")
def beside(project):
    return backtest(settings_of(project, f"evaluation.benchmark={project / 'SPY.csv'}"))


def test_it_is_bought_at_the_open_after_the_first_close_and_held(beside):
    equity = beside.subject.simulation.equity
    row = int(BARS.timestamps.searchsorted(equity["time"].iloc[0]))
    growth = BARS.close[-1, 2] / BARS.open[row + 1, 2]
    assert equity["benchmark"].iloc[0] == 1e5
    assert equity["benchmark"].iloc[-1] == pytest.approx(1e5 * (1 - COST) * growth, rel=1e-6)


def test_a_symbol_of_the_same_source_gives_the_same_as_its_file(project, beside):
    other = backtest(settings_of(project, "evaluation.benchmark=S02"))
    ours, theirs = (run.subject.simulation.equity["benchmark"] for run in (other, beside))
    assert np.array_equal(ours, theirs)
    assert other.subject.bars.symbols == ("S00", "S01")


def test_the_account_and_its_luck_are_what_they_were(plain, beside):
    before, after = plain.subject.simulation.equity, beside.subject.simulation.equity
    assert before["equity"].equals(after["equity"])
    assert np.array_equal(same_symbols(before), same_symbols(after))
    assert beside.evidence.metrics.luck == plain.evidence.metrics.luck
    assert not np.array_equal(before["benchmark"], after["benchmark"])
    assert "same_symbols" not in before


def test_the_verdict_says_what_was_held(plain, beside):
    assert "buying and holding the same symbols returned" in plain.verdict
    assert "buying and holding SPY returned" in beside.verdict


def test_a_run_writes_down_which_benchmark_it_was_and_is_reproduced(project, beside):
    run = write_backtest(beside, project / "runs" / "one")
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["benchmark"] == beside.subject.benchmark.fingerprint
    assert "Holding SPY" in (run / "index.html").read_text()
    assert reproduce(run).same
    changed = price_table(BARS.select(["S01"])).drop(columns="symbol")
    original = (project / "SPY.csv").read_text()
    changed.to_csv(project / "SPY.csv", index=False)
    try:
        comparison = reproduce(run)
    finally:
        (project / "SPY.csv").write_text(original)
    assert any(cause.startswith("benchmark") for cause in comparison.causes)


@pytest.mark.parametrize(
    ("benchmark", "message"),
    [
        ("NOPE", "evaluation.benchmark = 'NOPE'.*no symbol 'NOPE'"),
        ("nowhere.csv", "no such file"),
        ("prices.csv", "holds 3 symbols"),
        ("short.csv", "must reach from the first to the last"),
    ],
)
def test_a_benchmark_that_cannot_be_held_is_refused(project, benchmark, message):
    name = str(project / benchmark) if benchmark.endswith(".csv") else benchmark
    with pytest.raises(DataError, match=message):
        benchmark_bars(settings_of(project, f"evaluation.benchmark={name}"), BARS.select(["S00", "S01"]), 120)
