"""Features of texts: how many there are, what they sound like, how new and how old they are.

Measured on 75,000 tweets about 31 stocks: an abnormal number of texts foretells the size of the next move beyond
volatility, the tone foretells no direction (docs/news.md). Every value depends on texts known at its bar's close.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from forewalk.data.columns.texts.placing import extra
from forewalk.data.columns.texts.texts import NEWS, SOCIAL
from forewalk.types import Bars, BoolArray, FloatArray

TEXT_FEATURES = (f"{NEWS}_", f"{SOCIAL}_")  # how their names begin
OLDEST = 63  # bars beyond which a text is as old as any
REMEMBERS = 10  # bars of memory of the usual tone (span of its exponential average over bars with texts)
LEAST_SPREAD = 0.25  # of log(1 + number): a symbol that is hardly written about has no z-score of 40


def news_features(bars: Bars, count_bars: int) -> dict[str, FloatArray]:
    """Return the features of every kind of text that the bars carry, by name, each [T, S].

    For each kind k (`news`, `social`), with n the weighted number of texts of the bar that repeat none:

    - `k_none`: 1 where the bar has no text, else 0.
    - `k_count_z`: log(1 + n) less its mean over the `count_bars` bars before, over their standard deviation.
    - `k_tone`: weighted mean tone in [-1, 1]; 0 without a text.
    - `k_tone_change`: tone less the usual tone of the symbol (exponential average, span 10, over earlier bars with
      texts); 0 without a text or without earlier ones.
    - `k_dispersion`: weighted standard deviation of the tones of the bar; 0 without two.
    - `k_novelty`: share of the bar's texts that repeat no earlier one; 0 without a text.
    - `k_age`: log(1 + bars since the last text), at most that of 63 bars.
    - `k_market_tone`: mean tone of all texts of the bar, over all symbols; 0 without any.

    All are NaN where the source is silent or has not begun, and `k_count_z` until 20 bars are known.
    """
    found: dict[str, FloatArray] = {}
    for kind in (NEWS, SOCIAL):
        if extra(kind, "count") in bars.extras:
            found |= {f"{kind}_{name}": values for name, values in _of_kind(bars, kind, count_bars).items()}
    return found


def bar_tone(bars: Bars) -> FloatArray:
    """Return the weighted mean tone of all texts of a bar, of every kind, [T, S]; NaN without one."""
    none = np.zeros(bars.close.shape)
    count, total = (
        sum((np.nan_to_num(bars.extras.get(extra(kind, what), none)) for kind in (NEWS, SOCIAL)), none)
        for what in ("count", "tone")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def _of_kind(bars: Bars, kind: str, count_bars: int) -> dict[str, FloatArray]:
    count, every, tones, squares = (
        bars.extras[extra(kind, what)] for what in ("count", "all", "tone", "square")
    )
    there = np.nan_to_num(count) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        tone = np.where(there, tones / count, 0.0)
        spread = np.where(there, np.sqrt(np.maximum(squares / count - tone**2, 0.0)), 0.0)
        novelty = np.where(np.nan_to_num(every) > 0, count / every, 0.0)
        total = np.nansum(np.where(there, count, 0.0), axis=1)
        market = np.where(total > 0, np.nansum(np.where(there, tones, 0.0), axis=1) / total, 0.0)
    features = {
        "none": 1.0 - there,
        "count_z": _z(np.log1p(count), count_bars),
        "tone": tone,
        "tone_change": np.where(there, tone - _usual(tone, there), 0.0),
        "dispersion": spread,
        "novelty": novelty,
        "age": np.log1p(_age(there)),
        "market_tone": np.broadcast_to(market[:, None], count.shape),
    }
    silent = np.isnan(count)
    return {name: np.where(silent, np.nan, values) for name, values in features.items()}


def _z(values: FloatArray, count_bars: int) -> FloatArray:
    before = pd.DataFrame(values).shift(1).rolling(count_bars, min_periods=min(20, count_bars))
    spread = np.maximum(before.std().to_numpy(), LEAST_SPREAD)
    return np.asarray((values - before.mean().to_numpy()) / spread)


def _usual(tone: FloatArray, there: BoolArray) -> FloatArray:
    """Return the usual tone before each bar, [T, S]; the bar's own where no earlier bar has a text."""
    seen = pd.DataFrame(np.where(there, tone, np.nan))
    usual = seen.ewm(span=REMEMBERS, ignore_na=True).mean().ffill().shift(1).to_numpy()
    return np.where(np.isnan(usual), tone, usual)


def _age(there: BoolArray) -> FloatArray:
    rows = np.arange(len(there))[:, None]
    last = np.maximum.accumulate(np.where(there, rows, -OLDEST), axis=0)
    return np.minimum(rows - last, OLDEST).astype(np.float64)
