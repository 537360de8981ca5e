import json
from dataclasses import replace

import numpy as np
import pytest

from engine.audit.doctoring import Cut
from engine.audit.job import audit, real_run, rerun_all
from engine.audit.pipeline import Pipeline
from engine.audit.rerun import AuditSubject, FitTask, fit_fold, table_arrays
from engine.audit.stored import check_stored_run
from engine.backtest.job import backtest
from engine.cli.app import main
from engine.runs.folder import forecast_table, make_manifest, read_run, write_run, write_tables
from forewalk.errors import DataError
from forewalk.sessions import microseconds
from forewalk.settings.loading import settings_to_toml
from forewalk.settings.sections import EvaluationSettings
from helpers.audit_tables import pipeline_on, small_settings, small_table
from helpers.making import make_bars


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Small settings whose prices are in a file."""
    bars = make_bars(200, 2, seed=3)
    folder = tmp_path_factory.mktemp("prices")
    for symbol in bars.symbols:
        frame = bars.frame(symbol)
        frame.index = frame.index.tz_convert("America/New_York").date
        frame.rename_axis("date").to_csv(folder / f"{symbol}.csv")
    return small_settings(data={"source": "csv", "path": str(folder)})


@pytest.fixture(scope="module")
def real(settings):
    return real_run(settings, Pipeline())


@pytest.fixture
def run(settings, real, tmp_path):
    """A finished run as a backtest leaves it, without the pages."""
    bars = real.prepared.bars
    table = forecast_table(real.forecasts, real.prepared.labels.returns[len(bars) - len(real.forecasts) :])
    manifest = make_manifest(settings, bars.fingerprint)
    tables = (table, real.simulation, {}, {}, manifest)
    return write_run(tmp_path / "run", "small", lambda folder: write_tables(folder, settings, *tables))


def command(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main(["audit", *map(str, arguments)])
    return exit_.value.code


def test_the_audited_pipeline_is_the_backtest_bit_for_bit(settings, real):
    without = EvaluationSettings(baselines=False, garch=False, costs=False, bootstrap_repetitions=100)
    subject = backtest(settings.model_copy(update={"evaluation": without})).subject
    for name in ("mean", "std", "p_up"):
        np.testing.assert_array_equal(getattr(real.forecasts, name), getattr(subject.forecasts, name))
    for table in ("orders", "equity", "trades", "decisions"):
        assert getattr(real.simulation, table).equals(getattr(subject.simulation, table))
    assert real.prepared.bars.fingerprint == subject.bars.fingerprint


def test_workers_find_what_one_process_finds(settings, real):
    last = microseconds(real.prepared.bars.timestamps)[[-30, -2]]
    cuts = [Cut(int(time), "chosen") for time in last]
    alone, together = (
        rerun_all(real, settings.model_copy(update={"jobs": jobs}), Pipeline(), cuts) for jobs in (1, 2)
    )
    assert alone == together
    assert sum(found.fits for found in alone) == 6


def test_progress_runs_to_its_end():
    calls = []
    audit(small_settings(), pipeline_on(small_table()), progress=lambda *call: calls.append(call))
    audited = [call for call in calls if call[0] == "audit"]
    assert audited[0][1] == 0
    assert audited[-1][1] == audited[-1][2] == len(audited) - 1


def test_a_run_keeps_its_certificate(run, capsys):
    assert command(run) == 0
    stored = json.loads((run / "certificate.json").read_text(encoding="utf-8"))
    assert stored["clean"] is True
    assert "stored run" in {check["name"] for check in stored["checks"]}
    assert capsys.readouterr().out.startswith("No look-ahead found")


def test_a_run_that_the_settings_do_not_give_is_refused_a_certificate(run, capsys):
    orders = read_run(run).orders
    orders.assign(quantity=orders["quantity"] + 1).to_csv(run / "orders.csv", index=False)
    assert command(run, "--json") == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["stored run"]["verdict"] == "leak"
    assert checks["stored run"]["offender"]["what"] == "orders: quantity"


def test_a_folder_that_is_no_run_is_refused_before_anything_is_run_again(settings, tmp_path):
    steps = []
    with pytest.raises(DataError):
        audit(settings, progress=lambda what, done, total: steps.append(what), run=tmp_path)
    assert "simulation" in steps
    assert "audit" not in steps


def test_a_worker_prepares_the_training_data_of_its_own_fold_alone():
    prepared = []

    def training(panel, labels, fold):
        prepared.append(fold.model_id)
        return Pipeline().training(panel, labels, fold)

    table = small_table()
    stages, settings = pipeline_on(table, training=training), small_settings()
    fit_fold(FitTask(AuditSubject.of(table, settings, stages), 1), table_arrays(table))
    assert len(prepared) == 1


def test_a_run_of_another_device_gets_no_verdict_on_its_bits(run, real):
    orders = real.simulation.orders
    other = replace(real.simulation, orders=orders.assign(quantity=orders["quantity"] + 1))
    fingerprint = real.prepared.bars.fingerprint
    verdicts = [
        check_stored_run(run, real.forecasts, other, fingerprint, name).verdict for name in ("cpu", "cuda")
    ]
    assert verdicts == ["leak", "note"]


def test_a_run_of_other_data_cannot_be_compared(run, real):
    check = check_stored_run(run, real.forecasts, real.simulation, "another")
    assert (check.verdict, check.values) == ("note", 0)


def test_a_settings_file_is_audited_and_nothing_is_written(settings, tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(settings_to_toml(settings), encoding="utf-8")
    assert command(tmp_path / "mine.toml", "--set", "label.horizon_bars=2", "--jobs", "1") == 0
    assert "horizon of 2 bars" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_an_earlier_download_that_says_otherwise_is_a_leak(settings, tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(settings_to_toml(settings), encoding="utf-8")
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    for file in settings.data.path.iterdir():
        text = file.read_text(encoding="utf-8").splitlines()
        (earlier / file.name).write_text("\n".join(text[:150]) + "\n", encoding="utf-8")
    assert command(tmp_path / "mine.toml", "--earlier", earlier) == 0
    first = earlier / "S00.csv"
    first.write_text(
        first.read_text(encoding="utf-8").replace("2015-01-05,5", "2015-01-05,6"), encoding="utf-8"
    )
    assert command(tmp_path / "mine.toml", "--earlier", earlier) == 1
    assert "vintages" in capsys.readouterr().out


def test_a_stored_run_is_audited_as_it_is(run, capsys):
    assert command(run, "--set", "seed=3") == 2
    assert "as it is" in capsys.readouterr().err


def test_a_stage_that_fails_over_another_future_is_an_offence():
    table = small_table()

    def clean(rows, settings):
        if len(rows) != len(table):
            raise ValueError("this stage knows how long the history will be")
        return Pipeline().clean(rows, settings)

    certificate = audit(small_settings(), pipeline_on(table, clean=clean))
    assert certificate.first_offender.stage == "run"
    assert "how long the history" in certificate.first_offender.message


def test_what_the_guards_of_the_pipeline_refuse_is_a_leak():
    def folds(bars, labels, settings):
        honest = Pipeline().folds(bars, labels, settings)
        return tuple(replace(fold, trained_until=fold.valid_from) for fold in honest)

    certificate = audit(small_settings(), pipeline_on(small_table(), folds=folds))
    assert [check.name for check in certificate.leaks] == ["guards"]
    assert certificate.first_offender.what == "LookaheadError"
