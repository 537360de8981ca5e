"""Webhooks: what happens is told, signed, until it has been taken; never lost, never under two ids, never inside."""

import socket
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from broker.journal.journal import Journal
from broker.trading import commands
from engine.web.api.client.signature import WINDOW_S, verified
from engine.web.api.webhooks import outbox
from engine.web.api.webhooks.addresses import Forbidden, looked_up, target_of
from engine.web.api.webhooks.desk import MOST, Webhooks
from engine.web.api.webhooks.sending import posted
from engine.web.api.webhooks.signing import Signer
from engine.web.places import places_of_team
from engine.web.store.tables import deliveries
from helpers.web import client_in
from helpers.web_content import LONG_AGO, write_book, write_log
from helpers.web_jobs import Desk, die, in_a_server_that_is_killed
from helpers.web_people import API, key_of, peopled, user

URL = "https://desk.example/told"


class Receiver:
    """Keeps what it is sent, and answers as it is told."""

    def __init__(self, *answers):
        self.answers, self.taken = list(answers), []

    def __call__(self, url, body, headers):
        self.taken.append((url, body, headers))
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        return answer

    def events(self, secret):
        return [verified(body, headers, secret) for _, body, headers in self.taken]


class House:
    """A server's jobs and webhooks in this process, and a receiver."""

    def __init__(self, folder, *answers):
        self.desk, self.receiver = Desk(folder), Receiver(*answers)
        self.database = self.desk.database
        self.webhooks = Webhooks(self.database, folder, places(folder), post=self.receiver)

    def add(self, *events, team="local"):
        return self.webhooks.add(team, "me", URL, events)

    def step(self):
        return self.webhooks.sender.step()

    def all_due(self):
        """Let the time come at which everything is tried again."""
        with self.database.writing() as connection:
            connection.execute(update(deliveries).values(due="2000"))

    def cancelled(self, team="local"):
        job = self.desk.submit(team=team)
        self.desk.jobs.cancel(job.id, team)
        return job


def places(folder):
    return partial(places_of_team, folder, folder / "runs", folder / "paper.toml")


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_the_end_of_a_job_is_told_signed_and_once(house):
    webhook, secret = house.add()
    job = house.cancelled()
    assert (house.step(), house.step()) == (1, 0)
    (event,) = house.receiver.events(secret)
    assert (event["type"], event["data"]["id"], event["data"]["state"]) == (
        "job.cancelled",
        job.id,
        "cancelled",
    )
    ((delivery,), total) = house.webhooks.deliveries(webhook.id, 10, 0)
    assert (delivery.id, delivery.state, delivery.answered, total) == (event["id"], "delivered", 204, 1)


def test_a_job_that_succeeds_and_one_that_fails_are_told(house):
    _, secret = house.add("job.succeeded", "job.failed")
    with house.desk as desk:
        desk.go()
        desk.ended(desk.submit())
        desk.ended(desk.submit("refused"))
    while house.step():
        pass
    told = [(event["type"], event["data"]["problem"]) for event in house.receiver.events(secret)]
    assert told == [("job.succeeded", None), ("job.failed", "data.path: no such file")]


def test_only_the_events_that_were_asked_for_and_only_those_of_the_team_are_told(house):
    house.add("job.failed")
    house.add(team="others")
    house.cancelled()
    assert house.step() == 0
    house.cancelled("others")
    assert house.step() == 1


def test_what_is_not_taken_is_tried_again_later_and_later_under_the_same_id(tmp_path):
    house = House(tmp_path, 500, OSError("10.0.0.7 refused"), 302)
    webhook, secret = house.add()
    house.cancelled()
    problems = []
    for _ in range(3):
        assert (house.step(), house.step()) == (1, 0)  # not again at once
        problems.append(house.webhooks.deliveries(webhook.id, 1, 0)[0][0].problem)
        house.all_due()
    assert problems == ["it answered 500", "it could not be reached: OSError", "it answered 302"]
    house.step()
    assert len({event["id"] for event in house.receiver.events(secret)}) == 1
    assert house.webhooks.deliveries(webhook.id, 1, 0)[0][0].attempts == 4


def test_the_waits_grow_to_hours_and_come_to_days_in_all():
    waits = [outbox.backoff_s(tries) for tries in range(1, outbox.MOST_ATTEMPTS)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (outbox.FIRST_WAIT_S, outbox.LONGEST_WAIT_S)
    assert 2 < sum(waits) / 86_400 < 4


def test_what_nobody_takes_is_given_up_and_can_be_sent_again(tmp_path):
    house = House(tmp_path, *[503] * outbox.MOST_ATTEMPTS)
    webhook, _ = house.add()
    house.cancelled()
    for _ in range(outbox.MOST_ATTEMPTS):
        assert house.step() == 1
        house.all_due()
    (delivery,), _ = house.webhooks.deliveries(webhook.id, 1, 0)
    assert (delivery.state, house.step()) == ("given_up", 0)
    assert house.webhooks.again(webhook.id, delivery.id).state == "waiting"
    house.step()
    assert house.webhooks.deliveries(webhook.id, 1, 0)[0][0].state == "delivered"


def test_one_dead_receiver_keeps_no_other_waiting(tmp_path):
    house = House(tmp_path)
    house.add()
    house.add()
    house.receiver.answers = [OSError(), 204, 204]
    house.cancelled()
    house.cancelled()
    assert [house.step(), house.step(), house.step()] == [2, 2, 0]
    assert len(house.receiver.taken) == 4


def killed_as_it(folder, step):
    """Run a server that is killed as its job ends, or as it has sent, or before."""

    def serve():
        house = House(folder)
        if step == "sent":
            house.webhooks = Webhooks(house.database, folder, places(folder), post=lambda *told: die())
        job = house.desk.submit(key="one")
        house.desk.jobs.cancel(job.id, "local")
        if step == "ended":
            die()
        house.webhooks.sender.step()

    in_a_server_that_is_killed(serve)


@pytest.mark.parametrize("step", ["ended", "sent"])
def test_a_server_killed_after_the_end_or_in_the_middle_of_sending_loses_nothing(tmp_path, step):
    _, secret = House(tmp_path).add()
    killed_as_it(tmp_path, step)
    house = House(tmp_path)
    house.all_due()  # the time of the dead server's lease is over
    assert (house.step(), house.step()) == (1, 0)
    assert [event["type"] for event in house.receiver.events(secret)] == ["job.cancelled"]


def test_a_delivery_that_another_server_has_at_work_is_left_to_it(tmp_path):
    house = House(tmp_path)
    house.add()
    house.cancelled()
    assert len(outbox.Outbox(house.database).claim()) == 1
    assert House(tmp_path).step() == 0


def test_forecasts_that_another_process_writes_are_told_from_then_on(tmp_path):
    log = tmp_path / "runs" / "forecasts.sqlite"
    write_log(log, days=1)
    house = House(tmp_path)
    _, secret = house.add("forecast.written")
    assert house.step() == 0
    write_log(log, days=2)
    while house.step():
        pass
    told = [(event["data"]["symbol"], event["data"]["asof"]) for event in house.receiver.events(secret)]
    asof = LONG_AGO.replace(day=3).isoformat()
    assert told == [("AAPL", asof), ("MSFT", asof)]
    assert House(tmp_path).step() == 0  # nor does a server that starts tell them anew


def test_a_halt_of_the_paper_book_is_told(tmp_path):
    write_book(tmp_path)
    house = House(tmp_path)
    _, secret = house.add()
    with closing(Journal(tmp_path / "live" / "journal.db", "paper")) as journal:
        commands.halt(journal, "AAPL", "a look at it first", commands.now_utc(), False, suspend=False)
    house.step()
    (event,) = house.receiver.events(secret)
    assert (event["type"], event["data"]["symbol"]) == ("live.halt", "AAPL")
    assert "a look at it first" in event["data"]["text"]


BODY = b'{"id": "e", "type": "ping", "timestamp": "t", "data": {}}'


@given(st.integers(0, 2**33), st.floats(-WINDOW_S, WINDOW_S), st.text("abcdef0123456789", min_size=1))
def test_a_signature_is_known_within_its_window_and_by_its_own_secret_only(signer, at, late, webhook):
    headers, secret = signer.headers(webhook, "event", at, BODY), signer.secret(webhook)
    assert verified(BODY, headers, secret, now_s=at + late)["type"] == "ping"
    for body, told, key, now in [
        (BODY + b" ", headers, secret, at),
        (BODY, {**headers, "webhook-id": "other"}, secret, at),
        (BODY, {**headers, "webhook-timestamp": str(at + 1)}, secret, at),
        (BODY, {**headers, "webhook-signature": "v1,"}, secret, at),
        (BODY, headers, signer.secret(webhook + "0"), at),
        (BODY, headers, secret, at + WINDOW_S + 1),
        (BODY, headers, secret, at - WINDOW_S - 1),
        (BODY, {}, secret, at),
    ]:
        with pytest.raises(ValueError, match=r"webhook|signature"):
            verified(body, told, key, now_s=now)


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return Signer(tmp_path_factory.mktemp("signer") / "secret")


def test_the_servers_own_secret_is_made_once_and_read_by_nobody_else(tmp_path):
    file = tmp_path / "secret"
    assert Signer(file).secret("a") == Signer(file).secret("a") != Signer(file).secret("b")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


INSIDE = [
    "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]",
    "[64:ff9b::a00:1]", "[2002:a00:1::]", "[ff02::1]",
]  # fmt: skip
WRONG = [
    "http://desk.example/", "ftp://desk.example/", "desk.example", "https://", "https://me:word@desk.example",
    "https://desk.example/#part", "https://desk.example:99999/", "https://[::1", "https://127.1/", "https://0x7f.1/",
    "https://2130706433/", "https://0177.0.0.1./", "https://desk.example/\r\nx: y", "https://désk.example/",
    "https://desk.example/" + "a" * 500, "file:///etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("url", [*(f"https://{host}/" for host in INSIDE), *WRONG])
def test_an_address_inside_or_that_is_none_is_refused_when_it_is_registered(url):
    with pytest.raises(Forbidden, match="url"):
        target_of(url, loopback=False)


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("loopback", [False, True])
def test_a_name_that_leads_inside_is_refused_when_it_is_looked_up(monkeypatch, host, loopback):
    found = [(0, 0, 0, "", ("93.184.215.14", 443)), (0, 0, 0, "", (host.strip("[]"), 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **more: found)
    target = target_of("https://desk.example/", loopback)
    if loopback and host in ("127.0.0.1", "[::1]"):
        assert looked_up(target, loopback) == "93.184.215.14"
    else:
        with pytest.raises(Forbidden, match="private"):
            looked_up(target, loopback)


def test_the_connection_goes_to_the_address_that_was_judged(monkeypatch):
    """A name that means something else at the next look (DNS rebinding) is not looked up a second time."""
    asked, reached = [], []
    found = [(0, 0, 0, "", ("93.184.215.14", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *told, **more: asked.append(told) or found)

    def connect(address, *more):
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ConnectionRefusedError):
        posted("https://desk.example/", b"{}", {}, loopback=False)
    assert (len(asked), reached) == (1, [("93.184.215.14", 443)])


@contextmanager
def receiver(status, **headers):
    """Listen on loopback; yield the URL and the paths that were asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *told):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/told", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "location"), [(204, ""), (302, "/elsewhere"), (307, "http://10.0.0.1/")])
def test_a_receiver_on_this_machine_is_reached_where_allowed_and_leads_nowhere_else(
    socket_enabled, status, location
):
    with receiver(status, location=location) as (url, asked):
        assert posted(url, b"{}", {}, loopback=True) == status
        assert asked == [("/told", b"{}")]
        with pytest.raises(Forbidden, match="https"):
            posted(url, b"{}", {}, loopback=False)


def test_over_the_api_its_secret_is_shown_once_and_is_nowhere_else(tmp_path, caplog):
    owner = peopled(tmp_path)
    shown = owner.post(f"{API}/team/webhooks", json={"url": URL, "events": ["job.failed"]})
    assert shown.status_code == 201
    secret, webhook = shown.json()["secret"], shown.json()["webhook"]["id"]
    ping = owner.post(f"{API}/team/webhooks/{webhook}/ping")
    assert (ping.status_code, ping.json()["state"]) == (202, "waiting")
    pages = ["webhooks", f"webhooks/{webhook}/deliveries", "audit"]
    seen = "".join(owner.get(f"{API}/team/{page}").text for page in pages)
    assert (webhook in seen, secret in seen, secret in caplog.text) == (True, False, False)
    kept = [path.read_bytes() for path in (tmp_path / "serve").iterdir() if path.is_file()]
    assert not any(secret.encode() in each or secret[6:].encode() in each for each in kept)
    assert owner.delete(f"{API}/team/webhooks/{webhook}").status_code == 204
    assert owner.get(f"{API}/team/webhooks/{webhook}/deliveries").status_code == 404


def test_only_owners_register_and_see_webhooks(tmp_path):
    owner = peopled(tmp_path)
    trader, (_, robot) = user(owner, "tom", "trader"), key_of(owner, "runs:read", "live:approve")
    for person in (trader, robot):
        assert person.post(f"{API}/team/webhooks", json={"url": URL}).status_code == 403
        assert person.get(f"{API}/team/webhooks").status_code == 403


def test_what_is_no_webhook_is_refused_in_words_and_there_are_not_too_many(tmp_path):
    client = client_in(tmp_path)
    told = client.post(f"{API}/team/webhooks", json={"url": "https://10.0.0.1/"})
    assert (told.status_code, "private address" in told.json()["detail"]) == (422, True)
    assert client.post(f"{API}/team/webhooks", json={"url": URL, "events": ["x"]}).status_code == 422
    made = [client.post(f"{API}/team/webhooks", json={"url": URL}).status_code for _ in range(MOST + 1)]
    assert made == [201] * MOST + [409]
