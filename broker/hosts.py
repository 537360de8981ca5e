"""The only hosts this program talks to: Alpaca's paper and data hosts, or this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

from forewalk.errors import ConfigError

PAPER_HOST = "paper-api.alpaca.markets"
DATA_HOST = "data.alpaca.markets"
LOOPBACK = ("127.0.0.1", "::1")  # not "localhost": a resolver could send that anywhere


def checked_url(url: str, host: str, setting: str) -> str:
    """Return `url` without a trailing slash or `/v2`, if it is https on `host` or http on this machine.

    Nothing is resolved or opened. Raises ConfigError for every other host (a live one, a look-alike), scheme,
    port, user or query.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"{setting} = {url!r}: not a URL") from None
    plain = not (parts.username or parts.password or parts.query or parts.fragment or "\\" in url)
    path_is_plain = parts.path.rstrip("/") in ("", "/v2")
    remote = parts.scheme == "https" and parts.hostname == host and port in (None, 443)
    local = parts.scheme == "http" and parts.hostname in LOOPBACK and port is not None
    if not (plain and path_is_plain and url.isascii() and (remote or local)):
        raise ConfigError(
            f"{setting} = {url!r}: only https://{host}, or a simulator at http://127.0.0.1:PORT. "
            "There is no live mode"
        )
    return url.rstrip("/").removesuffix("/v2")


def is_local(url: str) -> bool:
    """Whether a checked URL is on this machine."""
    return url.startswith("http://")


def stream_url(url: str) -> str:
    """Return the websocket address that belongs to a checked trading URL."""
    return "ws" + url.removeprefix("http") + "/stream"
