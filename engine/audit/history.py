"""What features may not know of a history: the level of its prices. And what they know of where it begins.

Adjusted prices multiply a symbol's whole past by a constant whenever it splits or pays, and adjusted volumes too.
What changes with such a constant knows of the split or the dividend before it was announced. The warm-up is a
measurement, not a verdict: after how many bars features and a model's state no longer depend on where the history
begins, which is how much of it a live run must load.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.audit.certificate import Check, Offender
from engine.audit.doctoring import halved, iso_utc, split_once_more
from engine.audit.known import prepared_blocks
from engine.audit.pipeline import Pipeline, Prepared, prepare
from forewalk.data.table import Table
from forewalk.features.panel import FeaturePanel
from forewalk.settings.sections import Settings
from forewalk.types import Bars, BoolArray, FloatArray
from models.base import predict_rows
from models.timeline import Timeline

LEVEL_TOLERANCE = 1e-6  # of a feature, after prices are halved
HISTORIES = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
CONVERGED = 1e-6  # of a feature (they are in units of volatility), and of a forecast in units of its std
NAME, QUESTION = "warm-up", "After how many bars features and state no longer depend on the history's start."


def check_level(table: Table, prepared: Prepared, settings: Settings, pipeline: Pipeline) -> Check:
    """Halving the whole price history, as a later split does to adjusted prices, changes no feature or label."""
    question = (
        "Features and labels do not depend on the price level, which later splits and dividends rewrite."
    )
    found, count = _changed(halved(table), prepared, settings, pipeline, "halving all prices changed it")
    return _answer("price level", question, count, "all prices halved", found)


def check_level_of_one(table: Table, prepared: Prepared, settings: Settings, pipeline: Pipeline) -> Check:
    """The same for one symbol alone, which a comparison of symbols would show; with its volumes in a cross-section.

    Ranks over the symbols of a bar hide a common factor. One symbol's own factor moves it among the others, and is
    what its next split or dividend does.
    """
    volumes = settings.features.cross_section
    what = "prices halved and volumes doubled" if volumes else "prices halved"
    other, symbol = split_once_more(table, volumes)
    found, count = _changed(
        other, prepared, settings, pipeline, f"{symbol}: {what} over all its past changed it"
    )
    question = "Nor on one symbol's own level, which its next split or dividend rewrites, beside the others'."
    return _answer("level of one symbol", question, count, f"{symbol}: {what}", found)


def _answer(name: str, question: str, count: int, done: str, found: Offender | None) -> Check:
    if found is None:
        return Check(name, question, "clean", count, done)
    return Check(name, question, "leak", count, "", found)


def _changed(
    table: Table, prepared: Prepared, settings: Settings, pipeline: Pipeline, message: str
) -> tuple[Offender | None, int]:
    """Return the first feature or label that another table changes, and how many cells were compared."""
    other = prepare(table, settings, pipeline, with_folds=False)
    count = 0
    blocks = {(b.stage, b.name): b for b in prepared_blocks(other)}
    for block in prepared_blocks(prepared):
        if block.stage not in ("features", "labels"):
            continue
        match = blocks.get((block.stage, block.name))
        expected = block.values.astype(np.float64)
        got = match.values.astype(np.float64) if match is not None else np.full_like(expected, np.nan)
        if got.shape != expected.shape:
            got = np.full_like(expected, np.nan)
        size = np.abs(got - expected)
        bad = (size > LEVEL_TOLERANCE * np.maximum(1.0, np.abs(expected))) | (
            np.isnan(got) != np.isnan(expected)
        )
        count += expected.size
        if bad.any():
            row, column = (int(place[0]) for place in np.nonzero(bad))
            offender = Offender(
                stage=block.stage,
                what=f"{block.name} {block.columns[column]}",
                bar=iso_utc(int(block.known_at[row])),
                expected=repr(float(expected[row, column])),
                found=repr(float(got[row, column])),
                size=None if np.isnan(size[row, column]) else float(size[row, column]),
                message=message,
            )
            return offender, count
    return None, count


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
