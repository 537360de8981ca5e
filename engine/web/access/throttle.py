"""How often somebody may ask, and how often a password may be wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

WRONG_OF_NAME, WRONG_OF_ADDRESS = 5, 20
WRONG_MINUTES = 15


@dataclass(frozen=True)
class Asked:
    """How much of a minute's requests is left.

    Attributes:
        allowed: whether this one is. limit: a minute. remaining: of it. reset_s: until it is whole again.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Return it as headers."""
        found = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }
        return found if self.allowed else {**found, "Retry-After": str(max(1, self.reset_s))}


class Throttle:
    """Counts of this process; a restart forgets them."""

    def __init__(self) -> None:
        self._requests = FixedWindowRateLimiter(MemoryStorage())
        self._wrong = MovingWindowRateLimiter(MemoryStorage())

    def ask(self, who: str, a_minute: int) -> Asked:
        """Count a request."""
        item = RateLimitItemPerMinute(a_minute)
        allowed = self._requests.hit(item, who)
        window = self._requests.get_window_stats(item, who)
        return Asked(allowed, a_minute, window.remaining, max(0, round(window.reset_time - time.time())))

    def log_in_waits(self, name: str, address: str) -> int:
        """Return the seconds that a log-in must wait after too many wrong ones; 0 for none."""
        waits = [0.0]
        for item, who in _wrong(name, address):
            if not self._wrong.test(item, *who):
                waits.append(self._wrong.get_window_stats(item, *who).reset_time - time.time())
        return int(max(waits)) + 1 if len(waits) > 1 else 0

    def log_in_was_wrong(self, name: str, address: str) -> None:
        """Count a wrong one."""
        for item, who in _wrong(name, address):
            self._wrong.hit(item, *who)


def _wrong(name: str, address: str) -> list[tuple[RateLimitItemPerMinute, tuple[str, str]]]:
    return [
        (RateLimitItemPerMinute(WRONG_OF_NAME, WRONG_MINUTES), ("name", name)),
        (RateLimitItemPerMinute(WRONG_OF_ADDRESS, WRONG_MINUTES), ("address", address)),
    ]
