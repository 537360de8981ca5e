"""R. The daily message by mail, end to end: a daemon, a broker and a mail server, each of which may fail."""

import pytest

from helpers.mail_server import MailServer

MAILBOX = "person@x.example"


@pytest.fixture
def mails(scene):
    server = MailServer()
    scene.tree["live"]["alerts"] = {"channels": ["MY_MAIL"]}
    scene.environment["MY_MAIL"] = f"smtp://127.0.0.1:{server.port}?from=book@x.example&to={MAILBOX}"
    yield server
    server.close()


def days(server):
    """The daily messages by their session, each as its lines; what other mails say is left out."""
    found = [mail for mail in server.mails if "reconciliation" in mail["Subject"]]
    assert all(mail["To"] == MAILBOX for mail in found)
    bodies = [mail.get_payload(decode=True).decode().splitlines() for mail in found]
    return {next(line for line in body if line.startswith("Session ")): body for body in bodies}, found


@pytest.mark.row(99)
def test_the_mail_of_the_day_says_what_the_broker_says(scene, mails):
    scene.decide_and_send()
    scene.after_close()
    scene.once()
    told, found = days(mails)
    assert list(told) == ["Session 2026-03-04, book paper", "Session 2026-03-05, book paper"]
    assert len({mail["Message-ID"] for mail in found}) == len(found)
    body = "\n".join(told["Session 2026-03-05, book paper"])
    truth = scene.control.state()
    held = ", ".join(f"{float(qty):g} {symbol}" for symbol, qty in sorted(truth["positions"].items()))
    spent = sum(float(row["qty"]) * float(row["price"]) for row in truth["ledger"] if row["kind"] == "fill")
    assert f"positions   {held}" in body
    assert f"bought for {spent:,.2f}, sold for 0.00" in body
    assert f"cash {float(truth['cash']):,.2f}" in body
    assert "book and broker agree" in body
    assert "halts       none" in body


@pytest.mark.row(99)
def test_a_mail_server_that_refuses_gets_each_day_once_and_in_order_later(scene, mails):
    mails.refusals += ["451 later", "reset", "451 later"]
    scene.decide_and_send()
    scene.after_close()
    daemon = scene.start()
    scene.until(lambda: len(days(mails)[0]) == 2)
    daemon.kill()
    scene.once()
    told, found = days(mails)
    assert list(told) == ["Session 2026-03-04, book paper", "Session 2026-03-05, book paper"]
    assert len(found) == 2


@pytest.mark.row(99, 51)
def test_the_mail_names_each_difference_and_what_is_halted(scene, mails):
    scene.decide_and_send()
    scene.control.manual_trade(symbol="AAPL", qty="-4")
    scene.after_close()
    scene.once()
    body = "\n".join(days(mails)[0]["Session 2026-03-05, book paper"])
    assert "DIFFERENT   AAPL: 10 in the book, 6 at the broker" in body
    assert "halts       AAPL: " in body
