"""Each channel takes a message, or says why not, and never says its address."""

import hashlib
import hmac
import json
import socket
from datetime import UTC, datetime

import pytest

from broker.journal.outbox import Alarm
from broker.keys import redacted
from engine.live.watch.alarms.channels import NotTaken, Webhook, channel, checked_webhook
from engine.live.watch.alarms.kinds import Message
from forewalk.errors import ConfigError
from helpers.mail_server import MailServer
from helpers.scripted_server import Answer, ScriptedServer

AT = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
MESSAGE = Message("paper", Alarm(7, "a1b2c3d4e5f60718", AT, "halt", "AAPL", "by hand"))
TOKEN = "token-of-the-receiver-4711"


@pytest.fixture
def receiver(socket_enabled):
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def mails(socket_enabled):
    server = MailServer()
    yield server
    server.close()


def test_a_webhook_is_posted_with_its_id_and_a_signature_that_the_documented_check_accepts(receiver):
    receiver.say(Answer({}))
    Webhook(f"{receiver.url}/hook", "a-signing-key", clock=lambda: 1_772_000_000.9).send(MESSAGE)
    ((_, path, headers, body),) = receiver.asked("POST")
    moment, signed = (part.partition("=")[2] for part in headers["X-Forewalk-Signature"].split(","))
    expected = hmac.new(b"a-signing-key", moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert (path, moment, signed) == ("/hook", "1772000000", expected)
    assert headers["X-Forewalk-Alarm"] == "a1b2c3d4e5f60718"
    assert json.loads(body) == {
        "id": "a1b2c3d4e5f60718",
        "book": "paper",
        "kind": "halt",
        "symbol": "AAPL",
        "text": "by hand",
        "at": "2026-03-04T14:30:00+00:00",
    }


@pytest.mark.parametrize(
    ("answer", "problem", "after_s"),
    [
        (Answer({}, 500), "HTTP 500", 0.0),
        (Answer({}, 404), "HTTP 404", 0.0),
        (Answer({}, 429, {"Retry-After": "120"}), "HTTP 429", 120.0),
        (Answer({}, 503, {"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}), "HTTP 503", 0.0),
        (Answer({}, 302, {"Location": "http://127.0.0.1:9/"}), "HTTP 302", 0.0),
        ("reset", "ConnectionError", 0.0),
    ],
)
def test_a_webhook_that_does_not_take_it_says_why_and_not_where(receiver, answer, problem, after_s):
    receiver.say(answer)
    with pytest.raises(NotTaken) as refused:
        channel("HOOK", f"{receiver.url}/{TOKEN}").send(MESSAGE)
    assert (str(refused.value), refused.value.after_s) == (problem, after_s)
    assert len(receiver.requests) == 1


def test_a_refused_connection_is_not_taken(socket_enabled):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotTaken, match=r"^ConnectionError$"):
            channel("HOOK", f"http://127.0.0.1:{taken.getsockname()[1]}/{TOKEN}").send(MESSAGE)


def test_a_mail_carries_the_alarm_and_its_id(mails):
    channel("MAIL", f"smtp://127.0.0.1:{mails.port}?from=book@x.example&to=a@x.example,b@x.example").send(
        MESSAGE
    )
    (mail,) = mails.mails
    assert mail["Subject"] == "[paper] halt AAPL"
    assert mail["Message-ID"] == "<a1b2c3d4e5f60718@forewalk.invalid>"
    assert mail["To"] == "a@x.example,b@x.example"
    assert "by hand" in mail.get_payload()


@pytest.mark.parametrize(
    ("refusal", "problem"),
    [("451 later", "SMTP 451"), ("554 no", "SMTP 554"), ("reset", "SMTPServerDisconnected")],
)
def test_a_mail_server_that_does_not_take_it_says_why(mails, refusal, problem):
    mails.refusals.append(refusal)
    post = channel("MAIL", f"smtp://127.0.0.1:{mails.port}?from=a@x.example&to=b@x.example")
    with pytest.raises(NotTaken, match=problem):
        post.send(MESSAGE)
    post.send(MESSAGE)
    assert len(mails.mails) == 1


def test_a_wrong_password_is_not_taken_and_not_said(mails):
    address = f"smtp://user:{TOKEN}@127.0.0.1:{mails.port}?from=a@x.example&to=b@x.example"
    with pytest.raises(NotTaken, match=r"^SMTP 535$"):
        channel("MAIL", address).send(MESSAGE)
    assert mails.mails == []


SERVICES = {
    "ntfy": ("ntfy://127.0.0.1:{port}/book", "NotifyNtfy", ""),
    "slack": ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "NotifySlack", "webhook_url"),
    "discord": ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "NotifyDiscord", "notify_url"),
    "telegram": (
        "tgram://123456789:abcdefg_hijklmnop-abcdefghijklmno/12315544",
        "NotifyTelegram",
        "notify_url",
    ),
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_of_apprise_that_fails_first_is_told_again(service, receiver, monkeypatch):
    pytest.importorskip("apprise")
    address, name, attribute = SERVICES[service]
    way = channel("PHONE", address.format(port=receiver.url.rpartition(":")[2]))
    assert type(way.service).__name__ == name
    monkeypatch.setattr(type(way.service), "request_rate_per_sec", 0)
    if attribute:
        monkeypatch.setattr(way.service, attribute, f"{receiver.url}/api/")
    receiver.say(Answer({"ok": False}, 500), "reset", Answer(b"ok" if service == "slack" else {"ok": True}))
    for _ in range(2):
        with pytest.raises(NotTaken, match="did not take it"):
            way.send(MESSAGE)
    way.send(MESSAGE)
    *_, body = receiver.asked("POST")[-1]
    assert b"by hand" in body
    assert b"a1b2c3d4e5f60718" in body


@pytest.mark.parametrize(
    "address",
    [
        f"nonsense://{TOKEN}",
        TOKEN,
        f"http://example.org/{TOKEN}",
        f"smtps://u:{TOKEN}@mail.example",
        f"slack://{TOKEN}",
        "https://[",
        "",
    ],
)
def test_an_address_that_is_not_understood_is_refused_and_not_repeated(address):
    with pytest.raises(ConfigError, match="MY_CHANNEL") as refused:
        channel("MY_CHANNEL", address)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://127.0.0.1", "https://", "", "http://localhost:1"]
)
def test_a_webhook_goes_out_encrypted_or_stays_on_this_machine(url):
    with pytest.raises(ConfigError, match=r"live\.webhook"):
        checked_webhook(url)


@pytest.mark.parametrize(
    "address",
    [
        f"https://hooks.example/services/{TOKEN}?k=1",
        f"https://hooks.example/x?key={TOKEN}",
        f"smtps://me%40x:{TOKEN}@mail.example?from=a@x.example&to=b@x.example",
        f"ntfy://user:{TOKEN}@ntfy.example/topic",
    ],
)
def test_what_is_secret_in_an_address_shows_in_no_log(address):
    channel("HOOK", address)
    shown = redacted(f"sent to {address}: POST /services/{TOKEN} failed")
    assert TOKEN not in shown
    assert address not in shown
