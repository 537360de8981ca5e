"""Answers as the command gives them, made up."""

from datetime import UTC, datetime

import pandas as pd

from engine.forecast.answer import Answer, SymbolForecast
from engine.forecast.probability import Correction
from engine.forecast.skill import skill_of

ASOF = pd.Timestamp("2024-03-07 21:00", tz="UTC")
CLOSES = pd.Timestamp("2024-03-08 21:00", tz="UTC")
MORNING = datetime(2024, 3, 8, 12, tzinfo=UTC)
NOTHING = pd.DataFrame({"asof": [], "mean": [], "std": [], "actual": []})


def make_answer(*symbols, mean=0.001, asof=ASOF, closes_at=CLOSES, model="fold-01", run="runs/one"):
    none = skill_of(NOTHING)
    bands = {"50": (-0.01, 0.012), "80": (-0.02, 0.022), "95": (-0.03, 0.032)}
    found = tuple(
        SymbolForecast(
            symbol, asof, closes_at, 100.0, mean, 0.015, 0.53, 0.53, bands, bands, None, none, model
        )
        for symbol in symbols
    )
    return Answer(
        asof=asof,
        session=f"{closes_at:%Y-%m-%d}",
        symbols=found,
        silent={},
        run=run,
        horizon_bars=1,
        interval="1d",
        calendar="XNYS",
        execution="close",
        relative=False,
        widened=(),
        corrected=Correction(),
        skill=none,
        notes=(),
    )


def outcomes(*symbols, actual=0.004, asof=ASOF):
    return pd.DataFrame(
        {"asof": [asof] * len(symbols), "symbol": symbols, "mean": 0.0, "std": 1.0, "actual": actual}
    )
