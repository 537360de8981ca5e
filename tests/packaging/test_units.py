"""The units for systemd: held tight, ended by a wrong setting, run by the exchange's clock."""

import shlex
import shutil
import subprocess

import pytest

from forewalk.errors import ConfigError, UsageError
from helpers.making import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
SERVICES = ("forewalk.service", "forewalk-once.service")
TIGHT = "systemd-analyze security --offline=true --threshold=25"


def values(name, key):
    """What a unit says of a key, in order."""
    lines = (DEPLOY / name).read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.partition("=")[0] == key]


def hardening(name):
    text = (DEPLOY / name).read_text(encoding="utf-8")
    return text[text.index("UMask=") :].partition("\n[Install]")[0].split()


def test_a_wrong_setting_ends_the_daemon_and_nothing_else_does():
    assert values("forewalk.service", "Restart") == ["always"]
    assert values("forewalk.service", "StartLimitIntervalSec") == ["0"]
    codes = {int(code) for code in values("forewalk.service", "RestartPreventExitStatus")[0].split()}
    assert codes == {UsageError.exit_code, ConfigError.exit_code}


@pytest.mark.parametrize("name", SERVICES)
def test_what_it_starts_is_understood_and_is_written_to_one_folder_only(name):
    from typer.main import get_command

    from engine.cli.app import app

    words = shlex.split(values(name, "ExecStart")[0])
    assert words[1:3] == ["-m", "engine.live"]
    assert ("--once" in words) == (name == "forewalk-once.service")
    get_command(app).commands["live"].make_context("live", words[3:])
    assert values(name, "ReadWritePaths") == values(name, "WorkingDirectory") == ["/srv/forewalk"]
    assert values(name, "User") == ["forewalk"]


def test_the_run_by_a_timer_is_held_as_tight_as_the_daemon():
    assert len(hardening("forewalk.service")) > 20
    assert hardening("forewalk-once.service") == hardening("forewalk.service")


def test_the_timer_goes_by_the_zone_of_the_exchange():
    times = values("forewalk-once.timer", "OnCalendar")
    assert len(times) == 2
    assert all(time.endswith(" America/New_York") for time in times)


def test_the_page_says_how_each_is_installed():
    page = (REPOSITORY / "docs" / "deploy.md").read_text(encoding="utf-8")
    names = [path.name for path in DEPLOY.iterdir()]
    assert set(SERVICES) < set(names)
    assert all(f"deploy/{name}" in page for name in names)


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_itself_gives_it_less_than_two_and_a_half(name):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze at hand")
    ran = subprocess.run(
        [*TIGHT.split(), DEPLOY / name], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    )
    if "unrecognized option" in ran.stderr:
        pytest.skip("systemd before 250 rates no files")
    assert ran.returncode == 0, ran.stdout[-500:] + ran.stderr
    assert "Overall exposure level" in ran.stdout
