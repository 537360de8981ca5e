"""How the client talks: HTTP by the standard library, errors as `Refused`, events as they come.

This folder needs nothing else of this program, and nothing but Python: it may be copied into another project.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIMEOUT_S = 60.0  # without a byte; a stream of events says something at least every 15 s


class Refused(Exception):  # noqa: N818 - what the server did
    """The server did not do it: `status` of HTTP, the `problem` as it was sent, `after_s` to wait."""

    def __init__(self, status: int, problem: Mapping[str, Any], after_s: float | None = None) -> None:
        super().__init__(f"{status} {problem.get('title', '')}: {problem.get('detail', '')}")
        self.status, self.problem, self.after_s = status, dict(problem), after_s


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *told: Any) -> None:
        """Follow none: a key is for the server that it was given for."""


class Transport:
    """One server, and the key that it is asked with.

    Args:
        address: such as http://127.0.0.1:8000. key: `fwk_...`, or None on one's own machine. timeout_s: of silence.

    Raises:
        ValueError: a key would travel in clear: an http address that is not this machine's.
    """

    def __init__(self, address: str, key: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is no address; give http://127.0.0.1:8000 or https://NAME")
        if key is not None and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("a key is sent by https only, but to this machine")
        own = [urllib.request.ProxyHandler({})] if parts.hostname in LOOPBACK else []
        self._opener = urllib.request.build_opener(_NoRedirect, *own)
        self._base, self._key, self._timeout_s = address.rstrip("/"), key, timeout_s

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base!r})"

    def json(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Any:
        """Return the answer to a request as plain values; None where it has no content. Refused as it says."""
        sent = None if body is None else json.dumps(body).encode()
        more = {**(headers or {}), **({} if sent is None else {"Content-Type": "application/json"})}
        with self._opened(method, path, query, sent, more) as answer:
            read = answer.read()
        return json.loads(read) if read else None

    def content(self, path: str) -> bytes:
        """Return a file. Refused as it says."""
        with self._opened("GET", path) as answer:
            return answer.read()

    def upload(self, path: str, name: str, content: bytes) -> Any:
        """Send a file under a name, and return the answer. Refused as it says."""
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quote(name, safe=" ")}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        with self._opened(
            "POST", path, body=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
        ) as answer:
            return json.loads(answer.read())

    def events(self, path: str) -> Iterator[Any]:
        """Yield the data of server-sent events, plain values, until the stream ends. Refused as it says."""
        with self._opened("GET", path, headers={"Accept": "text/event-stream"}) as answer:
            data: list[str] = []
            for line in answer:
                text = line.decode().rstrip("\r\n")
                if text.startswith("data:"):
                    data.append(text[5:].removeprefix(" "))
                elif not text and data:
                    yield json.loads("\n".join(data))
                    data = []

    def _opened(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> IO[bytes]:
        asked = urlencode(
            {name: _text(value) for name, value in (query or {}).items() if value is not None}, True
        )
        request = urllib.request.Request(
            f"{self._base}{path}{'?' if asked else ''}{asked}", body, method=method
        )
        for name, value in (headers or {}).items():
            if value is not None:
                request.add_header(name, value)
        if self._key is not None:
            request.add_header("Authorization", f"Bearer {self._key}")
        try:
            answer: IO[bytes] = self._opener.open(request, timeout=self._timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error) from None
        return answer


class Group:
    """Calls about one thing."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


def part(value: str) -> str:
    """Return a name as one part of a path."""
    return quote(value, safe="")


def parts(value: str) -> str:
    """Return a path within a path."""
    return quote(value)


def _text(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_text(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else value


def _refused(error: urllib.error.HTTPError) -> Refused:
    try:
        problem = json.loads(error.read())
    except ValueError:
        problem = {}
    after = error.headers.get("Retry-After", "")
    return Refused(
        error.code,
        problem if isinstance(problem, dict) else {},
        float(after) if after.isdecimal() else None,
    )
