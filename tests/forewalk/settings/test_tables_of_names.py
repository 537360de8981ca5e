"""A table of free names takes names with dots in them, nested or dotted, as a TOML file does."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewalk.errors import ConfigError
from forewalk.settings.loading import load_settings, settings_to_toml

names = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=12)
tables = st.dictionaries(
    names, st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8), max_size=4
)


def where(*overrides):
    return [dict(load_settings(overrides=each, environment={}).data.where) for each in overrides]


@given(table=tables.map(lambda table: {key: text for key, text in table.items() if text != "none"}))
def test_nested_dotted_and_mixed_keys_are_one_table(table):
    flat = {f"data.where.{key}": text for key, text in table.items()}
    for found in where({"data": {"where": table}}, {"data.where": table}, flat):
        assert found == table


@given(table=tables.filter(lambda table: "none" not in table.values()))
def test_what_is_written_as_toml_is_read_as_it_was(tmp_path_factory, table):
    made = load_settings(overrides={"data.where": table}, environment={})
    file = tmp_path_factory.mktemp("toml") / "settings.toml"
    file.write_text(settings_to_toml(made), encoding="utf-8", newline="")
    assert tomllib.loads(file.read_text(encoding="utf-8"))["data"].get("where", {}) == table
    assert load_settings(file, environment={}).data.where == table


def test_a_symbol_with_a_dot_has_its_calendar():
    for found in (
        {"data.calendars": {"7203.T": "XTKS"}},
        {"data": {"calendars": {"7203.T": "XTKS"}}},
        {"data.calendars.7203.T": "XTKS"},
        ["data.calendars.7203.T=XTKS"],
    ):
        assert load_settings(overrides=found, environment={}).data.calendars == {"7203.T": "XTKS"}


def test_a_tree_of_options_stays_a_tree():
    found = load_settings(overrides={"data": {"options": {"a": {"b": 1}}}}, environment={})
    assert found.data.options == {"a": {"b": 1}}


@pytest.mark.parametrize("key", ["data.wher.x", "data.zone.x", "model.hidden_size.x"])
def test_what_is_no_table_is_refused_as_ever(key):
    with pytest.raises(ConfigError):
        load_settings(overrides={key: "1"}, environment={})


@pytest.mark.parametrize("overrides", [{}, {"model.residual": "ridge"}, {"model.residual": "none"}])
def test_a_choice_is_read_back_from_a_file_and_none_is_off(tmp_path, overrides):
    made = load_settings(overrides=overrides, environment={})
    file = tmp_path / "settings.toml"
    file.write_text(settings_to_toml(made), encoding="utf-8")
    assert load_settings(file, environment={}) == made
    assert made.model.residual == ("ridge" if "ridge" in overrides.values() else "off")
