import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.errors import ConfigError
from forewalk.settings.loading import load_settings, settings_to_toml
from forewalk.settings.sections import Settings


def settings_of(*overrides, **environment):
    return load_settings(overrides=overrides, environment=environment)


@given(
    hidden=st.integers(1, 2048),
    cap=st.none() | st.floats(0.01, 1.0),
    symbols=st.lists(st.sampled_from(["AAPL", "MSFT", "^VIX", "BRK-B"]), unique=True),
    spans=st.lists(st.integers(1, 60), min_size=1, max_size=4),
)
def test_settings_written_as_toml_read_back_equal(tmp_path_factory, hidden, cap, symbols, spans):
    tree = {
        "model": {"hidden_size": hidden},
        "execution": {"max_volume_share": cap},
        "data": {"symbols": symbols},
        "features": {"return_spans": spans},
    }
    settings = Settings.model_validate(tree)
    path = tmp_path_factory.mktemp("toml") / "config.toml"
    path.write_text(settings_to_toml(settings))
    assert load_settings(path, environment={}) == settings


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.hiden_size=3", "did you mean 'model.hidden_size'?"),
        ("modle.hidden_size=3", "did you mean 'model'?"),
        ("hidden_size=3", "did you mean 'model.hidden_size'?"),
        ("data.cleaning.outlier=drop", "did you mean 'data.cleaning.outliers'?"),
        ("model.cell=lsmt", "'lstm' or 'gru'"),
        ("model.dropout=-1", "greater than or equal to 0"),
        ("model.learning_rate=nan", "finite number"),
        ("seed=1.5", "integer"),
        ("model.hidden_size", "write it as section.key=value"),
        ("seed.x=1", "seed"),
        ("data.source=csv", "needs a path"),
        ("data.source=yahoo", "needs symbols"),
        ("name=../evil", "pattern"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_to_do(override, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?").replace(".", r"\.")):
        settings_of(override)


def test_later_sources_win_over_earlier_ones(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("seed = 1\njobs = 1\nname = 'file'\n")
    environment = {"FOREWALK_SEED": "2", "FOREWALK_JOBS": "2", "FOREWALK_SHARED_DATA": "/elsewhere"}
    settings = load_settings(path, ["seed=3"], environment)
    assert (settings.name, settings.jobs, settings.seed) == ("file", 2, 3)


def test_the_environment_reaches_nested_settings():
    assert settings_of(FOREWALK_MODEL__HIDDEN_SIZE="48").model.hidden_size == 48


def test_a_misspelt_environment_variable_is_refused():
    with pytest.raises(ConfigError, match="hidden_size"):
        settings_of(FOREWALK_MODEL__HIDDEN_SISE="48")


def test_none_switches_an_optional_setting_off():
    assert settings_of("execution.max_volume_share=none").execution.max_volume_share is None


@pytest.mark.parametrize("text", ["a = [", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path, text):
    path = tmp_path / "broken.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        load_settings(path, environment={})


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_settings(__import__("pathlib").Path("nowhere.toml"), environment={})


def test_settings_cannot_be_changed(settings):
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 3


def test_every_setting_has_a_description():
    def undocumented(section, prefix=""):
        for name, field in section.model_fields.items():
            if not field.description:
                yield prefix + name
            if hasattr(field.annotation, "model_fields"):
                yield from undocumented(field.annotation, f"{prefix}{name}.")

    assert list(undocumented(Settings)) == []


@pytest.mark.parametrize(
    "values",
    [
        {"model.hidden_size": 8, "data.symbols": ["AAPL", "IBM"]},
        {"model": {"hidden_size": 8}, "data": {"symbols": ("AAPL", "IBM")}},
        {"model": {"hidden_size": 8}, "data.symbols": "AAPL,IBM"},
    ],
)
def test_values_by_dotted_or_nested_keys_are_the_overrides_of_the_command_line(values):
    assert load_settings(overrides=values, environment={}) == settings_of(
        "model.hidden_size=8", "data.symbols=AAPL,IBM"
    )


@pytest.mark.parametrize(("key", "value"), [("model.hiden_size", 3), ("modle", {"seeds": 1}), ("seed", 1.5)])
def test_a_wrong_value_by_key_is_answered_as_the_command_line_answers_it(key, value):
    name, number = (f"{key}.seeds", value["seeds"]) if isinstance(value, dict) else (key, value)
    with pytest.raises(ConfigError) as of_command:
        settings_of(f"{name}={number}")
    with pytest.raises(ConfigError) as of_values:
        load_settings(overrides={key: value}, environment={})
    assert str(of_values.value) == str(of_command.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model.seeds": 1, "model": {"seeds": 2}}, "'model.seeds' is given twice"),
        ({"model": 3, "model.seeds": 1}, "'model' is a value, not a section"),
        ({3: 1}, "the key 3"),
    ],
)
def test_values_that_contradict_each_other_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        load_settings(overrides=values, environment={})


def test_a_settings_file_finds_the_bars_stored_beside_it(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[data]\nsource = "parquet"\npath = "bars.parquet"\n')
    assert str(load_settings(path, environment={}).data.path) == "bars.parquet"
    (tmp_path / "bars.parquet").touch()
    assert load_settings(path, environment={}).data.path == tmp_path / "bars.parquet"


@pytest.mark.parametrize(
    "key", ["data.path", "data.events", "data.universe", "evaluation.factors", "news.path"]
)
def test_a_file_that_is_named_on_the_command_line_is_that_of_the_folder_one_is_in(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section, name = key.split(".")
    for overrides in ([f"{key}=mine.csv"], {key: "mine.csv"}):
        settings = load_settings(None, overrides, {})
        assert getattr(getattr(settings, section), name) == tmp_path / "mine.csv"
    stored = tmp_path / "elsewhere" / "config.toml"
    stored.parent.mkdir()
    stored.write_text(settings_to_toml(settings))
    assert load_settings(stored, (), {}) == settings  # a stored run finds it from anywhere


def test_a_file_that_a_settings_file_names_is_beside_it(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[news]\npath = "texts.csv"\n')
    assert load_settings(config, (), {}).news.path == tmp_path / "texts.csv"
