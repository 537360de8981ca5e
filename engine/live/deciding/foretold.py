"""The daemon's forecasts in the forecast log, before any order on them is sent; trading never waits long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd
from scipy.special import ndtri

from engine.runs.closes import next_closes
from engine.runs.record import LOG_FILE, ForecastRecord, Foretold, Question
from forewalk.errors import ForewalkError
from forewalk.features.panel import label_returns
from forewalk.settings.sections import Settings
from forewalk.types import Bars, Forecasts

WAIT_S = 2.0  # that a decision waits for its forecasts to be on disk
LEVELS = {"50": 0.5, "80": 0.8, "95": 0.95}
ALERT = "forecast_log"


class ForecastWriter:
    """Writes the forecasts of each decision down, and what became of those before.

    A thread of its own writes: a disk that is full, slow or gone, or a log that is damaged or held by somebody else,
    is an alert, and the decision goes on.

    Args:
        settings: of the book. say: told of what went wrong: (kind, text). wait_s: longest wait of a decision.
    """

    def __init__(
        self, settings: Settings, say: Callable[[str, str], None], wait_s: float | None = None
    ) -> None:
        self.path = settings.live.state.expanduser() / LOG_FILE
        self._settings = settings
        self._say = say
        self._wait_s = WAIT_S if wait_s is None else wait_s
        self._thread: threading.Thread | None = None
        self._problem = ""

    def write(self, bars: Bars, forecasts: Forecasts, now: datetime) -> None:
        """Write the last row of `forecasts` down, and the outcomes that `bars` know; never raises.

        Args:
            bars: up to the one that is decided on. now: the broker's time, UTC.
        """
        if self._thread is not None and self._thread.is_alive():
            asof = f"{bars.timestamps[-1]:%Y-%m-%d %H:%M}"
            self._tell(f"still busy with earlier forecasts; those of {asof} are lost")
            return
        if self._problem:  # of a thread that nobody waited for any more
            self._tell(self._problem)
        self._thread = threading.Thread(
            target=self._work, args=(bars, forecasts, now), name="forecast-log", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as problem:  # the machine has no thread left
            self._thread = None
            self._tell(str(problem))
            return
        self._thread.join(self._wait_s)
        if self._thread.is_alive():
            self._tell(f"not written within {self._wait_s:g} s; the decision goes on without waiting")
        elif self._problem:
            self._tell(self._problem)
            self._problem = ""

    def _work(self, bars: Bars, forecasts: Forecasts, now: datetime) -> None:
        self._problem = ""
        try:
            record = ForecastRecord(self.path, lambda: now)
            record.settle(outcomes(bars, self._settings), question_of(self._settings, bars))
            record.write(foretold(bars, forecasts, self._settings))
        except ForewalkError as problem:
            self._problem = str(problem)
        except Exception as problem:  # noqa: BLE001 - the thread's own boundary: whatever it is, trading goes on
            self._problem = f"{self.path}: {type(problem).__name__}: {problem}"

    def _tell(self, text: str) -> None:
        self._say(ALERT, f"forecasts are not in the forecast log: {text}")


def question_of(settings: Settings, bars: Bars) -> Question:
    """Return of what the forecasts of a book are."""
    label = settings.label
    return Question(label.horizon_bars, bars.interval, label.execution, label.relative)


def foretold(bars: Bars, forecasts: Forecasts, settings: Settings) -> list[Foretold]:
    """Return the forecasts of the newest bar as rows of the log; ranges and chances are the model's own."""
    asof = bars.timestamps[-1]
    closes_at = next_closes(bars.calendar, bars.interval, asof, settings.label.reach_bars)[-1]
    rows = []
    for column, symbol in enumerate(bars.symbols):
        mean, std, p_up = (float(getattr(forecasts, name)[-1, column]) for name in ("mean", "std", "p_up"))
        close = float(bars.close[-1, column])
        if not np.isfinite([mean, std, p_up, close]).all():
            continue
        reach = {name: std * float(ndtri(0.5 + level / 2)) for name, level in LEVELS.items()}
        rows.append(
            Foretold(
                symbol=symbol,
                asof=asof,
                closes_at=closes_at,
                question=question_of(settings, bars),
                close=close,
                mean=mean,
                std=std,
                p_up=p_up,
                p_up_model=p_up,
                bands={name: (mean - half, mean + half) for name, half in reach.items()},
                model=forecasts.model_ids[-1],
                run=f"book {settings.live.book}",
            )
        )
    return rows


def outcomes(bars: Bars, settings: Settings) -> pd.DataFrame:
    """Return what became of forecasts made at these bars: asof, symbol and actual, where it is known."""
    returns = label_returns(bars, settings.label)
    row, column = np.nonzero(np.isfinite(returns))
    return pd.DataFrame(
        {
            "asof": bars.timestamps[row],
            "symbol": np.array(bars.symbols, dtype=object)[column],
            "actual": returns[row, column],
        }
    )
