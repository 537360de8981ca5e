"""A practice book: the paper daemon on a simulator, over past days, one at a time as a person asks for them.

A process of its own (`python -m engine.web.jobs.practice FOLDER`). A day closes and is decided on; its orders wait
for a person. Once all of them are answered, or everything is to be sold, the market opens and what was approved is
filled. Then the next day may come. It is told `next` by a file of that name, and says what it is at in `said.json`.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.web.jobs.keeper import write_whole

if TYPE_CHECKING:
    from engine.live.daemon import Daemon
    from forewalk.settings.sections import Settings

SESSIONS = 60  # days that can be practised, the newest of the bars
LOOK_S = 0.2
MOMENT_S = 30
SAID = "said.json"
ASKED, BOOK, NEXT = "asked.toml", "paper.toml", "next"


@dataclass
class _Market:
    """Where the virtual market is: a day has closed, or the one after it has opened."""

    control: Any
    daemon: Daemon
    delay_s: float
    left: int = SESSIONS
    is_open: bool = True

    def close(self) -> None:
        """Let the day end and decide on it."""
        self._advance("close", self.delay_s)
        self.is_open, self.left = False, self.left - 1

    def open(self) -> None:
        """Let the next day begin: what was approved is sent and filled."""
        from engine.live.rehearsal import OPEN_OFFSET_S

        self._advance("open", OPEN_OFFSET_S)
        self.is_open = True

    def go_on(self) -> None:
        """Let the market be open, and a moment pass, for positions to be closed."""
        if not self.is_open:
            self.open()
        self.control.advance(seconds=MOMENT_S)

    def _advance(self, to: str, offset_s: float) -> None:
        from engine.live.rehearsal import settle

        self.control.advance(to=to, offset_seconds=offset_s)
        settle(self.daemon)


def main(folder: Path) -> None:
    """Practise with the settings of `asked.toml` until SIGTERM; `paper.toml` then leads to the book."""
    from broker.simulator.harness import Simulator
    from engine.live.job import opened
    from engine.live.rehearsal import CLOSE_OFFSET_S, KEYS, local_settings
    from forewalk.data.loading import load_bars
    from forewalk.settings.loading import load_settings, settings_to_toml

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    say = _saying(folder)
    say("starting", 0, SESSIONS)
    settings = load_settings(folder / ASKED)
    bars, _ = load_bars(settings.data)
    days = min(SESSIONS, len(bars) - 2)
    with Simulator(
        bars,
        start=bars.timestamps[-days - 2].isoformat(),
        cash=settings.execution.cash,
        market_fill="open",  # as the backtest fills
    ) as simulator:
        there = local_settings(settings, bars, simulator.url, folder / "live")
        there = _alone(there)
        with opened(there, console=False, keys=KEYS) as (daemon, _watch):
            market = _Market(simulator.control, daemon, there.live.close_delay_s + CLOSE_OFFSET_S, days)
            say("training", 0, days)
            market.close()
            (folder / BOOK).write_text(settings_to_toml(there), encoding="utf-8")
            while True:
                _step(folder, market)
                say("open" if market.is_open else "closed", days - market.left, days)
                time.sleep(LOOK_S)


def _alone(settings: Settings) -> Settings:
    """Let orders wait, and tell nobody outside of days that are long over.

    A strategy that limits no weight of its own is not refused for it: the account is a practice one.
    """
    live = settings.live.model_copy(update={"approve": True, "webhook": None, "port": 0})
    free = settings.strategy.max_weight is None
    risk = settings.risk.model_copy(update={"max_weight": 1.0}) if free else settings.risk
    return settings.model_copy(update={"live": live, "risk": risk})


def _step(folder: Path, market: _Market) -> None:
    from broker.orders import OrderState
    from engine.live.rehearsal import settle

    orders = market.daemon.journal.orders
    wanted = (folder / NEXT).exists()
    if not market.is_open and (
        wanted or (orders.all({OrderState.INTENT}) and not orders.all({OrderState.AWAIT_APPROVAL}))
    ):
        market.open()
    if market.daemon.switch.busy:
        market.go_on()
    if wanted:
        (folder / NEXT).unlink()
        if market.left > 0:
            market.close()
    settle(market.daemon)


def _saying(folder: Path) -> Callable[[str, int, int], None]:
    said: dict[str, Any] = {}

    def say(phase: str, day: int, days: int) -> None:
        now = {"phase": phase, "day": day, "days": days}
        if now != said:
            said.update(now)
            write_whole(folder / SAID, now)

    return say


def _run(folder: Path) -> None:
    from forewalk.errors import ForewalkError

    try:
        main(folder)
    except ForewalkError as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)


if __name__ == "__main__":
    _run(Path(sys.argv[1]))
