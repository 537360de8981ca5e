"""Requests at a pace a service bears, and patience where it asks to come back later."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from forewalk.errors import ConnectionFailed, RateLimited

Answer = TypeVar("Answer")

FIRST_WAIT_S = 2.0  # where the service does not say how long


@dataclass
class Pace:
    """Makes requests one after the other, so many a minute, and again after the service was too busy.

    Attributes:
        per_minute: requests a minute at the most; infinity for no limit.
        patience_s: seconds of waiting in all for a busy service, over all requests.
        clock: seconds that never go back. sleep: waits that many seconds.
        waited_s: seconds waited for a busy service so far.
    """

    per_minute: float
    patience_s: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    waited_s: float = 0.0
    _next_at: float = field(default=float("-inf"), repr=False)

    def __call__(self, request: Callable[[], Answer]) -> Answer:
        """Return `request()`, made when its turn has come; RateLimited makes it wait and try again.

        Raises:
            ConnectionFailed: the patience is used up.
        """
        wait_s = FIRST_WAIT_S
        while True:
            self._take_turn()
            try:
                return request()
            except RateLimited as busy:
                wait_s = max(busy.after_s, wait_s)
                if self.waited_s + wait_s > self.patience_s:
                    raise ConnectionFailed(
                        f"{busy}; {self.waited_s:.0f} s were waited in all and {wait_s:.0f} s more are asked for "
                        f"(data.patience_s = {self.patience_s:g}); what was loaded is in the cache: start "
                        f"again later and it goes on from there"
                    ) from None
            self.sleep(wait_s)
            self.waited_s += wait_s
            wait_s *= 2

    def _take_turn(self) -> None:
        now = self.clock()
        if now < self._next_at:
            self.sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + 60.0 / self.per_minute
