"""One GET or POST to a host that nobody vouches for: bounded in time, in size and in where it may lead."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from forewalk.compute.deadline import within
from forewalk.errors import ConfigError, ConnectionFailed, DataError, RateLimited

LOOPBACK = ("127.0.0.1", "::1")
REDIRECTS = 5
MOST_BYTES = 50_000_000  # of an answer, unpacked
DEADLINE_S = 60.0  # for a whole answer, however slowly it drips
READ_S = 20.0
PIECE = 65_536
AGENT = "forewalk (news fetch)"
_BUSY = (429, 503)


@dataclass(frozen=True)
class Answer:
    """What a host said: status 200 or 304, its headers with lower-case names, and the unpacked body."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Web:
    """Asks hosts for texts.

    Attributes:
        contact: who asks, named to the host; some refuse whoever does not say.
        deadline_s: for one answer in all. most_bytes: of one answer, packed or unpacked.
    """

    contact: str | None = None
    deadline_s: float = DEADLINE_S
    most_bytes: int = MOST_BYTES

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer; see `ask`."""
        return self.ask("GET", url, headers)

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """Make one request and follow redirects, but never with a form or a login, nor into the own network.

        Raises:
            ConfigError: the URL may not be asked for, or the host refuses whoever asks.
            RateLimited: the host is busy. ConnectionFailed: no whole answer in time.
            DataError: there is nothing, or too much.
        """
        secret = form is not None or auth is not None or "Authorization" in (headers or {})
        checked_source(url)
        shown, end = url, time.monotonic() + self.deadline_s
        sent = {"User-Agent": self.contact or AGENT, "Accept-Encoding": "gzip", **(headers or {})}
        for _ in range(REDIRECTS + 1):
            left = end - time.monotonic()
            try:
                answer = within(left, partial(self._once, method, url, sent, form, auth, end))
            except TimeoutError:
                raise ConnectionFailed(
                    f"{_host(shown)}: no whole answer within {self.deadline_s:g} s"
                ) from None
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as problem:
                raise ConnectionFailed(f"{_host(shown)}: {type(problem).__name__}") from None
            if answer.status not in (301, 302, 303, 307, 308):
                return _accepted(answer, shown)
            following = _following(url, answer.headers.get("location", ""))
            if secret or not _may_lead(url, following):
                raise DataError(
                    f"{_host(shown)} sends us on to {_host(following) or 'nowhere'}: not followed; if that is right, "
                    "give that address"
                )
            url = following
        raise DataError(f"{_host(shown)}: more than {REDIRECTS} redirects")

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
        auth: tuple[str, str] | None,
        end: float,
    ) -> Answer:
        login = None if auth is None else HTTPBasicAuth(*auth)
        data = None if form is None else dict(form)
        request = requests.Request(method, url, dict(headers), data=data, auth=login).prepare()
        adapter = HTTPAdapter(max_retries=0)  # no session: it would look where a redirect leads
        try:
            with adapter.send(request, timeout=READ_S, stream=True) as answer:
                told = {name.lower(): value for name, value in answer.headers.items()}
                body = self._body(answer, told, end) if answer.status_code == 200 else b""
                return Answer(answer.status_code, told, body)
        finally:
            adapter.close()

    def _body(self, answer: requests.Response, told: Mapping[str, str], end: float) -> bytes:
        """Return the body, unpacked piece by piece, so that a small one cannot become a huge one."""
        packed = told.get("content-encoding", "identity").lower()
        if packed not in ("identity", "gzip", ""):
            raise DataError(f"{_host(answer.url)}: packed as {packed!r}, which was not asked for")
        unpack = Unpacker(self.most_bytes, _host(answer.url)) if packed == "gzip" else None
        found, read = bytearray(), 0
        while piece := answer.raw.read1(PIECE, decode_content=False):
            read += len(piece)
            found += piece if unpack is None else unpack(piece)
            if max(read, len(found)) > self.most_bytes:
                raise too_large(_host(answer.url), self.most_bytes)
            if time.monotonic() > end:
                raise TimeoutError
        if unpack is not None and read and not unpack.finished:
            raise ConnectionFailed(f"{_host(answer.url)}: the answer broke off")
        length = told.get("content-length", "")
        if length.isdigit() and read < int(length):
            raise ConnectionFailed(f"{_host(answer.url)}: the answer broke off")
        return bytes(found)


class Unpacker:
    """Unpacks gzip piece by piece, up to so many bytes."""

    def __init__(self, most_bytes: int, where: str) -> None:
        self._object = zlib.decompressobj(wbits=31)
        self._left = most_bytes
        self._where = where
        self._most = most_bytes

    @property
    def finished(self) -> bool:
        """Whether the end of the packed data has been seen."""
        return self._object.eof

    def __call__(self, piece: bytes) -> bytes:
        """Return what a piece unpacks to. Raises DataError: it is damaged, or too large."""
        try:
            out = self._object.decompress(piece, self._left + 1)
        except zlib.error:
            raise DataError(f"{self._where}: the packed answer is damaged") from None
        self._left -= len(out)
        if self._left < 0 or self._object.unconsumed_tail:
            raise too_large(self._where, self._most)
        return out


def too_large(where: str, most_bytes: int) -> DataError:
    """Return the error of an answer that is larger than is read."""
    return DataError(f"{where}: more than {most_bytes / 1e6:g} MB; that is no list of texts")


def checked_source(url: str) -> str:
    """Return a URL that may be asked for: https, or http on this machine.

    Raises:
        ConfigError: it may not, or holds a login.
    """
    try:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        fine = bool(parts.hostname) and (parts.scheme == "https" or local) and not parts.username
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError(f"{_host(url) or url[:80]!r}: texts are fetched from https://..., without a login")
    return url


def _may_lead(before: str, after: str) -> bool:
    """Tell whether a redirect may be followed: https to a name, or the same host on this machine; never inwards."""
    old, new = urlsplit(before), urlsplit(after)
    if old.scheme == "http":
        return (new.scheme, new.netloc) == (old.scheme, old.netloc)
    name = new.hostname or ""
    is_name = "." in name and not name.rpartition(".")[2].isdigit() and ":" not in name
    return (
        new.scheme == "https" and is_name and not new.username and not name.endswith((".local", ".internal"))
    )


def _following(url: str, location: str) -> str:
    """Return where a redirect leads, "" where that is no address."""
    try:
        found = urljoin(url, location) if location else ""
        return found if urlsplit(found).hostname else ""
    except ValueError:
        return ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _accepted(answer: Answer, url: str) -> Answer:
    status = answer.status
    if status in (200, 304):
        return answer
    if status in _BUSY:
        raise RateLimited(f"{_host(url)}: HTTP {status}, it is busy", retry_after_s(answer.headers))
    if status in (401, 403):
        raise ConfigError(
            f"{_host(url)}: HTTP {status}, it refuses us; does it need keys, or news.contact (a name and an address)?"
        )
    if 400 <= status < 500:
        raise DataError(f"{_host(url)}: HTTP {status}; is the address right?")
    raise ConnectionFailed(f"{_host(url)}: HTTP {status}")


def retry_after_s(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float:
    """Return the seconds that `Retry-After` asks for, a number or a date, at most an hour; 0 where it does not."""
    told = headers.get("retry-after", "").strip()
    try:
        wait = float(told) if told.isdigit() else parsedate_to_datetime(told).timestamp() - now()
    except (ValueError, TypeError):
        return 0.0
    return min(max(wait, 0.0), 3600.0)
