"""Take the pictures of the README from a real run: `python docs/make_pictures.py RUN`; needs Debian's chromium.

The run is one of `make backtest`. Each picture is a page of `forewalk serve` as a browser shows it.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).with_name("pictures")
CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 900, "height": 780}
SHOWN = {"tomorrow": "tomorrow", "what-if": "what-if"}


def main(run: Path) -> None:
    """Start a server that shows the run, and take every picture."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as state:
        command = [
            sys.executable,
            "-m",
            "engine.web",
            "--port",
            "0",
            "--state",
            state,
            "--runs",
            str(run.parent),
        ]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address is not None
            _take(f"{address[0]}/runs/{run.resolve().name}")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _take(pages: str) -> None:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        for name, step in SHOWN.items():
            page.goto(f"{pages}/{step}")
            page.screenshot(path=PICTURES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
