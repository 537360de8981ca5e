"""`forewalk serve`: ready when it says so, on loopback, with strict headers, and every error a problem."""

import signal

import httpx
import pytest

from engine.web.guards.limits import LARGEST_BODY, LARGEST_UPLOAD
from helpers.web import client_in, server


@pytest.fixture
def client(tmp_path):
    return client_in(tmp_path)


def problem_of(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == answer.status_code
    assert found["title"]
    return found["detail"]


def test_the_command_answers_at_the_address_that_it_prints_and_leaves_when_told(tmp_path, socket_enabled):
    with server(tmp_path) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        assert httpx.get(f"{address}/health").json() == {"status": "ok"}
    assert process.returncode == -signal.SIGTERM  # after a clean end


def test_an_address_in_use_is_named_with_the_remedy(tmp_path, socket_enabled):
    from engine.web.options import Options
    from engine.web.serving import serve
    from forewalk.errors import UsageError

    with server(tmp_path) as (_, address), pytest.raises(UsageError, match="another --port"):
        serve(Options(tmp_path / "two", tmp_path / "runs", port=int(address.rpartition(":")[2])), print)


@pytest.mark.parametrize("path", ["/health", "/nothing", "/openapi.json", "/static/nothing.js"])
def test_every_answer_carries_the_strict_policy(client, path):
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]:8000", "LOCALHOST"])
def test_it_is_known_by_the_names_of_loopback(client, host):
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.", "[evil]"])
def test_a_name_that_points_here_is_refused(client, host):
    answer = client.get("/health", headers={"host": host})
    assert (answer.status_code, "--allow-host" in problem_of(answer)) == (400, True)


def test_another_name_is_known_once_it_was_given(tmp_path):
    client = client_in(tmp_path, allowed_hosts=("desk.example",))
    assert client.get("/health", headers={"host": "desk.example"}).status_code == 200


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(client):
    read = []

    async def body():
        read.append(1)
        yield b"{}"

    answer = client.post("/health", content=body(), headers={"content-length": str(LARGEST_BODY + 1)})
    assert (answer.status_code, read) == (413, [])
    assert f"{LARGEST_BODY:,}" in problem_of(answer)


def test_files_may_be_larger_than_forms(client):
    headers = {"content-length": str(LARGEST_BODY + 1), "content-type": "multipart/form-data; boundary=x"}
    assert client.post("/health", content=b"", headers=headers).status_code == 405
    headers["content-length"] = str(LARGEST_UPLOAD + 1)
    assert client.post("/health", content=b"", headers=headers).status_code == 413


def test_an_unknown_path_and_a_wrong_method_are_problems(client):
    assert "Not Found" in problem_of(client.get("/nothing"))
    answer = client.post("/health")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert "POST is not among" in problem_of(answer)
    assert client.ask("PATCH", "/api/v1/forecasts").headers["allow"] == "GET, POST"


def test_a_failure_is_told_without_its_insides(client, caplog):
    @client.app.get("/fails")
    async def fails():
        raise RuntimeError("password=secret")

    answer = client.get("/fails")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "its log says where" in problem_of(answer)
    assert "RuntimeError" in caplog.text
