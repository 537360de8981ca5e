"""The next forecast is the last row of the run, bit by bit, and one made at a cut is the one made then."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from engine.backtest.job import backtest
from engine.backtest.writing import write_backtest
from engine.cli.app import app
from engine.forecast.answer import answer
from engine.forecast.basis import from_run, trained
from engine.forecast.job import give
from engine.forecast.log import ForecastLog
from engine.forecast.orders import read_holdings
from forewalk.errors import DataError
from forewalk.settings.loading import load_settings
from helpers.making import make_bars
from helpers.own_code import price_table, write_project

ROWS = 240


def silent(*told):
    pass


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("next")
    first = price_table(make_bars(ROWS + 200, 2)).groupby("symbol").head(ROWS)
    write_project(folder, table=first, model="max_age_bars = 80")
    return folder


@pytest.fixture(scope="module")
def run(project):
    result = backtest(load_settings(project / "config.toml", environment={}))
    return write_backtest(result, project / "runs" / "one")


@pytest.fixture
def prices(project):
    path = project / "prices.csv"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def last_rows(run):
    table = pd.read_parquet(run / "forecasts.parquet")
    return table[table["asof"] == table["asof"].max()].set_index("symbol")


def numbers(found):
    return {each.symbol: (each.mean, each.std, each.p_up_model) for each in found.symbols}


def test_the_newest_model_of_a_run_says_what_the_last_rows_of_the_run_say(run):
    found, stored = answer(from_run(run, silent)), last_rows(run)
    assert numbers(found) == {s: tuple(stored.loc[s, ["mean", "std", "p_up"]]) for s in stored.index}
    assert found.asof == stored["asof"].iloc[0]
    assert [each.model for each in found.symbols] == stored["model_id"].tolist()


def test_training_now_says_what_the_run_says(run, project):
    now = trained(load_settings(project / "config.toml", environment={}), silent)
    assert numbers(answer(now)) == numbers(answer(from_run(run, silent)))


@pytest.mark.parametrize("back", [1, 3, 10])
def test_a_forecast_from_data_that_end_earlier_is_the_one_of_that_bar(run, back):
    table = pd.read_parquet(run / "forecasts.parquet")
    asof = sorted(table["asof"].unique())[-1 - back]
    found = answer(from_run(run, silent, [f"data.end={asof:%Y-%m-%d}"]))
    then = table[table["asof"] == asof].set_index("symbol")
    assert numbers(found) == {s: tuple(then.loc[s, ["mean", "std", "p_up"]]) for s in then.index}


def test_what_was_logged_at_a_bar_is_what_data_cut_there_say_later(run, tmp_path):
    """The log is written three bars running, by a clock an hour after the close, and looked at afterwards."""
    times = sorted(pd.read_parquet(run / "forecasts.parquet")["asof"].unique())[-6:-3]
    for asof in times:
        log = ForecastLog(tmp_path / "log.sqlite", lambda asof=asof: asof + pd.Timedelta(hours=1))
        given = give(run, log, silent, now=lambda asof=asof: asof + pd.Timedelta(hours=1))
        assert given.entered.written == 2
    table = ForecastLog(tmp_path / "log.sqlite").table()
    assert sorted(table["asof"].unique()) == times
    for asof, rows in table.groupby("asof"):
        then = answer(from_run(run, silent, [f"data.end={asof:%Y-%m-%d}"]))
        logged = rows.set_index("symbol")[["mean", "std", "p_up"]].to_dict("index")
        assert logged == {s.symbol: {"mean": s.mean, "std": s.std, "p_up": s.p_up} for s in then.symbols}
    assert table["actual"].notna().sum() == 4


@pytest.mark.parametrize("back", [2, 7])
def test_nothing_that_came_later_changes_what_was_said(run, prices, back):
    """Ranges, corrections, orders, the record: all of the answer at a cut, whatever the rows after it hold."""
    table = pd.read_parquet(run / "forecasts.parquet")
    asof = sorted(table["asof"].unique())[-1 - back]
    cut = [f"data.end={asof:%Y-%m-%d}"]
    then = answer(from_run(run, silent, cut)).to_dict()
    rows = pd.read_csv(prices, float_precision="round_trip")
    later = rows["date"] > f"{asof:%Y-%m-%d}"
    assert later.sum() == 2 * back
    rows.loc[later, ["open", "high", "low", "close"]] *= 3.0
    rows.to_csv(prices, index=False)
    assert answer(from_run(run, silent, cut)).to_dict() == then
    rows[~later].to_csv(prices, index=False)
    assert answer(from_run(run, silent)).to_dict() == then


def test_new_bars_are_forecast_by_the_newest_model_and_old_outcomes_become_known(run, prices):
    before = answer(from_run(run, silent))
    price_table(make_bars(ROWS + 200, 2)).groupby("symbol").head(ROWS + 5).to_csv(prices, index=False)
    after = answer(from_run(run, silent))
    assert after.asof > before.asof
    assert {each.model for each in after.symbols} == {each.model for each in before.symbols}
    assert after.skill.forecasts == before.skill.forecasts + 5 * 2
    assert not any("revised" in note for note in after.notes)


def test_a_model_that_is_too_old_is_refused_with_the_remedy(run, prices):
    price_table(make_bars(ROWS + 200, 2)).to_csv(prices, index=False)
    with pytest.raises(
        DataError, match=r"too old.*trained until \d{4}.* \d+ bars ago.*run the backtest again"
    ):
        from_run(run, silent)


def test_revised_prices_are_said(run, prices):
    table = pd.read_csv(prices)
    table.loc[3, ["open", "high", "low", "close"]] *= 1.01
    table.to_csv(prices, index=False)
    assert any("prices were revised" in note for note in answer(from_run(run, silent)).notes)


def test_only_where_the_data_come_from_may_be_changed(run):
    with pytest.raises(DataError, match=r"model\.seeds=3.*only data\.\*"):
        from_run(run, silent, ["model.seeds=3"])


def test_ranges_lie_within_one_another_and_prices_follow_from_returns(run):
    for each in answer(from_run(run, silent)).symbols:
        lows, highs = zip(*(each.bands[level] for level in ("95", "80", "50")), strict=True)
        assert [*lows, each.mean, *reversed(highs)] == sorted([*lows, each.mean, *highs])
        for level, (low, high) in each.bands.items():
            assert each.price_bands[level] == pytest.approx(
                (each.close * np.exp(low), each.close * np.exp(high))
            )


def test_what_is_held_already_is_not_bought_again(run, tmp_path):
    flat = answer(from_run(run, silent))
    wanted = {each.symbol: each.order for each in flat.symbols if each.order}
    assert wanted
    held = tmp_path / "held.csv"
    quantities = {symbol: order.split()[1].replace(",", "") for symbol, order in wanted.items()}
    cost = sum(float(quantities[each.symbol]) * each.close for each in flat.symbols if each.symbol in wanted)
    rows = [f"{symbol},{quantity}" for symbol, quantity in quantities.items()]
    held.write_text("\n".join(["symbol,quantity", *rows, f"CASH,{100_000 - cost}"]))
    basis = from_run(run, silent)
    again = answer(basis, read_holdings(held, basis.settings))
    assert {each.symbol: each.order for each in again.symbols if each.order} == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ticker,shares\nA,1\n", "name them symbol, quantity"),
        ("symbol,quantity\nS00,many\n", "'many' is no number"),
        ("symbol,quantity\nS00,1\nS00,2\n", "S00 stands there twice"),
        ("symbol,quantity\nXXX,1\n", "holds XXX, of which there are no bars"),
    ],
)
def test_positions_that_are_not_understood_are_refused(run, tmp_path, text, said):
    held = tmp_path / "held.csv"
    held.write_text(text)
    basis = from_run(run, silent)
    with pytest.raises(DataError, match=said):
        answer(basis, read_holdings(held, basis.settings))


def test_the_command_prints_one_object_and_logs_nothing_of_the_past(run, tmp_path):
    log = tmp_path / "log.sqlite"
    page = tmp_path / "next.html"
    done = CliRunner().invoke(app, ["forecast", str(run), "--json", "--log", str(log), "--html", str(page)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found["symbols"]) == {"S00", "S01"}
    assert set(found["symbols"]["S00"]["bands"]) == {"50", "80", "95"}
    assert found["log"] == {"written": 0, "known": 0, "closed": 2, "settled": 0}
    assert found["for"] > found["asof"][:10]
    assert not log.exists()
    assert page.read_text(encoding="utf-8").count("<svg") == 2


def test_whoever_reads_the_text_has_the_chart_beside_the_log(run, tmp_path):
    done = CliRunner().invoke(app, ["forecast", str(run), "--log", str(tmp_path / "log.sqlite")])
    assert done.exit_code == 0, done.output
    page = tmp_path / "forecast-next.html"
    assert f"charts: {page}" in done.stdout
    assert page.read_text(encoding="utf-8").count("<svg") == 2


def test_several_horizons_come_from_one_command(project, tmp_path):
    log, page = tmp_path / "log.sqlite", tmp_path / "next.html"
    command = ["forecast", "--config", str(project / "config.toml"), "--horizons", "1,5", "--log", str(log)]
    done = CliRunner().invoke(app, [*command, "--json", "--html", str(page)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["forecasts"]
    assert [each["horizon_bars"] for each in found] == [1, 5]
    assert found[0]["for"] < found[1]["for"]
    assert page.exists()
    assert page.with_stem("next-2").exists()
    rows = CliRunner().invoke(app, [*command, "--csv"]).stdout.splitlines()
    assert [row.split(",")[3] for row in rows] == ["horizon_bars", "1", "1", "5", "5"]


@pytest.mark.parametrize("flag", ["--csv", None])
def test_the_command_prints_a_table_or_lines(run, tmp_path, flag):
    command = ["forecast", str(run), "--log", str(tmp_path / "log.sqlite"), *([flag] if flag else [])]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    for symbol in ("S00", "S01"):
        assert any(line.startswith(symbol) for line in done.stdout.splitlines())
    assert ("their outcome has closed already" in done.stdout) == (flag is None)
    if flag is None:
        assert [done.stdout.count(f"in {level} of 100 such cases between") for level in (50, 80, 95)] == [
            2
        ] * 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["--csv", "--json"],
        ["--once"],
        ["somewhere", "--config", "x.toml"],
        ["x", "--horizons", "1"],
        ["--horizons", "1,1"],
    ],
)
def test_flags_that_contradict_each_other_are_refused(arguments):
    assert CliRunner().invoke(app, ["forecast", *arguments]).exit_code != 0
