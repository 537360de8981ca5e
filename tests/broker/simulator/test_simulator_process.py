"""The simulator as a process: started, killed at any moment, started again; and what its command line refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest
import requests

from broker.simulator.__main__ import main
from broker.simulator.harness import ControlError, Simulator
from broker.simulator.loading import load_bars, save_bars, synthetic_bars
from broker.simulator.serving.server import loopback_socket
from broker.simulator.serving.store import Store
from broker.simulator.world.state import World, start_of, take_batch
from forewalk.errors import DataError
from helpers.simulator_bars import plain_bars
from helpers.waiting import PATIENCE_S, until

pytestmark = pytest.mark.enable_socket
HEADERS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "canary-of-the-secret"}
START = "2026-03-02T10:00:00-05:00"


def send(simulator, client_order_id, **fields):
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1", **fields}
    body["client_order_id"] = client_order_id
    return requests.post(f"{simulator.url}/v2/orders", json=body, headers=HEADERS, timeout=PATIENCE_S)


def truth(simulator):
    return {key: value for key, value in simulator.control.state().items() if key != "connections"}


def test_a_killed_simulator_comes_back_as_it_was(bars, tmp_path):
    with Simulator(bars, start=START, state_path=tmp_path / "state.sqlite", cash=50_000) as simulator:
        for number in range(20):
            send(simulator, f"a{number}")
        send(simulator, "resting", type="limit", limit_price="50", time_in_force="gtc")
        simulator.control.advance(to="close")
        simulator.control.calendar(day="2026-03-03", close="13:00")
        simulator.control.price(symbol="MSFT", price="77.5")
        simulator.control.split(symbol="MSFT", new=3)
        simulator.control.asset(symbol="AAPL", tradable=False)
        before, first_pid, url = truth(simulator), simulator.pid, simulator.url
        simulator.kill()
        simulator.restart()
        assert truth(simulator) == before
        assert simulator.pid != first_pid
        assert simulator.url == url
        assert send(simulator, "a7").json()["message"] == "client_order_id must be unique"
        assert len(simulator.control.log()) == 22


def test_every_order_that_was_answered_survives_a_kill_in_full_flight(bars, tmp_path):
    with Simulator(bars, start=START, state_path=tmp_path / "state.sqlite") as simulator:
        answered = []
        for round_number in range(3):
            simulator.control.http_fault(
                route="POST /v2/orders", action="stall", when="after", seconds=30, skip=5
            )
            answered += [send(simulator, f"{round_number}-{number}").json()["id"] for number in range(5)]
            with pytest.raises(requests.Timeout):
                requests.post(
                    f"{simulator.url}/v2/orders",
                    json={
                        "symbol": "AAPL",
                        "side": "buy",
                        "type": "market",
                        "time_in_force": "day",
                        "qty": "1",
                    },
                    headers=HEADERS,
                    timeout=(PATIENCE_S, 0.05),
                )
            until(
                lambda expected=6 * (round_number + 1): len(simulator.control.state()["orders"]) == expected
            )
            simulator.kill()
            simulator.restart()
            found = simulator.control.state()
            assert [order["id"] for order in found["orders"] if order["id"] in answered] == answered
            assert found["positions"] == {"AAPL": str(6 * (round_number + 1))}


def test_a_snapshot_is_a_place_to_come_back_to(simulator):
    simulator.control.restore()
    send(simulator, "one")
    simulator.control.snapshot(name="here")
    before = truth(simulator)
    send(simulator, "two")
    simulator.control.advance(to="close")
    simulator.control.restore(name="here")
    assert truth(simulator) == before
    simulator.control.restore()
    assert truth(simulator)["orders"] == []


def test_a_new_account_has_a_new_id_and_forgets_the_old_orders(simulator):
    simulator.control.restore()
    first = simulator.control.state()
    send(simulator, "one")
    simulator.control.new_account(cash="5000")
    second = simulator.control.state()
    assert second["account"]["id"] != first["account"]["id"]
    assert (second["orders"], second["cash"], second["positions"]) == ([], "5000", {})
    fresh_id = send(simulator, "one").json()["id"]
    assert fresh_id not in [order["id"] for order in first["orders"]]


def test_the_secret_is_in_no_file(bars, tmp_path):
    with Simulator(bars, start=START, state_path=tmp_path / "state.sqlite") as simulator:
        send(simulator, "one")
        simulator.kill()
    for file in tmp_path.iterdir():
        assert b"canary-of-the-secret" not in file.read_bytes()


def test_the_account_flags_and_the_clock_can_lie(simulator):
    simulator.control.restore()
    simulator.control.account(status="LIMITED", pattern_day_trader=True)
    simulator.control.lie_clock(is_open=True, offset_seconds=86_400)
    shown = requests.get(f"{simulator.url}/v2/account", headers=HEADERS, timeout=PATIENCE_S).json()
    clock = requests.get(f"{simulator.url}/v2/clock", headers=HEADERS, timeout=PATIENCE_S).json()
    assert (shown["status"], shown["pattern_day_trader"]) == ("LIMITED", True)
    assert (clock["is_open"], clock["timestamp"][:10]) == (True, "2026-03-03")


def test_equity_is_brought_to_an_amount(simulator):
    simulator.control.restore()
    send(simulator, "one")
    simulator.control.equity(to="1234.5")
    shown = requests.get(f"{simulator.url}/v2/account", headers=HEADERS, timeout=PATIENCE_S).json()
    assert shown["equity"] == "1234.5"


def test_a_clock_with_a_speed_runs_by_itself(bars):
    with Simulator(bars, start=START, speed=1_000_000) as simulator:
        first = simulator.control.state()["now"]
        while simulator.control.state()["now"] == first:
            pass
        assert simulator.control.state()["now"] > first


REFUSED = [
    (["--host", "0.0.0.0"], 3, "127.0.0.1 only"),
    (["--host", "localhost"], 3, "127.0.0.1 only"),
    (["--key", "PKABCDEFGHIJKLMNOPQR"], 3, "made-up keys"),
    (["--bars", "nowhere.csv"], 5, "no such file"),
    (["--bars", "nowhere.npz"], 5, "not a file of bars"),
    (["--start", "yesterday"], 3, "invalid start"),
    (["--news", "nowhere.json"], 3, "nowhere.json"),
    (["--state", "no/such/folder/state.sqlite"], 5, "cannot be used"),
]


@pytest.mark.parametrize(("options", "code", "text"), REFUSED)
def test_a_wrong_option_is_refused_with_the_reason(options, code, text, capsys):
    assert main(["--port", "0", "--control-port", "0", *options]) == code
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
def test_a_number_that_is_no_port_is_a_usage_error(port, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--port", port])
    assert stopped.value.code == 2


def test_a_port_that_is_taken_is_refused(simulator, capsys):
    port = simulator.url.rpartition(":")[2]
    assert main(["--port", "0", "--control-port", port]) == 3
    assert "in use" in capsys.readouterr().err


def test_nothing_but_loopback_can_be_bound():
    with pytest.raises(ValueError, match=r"127\.0\.0\.1 only"):
        loopback_socket(0, "0.0.0.0")


def test_a_simulator_that_cannot_start_says_so():
    with pytest.raises(ControlError, match="exit code 5"):
        Simulator("nowhere.npz")


def test_help_loads_no_server():
    code = (
        "import sys; from broker.simulator.__main__ import parser; parser(); print('aiohttp' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_sigterm_ends_it_cleanly():
    command = [sys.executable, "-m", "broker.simulator", "--port", "0", "--control-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        assert "control_port" in simulator.stdout.readline()
        simulator.terminate()
        assert simulator.wait(PATIENCE_S) == 0


def test_bars_come_back_bit_for_bit(tmp_path):
    bars = synthetic_bars(("A", "B"), sessions=20)
    gappy = type(bars)(
        bars.timestamps, bars.symbols, np.where(bars.open > 100, np.nan, bars.open), bars.high, bars.low,
        bars.close, bars.volume,
    )  # fmt: skip
    save_bars(gappy, tmp_path / "bars.npz")
    assert load_bars(str(tmp_path / "bars.npz")).fingerprint == gappy.fingerprint


@pytest.mark.parametrize("source", ["synthetic", "synthetic:SPY,QQQ"])
def test_made_up_bars_make_sense(source):
    bars = load_bars(source)
    assert bars.symbols == (("SPY", "QQQ") if ":" in source else ("AAPL", "MSFT", "SPY"))
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (np.diff(np.log(bars.close), axis=0).std(axis=0) < 0.03).all()


def test_csv_bars_are_cleaned_and_replayed(tmp_path):
    lines = ["date,open,high,low,close,volume"]
    lines += [f"2026-03-{day:02},10,11,9,10.5,1000" for day in (2, 3, 4, 5, 6)]
    (tmp_path / "ABC.csv").write_text("\n".join(lines))
    assert load_bars(str(tmp_path / "ABC.csv")).symbols == ("ABC",)


def test_a_file_that_is_no_bars_is_refused(tmp_path):
    (tmp_path / "bars.npz").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not a file of bars"):
        load_bars(str(tmp_path / "bars.npz"))


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path):
    bars = plain_bars()
    store = Store(tmp_path / "state.sqlite")
    store.save(take_batch(World(bars, start_of(bars, START))))
    before = store.load()
    broken = take_batch(World(bars, 0))
    broken.orders["x"] = {"unserialisable": object()}
    with pytest.raises(TypeError):
        store.save(broken)
    assert store.load() == before
    store.close()


def test_the_line_that_announces_the_ports_is_json(bars, tmp_path):
    save_bars(bars, tmp_path / "bars.npz")
    command = [sys.executable, "-m", "broker.simulator", "--bars", str(tmp_path / "bars.npz")]
    process = subprocess.Popen(
        [*command, "--port", "0", "--control-port", "0"], stdout=subprocess.PIPE, text=True
    )
    found = json.loads(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    assert set(found) == {"port", "control_port", "pid"}
    assert found["pid"] == process.pid


def test_several_that_are_started_alike_do_not_collide(bars, tmp_path):
    save_bars(bars, tmp_path / "bars.npz")
    command = [sys.executable, "-m", "broker.simulator", "--bars", str(tmp_path / "bars.npz")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [json.loads(process.stdout.readline()) for process in running]
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()
    assert len({line[name] for line in found for name in ("port", "control_port")}) == 4
