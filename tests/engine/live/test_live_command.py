"""What the command line of the daemon makes of its flags."""

import pytest
from typer.testing import CliRunner

import engine.live.job
from engine.cli.live import live_app


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], {"retrain": "never", "approve": False, "dry_run": False}),
        (["--retrain", "weekly", "--approve"], {"retrain": "weekly", "approve": True}),
        (["--retrain", "20", "--dry-run"], {"retrain": "20", "dry_run": True}),
    ],
)
def test_a_flag_is_a_setting_of_the_daemon(flags, expected, monkeypatch):
    started = []
    monkeypatch.setattr(engine.live.job, "live", lambda settings, **more: started.append(settings.live))
    assert CliRunner().invoke(live_app, flags).exit_code == 0
    assert {name: getattr(started[0], name) for name in expected} == expected


def test_a_rule_that_is_none_is_refused_with_the_flags_value(monkeypatch):
    monkeypatch.setattr(engine.live.job, "live", lambda *_, **__: pytest.fail("it started"))
    refused = CliRunner().invoke(live_app, ["--retrain", "daily"])
    assert refused.exit_code != 0
    assert "live.retrain" in str(refused.exception)
