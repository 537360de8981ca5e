"""Trials on made bars."""

import numpy as np
import pandas as pd

from engine.runs.trial import make_trial
from forewalk.settings.loading import settings_from
from forewalk.types import Bars

TIMES = pd.bdate_range("2020-01-02", periods=40, tz="UTC") + pd.Timedelta(hours=21)


PRICES = np.linspace(10, 12, 40)[:, None] * np.ones(2)


BARS = Bars(TIMES, ("A", "B"), PRICES, PRICES, PRICES, PRICES, PRICES)


LONG_PRICES = np.ones((2000, 1))


LONG = Bars(
    pd.bdate_range("2010-01-04", periods=2000, tz="UTC") + pd.Timedelta(hours=21), ("A",), *[LONG_PRICES] * 5
)


def a_trial(number=0, seed=0, kind="sweep", bars=BARS, rows=30):
    returns = np.random.default_rng([seed, number]).normal(0.001, 0.01, rows)
    return make_trial(kind, f"try-{number}", bars, settings_from({"seed": number}), returns)
