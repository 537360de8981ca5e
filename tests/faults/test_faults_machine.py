"""G and H. The machine and the configuration: full disks, damaged files, two daemons, wrong keys, other hosts."""

import multiprocessing
import os
import resource
import signal
import sqlite3
import stat

import pytest
from scene import SECRET, log_lines

from broker.simulator.harness import Simulator
from helpers.waiting import PATIENCE_S


@pytest.mark.row(60)
def test_a_full_disk_sends_nothing_that_is_not_written_down(scene):
    scene.after_close()
    scene.once()
    scene.after_open()
    code = scene.start("--once", environment={"TEST_DISK_FULL": "1"}).wait()
    assert code == 4
    assert scene.posts() == []
    scene.once()
    assert scene.states() == ["filled", "filled"]
    scene.check()


@pytest.mark.row(61)
@pytest.mark.parametrize("damage", ["overwritten", "header", "other program's"])
def test_a_damaged_journal_is_refused_and_rebuilt_from_the_broker_on_request(scene, damage):
    scene.decide_and_send(strategy="fault_strategies:BuyOnce")
    path = scene.state / "journal.db"
    for name in ("journal.db-wal", "journal.db-shm"):
        (scene.state / name).unlink(missing_ok=True)
    content = bytearray(path.read_bytes())
    if damage == "overwritten":
        content[4096:] = b"\xff" * (len(content) - 4096)
    elif damage == "header":
        content[:50] = b"\0" * 50
    if damage == "other program's":
        path.unlink()
        sqlite3.connect(path).execute("CREATE TABLE meta (other INTEGER)").connection.close()
    else:
        path.write_bytes(bytes(content))
    assert scene.once() == 5
    assert "journal" in scene.last_output
    path.rename(scene.folder / "damaged.db")
    for name in ("journal.db-wal", "journal.db-shm"):
        (scene.state / name).unlink(missing_ok=True)
    process = scene.start("--once", "--rebuild", strategy="fault_strategies:BuyOnce")
    assert process.wait() == 0
    assert scene.ledger() == {"AAPL": 10}


@pytest.mark.row(61)
def test_a_journal_that_is_gone_is_noticed_by_the_positions_it_does_not_explain(scene):
    scene.decide_and_send(strategy="fault_strategies:BuyOnce")
    for path in scene.state.glob("journal.db*"):
        path.unlink()
    scene.once(strategy="fault_strategies:BuyOnce")
    assert [scope for scope, _ in scene.halts()] == ["AAPL"]
    assert len(scene.posts()) == 1


@pytest.mark.row(62)
def test_a_journal_that_another_program_locks_gives_a_clear_error(scene):
    scene.decide_and_send()
    other = sqlite3.connect(scene.state / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    code, said = scene.command("halt", "--no-suspend")
    other.close()
    assert code == 5
    assert "locked" in said


@pytest.mark.row(62)
@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_gives_a_clear_error(scene):
    scene.decide_and_send()
    (scene.state / "journal.db").chmod(0o400)
    scene.state.chmod(0o500)
    assert scene.once() != 0
    scene.state.chmod(0o700)


@pytest.mark.row(63)
@pytest.mark.parametrize("same_folder", [True, False])
def test_a_second_daemon_leaves_naming_the_first(scene, same_folder):
    first = scene.start()
    scene.until(lambda: "started" in first.said())
    elsewhere = {} if same_folder else {"state": str(scene.folder / "elsewhere")}
    second = scene.start("--once", **elsewhere)
    assert second.wait() == 1
    assert f"process {first.pid}" in second.said()
    first.kill()
    assert scene.start("--once", **elsewhere).wait() == 0


@pytest.mark.row(98)
def test_another_folder_of_temporary_files_is_no_way_around_the_lock_of_the_account(scene):
    first = scene.start()
    scene.until(lambda: "started" in first.said())
    (scene.folder / "other").mkdir()
    around = {
        name: str(scene.folder / "other") for name in ("TMPDIR", "HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")
    }
    second = scene.start("--once", environment=around, state=str(scene.folder / "elsewhere"))
    assert second.wait() == 1
    assert f"process {first.pid}" in second.said()
    first.kill()
    scene.check()


@pytest.mark.row(69)
def test_what_the_daemon_writes_is_for_its_users_eyes_only(scene):
    scene.state.mkdir()
    (scene.state / "journal.db").touch(mode=0o644)
    (scene.state / "log.jsonl").touch(mode=0o644)
    scene.decide_and_send()
    for name in ("journal.db", "log.jsonl", "daemon.lock"):
        assert stat.S_IMODE((scene.state / name).stat().st_mode) == 0o600, name
    scene.start("--once", state=str(scene.folder / "new")).wait()
    assert stat.S_IMODE((scene.folder / "new").stat().st_mode) == 0o700


@pytest.mark.faults
@pytest.mark.row(64)
def test_the_log_is_rotated_at_its_size(scene):
    for _ in range(3):
        scene.decide_and_send(log_mb=0.001)
    logs = list(scene.state.glob("log.jsonl*"))
    assert len(logs) > 1
    assert max(path.stat().st_size for path in logs) < 3000


@pytest.mark.row(66)
@pytest.mark.parametrize(
    ("section", "key", "value", "named"),
    [
        ("risk", "max_wieght", 0.1, "risk.max_weight"),
        ("risk", "max_weight", -0.1, "risk.max_weight"),
        ("risk", "max_weight", "much", "risk.max_weight"),
        ("live", "pol_s", 1.0, "live.poll_s"),
        ("live", "poll_s", 0, "live.poll_s"),
        ("live", "send", "sometimes", "live.send"),
        ("live", "book", "a book", "live.book"),
        ("live", "retrain", "daily", "live.retrain"),
        ("strategy", "kind", "no_such_module:X", "strategy.kind"),
        ("strategy", "kind", "json:dumps", "strategy.kind"),
        ("data", "symbols", ["../AAPL"], "AAPL"),
        ("live", "webhook", "ftp://x", "live.webhook"),
    ],
)
def test_a_setting_that_cannot_be_right_stops_the_start_and_is_named(scene, section, key, value, named):
    scene.tree[section] = {**scene.tree.get(section, {}), key: value}
    assert scene.once() == 3
    assert named in scene.last_output
    assert scene.posts() == []


@pytest.mark.row(66)
def test_a_misspelt_fail_point_stops_the_start(scene):
    assert scene.once("after_intend:kill9") == 3


@pytest.mark.row(67)
@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"APCA_API_KEY_ID": ""}, 3),
        ({"APCA_API_SECRET_KEY": ""}, 3),
        ({"ALPACA_API_KEY": "another-id"}, 3),
        ({"APCA_API_KEY_ID": "AKLIVE00000000000000"}, 3),
        ({"APCA_API_KEY_ID": "wrong-key"}, 1),
    ],
    ids=["no id", "no secret", "conflict", "live", "wrong"],
)
def test_keys_that_cannot_be_right_end_the_program_unseen(scene, keys, code):
    scene.control.keys(key="another", secret="pair")
    assert scene.once(environment=keys) == code
    assert SECRET not in scene.last_output
    assert not any(value and value in scene.last_output for value in keys.values())
    scene.control.keys()


@pytest.mark.row(68)
@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets",
        "https://paper-api.alpaca.markets.evil.example",
        "http://paper-api.alpaca.markets",
        "wss://api.alpaca.markets/stream",
        "http://10.0.0.1:80",
    ],
)
@pytest.mark.parametrize("setting", ["url", "data_url"])
def test_another_host_is_refused_before_anything_is_opened(scene, url, setting):
    assert scene.once(**{setting: url}) == 3
    assert "no live mode" in scene.last_output
    assert not (scene.state / "journal.db").exists()
    assert scene.control.log() == []


@pytest.mark.row(68)
def test_a_redirect_to_another_host_is_not_followed(scene):
    with Simulator(start="2026-03-04T10:00:00-05:00", market_fill="open") as other:
        scene.control.http_fault(
            route="GET /v2/account", status=302, headers={"Location": f"{other.url}/v2/account"}, count=None
        )
        assert scene.once() == 4
        assert other.control.log() == []


@pytest.mark.faults
@pytest.mark.row(69)
def test_the_keys_show_nowhere_even_at_debug_and_in_a_traceback(scene):
    """Every file that the daemon wrote is searched by the scene at the end; here the noise is turned up."""
    scene.control.http_fault(route="GET /v2/positions", status=401, body={"message": f"bad {SECRET}"})
    daemon = scene.start(environment={"TEST_DEBUG": "1", "PYTHONASYNCIODEBUG": "1"})
    scene.until(lambda: scene.state.joinpath("log.jsonl").exists() and scene.control.connections()["trading"])
    scene.until(lambda: scene.halts())
    command = f"/proc/{daemon.pid}/cmdline"
    with open(command, "rb") as shown:  # noqa: PTH123 - no path of a file
        assert SECRET.encode() not in shown.read()
    daemon.signal(signal.SIGABRT)
    daemon.wait()
    assert any("***" in line["message"] for line in log_lines(scene))
    assert resource.getrlimit(resource.RLIMIT_CORE) is not None
    scene.check_secrets()


@pytest.mark.row(70)
def test_proxies_of_the_environment_are_ignored(scene):
    with Simulator(start="2026-03-04T10:00:00-05:00", market_fill="open") as trap:
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY")
        proxies = dict.fromkeys(names, trap.url)
        scene.after_close()
        assert scene.once(environment=proxies) == 0
        assert trap.control.log() == []
        assert len(scene.orders()) == 2


@pytest.mark.row(65)
def test_forecasts_that_hang_bring_no_order(tmp_path):
    from forewalk.compute.child import InferenceFailed, ModelProcess

    process = ModelProcess(timeout_s=0.5, memory_mb=4096, work=hang)
    with pytest.raises(InferenceFailed, match="no answer within"):
        process.ask("anything")
    assert not [child for child in multiprocessing.active_children() if child.name == "models"]


@pytest.mark.row(65)
@pytest.mark.parametrize("how", ["memory", "killed", "error"])
def test_a_model_process_that_dies_is_reported_and_replaced(how):
    from forewalk.compute.child import InferenceFailed, ModelProcess

    process = ModelProcess(timeout_s=PATIENCE_S, memory_mb=4096, work=misbehave)
    with pytest.raises(InferenceFailed):
        process.ask(how)
    assert process.ask("fine") == "fine"
    process.stop()


def hang(task):
    signal.pause()


def misbehave(task):
    if task == "memory":
        return len(bytearray(8 << 30))
    if task == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "error":
        raise ValueError("no such model")
    return task
