"""The pages as a browser meets them: what the first screen weighs, when it can be used, and a click to a forecast.

Debian's Chromium at the width of a phone, a server of its own on loopback, a small trained run of the bundled sample.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.measure import Report
from benchmarks.serve import serving

CHROMIUM = "/usr/bin/chromium"
PHONE = {"width": 390, "height": 844}
TIMES = 5
QUICK = ("data.start=2009-01-01", "folds.train_bars=400", "folds.refit_every_bars=300", "model.seeds=1",
         "model.max_epochs=2", "evaluation.baselines=false", "jobs=1")  # fmt: skip
USABLE = "() => performance.getEntriesByType('navigation')[0].domInteractive"


def run() -> Report:
    """Measure in a browser that starts anew each time; raises where playwright or Chromium is missing."""
    from playwright.sync_api import sync_playwright

    report = Report(
        "pages", f"the bundled sample, a phone's width; the median of {TIMES}, each in a new browser profile"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        _server(Path(folder)) as address,
        sync_playwright() as started,
    ):
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        seen = np.array([_visit(browser, address) for _ in range(TIMES)])
        browser.close()
        asked = [[_answer(address, path) for path in ("/", "/runs/bench/tomorrow")] for _ in range(TIMES)]
        server = np.median(asked, axis=0)
    weight, usable, forecast = np.median(seen, axis=0)
    spread = [
        f"{low:.2f} to {high:.2f}" for low, high in zip(seen.min(axis=0), seen.max(axis=0), strict=True)
    ]
    report.add("the first screen, all of it", weight, "KB", target="< 150 KB", reached=bool(weight < 150))
    report.add("... can be used after", usable, "s", target="< 1 s", reached=bool(usable < 1), note=spread[1])
    report.add(
        "from a click to tomorrow's forecast",
        forecast,
        "s",
        target="< 2 s",
        reached=bool(forecast < 2),
        note=spread[2],
    )
    report.add("... of which the server's answer, first screen", server[0], "s")
    report.add("... of which the server's answer, tomorrow", server[1], "s")
    return report


def _answer(address: str, path: str) -> float:
    begun = time.perf_counter()
    httpx.get(address + path).raise_for_status()
    return time.perf_counter() - begun


def _visit(browser: Any, address: str) -> tuple[float, float, float]:
    """Return KB and seconds of the first screen, and seconds from the click on a run to its forecast on the page."""
    context = browser.new_context(viewport=PHONE)
    page, sizes = context.new_page(), []

    def weigh(answer: Any) -> None:
        sizes.append(len(answer.body()))

    page.on("response", weigh)
    page.goto(address)
    usable = page.evaluate(USABLE) / 1000
    weight = sum(sizes) / 1000
    page.remove_listener("response", weigh)
    begun = time.perf_counter()
    page.get_by_role("link", name="bench", exact=True).click()
    page.get_by_text(re.compile("will most likely end between")).first.wait_for()
    waited = time.perf_counter() - begun
    context.close()
    return weight, usable, waited


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    runs = folder / "runs"
    words = [word for each in QUICK for word in ("--set", each)]
    subprocess.run(
        [sys.executable, "-m", "engine.backtest", "--out", str(runs / "bench"), *words],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with serving(folder) as address:
        yield address
