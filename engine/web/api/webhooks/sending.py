"""The thread that sends: the oldest due delivery of each webhook, signed, to an address that may be reached."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import SQLAlchemyError

from engine.web.api.webhooks.addresses import Target, looked_up, target_of
from engine.web.api.webhooks.outbox import Due, Outbox
from engine.web.api.webhooks.signing import Signer
from forewalk.compute.deadline import within
from forewalk.errors import ForewalkError

SEND_S = 10.0  # a receiver may take, however it drips
LOOK_S = 1.0
FORGET_S = 3600.0
LEAVING_S = 3.0
AT_ONCE = 4
AGENT = "Forewalk-Webhooks"
log = logging.getLogger("forewalk.web.webhooks")
Post = Callable[[str, bytes, dict[str, str]], int]


class Sender:
    """Sends what is in the outbox until each receiver has taken it; see `start`.

    Args:
        outbox: of the deliveries. signer: of them. watch: is asked for news before each look.
        loopback: whether receivers on this machine are allowed. post: sends a body, returns the status of the answer.
    """

    def __init__(
        self,
        outbox: Outbox,
        signer: Signer,
        watch: Callable[[], None],
        loopback: bool = False,
        post: Post | None = None,
    ) -> None:
        self._outbox, self._signer, self._watch = outbox, signer, watch
        self._post = post or (lambda url, body, headers: posted(url, body, headers, loopback))
        self._stop = threading.Event()
        self._forgot = -FORGET_S
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send, in a thread."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more; what waits is sent by the next server."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(LEAVING_S)  # what is under way then is sent once more by the next server
            self._thread = None

    def step(self) -> int:
        """Look for news, send what is due, and return how many that were."""
        self._watch()
        found = self._outbox.claim()
        if found:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(self._send, found))
        return len(found)

    def _work(self) -> None:
        while not self._stop.is_set():
            sent = 0
            try:
                if time.monotonic() - self._forgot > FORGET_S:
                    self._outbox.forget()
                    self._forgot = time.monotonic()
                sent = self.step()
            except (SQLAlchemyError, OSError, ForewalkError) as problem:
                log.warning("webhooks wait for the database: %s", type(problem).__name__)
            self._stop.wait(0 if sent else LOOK_S)

    def _send(self, due: Due) -> None:
        body = due.body.encode()
        headers = self._signer.headers(due.webhook, due.id, int(time.time()), body)
        answered, problem = None, ""
        try:
            answered = within(SEND_S, lambda: self._post(due.url, body, headers))
        except TimeoutError:
            problem = f"no answer within {SEND_S:g} s"
        except ForewalkError as refused:
            problem = str(refused)
        except (
            OSError,
            http.client.HTTPException,
            ValueError,
        ) as failed:  # its text may name what only it should see
            problem = f"it could not be reached: {type(failed).__name__}"
        if answered is not None and 200 <= answered < 300:
            self._outbox.delivered(due, answered)
            return
        said = problem or f"it answered {answered}"
        log.warning("webhook %s: delivery %s: %s", due.webhook, due.id, said)
        self._outbox.failed(due, said, answered)


def posted(url: str, body: bytes, headers: dict[str, str], loopback: bool) -> int:
    """Send a body and return the status of the answer, of which nothing else is read; redirections are not followed.

    Raises:
        Forbidden: it leads where no webhook may. OSError, HTTPException: it could not be sent.
    """
    target = target_of(url, loopback)
    connection = _Connection(target, looked_up(target, loopback))
    try:
        connection.request(
            "POST", target.path, body, {**headers, "Content-Type": "application/json", "User-Agent": AGENT}
        )
        return connection.getresponse().status
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to an address that has been judged, in the name of the target's host."""

    def __init__(self, target: Target, address: str) -> None:
        super().__init__(target.host, target.port, timeout=SEND_S)
        self._target, self._address = target, address
        self.default_port = 443 if target.is_encrypted else 80

    def connect(self) -> None:
        """Connect to the address, whatever the name has come to mean."""
        self.sock = socket.create_connection((self._address, self._target.port), SEND_S)
        if self._target.is_encrypted:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._target.host)
