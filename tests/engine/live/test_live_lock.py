"""One daemon per account, wherever its folders are; and nothing of anybody else's is touched for it."""

import os
import stat
import tempfile
from contextlib import ExitStack

import pytest

from engine.live import lock
from engine.live.lock import AlreadyRunning, Lock, account_lock, is_locked, runtime_folder, state_lock
from forewalk.errors import ConfigError


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setattr(lock, "runtime_folder", lambda: runtime_folder(folder))
    return folder


def test_no_variable_of_the_environment_leads_to_another_lock(home, tmp_path, monkeypatch):
    with account_lock("account-1", "paper"):
        for name in ("TMPDIR", "HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
            monkeypatch.setenv(name, str(tmp_path / name))
        monkeypatch.setattr(tempfile, "tempdir", None)
        with (
            pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"),
            account_lock("account-1", "other"),
        ):
            pass
    with account_lock("account-1", "paper"):
        pass


def test_the_folder_is_told_by_the_systems_own_list_of_users(monkeypatch, tmp_path):
    before = runtime_folder()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert runtime_folder() == before
    assert stat.S_IMODE(before.stat().st_mode) == 0o700


def test_accounts_are_kept_apart_and_those_of_two_simulators_too(home):
    with ExitStack() as held:
        for account, port in (("one", None), ("two", None), ("one", 4711), ("one", 4712)):
            held.enter_context(account_lock(account, "paper", port=port))
        assert len(list(home.rglob("account-*.lock"))) == 4


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_link_in_the_locks_place_is_refused_and_what_it_leads_to_is_untouched(tmp_path, make):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o644)
    place = tmp_path / "locks" / "account.lock"
    place.parent.mkdir()
    make(victim, place)
    with pytest.raises(ConfigError, match=r"account\.lock"):
        Lock(place, "this account")
    assert victim.read_text() == "precious"
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644


def test_a_pipe_in_the_locks_place_is_refused_and_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "account.lock")
    with pytest.raises(ConfigError, match="no plain file"):
        Lock(tmp_path / "account.lock", "this account")


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / ".local" / "state").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".local" / "state" / "forewalk").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="a link or another user's"):
        runtime_folder(tmp_path)


def test_another_users_folder_is_refused(tmp_path, monkeypatch):
    runtime_folder(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(ConfigError, match="a link or another user's"):
        runtime_folder(tmp_path)


def test_a_user_without_a_home_has_a_folder_of_its_own(tmp_path):
    folder = runtime_folder(tmp_path / "nonexistent", shared=tmp_path)
    assert folder == tmp_path / f"forewalk-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_lock_is_for_its_users_eyes_only_and_is_seen(tmp_path):
    assert not is_locked(tmp_path)
    held = state_lock(tmp_path)
    assert stat.S_IMODE((tmp_path / "daemon.lock").stat().st_mode) == 0o600
    assert is_locked(tmp_path)
    held.release()
    assert not is_locked(tmp_path)
