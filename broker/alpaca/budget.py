"""How many requests may be made: counted here, so that the broker never has to refuse the one that matters.

Alpaca allows 200 requests a minute and account. A sixth of them is kept for cancels and for closing positions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

WINDOW_S = 60.0
KEPT_SHARE = 6  # one of so many requests is kept


class Budget:
    """Requests within any minute.

    Args:
        per_minute: the limit; 0 means none.
        monotonic: seconds that never go back.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._made: deque[float] = deque()
        self._closed_until = float("-inf")

    def room(self, urgent: bool = False) -> int:
        """Return how many requests may be made now."""
        if not self._per_minute:
            return UNLIMITED
        now = self._monotonic()
        while self._made and self._made[0] <= now - WINDOW_S:
            self._made.popleft()
        if now < self._closed_until and not urgent:
            return 0
        kept = 0 if urgent else self._per_minute // KEPT_SHARE
        return max(0, self._per_minute - kept - len(self._made))

    def take(self, urgent: bool = False) -> float:
        """Count a request and return 0; where it would be one too many, return in how many seconds there is room."""
        if self.room(urgent):
            if self._per_minute:
                self._made.append(self._monotonic())
            return 0.0
        return self.wait_s(urgent)

    def wait_s(self, urgent: bool = False) -> float:
        """Return in how many seconds the next request may be made."""
        if self.room(urgent):
            return 0.0
        now = self._monotonic()
        kept = 0 if urgent else self._per_minute // KEPT_SHARE
        over = len(self._made) - (self._per_minute - kept)
        freed = self._made[over] + WINDOW_S if over >= 0 else now
        return max(freed - now, self._closed_until - now if not urgent else 0.0, 0.05)

    def refused(self, wait_s: float) -> None:
        """Make no ordinary request for so long: the broker has counted others' requests too."""
        if self._per_minute:
            self._closed_until = max(self._closed_until, self._monotonic() + wait_s)


UNLIMITED = 1_000_000
