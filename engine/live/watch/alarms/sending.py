"""The threads that send: one for each channel, with a connection to the journal of its own.

The thread that trades writes an alarm into the outbox and goes on; it never waits for any of these.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from broker.journal.file import JournalFile
from broker.journal.outbox import LONGEST, Alarm, Outbox
from engine.live.watch.alarms.channels import Channel, NotTaken
from engine.live.watch.alarms.kinds import Message
from forewalk.compute.deadline import within
from forewalk.errors import ForewalkError
from forewalk.settings.alerts import AlertSettings

log = logging.getLogger(__name__)

SEND_S = 30.0  # a receiver may take, however it drips
LOOK_S = 2.0  # between two looks for alarms that another process has written
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
UNWRITTEN = 1000  # alarms kept in memory while the journal cannot be written


class Alarms:
    """Sends what is in the outbox of a journal, in order, until each receiver has taken it.

    Args:
        path, book: of the journal. channels: by name. settings: of quiet hours.
        now: this machine's time, UTC. wait_s: from the number of tries that failed to seconds.
    """

    def __init__(
        self,
        path: Path,
        book: str,
        channels: Mapping[str, Channel],
        settings: AlertSettings,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait_s: Callable[[int], float] | None = None,
    ) -> None:
        self._senders = [
            ChannelThread(path, book, name, channel, settings, now, wait_s or backoff_s)
            for name, channel in channels.items()
        ]

    def start(self) -> None:
        """Begin to send."""
        for sender in self._senders:
            sender.thread.start()

    def wake(self) -> None:
        """Say that there is something new."""
        for sender in self._senders:
            sender.wake.set()

    def tell_unwritten(self, kind: str, symbol: str, text: str) -> None:
        """Tell what could not be written into the journal, from memory."""
        alarm = Alarm(0, uuid.uuid4().hex[:16], datetime.now(UTC), kind, symbol, text[:LONGEST])
        for sender in self._senders:
            sender.unwritten.append(alarm)
        self.wake()

    def stop(self, wait_s: float = 5.0) -> None:
        """Try once more to send what waits, for so long at the most; the rest is for the next start."""
        for sender in self._senders:
            sender.stopping.set()
        self.wake()
        end = time.monotonic() + wait_s
        for sender in self._senders:
            if sender.thread.ident is not None:
                sender.thread.join(max(end - time.monotonic(), 0.0))


def backoff_s(attempts: int) -> float:
    """Return how long to wait after so many tries in a row that failed."""
    return float(min(FIRST_WAIT_S * 2 ** min(attempts - 1, 20), LONGEST_WAIT_S))


class ChannelThread:
    """One channel at work."""

    def __init__(
        self,
        path: Path,
        book: str,
        name: str,
        channel: Channel,
        settings: AlertSettings,
        now: Callable[[], datetime],
        wait_s: Callable[[int], float],
    ) -> None:
        self._path, self._book, self._name, self._channel = path, book, name, channel
        self._settings = settings
        self._now = now
        self._wait_s = wait_s
        self._zone = ZoneInfo(settings.quiet_zone)
        self._harmless: Collection[str] = settings.quiet_kinds
        self._taken = ""  # the alarm that was taken and could not be noted
        self._attempts = 0
        self.unwritten: deque[Alarm] = deque(maxlen=UNWRITTEN)
        self.wake = threading.Event()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True, name=f"alarms {name}")

    def _run(self) -> None:
        while True:
            try:
                with closing(JournalFile(self._path, self._book)) as file:
                    self._work(Outbox(file))
                return
            except ForewalkError as problem:  # it is full, locked or gone: memory is told all the same
                log.warning("the alarms of %s: %s", self._name, problem)
                self.wake.clear()
                wait_s = self._tell_unwritten()
            if self.stopping.is_set():
                return
            self._pause(max(wait_s, LOOK_S))

    def _work(self, outbox: Outbox) -> None:
        while True:
            self.wake.clear()
            wait_s = self._tell_unwritten() or self._tell_next(outbox)
            if wait_s == 0.0:
                continue
            if self.stopping.is_set():
                return
            self._pause(wait_s)

    def _pause(self, wait_s: float) -> None:
        """Wait; what is new ends a look's pause, and only the end of the program that of a failure."""
        if self._attempts:
            self.stopping.wait(wait_s)
        else:
            self.wake.wait(wait_s)

    def _tell_next(self, outbox: Outbox) -> float:
        """Tell the next alarm; return 0 where it was taken, else the seconds until the next try or look."""
        now = self._now()
        quiet = self._settings.is_quiet(now.astimezone(self._zone).time())
        alarm = outbox.next(self._name, self._harmless, quiet)
        if alarm is None:
            return LOOK_S
        problem = None if alarm.id == self._taken else self._try(alarm)
        if problem is None:
            self._taken = alarm.id
            outbox.told(self._name, alarm, self._harmless, now)
            return 0.0
        outbox.failed(self._name, str(problem), now)
        return self._later(problem)

    def _tell_unwritten(self) -> float:
        while self.unwritten:
            problem = self._try(self.unwritten[0])
            if problem is not None:
                return self._later(problem)
            self.unwritten.popleft()
        return 0.0

    def _try(self, alarm: Alarm) -> NotTaken | None:
        message = Message(self._book, alarm)
        try:
            within(SEND_S, lambda: self._channel.send(message))
        except NotTaken as problem:
            return problem
        except TimeoutError:
            return NotTaken(f"no answer within {SEND_S:g} s")
        except Exception as problem:  # noqa: BLE001 - the thread's own boundary: it must go on
            return NotTaken(type(problem).__name__)
        self._attempts = 0
        return None

    def _later(self, problem: NotTaken) -> float:
        self._attempts += 1
        wait_s = max(self._wait_s(self._attempts), problem.after_s)
        log.warning("alarms: %s: %s; again in %.0f s", self._name, problem, wait_s)
        return wait_s
