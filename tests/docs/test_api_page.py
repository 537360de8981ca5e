"""Every curl line of docs/api.md is run, in its order, against a server; the backtest among them is a real one."""

import re
import shutil
import subprocess

import pytest

from helpers.making import REPOSITORY
from helpers.web import server
from helpers.web_content import write_book, write_log

TEXT = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def script():
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return "\n".join(block for block in blocks if "curl" in block)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What bash printed as it ran the lines, each of which must succeed; and the folder where it did."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    folder = tmp_path_factory.mktemp("api")
    write_log(folder / "runs" / "forecasts.sqlite")
    file, _ = write_book(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOREWALK_JOBS", "1")
        with server(folder, "--paper", file) as (_, address):
            lines = script().replace(ADDRESS, address).replace("curl -s", "curl --fail-with-body -s")
            done = subprocess.run(
                ["bash", "-xeuo", "pipefail", "-c", lines], cwd=folder, capture_output=True, text=True
            )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout, folder


def test_every_line_is_run_and_succeeds(said):
    assert script().count("curl") > 15
    assert "304\n" in said[0]


def test_the_backtest_was_followed_to_its_end_and_left_its_run(said):
    out, folder = said
    progress = re.findall(r'"what": "(\w+)", "done": (\d+), "total": (\d+)', out)
    assert len(progress) > 2
    assert '"state": "succeeded"' in out
    (run,) = (folder / "runs").glob("*-first-*")
    assert (run / "index.html").exists()
    assert str(run) in (folder / "result").read_text()
    assert (folder / "forecasts.parquet").read_bytes() == (run / "forecasts.parquet").read_bytes()


def test_the_order_was_approved_and_then_everything_was_halted(said):
    assert '"state":"intent"' in said[0]
    assert "the broker was not told" in said[0]


def test_every_path_that_the_page_names_is_in_the_api(tmp_path):
    from helpers.web import client_in

    paths = client_in(tmp_path).app.openapi()["paths"]
    asked = set(re.findall(rf"{ADDRESS}/api/v1(/[\w/$-]+)", TEXT.replace("mine.csv", "$FILE")))
    asked |= {name.replace("RUN", "$RUN") for name in re.findall(r"`(?:GET|POST) (/[\w/]+)", TEXT)}
    assert len(asked) > 15
    known = {re.sub(r"\{\w+(:path)?\}", "$", path.removeprefix("/api/v1")) for path in paths}
    found = {re.sub(r"/artefacts/\w+$", "/artefacts/$", re.sub(r"\$\w+", "$", path)) for path in asked}
    assert found - known == set()
