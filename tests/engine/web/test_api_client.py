"""The clients of the API: written from its OpenAPI document, up to date, and of use against a server that runs."""

import ast
import re
import runpy
import shutil
import subprocess
import sys
from contextlib import contextmanager
from threading import Thread

import pytest
import uvicorn

from engine.web.api.client import Client, Refused
from engine.web.app import create_app
from engine.web.jobs.desk import Jobs
from helpers.making import REPOSITORY
from helpers.waiting import until
from helpers.web import options_in
from helpers.web_content import write_log
from helpers.web_jobs import WORK

FOLDER = REPOSITORY / "engine" / "web" / "api" / "client"
maker = runpy.run_path(str(REPOSITORY / "docs" / "make_clients.py"))


@contextmanager
def serving(app):
    """Serve an application on a free port of loopback; yield its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
    thread = Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def folder(tmp_path):
    write_log(tmp_path / "runs" / "forecasts.sqlite")
    return tmp_path


@pytest.fixture
def client(folder, socket_enabled):
    """A client of a server whose jobs are a few lines that wait for a file `go`."""
    app = create_app(options_in(folder))
    shared = app.state
    shared.jobs = Jobs(
        shared.database,
        shared.state_folder / "jobs",
        shared.places,
        shared.store.plans.of,
        command=lambda job, places, _: [sys.executable, "-I", "-S", "-c", WORK, str(folder), "{}"],
    )
    with serving(app) as address:
        yield Client(address)


def test_the_folder_needs_nothing_but_python():
    taken = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                taken.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                taken |= {each.name.partition(".")[0] for each in node.names}
    assert taken <= sys.stdlib_module_names


def test_every_call_of_the_document_is_a_method_once():
    openapi = maker["document"]()
    calls = [method for methods in openapi["paths"].values() for method in methods]
    groups = {path.stem for path in FOLDER.glob("*.py")} - {
        "__init__",
        "asked",
        "answers",
        "transport",
        "signature",
    }
    client = Client("http://127.0.0.1:1")
    methods = [
        (group, name) for group in groups for name in vars(type(getattr(client, group))) if name[0] != "_"
    ]
    assert len(methods) == len(calls) > 40


def test_a_job_is_submitted_followed_and_read(client, folder):
    job = client.jobs.backtest({"settings": {"name": "mine"}}, idempotency_key="one")
    assert client.jobs.backtest({"settings": {"name": "mine"}}, idempotency_key="one")["id"] == job["id"]
    heard = []
    for event in client.jobs.events(job["id"]):
        heard.append((event["state"], event["progress"]))
        if event["progress"]:
            (folder / "go").touch()
    assert heard[-1] == ("succeeded", {"what": "work", "done": 1, "total": 2})
    assert client.jobs.result(job["id"]) == {"answer": 0}
    assert [each["id"] for each in client.jobs.listed(state=["succeeded", "failed"])["items"]] == [job["id"]]


def test_forecasts_and_files_are_read_and_written(client):
    assert client.health.health()["status"] == "ok"
    assert {each["symbol"] for each in client.forecasts.latest()} == {"AAPL", "MSFT"}
    assert client.forecasts.history(symbol="AAPL", limit=1)["items"][0]["symbol"] == "AAPL"
    assert client.uploads.upload("mine.csv", b"date,close\n2020-01-02,10\n")["bytes"] == 25
    client.uploads.remove("mine.csv")
    assert client.uploads.listed() == []


def test_what_the_server_refuses_is_told_with_its_problem(client):
    with pytest.raises(Refused, match="there is no such run") as told:
        client.runs.one("a b")
    assert (told.value.status, told.value.problem["status"]) == (404, 404)
    with pytest.raises(Refused, match=r"strategy\.nothing") as told:
        client.jobs.backtest({"settings": {"strategy.nothing": 1}})
    assert told.value.status == 422


@pytest.mark.parametrize("address", ["http://desk.example", "http://127.0.0.1.evil.example:80"])
def test_a_key_does_not_travel_in_clear(address):
    with pytest.raises(ValueError, match="https only"):
        Client(address, "fwk_secret")
    assert "fwk_secret" not in repr(Client("https://desk.example", "fwk_secret"))


@pytest.mark.parametrize("address", ["desk.example", "ftp://desk.example", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ValueError, match="no address"):
        Client(address)


USE = """
import type { Calls, Job } from "./forewalk";
const job: Calls["GET /api/v1/jobs/{job_id}"]["answer"] = {} as Job;
const state: string = job.state;
// @ts-expect-error a job has no such thing
job.nothing;
// @ts-expect-error there is no such call
type None = Calls["GET /api/v1/nothing"];
export { state };
"""


def test_the_types_of_typescript_are_understood_by_its_compiler(tmp_path):
    compiler = shutil.which("tsc")
    if compiler is None:
        pytest.skip("TypeScript is not installed: npm install --global typescript")
    shutil.copy(FOLDER / "forewalk.ts", tmp_path)
    (tmp_path / "use.ts").write_text(USE, encoding="utf-8")
    done = subprocess.run(
        [compiler, "--strict", "--noEmit", "--lib", "es2022,dom", "--types", "", "use.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_types_of_typescript_name_every_call_and_every_schema():
    text, openapi = (FOLDER / "forewalk.ts").read_text(encoding="utf-8"), maker["document"]()
    named = re.findall(r'^  "(\w+) (\S+)": \{$', text, re.MULTILINE)
    calls = [(method.upper(), path) for path, methods in openapi["paths"].items() for method in methods]
    assert named == calls
    declared = set(re.findall(r"^export interface (\w+)", text, re.MULTILINE))
    used = set(re.findall(r"\b[A-Z]\w+", re.sub(r'/\*\*.*?\*/|"[^"]*"|//.*', "", text)))
    assert used - declared <= {"Array", "Record", "Blob", "FormData"}
