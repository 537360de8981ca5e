"""What an adversary sends, and what a full disk does: one clear refusal, nobody else's work touched."""

import errno
import io
import resource
import shutil
import sys
import zipfile
import zlib
from contextlib import closing
from threading import Barrier, Thread

import httpx
import pytest

from broker.journal.journal import Journal
from broker.orders import IllegalStep, OrderState
from broker.trading import commands
from engine.web.screens.checking import MOST_UNPACKED
from helpers.bombs import repeated, spreadsheet, zeros
from helpers.web import Client, client_in, server
from helpers.web_content import write_book
from helpers.web_jobs import Desk
from helpers.web_people import API, key_of, peopled, user

JSON = {"content-type": "application/json"}
HALF = b"\\ud800"  # a surrogate alone: JSON may say it, and no file and no answer can hold it


@pytest.fixture
def client(tmp_path):
    return client_in(tmp_path)


@pytest.mark.parametrize("key", [b"data.symbols", b"data.path", b"news.path", b"data.columns_path", HALF])
@pytest.mark.parametrize("text", [HALF, b"a\\u0000b"], ids=["half", "zero"])
def test_a_text_that_nothing_can_hold_is_refused_and_the_list_stays_readable(client, key, text):
    body = b'{"settings": {"' + key + b'": "' + text + b'"}}'
    for path in ("backtests", "forecasts"):
        assert client.post(f"{API}/{path}", content=body, headers=JSON).status_code == 422
    assert client.get(f"{API}/jobs").json()["total"] == 0


@pytest.mark.parametrize(
    ("inside", "status"),
    [
        (b'{"a":' * 900 + b"1" + b"}" * 900, 422),
        (b'{"a":' * 90_000 + b"1" + b"}" * 90_000, 400),
        (b'{"data.symbols": ' + b"[" * 900 + b"]" * 900 + b"}", 422),
        (b'{"strategy.entry": NaN}', 422),
        (b'{"strategy.entry": 1e999}', 422),
        (b'{"seed": ' + b"9" * 4000 + b"}", 422),
        (b'{"seed": ' + b"9" * 5000 + b"}", 400),
        (b'{"name": "../../x"}', 422),
        (b'{"name": "\\u202exe"}', 422),
    ],
)
def test_settings_that_are_deep_or_no_numbers_are_refused(client, inside, status):
    answer = client.post(f"{API}/backtests", content=b'{"settings": ' + inside + b"}", headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("path", ["jobs/%00", "runs/%00", "uploads/%00/check", "jobs/%00/events"])
def test_a_zero_in_a_path_is_refused_before_a_database_sees_it(client, path):
    assert client.get(f"{API}/{path}").status_code == 404


def test_pages_far_beyond_the_end_are_empty_and_larger_numbers_are_refused(client):
    far = client.get(f"{API}/jobs?limit=1000&offset=2147483647")
    assert (far.status_code, far.json()["items"]) == (200, [])
    for asked in ("offset=2147483648", "limit=1001", "limit=0", "offset=-1", "offset=9" + "9" * 30):
        assert client.get(f"{API}/jobs?{asked}").status_code == 422


class Surprised(Desk):
    """A desk one of whose jobs cannot begin by an error that nobody foresaw."""

    def command(self, job, places, folder):
        if job.settings["name"] == "surprise":
            raise ValueError("embedded null byte")
        if job.settings["name"] == "odd":
            said = '{"a": NaN, "b": "\\ud800", "c": "x\\u0000y", "d": 1}'
            return [sys.executable, "-I", "-S", "-c", f"print({said!r})"]
        return super().command(job, places, folder)


def test_a_job_that_cannot_begin_for_any_reason_fails_alone(tmp_path):
    with Surprised(tmp_path) as desk:
        desk.go()
        first, second = desk.submit("surprise"), desk.submit()
        assert "could not be started" in desk.ended(first).problem
        assert desk.ended(second).state == "succeeded"


def test_a_result_that_no_answer_can_hold_is_kept_without_what_makes_it_so(tmp_path):
    with Surprised(tmp_path) as desk:
        ended = desk.ended(desk.submit("odd"))
        assert (ended.state, ended.result) == ("succeeded", {"a": None, "b": "?", "c": "xy", "d": 1})


def test_a_full_disk_refuses_writes_in_words_lets_reading_go_on_and_is_over_when_it_is_over(
    tmp_path, socket_enabled
):
    with server(tmp_path) as (process, address):
        api = f"{address}{API}"
        own, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, most))  # no byte can be written any more
        refused = httpx.post(f"{api}/backtests", json={}, timeout=None)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert "full disk" in refused.json()["detail"]
        assert httpx.get(f"{api}/jobs", timeout=None).json()["total"] == 0
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (own, most))
        told = {"url": "https://desk.example"}
        assert httpx.post(f"{api}/team/webhooks", json=told, timeout=None).status_code == 201


A_FEW = 1_000_000


HUGE = {
    "text.parquet": repeated(10_000, 100_000),
    "zeros.feather": zeros(1_000_000),
    "far.xlsx": spreadsheet(((1, "A1", "date"), (1048576, "XFD1048576", 1))),
}


def bomb(kind):
    """Return a file of a few kilobytes that unpacks to more than `A_FEW` bytes."""
    lines = b"2020-01-02,1.0,1.0,1.0,1.0,1\n" * 4_000
    pieces = A_FEW // len(lines) + 1
    if kind == "csv.gz":
        packer = zlib.compressobj(9, wbits=31)
        return b"".join([*(packer.compress(lines) for _ in range(pieces)), packer.flush()])
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        inside = "xl/workbook.xml" if kind == "xlsx" else "prices.csv"
        with archive.open(inside, "w") as file:
            for _ in range(pieces):
                file.write(lines)
    return made.getvalue()


@pytest.mark.parametrize("kind", ["csv.gz", "zip", "xlsx"])
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_in_words(client, kind, monkeypatch):
    assert A_FEW < MOST_UNPACKED < 10**9
    monkeypatch.setattr("engine.web.api.uploads.MOST_UNPACKED", A_FEW)
    content = bomb(kind)
    assert len(content) < A_FEW / 20
    sent = client.post(f"{API}/uploads", files={"file": (f"bomb.{kind}", content)})
    assert sent.status_code == 201
    found = client.get(f"{API}/uploads/bomb.{kind}/check")
    assert "bytes unpacked, at most" in found.text


@pytest.mark.parametrize("name", HUGE)
def test_a_columnar_file_or_a_spreadsheet_that_stands_for_a_huge_one_is_refused_in_words(
    client, name, monkeypatch
):
    monkeypatch.setattr("engine.web.api.uploads.MOST_UNPACKED", A_FEW)
    monkeypatch.setattr("engine.web.screens.checking.MOST_UNPACKED", A_FEW)
    assert client.post(f"{API}/uploads", files={"file": (name, HUGE[name])}).status_code == 201
    for path in (f"{API}/uploads/{name}/check", f"/files/{name}"):
        answer = client.get(path)
        assert (answer.status_code, "bytes unpacked" in answer.text) == (200, True), answer.text


def test_an_upload_that_the_disk_does_not_hold_is_refused_in_words_and_leaves_nothing(
    client, monkeypatch, tmp_path
):
    def full(*files):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    answer = client.post(f"{API}/uploads", files={"file": ("mine.csv", b"date,close")})
    assert (answer.status_code, "disk is full" in answer.json()["detail"]) == (503, True)
    assert list(tmp_path.rglob("*mine.csv*")) == []


def at_once(*questions):
    """Ask all at the same moment; return the answers in their order."""
    gate, answers = Barrier(len(questions)), [None] * len(questions)

    def ask(number):
        gate.wait()
        answers[number] = questions[number]()

    threads = [Thread(target=ask, args=(number,)) for number in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.parametrize("race", range(2))
def test_of_many_who_approve_and_reject_an_order_at_once_one_has_decided(tmp_path, race):
    file, order = write_book(tmp_path)
    app = client_in(tmp_path, paper=file).app
    (shown,) = Client(app).get(f"{API}/live/orders").json()
    path, body = f"{API}/live/orders/{order}", {"nonce": shown["nonce"]}
    approve = lambda: Client(app).post(f"{path}/approve", json=body).status_code  # noqa: E731
    reject = lambda: Client(app).post(f"{path}/reject").status_code  # noqa: E731
    answers = at_once(approve, reject, approve, reject)
    assert sorted(answers) == [200, 409, 409, 409]
    (left,) = Client(app).get(f"{API}/live/orders?all=true").json()
    assert (left["state"] == "intent") == (200 in answers[::2])


def test_a_no_that_comes_after_a_yes_undoes_nothing(tmp_path):
    _, order = write_book(tmp_path)
    with closing(Journal(tmp_path / "live" / "journal.db", "paper")) as journal:
        journal.orders.approve(order, "nonce", commands.now_utc())
        with pytest.raises(IllegalStep, match="does not wait"):
            journal.orders.reject(order, commands.now_utc())
        assert journal.orders.get(order).state == OrderState.INTENT


def test_an_idempotency_key_is_its_owners_alone_and_one_job_however_often_at_once(tmp_path):
    owner = peopled(tmp_path)
    colleague = user(owner, "cal", "analyst")
    same = {"Idempotency-Key": "same"}
    body = lambda name: {"settings": {"name": name}}  # noqa: E731
    asked = at_once(*[lambda: owner.post(f"{API}/backtests", json=body("a"), headers=same).json()["id"]] * 4)
    other = colleague.post(f"{API}/backtests", json=body("b"), headers=same)
    assert len({*asked}) == 1
    assert (other.status_code, other.json()["id"] in asked) == (202, False)
    assert owner.post(f"{API}/backtests", json=body("b"), headers=same).status_code == 409
    assert owner.get(f"{API}/jobs").json()["total"] == 2


def calls(client):
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            yield method.upper(), path


OPEN = {("GET", f"{API}/health"), ("POST", f"{API}/setup"), ("POST", f"{API}/session")}
OWN = {("DELETE", f"{API}/session"), ("PUT", f"{API}/me/password")}  # of whoever asks


def test_on_every_route_nobody_gets_anything_and_a_key_that_may_read_changes_nothing(tmp_path):
    owner = peopled(tmp_path)
    nobody, (_, reader) = Client(owner.app), key_of(owner, "runs:read")
    found = [call for call in calls(owner) if call not in OPEN]
    assert len(found) > 50
    told = {(method, path): nobody.ask(method, path).status_code for method, path in found}
    assert set(told.values()) == {401}
    writes = [call for call in found if call[0] != "GET" and call not in OWN]
    assert {reader.ask(method, path).status_code for method, path in writes} == {403}
    assert reader.ask("PUT", f"{API}/me/password", json={"old": "x", "new": "y" * 12}).status_code == 403
