"""How many bars it takes until features and a model's state no longer depend on where the history begins.

A measurement, not a verdict: it says how much history a live run must load.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.audit.certificate import Check
from engine.audit.pipeline import Pipeline, Prepared
from forewalk.features.panel import FeaturePanel
from forewalk.settings.sections import Settings
from forewalk.types import Bars, BoolArray, FloatArray
from models.base import predict_rows
from models.timeline import Timeline

HISTORIES = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
CONVERGED = 1e-6  # of a feature (they are in units of volatility), and of a forecast in units of its std
NAME, QUESTION = "warm-up", "After how many bars features and state no longer depend on the history's start."


def check_warm_up(prepared: Prepared, timeline: Timeline, settings: Settings, pipeline: Pipeline) -> Check:
    """Measure the bars of history that features need, and the bars that warm a model's state."""
    bars, panel = prepared.bars, prepared.panel
    needs = feature_warm_up(bars, panel, settings, pipeline)
    slowest = max(needs, key=lambda name: needs[name] or len(bars) + 1)
    spoken = f"{needs[slowest]} bars" if needs[slowest] else f"not even {len(bars)} bars"
    detail = f"features: {spoken} (slowest: {slowest})"
    state = state_warm_up(timeline, panel, settings)
    if state:
        least = next(
            (count for count, gap in state.items() if gap <= CONVERGED), settings.model.lookback_bars
        )
        half = state[max(min(state), settings.model.lookback_bars // 2)]
        detail += (
            f"; state: {least} of {settings.model.lookback_bars} bars, with half of them a forecast moves "
        )
        detail += f"by {half:.1e} std"
    return Check(NAME, QUESTION, "note", len(needs) * len(HISTORIES), detail)


def feature_warm_up(
    bars: Bars, panel: FeaturePanel, settings: Settings, pipeline: Pipeline
) -> dict[str, int | None]:
    """Return, for each feature, the fewest bars whose last row agrees with the whole history's; None: never."""
    needs: dict[str, int | None] = dict.fromkeys(panel.names)
    settled = np.ones(len(panel.names), bool)  # from the longest history downwards, until one disagrees
    for count in sorted((count for count in HISTORIES if count < len(bars)), reverse=True):
        settled &= _last_row_agrees(bars, panel, settings, pipeline, count)
        for column in np.flatnonzero(settled):
            needs[panel.names[column]] = count
        if not settled.any():
            break
    return needs


def _last_row_agrees(
    bars: Bars, panel: FeaturePanel, settings: Settings, pipeline: Pipeline, count: int
) -> BoolArray:
    """Tell which features of the last row, computed on the last `count` bars, are those of the whole, [F]."""
    short = pipeline.features(bars.since(pd.Timestamp(bars.timestamps[-count])), settings)
    whole, cut = panel.values[-1].astype(np.float64), short.values[-1].astype(np.float64)
    close = np.abs(cut - whole) <= CONVERGED * np.maximum(1.0, np.abs(whole))
    return np.asarray((close | np.isnan(whole)).all(axis=0))


def state_warm_up(timeline: Timeline, panel: FeaturePanel, settings: Settings) -> dict[int, float]:
    """Return how far the newest model's first forecast moves when only so many bars warm its state.

    Keys are bars, ascending; values the largest |change of mean| in units of std over all symbols.
    """
    model, lookback = timeline.models[-1], settings.model.lookback_bars
    first = int(panel.timestamps.searchsorted(model.valid_from))
    if first < lookback:
        return {}

    def forecast(count: int) -> tuple[FloatArray, FloatArray]:
        part = _rows(panel, first - count, first + 1)
        mean, std, _ = predict_rows(model, part, count, count + 1)
        return mean, std

    mean, std = forecast(lookback)
    moves: dict[int, float] = {}
    for count in sorted({max(1, lookback * part // 8) for part in range(1, 9)}):
        change = np.abs(forecast(count)[0] - mean) / std
        moves[count] = float(np.nanmax(change)) if np.isfinite(change).any() else 0.0
    return moves


def _rows(panel: FeaturePanel, first: int, stop: int) -> FeaturePanel:
    return FeaturePanel(
        timestamps=panel.timestamps[first:stop],
        symbols=panel.symbols,
        names=panel.names,
        values=panel.values[first:stop],
        scale=panel.scale[first:stop],
        eligible=panel.eligible[first:stop],
    )
