"""A sweep tries what it says on the stored forecasts, records every try, and does not flatter."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from typer.testing import CliRunner

from engine.cli.app import app
from engine.runs.counts import count_tries
from engine.runs.ledger import LEDGER_FILE, Ledger, leave_receipt
from engine.runs.listing import ledger_summary
from engine.runs.stored import stored_forecasts
from engine.runs.trial import seconds_of
from engine.simulation.cerebro import simulate
from engine.sweep.grid import parse_axis
from engine.sweep.job import BATCH, sweep, write_sweep
from engine.sweep.page import heat_map, sweep_page
from engine.sweep.result import SweepLuck, best_rows, sweep_lines
from engine.sweep.surface import drawn_axes, heat_table
from forewalk.compute.pool import Processes
from forewalk.errors import ConfigError, DataError, ForewalkError
from forewalk.returns import simple_returns
from helpers.own_code import write_module
from helpers.run_folders import make_run

AXES = [parse_axis("strategy.entry=0:0.3:0.1"), parse_axis("strategy.min_hold_bars=0,5,9")]
THREE = [*AXES, parse_axis("strategy.stop_loss=none,0.05")]


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "one", strategy={"kind": "per_symbol"})


@pytest.fixture
def run(finished_run, tmp_path):
    """The finished run, alone in a folder without a ledger."""
    return Path(shutil.copytree(finished_run, tmp_path / "one"))


@pytest.fixture(scope="module")
def result(finished_run, tmp_path_factory):
    return sweep(Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("other") / "one")), THREE)


def test_every_setting_is_recorded_with_its_account(run):
    found = sweep(run, AXES)
    trials = Ledger(run.parent / LEDGER_FILE).trials()
    assert len(trials) == len(found.table) == 12
    assert {trial.kind for trial in trials} == {"sweep"}
    assert [json.loads(trial.settings)["strategy.min_hold_bars"] for trial in trials[:4]] == [0, 5, 9, 0]
    assert [trial.sharpe_per_bar for trial in trials] == found.table["sharpe_per_bar"].tolist()


def test_a_row_of_the_table_is_what_the_cerebro_run_gives(run):
    from engine.runs.folder import read_run
    from forewalk.data.loading import load_bars
    from forewalk.settings.loading import load_settings

    found = sweep(run, AXES)
    base = load_settings(run / "config.toml", environment={})
    bars, _ = load_bars(base.data)
    stored = read_run(run)
    times = pd.DatetimeIndex(stored.equity["time"])
    forecasts = stored_forecasts(stored.forecasts, times, bars.symbols, 1)
    other = base.model_copy(
        update={"strategy": base.strategy.model_copy(update={"entry": 0.2, "min_hold_bars": 9})}
    )
    expected = simulate(bars, forecasts, other)
    row = found.table[(found.table["strategy.entry"] == 0.2) & (found.table["strategy.min_hold_bars"] == 9)]
    assert row["filled"].item() == expected.counts["filled"]
    last = expected.equity["equity"].iloc[-1] / expected.equity["equity"].iloc[0] - 1
    assert row["total_return"].item() == pytest.approx(last, rel=1e-12)


def test_the_runs_own_settings_give_its_account_again(result):
    assert result.equals_run
    assert result.own == {"strategy.entry": 0.02, "strategy.min_hold_bars": 5, "strategy.stop_loss": None}


def test_an_account_that_is_not_the_runs_any_more_is_said(run):
    equity = pd.read_parquet(run / "equity.parquet")
    equity.loc[10, "equity"] += 0.01
    equity.to_parquet(run / "equity.parquet", index=False)
    found = sweep(run, AXES)
    assert not found.equals_run
    assert "the code has changed since" in sweep_lines(found)[-1]


def test_changed_data_are_refused(run):
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "data_fingerprint": "0" * 64}))
    with pytest.raises(DataError, match="have changed since the run"):
        sweep(run, AXES)
    assert not (run.parent / LEDGER_FILE).exists()


def test_a_ledger_that_cannot_be_written_stops_the_sweep(run):
    (run.parent / LEDGER_FILE).write_text("no ledger")
    with pytest.raises(ForewalkError, match="the ledger of trials failed"):
        sweep(run, AXES)


def test_an_interrupted_sweep_has_recorded_what_it_tried(run):
    axes = [parse_axis(f"strategy.entry=0:{BATCH / 1000}:0.001"), parse_axis("strategy.min_hold_bars=5,6")]

    def stop(what, done, total):
        if what == "settings":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(run, axes, progress=stop)
    assert len(Ledger(run.parent / LEDGER_FILE).trials()) == BATCH


def test_trying_the_same_again_adds_no_luck(run):
    once = sweep(run, AXES).luck
    twice = sweep(run, AXES).luck
    assert once == twice
    assert len(Ledger(run.parent / LEDGER_FILE).trials()) == 24


def test_a_sweep_is_missed_where_the_ledger_was_put_back_as_it_was_before(run):
    folder, ledger = write_sweep(sweep(run, AXES)), Ledger(run.parent / LEDGER_FILE)
    assert json.loads((folder / "trial.json").read_text())["number"] == 12
    assert (ledger.verify(), ledger.lost()) == ([], 0)
    for path in run.parent.glob("trials.*"):
        path.unlink()
    assert ledger.lost() == 12
    assert (
        sweep(run, [parse_axis("strategy.entry=0.4,0.5")]).luck.tries == 12
    )  # 2 and the 10 that must be gone


def test_the_list_of_the_ledger_counts_as_the_sweep_and_the_verdict_do(run):
    luck, ledger = sweep(run, THREE).luck, Ledger(run.parent / LEDGER_FILE)
    (entry,) = ledger_summary(ledger)
    assert (entry.distinct + entry.lost, entry.effective) == (luck.tries, luck.independent_tries)
    held = pd.read_parquet(run / "equity.parquet").set_index("time")["benchmark"]
    of_a_run = count_tries(
        ledger.trials(),
        0,
        pd.Series(simple_returns(held.to_numpy()), seconds_of(pd.DatetimeIndex(held.index))),
    )
    assert of_a_run.counted == entry.effective
    leave_receipt(run, ledger.trials()[-1])
    moved = run.rename(run.with_name("moved"))  # known by its receipt alone, as one that was saved later
    assert ledger_summary(ledger)[0].effective == entry.effective
    shutil.rmtree(moved)
    assert ledger_summary(ledger)[0].effective <= entry.effective  # as accounts: the market makes them alike


def test_trying_more_raises_the_bar(run):
    few, many = sweep(run, AXES).luck, sweep(run, THREE).luck
    assert few.tries == 12
    assert many.tries == 24
    assert many.independent_tries > few.independent_tries


def test_threads_do_not_change_a_sweep(run):
    pd.testing.assert_frame_equal(sweep(run, AXES, Processes(1)).table, sweep(run, AXES, Processes(3)).table)


def test_the_best_rows_have_the_highest_ratios(result):
    best = best_rows(result, 3)["sharpe"].to_numpy()
    assert (np.diff(best) <= 0).all()
    assert best[0] == result.table["sharpe"].max()


def test_a_cell_is_the_median_over_what_is_not_drawn(result):
    across, down = drawn_axes(result)
    assert (across.key, down.key) == ("strategy.entry", "strategy.min_hold_bars")
    rows = result.table[(result.table[across.key] == 0.1) & (result.table[down.key] == 9)]
    assert len(rows) == 2
    assert heat_table(result, "sharpe")[2, 1] == rows["sharpe"].median()


def test_the_middle_of_the_colours_is_what_holding_gave(result):
    middle = f"fill: {to_hex(colormaps['RdBu'](0.5))}"
    values = heat_table(result, "sharpe")
    held = replace(result, held={"sharpe": float(values[1, 1])})
    beside = replace(result, held={"sharpe": float(np.nanmax(values)) + 1.0})
    assert middle in heat_map(held, "sharpe")
    assert heat_map(beside, "sharpe").count(middle) < heat_map(held, "sharpe").count(middle)


def test_one_axis_is_drawn_as_one_row(run):
    found = sweep(run, [parse_axis("strategy.stop_loss=none,0.02,0.05")])
    assert heat_table(found, "total_return").shape == (1, 3)
    assert "<svg" in (write_sweep(found) / "heatmap.svg").read_text()


def test_the_page_stands_alone_and_the_files_hold_every_setting(result):
    folder = write_sweep(result)
    page = (folder / "index.html").read_text()
    assert page.count("<svg") == 4
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page) == []
    assert "luck alone would be expected to reach" in page
    assert len(pd.read_csv(folder / "settings.csv")) == len(result.table)
    assert json.loads((folder / "sweep.json").read_text())["settings"] == 24


def test_each_sweep_has_a_folder_of_its_own(run):
    folders = [write_sweep(sweep(run, AXES)).name for _ in range(2)]
    assert folders == ["001", "002"]


def test_settings_that_never_trade_are_said_and_drawn(run):
    found = sweep(run, [parse_axis("strategy.entry=50,60")])
    assert sweep_lines(found) == ["None of the 2 settings traded."]
    assert "no setting traded" in (write_sweep(found) / "index.html").read_text()


def test_the_command_prints_the_outcome_and_where_it_is(run):
    done = CliRunner().invoke(app, ["sweep", str(run), "--vary", "strategy.entry=0,0.1", "--jobs", "1"])
    assert done.exit_code == 0, done.output
    assert "Of 2 settings the best" in done.output
    assert "sweeps/001/index.html" in done.output.replace("\n", "")


def test_the_command_speaks_json(run):
    done = CliRunner().invoke(app, ["sweep", str(run), "--vary", "strategy.entry=0,0.1", "--json"])
    shown = json.loads(done.output)
    assert shown["axes"] == {"strategy.entry": [0, 0.1]}
    assert shown["luck"]["trials"] == 2


def test_a_strategy_of_ones_own_is_refused_with_what_to_do_instead(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "import numpy as np\n\ndef policy(outlook, positions, settings):\n    return np.zeros(len(outlook.mean))\n"
    write_module(tmp_path, "mine", text)
    run = make_run(tmp_path / "own", rows=60, strategy={"kind": "mine:policy"})
    with pytest.raises(ConfigError, match=r"strategy\.kind = 'mine:policy' must be varied by backtests"):
        sweep(run)
    plain = make_run(tmp_path / "plain", rows=60)
    with pytest.raises(ConfigError, match="only the built-in policies are compiled"):
        sweep(plain, [parse_axis("strategy.kind=per_symbol,mine:policy")])


FOUND = SweepLuck(12.0, 5.0, 1.2, 0.4, 0.6, 0.99, passes=True, bars=300)


@pytest.mark.parametrize(
    ("luck", "green"),
    [
        (FOUND, True),
        (replace(FOUND, probability=0.8, passes=False), False),
        (replace(FOUND, probability=None, passes=False, bars=20), False),
    ],
)
def test_the_box_is_green_only_where_the_best_passes_after_all_tries(result, luck, green):
    assert ('class="verdict good"' in sweep_page(replace(result, luck=luck))) == green


def luck_on(folder, rows, skill, axis="strategy.entry=0,0.1", **strategy):
    policy = {"kind": "per_symbol", "min_hold_bars": 0, **strategy}
    return sweep(make_run(folder, rows=rows, skill=skill, strategy=policy), [parse_axis(axis)]).luck


def test_skill_that_some_data_can_have_passes_and_what_none_can_have_does_not(tmp_path):
    some, all_of_it = luck_on(tmp_path / "some", 300, 0.03), luck_on(tmp_path / "all", 300, 1.0)
    assert some.best_sharpe_annual < 4 < all_of_it.best_sharpe_annual
    assert min(some.probability, all_of_it.probability) > 0.95
    assert (some.passes, all_of_it.passes) == (True, False)


def test_the_drift_of_the_market_and_a_few_bars_do_not_pass(tmp_path):
    few = luck_on(tmp_path / "few", 40, 0.05)
    assert (few.probability, few.passes) == (None, False)
    held = luck_on(
        tmp_path / "held",
        900,
        0.0,
        "strategy.target_volatility=0.1,0.2",
        always_held=True,
        sizing="constant_risk",
    )
    assert held.best_sharpe_annual > 0.5
    assert not held.passes


def test_a_book_that_is_as_much_short_as_long_is_compared_with_cash_and_said_so(tmp_path):
    policy = {"kind": "cross_section", "direction": "long_short", "top": 1}
    found = sweep(make_run(tmp_path / "one", strategy=policy), [parse_axis("strategy.hysteresis=0,1")])
    assert found.luck.against == "cash"
    assert "beyond cash" in " ".join(sweep_lines(found))


def test_a_best_whose_alpha_is_within_luck_is_told_so(result):
    for passes in (True, False):
        said = " ".join(sweep_lines(replace(result, luck=replace(FOUND, passes=passes))))
        assert ("days that follow from each other, is within luck" in said) is not passes


def test_too_few_bars_and_too_good_a_ratio_are_said(result):
    short = replace(result, luck=replace(FOUND, probability=None, passes=False, bars=20))
    assert "20 bars are too few" in " ".join(sweep_lines(short))
    absurd = replace(result, luck=replace(FOUND, best_sharpe_annual=6.0, passes=False))
    assert "too good to be believed" in " ".join(sweep_lines(absurd))
