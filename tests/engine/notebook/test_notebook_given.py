"""What a notebook hands over is taken as the command line takes it, and refused in the same words."""

import pandas as pd
import pytest

import forewalk as fw
from engine.cli.app import main
from engine.notebook.given import with_bars
from forewalk.data.loading import load_bars as load
from forewalk.data.sources.memory import write_table
from forewalk.settings.loading import load_settings
from helpers.notebooks import QUICK, quick_bars
from helpers.universe_files import write_spans


def said(capsys, *arguments):
    with pytest.raises(SystemExit):
        main([*map(str, arguments)])
    return capsys.readouterr().err.strip().removeprefix("error: ")


@pytest.mark.parametrize(
    "given",
    [
        fw.load_settings({"model.seeds": 2, "data.symbols": "IBM"}),
        {"model": {"seeds": 2}, "data": {"symbols": ["IBM"]}},
        {"model.seeds": 2, "data.symbols": ("IBM",)},
    ],
)
def test_settings_come_as_settings_or_as_a_dict(given):
    assert fw.load_settings(given) == load_settings(overrides=["model.seeds=2", "data.symbols=IBM"])


def test_settings_come_as_a_file_and_the_environment_counts_as_on_the_command_line(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text("seed = 3\n")
    monkeypatch.setenv("FOREWALK_MODEL__SEEDS", "5")
    settings = fw.load_settings(str(tmp_path / "mine.toml"))
    assert (settings.seed, settings.model.seeds) == (3, 5)
    assert fw.load_settings({"model.seeds": 1}).model.seeds == 1
    assert fw.load_settings(settings) is settings


@pytest.mark.parametrize("key", ["model.hiden_size", "modle", "model.cell"])
def test_a_wrong_setting_is_answered_as_the_command_line_answers_it(key, capsys):
    with pytest.raises(fw.ConfigError) as refused:
        fw.backtest(settings={key: "x"})
    assert str(refused.value) == said(capsys, "backtest", "--set", f"{key}=x")


def test_a_wrong_path_or_symbol_is_answered_as_the_command_line_answers_it(tmp_path, capsys):
    with pytest.raises(fw.ConfigError) as refused:
        fw.backtest(settings=str(tmp_path / "none.toml"))
    assert str(refused.value) == said(capsys, "backtest", "-c", tmp_path / "none.toml")
    with pytest.raises(fw.DataError) as refused:
        fw.load_bars(tmp_path / "none.csv")
    assert str(refused.value) == said(capsys, "backtest", "--source", "csv", "--path", tmp_path / "none.csv")
    with pytest.raises(fw.DataError) as refused:
        fw.load_bars(symbols=["APPL"])
    assert str(refused.value) == said(capsys, "backtest", "--symbols", "APPL")
    with pytest.raises(fw.DataError) as refused:
        fw.open_run(tmp_path)
    assert str(refused.value) == said(capsys, "reproduce", tmp_path)


def test_bars_are_loaded_from_a_file_known_by_its_name(tmp_path):
    bars = quick_bars(300)
    frame = pd.concat([bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols])
    frame.index = frame.index.tz_convert("America/New_York").tz_localize(None).normalize()
    frame.rename_axis("date").to_csv(tmp_path / "prices.csv")
    frame.rename_axis("date").reset_index().to_parquet(tmp_path / "prices.parquet")
    assert fw.load_bars(tmp_path / "prices.csv").fingerprint == bars.fingerprint
    assert fw.load_bars(tmp_path / "prices.parquet").fingerprint == bars.fingerprint
    assert fw.load_bars(tmp_path / "prices.csv", "S01", start="2015-06-01").symbols == ("S01",)
    with pytest.raises(fw.UsageError, match="both CSV and Parquet"):
        fw.load_bars(tmp_path)


def test_what_is_no_bars_or_no_settings_is_refused_with_the_remedy():
    with pytest.raises(fw.UsageError, match=r"fw\.Bars\.from_frame"):
        fw.backtest(pd.DataFrame())
    with pytest.raises(fw.ConfigError, match="a dict such as"):
        fw.load_settings(3)


def test_bars_in_memory_take_symbols_and_span_from_the_settings():
    settings, table = with_bars(fw.load_settings({"data.symbols": ["S01"]}), quick_bars())
    assert (settings.data.symbols, table.symbols) == (("S01",), ("S01",))
    with pytest.raises(fw.DataError, match="no bars for AAPL; there are: S00, S01"):
        with_bars(fw.load_settings({"data.symbols": ["AAPL"]}), quick_bars())


def test_a_calendar_that_is_not_that_of_the_bars_is_refused():
    with pytest.raises(fw.ConfigError, match=r"data\.calendar = 'XLON', but the bars given have 'XNYS'"):
        with_bars(fw.load_settings({"data.calendar": "XLON"}), quick_bars())


def test_bars_that_were_cleaned_lose_nothing_more_unless_a_rule_is_named():
    quiet, _ = with_bars(fw.load_settings(QUICK), quick_bars())
    named, _ = with_bars(fw.load_settings({"data.cleaning.outliers": "drop"}), quick_bars())
    assert (quiet.data.cleaning.outliers, named.data.cleaning.outliers) == ("flag", "drop")


def kept(settings, table, folder):
    """Load the bars of a run from memory, and from the file that its folder keeps."""
    write_table(table, folder / "bars.parquet")
    stored = settings.data.model_copy(update={"path": folder / "bars.parquet"})
    columns = settings.features.columns
    return load(settings.data, table, columns)[0], load(stored, columns=columns)[0]


def test_columns_of_ones_own_stay_with_the_bars_and_go_into_the_folder_for_the_symbols_asked_for(tmp_path):
    bars = quick_bars()
    frame = pd.concat([bars.frame(symbol).assign(symbol=symbol) for symbol in bars.symbols])
    frame["score"], frame["other"] = range(len(frame)), 1.0
    read = fw.Bars.from_frame(frame, columns=["score", "other"])
    given = fw.load_settings({"features.columns": ["score"], "data.symbols": ["S01"]})
    in_memory, stored = kept(*with_bars(given, read), tmp_path)
    assert in_memory.fingerprint == stored.fingerprint
    assert {name: values[0, 0] for name, values in in_memory.extras.items()} == {"score": 420.0}
    with pytest.raises(fw.DataError, match=r"no column 'vix'.*columns=\['vix'\]"):
        with_bars(fw.load_settings({"features.columns": ["vix"]}), read)


def test_a_universe_counts_for_bars_in_memory_and_is_not_forgotten(tmp_path):
    path = write_spans(tmp_path / "members.csv", ("S00", "2015-03-02", "2015-12-31"))
    given = fw.load_settings({"data.universe": str(path)})
    in_memory, stored = kept(*with_bars(given, quick_bars()), tmp_path)
    assert in_memory.fingerprint == stored.fingerprint
    assert in_memory.symbols == ("S00",)
    assert "member" in in_memory.extras
    with pytest.raises(fw.ConfigError, match="read with a universe; name it in the settings too"):
        with_bars(fw.load_settings(), in_memory)
