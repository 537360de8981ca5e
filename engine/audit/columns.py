"""Columns of the user's own: is each value dated, and does any of them know the next bar?

The audit can replace what a file says about the future, but not what it wrote into the past with hindsight: a column
that holds tomorrow's return under today's date looks like any other. What gives it away is that it predicts.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from engine.audit.certificate import Check, Offender
from engine.audit.pipeline import Prepared
from forewalk.data.columns.rows import NO_TIME
from forewalk.data.table import Table
from forewalk.features.panel import one_bar_returns
from forewalk.types import FloatArray

NAME = "columns of your own"
QUESTION = "No column knows the return that follows its bar, and each says when its values were known."
TOO_GOOD = 0.4  # rank correlation with the following return: the best of honest signals stay below 0.1
FEWEST = 100  # bars to judge by, of which no two share a return


def check_columns(table: Table, prepared: Prepared) -> Check:
    """Rank each column, and its change from bar to bar, against what follows; a leak where they agree too well.

    What follows is the return of the next bar, and the label on bars so far apart that labels do not overlap. A note
    where nothing is wrong but the file does not say when its values were known: then they are taken as known at the
    close of their bar, and nothing proves it.
    """
    rows = table.columns
    if rows is None:
        return Check(NAME, QUESTION, "not_applicable", 0, "no columns of your own")
    count, strongest = 0, 0.0
    following = _following(prepared)
    for name in rows.names:
        values = prepared.bars.extras[name]
        change = np.diff(values, axis=0, prepend=np.nan)
        for what, signal in ((name, values), (f"change of {name}", change)):
            for returns in following:
                pairs, correlation = _agreement(signal, returns)
                count, strongest = count + pairs, max(strongest, abs(correlation))
                if abs(correlation) >= TOO_GOOD:
                    return Check(NAME, QUESTION, "leak", count, "", _offender(rows.origin, what, correlation))
    told = f"strongest rank correlation with the following return {strongest:.2f}"
    undated = [name for number, name in enumerate(rows.names) if (rows.known[:, number] == NO_TIME).all()]
    if undated:
        detail = f"{told}; {', '.join(undated)}: no time at which values were known, taken as the close of their bar"
        return Check(NAME, QUESTION, "note", count, detail)
    return Check(NAME, QUESTION, "clean", count, told)


def _following(prepared: Prepared) -> tuple[FloatArray, FloatArray]:
    """Return the next bar's log return, and the labels of every h-th bar, each [T, S] with NaN elsewhere."""
    steps = np.roll(one_bar_returns(prepared.bars), -1, axis=0)
    steps[-1] = np.nan
    apart = np.full(prepared.labels.returns.shape, np.nan)
    every = slice(None, None, prepared.labels.horizon_bars)
    apart[every] = prepared.labels.returns[every]
    return steps, apart


def _agreement(signal: FloatArray, returns: FloatArray) -> tuple[int, float]:
    """Return the number of pairs and their rank correlation; 0 where one does not vary or the bars are too few."""
    both = np.isfinite(signal) & np.isfinite(returns)
    one, other = signal[both], returns[both]
    if both.any(axis=1).sum() < FEWEST or np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        return len(one), 0.0
    return len(one), float(spearmanr(one, other).statistic)


def _offender(origin: str, what: str, correlation: float) -> Offender:
    return Offender(
        stage="features",
        what=what,
        expected=f"below {TOO_GOOD:g} with the return that follows",
        found=f"rank correlation {correlation:+.2f}",
        message=f"{origin}: it knows what comes; under which date were its values written?",
    )
