"""A run keeps to the source it began with, whoever edits a file meanwhile."""

import pytest

from forewalk.errors import ConfigError, PluginError
from forewalk.plugins.holding import changed_since, held, plugin_of, settled
from forewalk.settings.loading import load_settings, settings_from
from helpers.own_code import write_module


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_module(tmp_path, "mine", "def f(bars): return 1\n")
    return settings_from({"features": {"extra": ["mine:f"]}})


def value(settings):
    return plugin_of(settings, "features.extra", "mine:f").value(None)


def test_an_edit_changes_nothing_in_a_run_and_counts_for_the_next(tmp_path, mine):
    with held(mine):
        write_module(tmp_path, "mine", "def f(bars): return 2\n")
        assert value(mine) == 1
        with held(mine):
            assert value(mine) == 1
        assert value(mine) == 1
    assert value(mine) == 2


def test_the_source_is_kept_as_it_was_when_the_run_began(tmp_path, mine):
    with held(mine) as own:
        write_module(tmp_path, "mine", "def f(bars): return 2\n")
    own.write(tmp_path / "kept")
    assert (tmp_path / "kept" / "mine.py").read_text() == "def f(bars): return 1\n"
    (entry,) = own.manifest()
    assert (entry["setting"], entry["name"]) == ("features.extra", "mine:f")


def test_a_worker_that_finds_another_source_refuses_to_go_on(tmp_path, mine):
    with held(mine) as own:
        pass
    with held(mine, own.sources):
        pass
    write_module(tmp_path, "mine", "def f(bars): return 2\n")
    with pytest.raises(PluginError, match="is not what the run began with"), held(mine, own.sources):
        pass


def test_another_source_than_the_manifests_is_named(tmp_path, mine):
    with held(mine) as own:
        manifest = {"plugins": own.manifest()}
    assert changed_since(manifest, own.sources) == []
    write_module(tmp_path, "mine", "def f(bars): return 2\n")
    with held(mine) as edited:
        assert changed_since(manifest, edited.sources) == [
            f"mine:f of features.extra ({tmp_path / 'mine.py'})"
        ]


def test_modules_are_looked_for_beside_the_settings_file(tmp_path, monkeypatch):
    project = tmp_path / "project"
    write_module(project, "mine", "def f(bars): return 7\n")
    (project / "own").mkdir()
    write_module(project / "own", "theirs", "def f(bars): return 8\n")
    (project / "a.toml").write_text('[features]\nextra = ["mine:f"]\n')
    (project / "b.toml").write_text('plugins = "own"\n[features]\nextra = ["theirs:f"]\n')
    monkeypatch.chdir(tmp_path)
    a, b = (load_settings(project / name, environment={}) for name in ("a.toml", "b.toml"))
    assert a.plugins == project
    assert value(a) == 7
    assert plugin_of(b, "features.extra", "theirs:f").value(None) == 8


def test_settings_without_own_code_name_no_folder(tmp_path):
    (tmp_path / "plain.toml").write_text("seed = 3\n")
    assert load_settings(tmp_path / "plain.toml", environment={}).plugins is None


def test_the_folder_in_which_it_was_found_goes_into_the_settings(tmp_path, mine, monkeypatch):
    with held(mine) as own:
        kept = settled(mine, own)
    assert kept.plugins == tmp_path
    monkeypatch.chdir("/")
    assert value(kept) == 1
    with pytest.raises(ConfigError, match="no module 'mine'"):
        value(mine)
