"""A forecast after each close: waits for the close, then for its bars, and gives it once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd

from engine.forecast.job import Given
from engine.runs.closes import next_closes
from forewalk.errors import ConnectionFailed, DataError

log = logging.getLogger(__name__)

DELAY_S = 60.0  # after a close, before its bars are asked for
RETRY_S = (
    60.0,
    120.0,
    300.0,
    600.0,
)  # between two looks for bars that are not there yet; the last one repeats


def watch(
    make: Callable[[], tuple[Given, ...]],
    show: Callable[[tuple[Given, ...]], None],
    once: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Give forecasts for the newest close, and, unless `once`, one after each close from then on.

    Where it stopped does not matter: what was given is in the log, and is not entered twice. A source that does not
    answer, or has no new bar yet, is asked again after a while; any other error ends it.
    """
    given = make()
    show(given)
    while not once:
        seen = [each.answer for each in given]
        due = min(next_closes(each.calendar, each.interval, each.asof, 1)[0] for each in seen)
        _wait(due + pd.Timedelta(seconds=DELAY_S), now, sleep)
        given = _after(max(each.asof for each in seen), make, sleep)
        show(given)


def _wait(until: pd.Timestamp, now: Callable[[], datetime], sleep: Callable[[float], None]) -> None:
    """Sleep in short parts: a machine that was suspended must not sleep on."""
    while (left := (until - pd.Timestamp(now())).total_seconds()) > 0:
        sleep(min(left, 60.0))


def _after(
    asof: pd.Timestamp, make: Callable[[], tuple[Given, ...]], sleep: Callable[[float], None]
) -> tuple[Given, ...]:
    """Return the first forecasts that all know a bar after `asof`."""
    tries = 0
    while True:
        try:
            given = make()
            if all(each.answer.asof > asof for each in given):
                return given
            problem = f"no bar after {asof:%Y-%m-%d %H:%M} UTC yet"
        except (ConnectionFailed, DataError) as error:
            problem = str(error)
        pause = RETRY_S[min(tries, len(RETRY_S) - 1)]
        log.warning("%s; asked again in %g s", problem, pause)
        tries += 1
        sleep(pause)
