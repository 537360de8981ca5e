"""Which of what happens is an alarm, and how it reads."""

from __future__ import annotations

from dataclasses import dataclass

from broker.journal.outbox import Alarm

ALARMS = frozenset(
    (
        *("halt", "breach", "refused", "needs_human", "blocked", "flattened", "fill", "foreign_fill"),
        *(
            "unreachable",
            "limited",
            "journal",
            "halted",
            "skew",
            "stream",
            "forecast_log",
            "corporate_actions",
        ),
        *("missed", "no_decision", "no_trading", "model", "stale_data", "texts", "drift", "drift_unread"),
        *("started", "stopped", "summary_failed", "reconciliation"),
    )
)


@dataclass(frozen=True)
class Message:
    """An alarm of a book as it is told."""

    book: str
    alarm: Alarm

    @property
    def title(self) -> str:
        """Book, kind and symbol."""
        return " ".join(part for part in (f"[{self.book}]", self.alarm.kind, self.alarm.symbol) if part)

    @property
    def body(self) -> str:
        """The text, the time, and the id by which a second telling is recognised."""
        return f"{self.alarm.text}\n\n{self.alarm.at:%Y-%m-%d %H:%M:%S} UTC, alarm {self.alarm.id}"

    def fields(self) -> dict[str, str]:
        """Return it as plain data."""
        alarm = self.alarm
        return {
            "id": alarm.id,
            "book": self.book,
            "kind": alarm.kind,
            "symbol": alarm.symbol,
            "at": alarm.at.isoformat(),
            "text": alarm.text,
        }
