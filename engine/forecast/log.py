"""The forecast log: answers written down before their outcome is known; see `engine.runs.record`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.runs.record import LOG_FILE, Entered, ForecastRecord, Foretold, Question, wall_clock

if TYPE_CHECKING:
    import pandas as pd

    from engine.forecast.answer import Answer

__all__ = ["LOG_FILE", "Entered", "ForecastLog", "wall_clock"]


class ForecastLog(ForecastRecord):
    """The record of what `forewalk forecast` has answered; arguments as `ForecastRecord`."""

    def enter(self, answer: Answer) -> Entered:
        """Write the forecasts of an answer down; see `ForecastRecord.write`."""
        question = question_of(answer)
        return self.write(
            [
                Foretold(
                    symbol=each.symbol,
                    asof=each.asof,
                    closes_at=each.closes_at,
                    question=question,
                    close=each.close,
                    mean=each.mean,
                    std=each.std,
                    p_up=each.p_up,
                    p_up_model=each.p_up_model,
                    bands=each.bands,
                    model=each.model,
                    run=answer.run,
                )
                for each in answer.symbols
            ]
        )

    def score(self, history: pd.DataFrame, answer: Answer) -> int:
        """Write down the outcomes that are known by now; return how many.

        Args:
            history: `forecast_table` rows with their outcomes. answer: says of what horizon and kind they are.
        """
        return self.settle(history, question_of(answer))


def question_of(answer: Answer) -> Question:
    """Return of what the forecasts of an answer are."""
    return Question(answer.horizon_bars, answer.interval, answer.execution, answer.relative)
