"""Start a simulator for a test or a demo: a process of its own that can be killed and started again."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from broker.simulator.loading import save_bars
from forewalk.types import Bars

CONTROL_TIMEOUT_S = 120


class ControlError(Exception):
    """The simulator did not take a control command; the message says why."""


class ControlClient:
    """The control port in Python: `client.advance(to="open")` is POST /advance {"to": "open"}."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def command(self, name: str, /, **body: Any) -> Any:
        """Run a command and return its answer; raises ControlError when it is refused."""
        return self._read(self._session.post(f"{self.url}/{name}", json=body, timeout=CONTROL_TIMEOUT_S))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda **body: self.command(name, **body)

    def state(self) -> dict[str, Any]:
        """Return the ground truth: orders, ledger, positions, cash, equity, now."""
        state: dict[str, Any] = self._read(self._session.get(f"{self.url}/state", timeout=CONTROL_TIMEOUT_S))
        return state

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the API's request log after a number, oldest first."""
        answer = self._session.get(f"{self.url}/log", params={"since": since}, timeout=CONTROL_TIMEOUT_S)
        log: list[dict[str, Any]] = self._read(answer)
        return log

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @staticmethod
    def _read(answer: requests.Response) -> Any:
        body = answer.json()
        if answer.status_code != 200:
            raise ControlError(body.get("error", answer.text))
        return body


class SimulatorHandle:
    """A running simulator.

    Attributes:
        url: base URL for TradingClient, StockHistoricalDataClient and NewsClient (`url_override`).
        ws_url: for TradingStream. data_ws_url: for StockDataStream.
        control_url: of the control port.
        control: a client for it.
        pid: of the process.
    """

    def __init__(self, command: list[str], folder: tempfile.TemporaryDirectory[str] | None = None) -> None:
        self._command = command
        self._folder = folder
        self._ports = {"--port": "0", "--control-port": "0"}
        self._start()

    def _start(self) -> None:
        ports = [word for pair in self._ports.items() for word in pair]
        self._process = subprocess.Popen([*self._command, *ports], stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._close_output()
            raise ControlError(f"the simulator did not start; exit code {self._process.wait()}")
        found = json.loads(line)
        self._ports = {"--port": str(found["port"]), "--control-port": str(found["control_port"])}
        self.pid: int = found["pid"]
        self.url = f"http://127.0.0.1:{found['port']}"
        self.ws_url = f"ws://127.0.0.1:{found['port']}/stream"
        self.data_ws_url = f"ws://127.0.0.1:{found['port']}/v2/iex"
        self.control_url = f"http://127.0.0.1:{found['control_port']}"
        self.control = ControlClient(self.control_url)

    def kill(self) -> None:
        """End the process with SIGKILL, as a power cut would."""
        self._process.kill()
        self._finish()

    def restart(self) -> None:
        """Start again on the same ports with the same state file; the process must be dead."""
        if self._process.poll() is None:
            raise ControlError("the simulator is still running; kill() or stop() it first")
        self._start()

    def stop(self) -> None:
        """End the process and forget its temporary files."""
        if self._process.poll() is None:
            self._process.terminate()
        self._finish()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _finish(self) -> None:
        self.control.close()
        self._process.wait()
        self._close_output()

    def _close_output(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> SimulatorHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_simulator(
    bars: Bars | Path | str = "synthetic",
    start: str | None = None,
    seed: int = 0,
    state_path: Path | None = None,
    **options: Any,
) -> SimulatorHandle:
    """Start a simulator in a process of its own and return when it answers.

    Args:
        bars: prices to replay: `Bars`, or what `--bars` takes.
        start: start of the virtual clock, RFC 3339 or a New York date; default the first bar's open.
        seed: of identifiers and partial fills.
        state_path: SQLite file; with it the simulator survives `kill()` and `restart()`.
        options: further options of `python -m broker.simulator`, as cash=50_000 or slippage_bps=5.

    Raises:
        ControlError: it did not start.
    """
    folder = None
    if isinstance(bars, Bars):
        folder = tempfile.TemporaryDirectory(prefix="simulator-")
        source = Path(folder.name) / "bars.npz"
        save_bars(bars, source)
    else:
        source = Path(bars)
    command = [sys.executable, "-m", "broker.simulator", "--bars", str(source), "--seed", str(seed)]
    given = {"start": start, "state": state_path, "rate_limit": 0, **options}
    for name, value in given.items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    try:
        return SimulatorHandle(command, folder)
    except ControlError:
        if folder is not None:
            folder.cleanup()
        raise
