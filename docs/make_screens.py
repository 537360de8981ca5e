"""Take a picture of every page of the web application, on a phone and at a desk, by day and by night.

`python docs/make_screens.py RUNS OUT [PAPER]`: RUNS is a folder of at least two runs, OUT where the pictures go, to
be looked at before a release, and PAPER the settings of a paper book. Needs Debian's chromium, as `make_pictures.py`.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

CHROMIUM = "/usr/bin/chromium"
SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 900}}
SCHEMES = ("light", "dark")
PATIENCE_MS = 180_000
RUN, OTHER, FIRST = "{run}", "{other}", "{number}"
PAGES = {
    "choose": "/",
    "runs": "/runs",
    "compare": f"/compare?run={RUN}&run={OTHER}",
    "compare-none": "/compare",
    "tries": "/tries",
    "settings": "/settings",
    "words": "/words",
    "paper": "/paper",
    "drift": "/paper/drift",
    "tomorrow": f"/runs/{RUN}/tomorrow",
    "record": f"/runs/{RUN}/record",
    "what-if": f"/runs/{RUN}/what-if",
    "luck": f"/runs/{RUN}/luck",
    "account": f"/runs/{RUN}/account",
    "trades": f"/runs/{RUN}/trades",
    "texts": f"/runs/{RUN}/texts",
    "sweeps": f"/runs/{RUN}/sweeps",
    "sweep": f"/runs/{RUN}/sweeps/{FIRST}",
    "expert": f"/runs/{RUN}/expert",
    "run-index": f"/api/v1/runs/{RUN}/artefacts/index.html",
    "run-forecast": f"/api/v1/runs/{RUN}/artefacts/forecast.html",
    "run-tearsheet": f"/api/v1/runs/{RUN}/artefacts/tearsheet.html",
    "nothing-there": "/runs/none/tomorrow",
}
STEPS = {"file": "/files/{name}", "job": "/jobs/{job_id}"}  # met on the way from a file to its run
PEOPLE = {"login": "/login", "setup": "/setup"}  # where everybody logs in
PRICES = "date,open,high,low,close,volume\n" + "".join(
    f"{date(2023, 1, 2) + timedelta(week * 7 + day)},100,110,90,{96 + (week * 3 + day) % 9},1000\n"
    for week in range(60)
    for day in range(5)
)


def main(runs: Path, out: Path, paper: Path | None = None) -> None:
    """Take every picture; the widths that do not fit are printed."""
    from playwright.sync_api import sync_playwright

    out.mkdir(parents=True, exist_ok=True)
    found = sorted(folder.name for folder in runs.iterdir() if _is_run(folder))
    names = {"run": found[-1], "other": found[0], "number": "001"}
    flags = [] if paper is None else ["--paper", str(paper)]
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with served(runs, *flags) as address:
            for size, scheme, page in windows(browser):
                for name, path in PAGES.items():
                    page.goto(address + path.format(**names))
                    take(page, out / f"{name}-{size}-{scheme}.png")
                steps(page, address, out, f"{size}-{scheme}")
        with served(runs, "--users") as address:
            for size, scheme, page in windows(browser):
                for name, path in PEOPLE.items():
                    page.goto(address + path)
                    take(page, out / f"{name}-{size}-{scheme}.png")
        browser.close()
    print(f"{len(list(out.glob('*.png')))} pictures in {out}")


def _is_run(folder: Path) -> bool:
    return not folder.is_symlink() and (folder / "manifest.json").is_file()


@contextmanager
def served(runs: Path, *flags: str) -> Iterator[str]:
    """Yield the address of a server that shows the runs and forgets what it was told."""
    with tempfile.TemporaryDirectory(prefix="screens-") as state:
        command = [sys.executable, "-m", "engine.web", "--port", "0", "--state", state, "--runs", str(runs)]
        server = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            said = re.search(r"http://[\w.:\[\]]+", server.stdout.readline())
            assert said is not None
            yield said[0]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def windows(browser: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield a fresh window of each size and scheme."""
    for size, viewport in SIZES.items():
        for scheme in SCHEMES:
            context = browser.new_context(viewport=viewport, color_scheme=scheme)
            context.set_default_timeout(PATIENCE_MS)
            yield size, scheme, context.new_page()
            context.close()


def steps(page: Any, address: str, out: Path, ending: str) -> None:
    """Drop in a file, look at what it was understood as, begin its run and stop it."""
    page.goto(address)
    page.get_by_label("Price file").set_input_files(
        [{"name": "prices.csv", "mimeType": "text/csv", "buffer": PRICES.encode()}]
    )
    page.get_by_role("button", name="Look at the file").click()
    page.wait_for_load_state()
    take(page, out / f"file-{ending}.png")
    page.get_by_role("button", name="That is right: go on").click()
    page.wait_for_load_state()
    take(page, out / f"job-{ending}.png")
    if page.get_by_role("button", name="Stop it").is_visible():
        page.get_by_role("button", name="Stop it").click()


def take(page: Any, path: Path) -> None:
    """Take the whole page; say where it is wider than its window."""
    page.wait_for_load_state()
    page.screenshot(path=path, full_page=True)
    wide = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    if wide > 0:
        print(json.dumps({"picture": path.name, "too_wide_by": wide}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
