"""The stream of order events, as a hint that something may have changed; the truth is asked for by REST."""

from __future__ import annotations

import logging
import threading
from typing import Any

from alpaca.common.utils import get_default_user_agent
from alpaca.trading.stream import TradingStream
from websockets.exceptions import SecurityError
from websockets.legacy.client import Connect

from broker.hosts import stream_url
from broker.keys import Keys

log = logging.getLogger(__name__)


class TradeHints:
    """The stream of order events, as a hint that something may have changed; the truth is asked for by REST.

    A thread keeps the connection. `drain` returns how many events and how many (re)connections there were since
    the last call. Nothing it hears is believed, so duplicates, gaps, unknown events and broken frames do no harm.

    Attributes:
        listening: whether the broker sends order events. problem: what a person should know of the stream, or "".
    """

    def __init__(self, keys: Keys, url: str) -> None:
        self._keys = keys
        self._url = stream_url(url)
        self._events = 0
        self._connections = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stream: HintStream | None = None
        self.listening = False
        self.problem = ""

    def start(self) -> None:
        """Connect in the background and stay connected."""
        self._stream = HintStream(self, self._keys, self._url)
        threading.Thread(target=self._stream.run, daemon=True, name="stream").start()

    def wait(self, seconds: float) -> bool:
        """Sleep until something is heard, at most `seconds`; whether something was."""
        heard = self._wake.wait(seconds)
        self._wake.clear()
        return heard

    def drain(self) -> tuple[int, int]:
        """Return the numbers of events and of new connections since the last call."""
        with self._lock:
            counts = (self._events, self._connections)
            self._events = self._connections = 0
        return counts

    def wake(self) -> None:
        """Interrupt `wait`."""
        self._wake.set()

    def heard(self, events: int = 0, connections: int = 0) -> None:
        """Count what the stream's thread heard."""
        with self._lock:
            self._events += events
            self._connections += connections
        self._wake.set()


class Direct(Connect):
    """A connection to the very address it was given: the keys are sent to whoever answers there.

    Raises:
        SecurityError: the server sends us elsewhere.
    """

    def handle_redirect(self, uri: str) -> None:
        """Refuse, whatever the other address is."""
        raise SecurityError("the order stream was sent to another address, which is refused; REST goes on")


class HintStream(TradingStream):
    """alpaca-py's stream, watched: what it was granted, when it is connected, how often it asks."""

    def __init__(self, hints: TradeHints, keys: Keys, url: str) -> None:
        limits = {
            "ping_interval": 5,
            "ping_timeout": 5,
            "close_timeout": 1,
            "max_queue": 1024,
            "max_size": 2**20,
        }
        super().__init__(keys.id, keys.secret, raw_data=True, url_override=url, websocket_params=limits)
        self._hints = hints
        self.subscribe_trade_updates(self._hint)

    async def _hint(self, data: Any) -> None:
        self._hints.heard(events=1)

    async def _dispatch(self, msg: Any) -> None:
        if not isinstance(msg, dict):
            return
        if msg.get("stream") == "listening":
            granted = (msg.get("data") or {}).get("streams") or []
            self._hints.listening = "trade_updates" in granted
            if not self._hints.listening:
                log.warning("the broker granted no trade_updates; order events are asked for by REST only")
        await super()._dispatch(msg)

    async def _connect(self) -> None:
        params: dict[str, Any] = {
            "extra_headers": {"User-Agent": get_default_user_agent()},
            **self._websocket_params,
        }
        self._ws: Any
        try:
            self._ws = await Direct(self._endpoint, **params)
        except SecurityError as refused:
            self._hints.problem = str(refused)
            raise

    async def _start_ws(self) -> None:
        await super()._start_ws()  # type: ignore[no-untyped-call]
        self._hints.heard(connections=1)

    async def close(self) -> None:
        """Close the connection; nothing is granted until the next one."""
        self._hints.listening = False
        await super().close()
