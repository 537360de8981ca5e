"""A sign of life: while all is well a URL is asked now and then; who watches it raises the alarm when it is not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from engine.live.watch.alarms.channels import TIMEOUT_S, NotTaken, answered
from forewalk.compute.deadline import within

log = logging.getLogger(__name__)

LOOK_S = 1.0
AGAIN_S = 30.0  # after a sign that was not taken


class Heartbeat:
    """Asks a URL every so often, as long as looks at the broker succeed in between.

    A daemon that hangs, or cannot reach its broker, gives no sign.

    Args:
        looks: the number of looks at the broker that have succeeded so far.
    """

    def __init__(self, url: str, minutes: float, looks: Callable[[], int]) -> None:
        self._url = url
        self._every_s = 60.0 * minutes
        self._looks = looks
        self._seen = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="heartbeat")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Give no sign any more."""
        self._stopping.set()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            wait_s = self.beat()

    def beat(self) -> float:
        """Give a sign if there is one to give; return the seconds until the next."""
        looks = self._looks()
        if looks == self._seen:
            return LOOK_S
        try:
            within(3 * TIMEOUT_S, lambda: answered(self._url, "GET"))
        except (NotTaken, TimeoutError) as problem:
            log.warning("the heartbeat was not taken: %s", problem)
            return AGAIN_S
        self._seen = looks
        return self._every_s
