"""The timeline: every model of a run, in the order in which it became known.

The backtest reads the timeline that walk-forward built; live, the timeline grows. A bar is always forecast
by the newest model whose `valid_from` it has reached, never by one that already knew it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from forewalk.errors import LookaheadError
from forewalk.features.panel import FeaturePanel
from forewalk.types import Forecasts
from models.base import FittedForecaster, predict_rows

TIME_PER_BAR = 1.25  # calendar time that a bar of a model's age may take, over what it took on average before


@dataclass(frozen=True, eq=False)
class Timeline:
    """Fitted models by `valid_from`, and the age at which one falls silent.

    Attributes:
        models: strictly increasing in `valid_from`, each valid only after its own `trained_until`.
        max_age_bars: bars after `valid_from` from which a model gives no forecast any more; holes count as time.
        ends: by `model_id`, when one was retired: bars from then on are forecast by the newest of those before it
            that was not.

    Raises:
        LookaheadError: a model claims to be valid at or before the end of its own training.
        ValueError: two models start at the same bar or are out of order.
    """

    models: tuple[FittedForecaster, ...]
    max_age_bars: int
    ends: Mapping[str, pd.Timestamp] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for model in self.models:
            if model.valid_from <= model.trained_until:
                raise LookaheadError(
                    f"{model.model_id} was trained until {model.trained_until}, so it cannot be valid "
                    f"from {model.valid_from}"
                )
        starts = [model.valid_from for model in self.models]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError("the models of a timeline must start one after the other")

    def extended(self, model: FittedForecaster) -> Timeline:
        """Return a timeline that goes on with `model`; the past answers stay as they were."""
        return replace(self, models=(*self.models, model))

    def at(self, asof: pd.Timestamp) -> FittedForecaster | None:
        """Return the model that forecasts the bar closing at `asof`, whatever its age; None before the first."""
        known = [model for model in self.models if model.valid_from <= asof and not self._ended(model, asof)]
        return known[-1] if known else None

    def forecasts(self, panel: FeaturePanel, horizon_bars: int, first: int | None = None) -> Forecasts:
        """Forecast every row of the panel from row `first` on (default: the first model's first bar).

        Rows before the first model, and rows for which the model is too old, hold NaN and no model id.
        """
        if first is None:
            first = (
                int(panel.timestamps.searchsorted(self.models[0].valid_from)) if self.models else len(panel)
            )
        rows = len(panel) - first
        mean, std, p_up = (np.full((rows, len(panel.symbols)), np.nan) for _ in range(3))
        ids = [""] * rows
        trained = np.full(rows, np.datetime64("NaT", "us"))
        for model, start, stop in self._spans(panel.timestamps, first):
            part = slice(start - first, stop - first)
            for columns, alone in _markets(panel):
                mean[part, columns], std[part, columns], p_up[part, columns] = predict_rows(
                    model, alone, start, stop
                )
            ids[part] = [model.model_id] * (stop - start)
            trained[part] = model.trained_until.tz_convert("UTC").tz_localize(None).to_datetime64()
        return Forecasts(
            timestamps=panel.timestamps[first:],
            symbols=panel.symbols,
            mean=mean,
            std=std,
            p_up=p_up,
            horizon_bars=horizon_bars,
            model_ids=tuple(ids),
            trained_until=pd.DatetimeIndex(trained, tz="UTC").as_unit("us"),
        )

    def _expires(self, timestamps: pd.DatetimeIndex, start: int) -> int:
        """Return the row from which a model that starts at row `start` is too old: in bars, and in calendar time.

        Holes after its start make it old before its bars are used up: a bar may take a quarter more time than the
        bars before it did on average.
        """
        limit = start + self.max_age_bars
        if not 0 < start < len(timestamps):
            return limit
        usual = (timestamps[start] - timestamps[0]) / start
        oldest = timestamps[start] + usual * (self.max_age_bars * TIME_PER_BAR) + pd.Timedelta(days=7)
        return min(limit, int(timestamps.searchsorted(oldest, side="right")))

    def _spans(self, timestamps: pd.DatetimeIndex, first: int) -> Iterable[tuple[FittedForecaster, int, int]]:
        """Yield (model, first row, stop row) for the rows from `first` on that each model answers for."""
        whose = np.full(
            len(timestamps), -1
        )  # a later model takes rows over, and gives them back where it ends
        starts = [int(timestamps.searchsorted(model.valid_from)) for model in self.models]
        for number, model in enumerate(self.models):
            end = self.ends.get(model.model_id)
            stop = len(timestamps) if end is None else int(timestamps.searchsorted(end))
            whose[starts[number] : stop] = number
        borders = [0, *(np.flatnonzero(np.diff(whose)) + 1).tolist(), len(whose)]
        for begin, stop in pairwise(borders):
            number = int(whose[begin]) if begin < stop else -1
            if number < 0:
                continue
            begin, stop = max(begin, first), min(stop, self._expires(timestamps, starts[number]))
            if begin < stop:
                yield self.models[number], begin, stop

    def _ended(self, model: FittedForecaster, asof: pd.Timestamp) -> bool:
        end = self.ends.get(model.model_id)
        return end is not None and end <= asof


def _markets(panel: FeaturePanel) -> list[tuple[slice | list[int], FeaturePanel]]:
    """Return the symbols that close together with their own panel: what closes later answers for nothing before."""
    if not panel.markets:
        return [(slice(None), panel)]
    return [(list(columns), panel.of_columns(columns)) for columns in panel.markets]
