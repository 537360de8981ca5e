"""The account's own switch against new orders (`suspend_trade`): whose it is, and what it is at."""

from __future__ import annotations

from datetime import datetime

from broker.errors import BrokerError, MustHalt
from broker.failpoints import reach
from broker.journal.journal import Journal
from broker.port import Broker

STATE, ASKED, IN_FORCE = "suspension", "asked", "in force"
RESTORE = "another's suspension lifted"


class Suspension:
    """What this book has told the broker about new orders, written down before it is told."""

    def __init__(self, journal: Journal, broker: Broker) -> None:
        self._journal = journal
        self._broker = broker

    @property
    def is_ours(self) -> bool:
        """Whether the broker may refuse orders because we said so."""
        return is_ours(self._journal)

    @property
    def is_in_force(self) -> bool:
        """Whether the broker has confirmed ours."""
        return self._journal.file.value(STATE) == IN_FORCE

    def lift(self) -> bool:
        """Let the broker take orders again where we have told it not to; whether it does."""
        return not self.is_ours or self._lifted()

    def lift_of_another(self) -> bool:
        """Lift a suspension that is not ours, to close positions; `settle` restores it."""
        self._journal.file.set_flag(RESTORE, True)
        return self._lifted()

    def settle(self, wanted: bool, now: datetime) -> None:
        """Suspend where a halt wants it, or somebody else did before we lifted it; lift ours where none does."""
        restore = self._journal.file.flag(RESTORE)
        if wanted and not self.is_in_force:
            self._journal.file.set_value(STATE, ASKED)
        if (wanted and not self.is_in_force) or restore:
            if not self._tell(True):
                return
            self._journal.diary.note(now, "suspended", "the broker confirms suspend_trade")
            if restore:
                self._journal.file.set_flag(RESTORE, False)
            if wanted:
                self._journal.file.set_value(STATE, IN_FORCE)
        elif not wanted:
            self.lift()

    def _lifted(self) -> bool:
        if self._tell(False) is not False:
            return False
        self._journal.file.set_value(STATE, "")
        return True

    def _tell(self, suspended: bool) -> bool | None:
        """Return what the broker says is in force, None where it does not answer."""
        reach("before_suspend")
        try:
            answer = self._broker.suspend(suspended)
        except MustHalt:
            raise
        except BrokerError:
            return None
        reach("after_suspend")
        return answer


def is_ours(journal: Journal) -> bool:
    """Whether the broker may refuse orders because the journal's book said so."""
    return bool(journal.file.value(STATE))
