"""A result in memory, its folder, and the result opened from it say the same."""

import html
import json
import sys

import pandas as pd
import pytest

import forewalk as fw
from engine.backtest.job import backtest
from engine.cli.app import main
from engine.runs.ledger import LEDGER_FILE, Ledger
from forewalk.settings.loading import load_settings
from helpers.notebooks import QUICK, quick_bars

TABLES = ("forecasts", "equity", "orders", "trades")


def command(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main([*map(str, arguments)])
    return exit_.value.code


def test_bars_in_memory_give_what_the_file_of_the_same_rows_gives(result, tmp_path):
    bars = quick_bars()
    frame = pd.concat([bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols])
    frame.index = frame.index.tz_convert("America/New_York").date
    frame.rename_axis("date").to_csv(tmp_path / "prices.csv")
    settings = load_settings(
        overrides={**QUICK, "data.source": "csv", "data.path": str(tmp_path / "prices.csv")}, environment={}
    )
    subject = backtest(settings).subject
    assert subject.bars.fingerprint == result.data_fingerprint
    assert subject.simulation.equity.equals(result.equity)
    assert subject.simulation.orders.equals(result.orders)


def test_a_try_is_recorded_though_nothing_is_saved(result, desk):
    (trial,) = Ledger(desk / "runs" / LEDGER_FILE).trials(result.data_fingerprint)
    assert trial.kind == "backtest"
    assert [entry.name for entry in (desk / "runs").iterdir() if entry.is_dir()] == []


def test_saving_a_run_again_and_again_stays_one_try(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = fw.backtest(quick_bars(), QUICK)
    folders = [run.save(), run.save(tmp_path / "runs" / "mine"), fw.Result.of(run.run).save("runs/again")]
    ledger = Ledger(tmp_path / "runs" / LEDGER_FILE)
    (trial,) = ledger.trials()
    assert ledger.verify() == []
    receipts = [json.loads((folder / "trial.json").read_text()) for folder in folders]
    assert receipts == [{"number": trial.number, "hash": trial.hash}] * 3
    elsewhere = [run.save(tmp_path / "other" / name) for name in ("one", "two")]
    other = Ledger(tmp_path / "other" / LEDGER_FILE)
    assert [each.name for each in other.trials()] == [elsewhere[0].name]
    assert other.verify() == []


def test_a_saved_run_opened_again_is_the_same(result, saved):
    opened = fw.open_run(saved)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(opened, name), getattr(result, name), check_exact=True)
    assert len(result.orders) > 10
    assert (opened.verdict, opened.data_lines) == (result.verdict, result.data_lines)
    assert opened.metrics == result.metrics
    assert (opened.path, opened.run) == (saved, None)


def test_the_commands_take_the_folder_from_anywhere_also_when_it_has_moved(
    saved, tmp_path, monkeypatch, capsys
):
    moved = saved.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path.parent)
    try:
        assert command("reproduce", moved, "--json") == 0
        assert json.loads(capsys.readouterr().out)["same"] is True
        assert command("sweep", moved, "--vary", "strategy.entry=0,0.1", "--json") == 0
        assert json.loads(capsys.readouterr().out)["equals_run"] is True
        assert command("backtest", "--config", moved / "config.toml", "--out", tmp_path / "again") == 0
    finally:
        moved.rename(saved)


def test_a_result_shows_itself_in_a_notebook_beside_its_baseline_and_what_was_wrong_with_the_data(result):
    shown = html.unescape(result._repr_html_())
    assert result.verdict in shown
    assert "naive / buy-and-hold" in shown
    assert "the bars given: 840 rows read, 840 bars kept" in shown
    assert "not saved" in shown
    assert result.verdict in repr(result)


def test_a_plot_is_a_figure_that_draws_itself_without_pyplot(result):
    figure = result.plot()
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "Account value",
        "Fall from the last peak",
    ]


def test_a_report_is_the_front_page_of_the_folder(saved):
    page = fw.open_run(saved).report()
    assert str(page) == f"{saved}/index.html"
    assert "srcdoc=" in page._repr_html_()


def test_a_report_of_a_result_that_is_not_saved_saves_it(result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fresh = fw.Result.of(result.run)
    assert (
        fresh.report().path.parent
        == fresh.path
        == (tmp_path / "runs" / "latest").readlink().parent / fresh.path
    )


def test_a_folder_in_use_and_a_run_that_is_saved_already_are_refused(result, saved):
    with pytest.raises(fw.UsageError, match="exists already"):
        fw.Result.of(result.run).save(saved)
    with pytest.raises(fw.UsageError, match="copy that folder"):
        fw.open_run(saved).save(saved / "again")


def test_the_verbs_take_a_result_that_is_not_saved_as_well_as_a_folder(result, saved):
    assert fw.reproduce(fw.Result.of(result.run)).same
    assert fw.reproduce(saved, jobs=1).same


def test_an_audit_stays_with_the_result_and_goes_into_its_folder(result, tmp_path):
    fresh = fw.Result.of(result.run)
    certificate = fw.audit(fresh)
    assert certificate.clean
    assert certificate.check("stored run").verdict == "clean"
    assert fresh.certificate is certificate
    assert certificate.headline() in fresh._repr_html_()
    fresh.save(tmp_path / "run")
    assert certificate.headline() in (tmp_path / "run" / "index.html").read_text()
    assert fw.open_run(tmp_path / "run").certificate == certificate


def test_a_sweep_takes_values_or_texts_and_stays_with_its_run(saved):
    by_value = fw.sweep(saved, {"strategy.entry": [0.0, 0.1], "strategy.stop_loss": "none,0.05"})
    by_text = fw.sweep(str(saved), ["strategy.entry=0.0,0.1", "strategy.stop_loss=none,0.05"])
    pd.testing.assert_frame_equal(by_value.table, by_text.table)
    assert by_value.equals_run
    assert "luck alone would be expected" in by_value._repr_html_()
    assert (saved / "sweeps" / "001" / "index.html").exists()


def test_what_cannot_be_swept_is_answered_as_the_command_line_answers_it(result, saved, capsys):
    with pytest.raises(fw.UsageError, match=r"result\.save\(\)"):
        fw.sweep(fw.Result.of(result.run))
    with pytest.raises(fw.ConfigError) as refused:
        fw.sweep(saved, {"model.seeds": [1, 2]})
    command("sweep", saved, "--vary", "model.seeds=1,2")
    assert str(refused.value) == capsys.readouterr().err.strip().removeprefix("error: ")


PLAIN = """
import forewalk as fw
from helpers.notebooks import QUICK, quick_bars
print(fw.backtest(quick_bars(), QUICK, jobs=2).data_fingerprint)
"""


def test_a_script_needs_no_guard_for_worker_processes(result, tmp_path):
    import subprocess

    from helpers.making import REPOSITORY

    (tmp_path / "plain.py").write_text(PLAIN)
    path = f"{REPOSITORY}:{REPOSITORY / 'tests'}"
    done = subprocess.run(
        [sys.executable, "plain.py"], cwd=tmp_path, env={"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout.strip() == result.data_fingerprint, done.stderr
