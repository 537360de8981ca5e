"""The examples run, as they stand, against a simulator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from broker.simulator.harness import Simulator
from helpers.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("socket_enabled")


def run(*command, **environment):
    keys = {"APCA_API_KEY_ID": "SIMKEY", "APCA_API_SECRET_KEY": "simsecret", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", **keys, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_an_own_strategy_trades_once_however_often_it_is_run():
    example = ROOT / "examples" / "alpaca_own_strategy.py"
    assert len(example.read_text().splitlines()) < 50
    with Simulator("synthetic:AAPL,MSFT", start="2025-03-04T09:35:00-05:00", market_fill="open") as simulator:
        for _ in range(2):
            done = run(str(example), simulator.url)
            assert done.returncode == 0, done.stderr
        orders = simulator.control.state()["orders"]
    assert [order["symbol"] for order in orders] == ["AAPL"]


@pytest.mark.faults
def test_ten_sessions_are_simulated_with_no_account_at_all(tmp_path):
    config = str(ROOT / "examples" / "paper.toml")
    done = run(
        "-m", "engine.live", "--config", config, "--simulator", "--set", f"live.state={tmp_path}", HOME="/"
    )
    assert done.returncode == 0, done.stderr
    assert "10 simulated sessions" in done.stdout
    assert done.stdout.count("2013-02-") >= 10
    (state,) = tmp_path.iterdir()
    assert "Paper account" in (state / "summary.html").read_text()
    again = state / "again.html"
    summary = run(
        *("-m", "engine.live", "summary", "--config", config),
        *("--set", f"live.state={state}", "--out", str(again)),
    )
    assert "10 bars" in summary.stdout
    assert again.exists()


def test_help_of_the_live_commands_answers_without_heavy_libraries():
    done = run("-X", "importtime", "-m", "engine.live", "--help")
    assert done.returncode == 0
    assert "flatten" in done.stdout
    assert not any(f" {name}\n" in done.stderr for name in ("torch", "backtrader", "alpaca", "pandas"))
