"""What is watched of a book, and what a watch says; light, so that the daemon can read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from engine.evaluation.metrics.drift import COVERAGE, LOSS, QLIKE, WIDTH

FEATURES, FILLS, DATA = "features", "fills", "data"
OF_MODELS = (LOSS, COVERAGE, WIDTH, QLIKE, FEATURES)  # the watches that a newer model may quieten
SAYS = {
    LOSS: "errors grow beyond what the model states, where those of 'no change' do not",
    COVERAGE: "too many outcomes outside of the range that holds 80 of 100",
    WIDTH: "too few outcomes outside of that range: it is too wide",
    QLIKE: "the stated spread falls behind a plain moving average of squares",
    FEATURES: "a feature lies where its past did not",
    FILLS: "fills cost more than the backtest assumes",
    DATA: "bars or forecasts are missing or refused",
}


@dataclass(frozen=True)
class Reading:
    """One watch after the last session.

    Attributes:
        watch: its name. sessions: how many it has seen of this book.
        level: its sum over its limit, an alarm above 1; None where it cannot be read, and `detail` says why.
        since: session in which the alarm that is not over began. detail: what was seen, in words.
    """

    watch: str
    sessions: int
    level: float | None
    since: date | None
    detail: str

    @property
    def alarm(self) -> str | None:
        """What the diary and a person are told, the same every day that the alarm goes on; None without one."""
        return None if self.since is None else f"{self.watch} since {self.since}: {SAYS[self.watch]}"
