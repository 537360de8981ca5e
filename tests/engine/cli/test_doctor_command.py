"""`forewalk doctor`: what is not there is named with what to do; what is fine is said in a line."""

import json

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.cli.doctor import KEYS, extras, installed, keys, packages, reachable, writable


def run(*words):
    return CliRunner().invoke(app, ["doctor", *words])


def test_a_machine_that_runs_the_tests_is_well(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("--json")
    found = json.loads(done.output)
    assert {finding["state"] for finding in found} <= {"good", "note"}, found
    assert done.exit_code == 0
    assert {"Python", "packages", "settings", "runs", "paper book", "speed"} <= {
        each["what"] for each in found
    }
    assert list(tmp_path.iterdir()) == []  # it looks and leaves nothing


def test_the_text_says_the_same_with_what_to_do():
    said = run().output
    assert "good  Python" in said
    assert "-> only for paper trading" in said or "are set" in said


def test_a_wrong_setting_is_named_and_the_rest_is_looked_at_all_the_same():
    done = run("--set", "model.hiden_size=3", "--json")
    found = {each["what"]: each for each in json.loads(done.output)}
    assert done.exit_code == 1
    assert found["settings"]["state"] == "bad"
    assert "hidden_size" in found["settings"]["found"]
    assert found["Python"]["state"] == "good"


def test_a_missing_or_wrong_package_is_named_with_what_is_needed():
    def version_of(name):
        return {"pandas": "2.0.0", "quantstats": None}.get(name, installed(name))

    bad = [finding for finding in packages(version_of) if finding.state == "bad"]
    assert len(bad) == 2
    assert any("pandas 2.0.0 (needs " in finding.found for finding in bad)
    assert any("quantstats is missing" in finding.found for finding in bad)


def test_an_extra_that_is_not_there_is_no_fault():
    found = {finding.what: finding for finding in extras(lambda name: None)}
    assert {finding.state for finding in found.values()} == {"note"}
    assert found["extra excel"].remedy == "only where it is wanted: pip install 'forewalk[excel]'"
    assert "extra dev" not in found


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 1e8}))
    (found,) = writable({"runs": tmp_path / "not" / "made"})
    assert (found.state, found.remedy) == ("bad", "make room, or choose another disk")


def test_a_key_is_never_shown():
    found = keys(dict.fromkeys(KEYS, "PKSECRET123"))
    assert found.state == "good"
    assert "PKSECRET" not in found.found + found.remedy
    assert keys({}).state == "note"


@pytest.mark.parametrize("fails", [True, False])
def test_hosts_are_tried_only_when_asked_and_a_failure_is_no_fault(fails):
    tried = []

    def opened(host):
        tried.append(host)
        if fails:
            raise OSError("no route")

    found = list(reachable(opened))
    assert {finding.state for finding in found} == {"note" if fails else "good"}
    assert len(tried) == len(found) == 3
