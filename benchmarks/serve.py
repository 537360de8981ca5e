"""The server under load: requests a second for the forecasts while a backtest runs, and many followers of one job."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

from benchmarks.measure import Report
from engine.runs.record import ForecastRecord, Foretold, Question

SYMBOLS, DAYS = 40, 50  # of the forecast log
A_SECOND, SECONDS = 200, 60.0
FOLLOWERS = 50
CONNECTIONS = 32
JOB = {"settings": {"name": "load", "data.symbols": "AAPL,MSFT", "jobs": 1}}


def run() -> Report:
    """Measure a server of its own, on loopback, and the client in this process beside it."""
    report = Report("serve", f"a log of {SYMBOLS * DAYS:,} forecasts; a backtest of two symbols runs beside")
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as address:
        asyncio.run(_measure(report, address))
    return report


async def _measure(report: Report, address: str) -> None:
    async with httpx.AsyncClient(base_url=f"{address}/api/v1", timeout=30) as client:
        job = (await client.post("/backtests", json=JOB)).json()
        await client.get("/forecasts?limit=100")  # the log is read
        waits, errors = await _asked(address, "/api/v1/forecasts?limit=100")
        state = (await client.get(f"/jobs/{job['id']}")).json()["state"]
        await client.post(f"/jobs/{job['id']}/cancel")
        p50, p99 = np.quantile(waits, [0.5, 0.99]) * 1000
        asked = f"GET /forecasts, {A_SECOND} a second for {SECONDS:.0f} s: median"
        report.add(asked, p50, "ms", note=f"the backtest: {state}")
        report.add("... 99 of 100 are answered within", p99, "ms", target="< 100 ms", reached=bool(p99 < 100))
        report.add("... not answered with 200", errors, "", target="0", reached=errors == 0)
        job = (await client.post("/backtests", json=JOB)).json()
        begun = time.perf_counter()
        heard = await asyncio.gather(*(_followed(address, job["id"]) for _ in range(FOLLOWERS)))
        good, note = heard.count("succeeded"), f"{time.perf_counter() - begun:.0f} s"
        what, reached = f"{FOLLOWERS} followers of one job heard its end", good == FOLLOWERS
        report.add(what, good, "", target=str(FOLLOWERS), reached=reached, note=note)


async def _asked(address: str, path: str) -> tuple[list[float], int]:
    """Return how long each answer took from when it was due, in seconds, and how many were no 200.

    The client speaks plain HTTP over a few connections that stay open, so that it takes little of the machine itself.
    """
    host, port = address.removeprefix("http://").split(":")
    waits: list[float] = []
    errors, due, begun = 0, iter(range(int(A_SECOND * SECONDS))), time.perf_counter()

    async def worker() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in due:
            moment = begun + number / A_SECOND
            await asyncio.sleep(max(0.0, moment - time.perf_counter()))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            await reader.readexactly(int(length[1]))
            errors += b" 200 " not in head.splitlines()[0]
            waits.append(time.perf_counter() - moment)
        writer.close()

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return waits, errors


async def _followed(address: str, job: str) -> str:
    """Return the last state that a follower of a job hears."""
    last = ""
    async with (
        httpx.AsyncClient(timeout=None) as client,
        client.stream("GET", f"{address}/api/v1/jobs/{job}/events") as stream,
    ):
        async for line in stream.aiter_lines():
            if found := re.search(r'"state": "(\w+)"', line):
                last = found[1]
    return last


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    _write_log(folder / "runs" / "forecasts.sqlite")
    with serving(folder) as address:
        yield address


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the runs in `folder`/runs with the state in `folder`/serve until left; gives the address."""
    command = [sys.executable, "-m", "engine.web", "--port", "0", "--state", folder / "serve"]
    process = subprocess.Popen([*command, "--runs", folder / "runs"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found
    try:
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _write_log(path: Path) -> None:
    path.parent.mkdir(parents=True)
    random = np.random.default_rng(1)
    for day in range(DAYS):
        asof = pd.Timestamp(datetime(2024, 1, 1, 21, tzinfo=UTC) + timedelta(days=day))
        foretold = [
            _foretold(f"S{number:02}", asof, float(random.normal(0, 0.01))) for number in range(SYMBOLS)
        ]
        ForecastRecord(path, now=lambda asof=asof: asof.to_pydatetime()).write(foretold)


def _foretold(symbol: str, asof: pd.Timestamp, mean: float) -> Foretold:
    bands = {"50": (-0.01, 0.01), "80": (-0.02, 0.02), "95": (-0.04, 0.04)}
    question = Question(1, "1d", "close", False)
    until = asof + pd.Timedelta(days=1)
    return Foretold(symbol, asof, until, question, 100.0, mean, 0.02, 0.51, 0.52, bands, "fold-00", None)
