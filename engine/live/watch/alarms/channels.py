"""The channels: each takes a message or says why not. None is asked by the thread that trades.

What a channel says of a failure never holds its address: that is a secret, as are token, user and password in it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import smtplib
import ssl
import time
import warnings
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import requests

from broker.hosts import LOOPBACK
from broker.keys import redacted, register_secret
from engine.live.watch.alarms.kinds import Message
from forewalk.errors import ConfigError

TIMEOUT_S = 10.0
HELLO = "forewalk.invalid"  # to a mail server; the machine's own name would be looked up first
OURS = ("http", "https", "smtp", "smtps")
SIGNATURE, ALARM = "X-Forewalk-Signature", "X-Forewalk-Alarm"
SHORTEST_SECRET = 8  # characters of a part of an address that is hidden; shorter ones are words


class NotTaken(Exception):  # noqa: N818 - what happened
    """The receiver did not take the message; `after_s` is the wait it asks for."""

    def __init__(self, problem: str, after_s: float = 0.0) -> None:
        super().__init__(problem)
        self.after_s = after_s


class Channel(Protocol):
    """One way to a person."""

    def send(self, message: Message) -> None:
        """Hand a message over; NotTaken where the receiver has not certainly taken it."""
        ...


def channel(name: str, address: str, key: str | None = None) -> Channel:
    """Return the channel of an address; its secrets are hidden from now on.

    Args:
        name: what to call it. address: `https://`, `smtp://`, `smtps://` or one of apprise's. key: to sign with.

    Raises:
        ConfigError: the address is none of these, or would go out unencrypted; it is not repeated.
    """
    hide(address)
    scheme = address.partition("://")[0].lower()
    if scheme not in OURS:
        return Apprise(address, name)
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ConfigError(f"{name}: not an address") from None
    return Mail(parts, name) if "smtp" in scheme else Webhook(checked_webhook(address, name), key)


def checked_webhook(url: str, name: str = "live.webhook") -> str:
    """Return the URL if it is https, or http on this machine; ConfigError otherwise, without the address."""
    parts = urlsplit(url)
    here = parts.scheme == "http" and parts.hostname in LOOPBACK
    if (parts.scheme == "https" and parts.hostname) or here:
        return url
    raise ConfigError(f"{name}: the address must be https, or http://127.0.0.1:PORT")


def hide(address: str) -> None:
    """Hide an address and every part of it that may be a token, in all that is logged or shown."""
    register_secret(address)
    rest = address.partition("://")[2]
    for part in re.split(r"[/:@?&=#]+", rest):
        if len(part) >= SHORTEST_SECRET and "." not in part:
            register_secret(part)
            register_secret(unquote(part))


def signature(key: str, moment: int, body: bytes) -> str:
    """Return the signature header of a body: `t=SECONDS,v1=HEX`, HMAC-SHA256 over `SECONDS.BODY`."""
    digest = hmac.new(key.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


class Webhook:
    """POSTs JSON; any answer but 2xx means that it was not taken."""

    def __init__(self, url: str, key: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._key = key
        self._clock = clock

    def send(self, message: Message) -> None:
        """POST once; redirects, proxies and kept connections are not used."""
        body = json.dumps(message.fields() | {"text": redacted(message.alarm.text)}).encode()
        headers = {"Content-Type": "application/json", ALARM: message.alarm.id}
        if self._key is not None:
            headers[SIGNATURE] = signature(self._key, int(self._clock()), body)
        answered(self._url, "POST", body, headers)


def answered(url: str, method: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> None:
    """Make one request; NotTaken unless it is answered 2xx."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                *(method, url),
                data=body,
                headers=headers,
                timeout=TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            )
            answer.close()
    except (requests.RequestException, OSError, ValueError) as problem:
        raise NotTaken(type(problem).__name__) from None
    if not 200 <= answer.status_code < 300:
        raise NotTaken(f"HTTP {answer.status_code}", _wait_s(answer.headers.get("Retry-After", "")))


def _wait_s(text: str) -> float:
    return min(float(text), 3600.0) if re.fullmatch(r"\d{1,6}", text.strip()) else 0.0


class Mail:
    """Sends by SMTP: `smtps://` encrypted from the start, `smtp://` from STARTTLS on; in the clear on this machine.

    The address is `smtps://USER:PASSWORD@HOST:PORT?from=A@B&to=C@D,E@F`, user and password percent-encoded.
    """

    def __init__(self, parts: SplitResult, name: str) -> None:
        query = dict(parse_qsl(parts.query))
        if not parts.hostname or not query.get("to") or not query.get("from"):
            raise ConfigError(f"{name}: write it as smtps://USER:PASSWORD@HOST:465?from=A@B&to=C@D")
        self._host = parts.hostname
        self._encrypted = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._encrypted else 587)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._from, self._to = query["from"], query["to"]

    def send(self, message: Message) -> None:
        """Send one mail, whose Message-ID is the alarm's."""
        mail = EmailMessage()
        mail["From"], mail["To"] = self._from, self._to
        mail["Subject"] = message.title.replace("\r", " ").replace("\n", " ")
        mail["Date"] = formatdate(message.alarm.at.timestamp())
        mail["Message-ID"] = f"<{message.alarm.id}@forewalk.invalid>"
        mail[ALARM] = message.alarm.id
        mail.set_content(redacted(message.body))
        try:
            with self._connected() as server:
                server.send_message(mail)
        except smtplib.SMTPResponseException as refused:
            raise NotTaken(f"SMTP {refused.smtp_code}") from None
        except smtplib.SMTPRecipientsRefused:
            raise NotTaken("SMTP: no recipient was taken") from None
        except (OSError, smtplib.SMTPException, ValueError) as problem:
            raise NotTaken(type(problem).__name__) from None

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._encrypted:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, HELLO, timeout=TIMEOUT_S, context=context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, HELLO, timeout=TIMEOUT_S)
        try:
            if not self._encrypted and self._host not in LOOPBACK:
                server.starttls(context=context)
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server


class Apprise:
    """Sends by apprise: ntfy, Slack, Discord, Telegram and others, as its documentation writes their addresses.

    Attributes:
        service: apprise's own object for the address.
    """

    def __init__(self, address: str, name: str) -> None:
        apprise = _apprise(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
        if self.service is None:
            raise ConfigError(
                f"{name}: apprise does not understand this address; see docs/alarms.md for examples"
            )
        self._kind = apprise.NotifyType.WARNING

    def send(self, message: Message) -> None:
        """Hand over to the service; it says yes or no and nothing else."""
        try:
            taken = self.service.notify(
                body=redacted(message.body), title=redacted(message.title), notify_type=self._kind
            )
        except Exception as problem:  # noqa: BLE001 - code of many services: whatever it is, it was not taken
            raise NotTaken(type(problem).__name__) from None
        if not taken:
            raise NotTaken("the service did not take it")


def _apprise(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports a module that Python 3.13 has no more
            import apprise
    except ImportError:
        raise ConfigError(
            f"{name}: only webhooks and mail without apprise; install it: pip install 'forewalk[alarms]'"
        ) from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it names addresses
    return apprise
