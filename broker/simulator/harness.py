"""Start a simulator for a test or a demo: a process of its own that can be killed and started again."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from broker.simulator.loading import save_bars
from forewalk.errors import ForewalkError
from forewalk.types import Bars

CONTROL_TIMEOUT_S = 120
SAID_LINES = 20  # the end of what the process says, for the message when it fails


class ControlError(ForewalkError):
    """The simulator did not start or did not take a control command; the message says why."""


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


class Simulator:
    """A simulator in a process of its own; it answers as soon as this object is made.

    Use it in a `with` statement, or call `stop()`.

    Args:
        bars: prices to replay: `Bars`, or what `--bars` takes ("sample", "synthetic:AAPL,MSFT", a path).
        start: start of the virtual clock, RFC 3339 or a New York date; default the first bar's open.
        seed: of identifiers and partial fills.
        state_path: SQLite file; with it the simulator survives `kill()` and `restart()`.
        options: further options of `python -m broker.simulator`, as cash=50_000 or slippage_bps=5.

    Attributes:
        url: base URL for TradingClient, StockHistoricalDataClient and NewsClient (`url_override`).
        ws_url: for TradingStream. data_ws_url: for StockDataStream.
        control_url: of the control port.
        control: a client for it.
        pid: of the process.

    Raises:
        ControlError: it did not start; the message is its own.
    """

    def __init__(
        self,
        bars: Bars | Path | str = "synthetic",
        start: str | None = None,
        seed: int = 0,
        state_path: Path | None = None,
        **options: Any,
    ) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if isinstance(bars, Bars):
            self._folder = tempfile.TemporaryDirectory(prefix="simulator-")
            source = Path(self._folder.name) / "bars.npz"
            save_bars(bars, source)
        else:
            source = Path(bars)
        given = {"start": start, "state": state_path, "rate_limit": 0, **options}
        words = [
            (f"--{name.replace('_', '-')}", str(value)) for name, value in given.items() if value is not None
        ]
        self._command = [sys.executable, "-m", "broker.simulator", "--bars", str(source), "--seed", str(seed)]
        self._command += [word for pair in words for word in pair]
        self._ports = {"--port": "0", "--control-port": "0"}
        try:
            self._start()
        except ControlError:
            self._forget_files()
            raise

    def _start(self) -> None:
        ports = [word for pair in self._ports.items() for word in pair]
        self._process = subprocess.Popen(
            [*self._command, *ports], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._said: deque[str] = deque(maxlen=SAID_LINES)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            code = self._process.wait()
            self._close_output()
            said = "".join(self._said).strip()
            raise ControlError(f"the simulator did not start (exit code {code}): {said}")
        found = json.loads(line)
        self._ports = {"--port": str(found["port"]), "--control-port": str(found["control_port"])}
        self.pid: int = found["pid"]
        self.url = f"http://127.0.0.1:{found['port']}"
        self.ws_url = f"ws://127.0.0.1:{found['port']}/stream"
        self.data_ws_url = f"ws://127.0.0.1:{found['port']}/v2/iex"
        self.control_url = f"http://127.0.0.1:{found['control_port']}"
        self.control = ControlClient(self.control_url)

    def _listen(self) -> None:
        """Pass on what the process says on stderr, and remember the end of it."""
        for line in self._process.stderr or ():
            self._said.append(line)
            sys.stderr.write(line)

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
        self._forget_files()

    def _forget_files(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _finish(self) -> None:
        self.control.close()
        self._process.wait()
        self._close_output()

    def _close_output(self) -> None:
        self._listener.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
