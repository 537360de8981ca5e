"""`forewalk compare`: read the runs, refuse what cannot be compared, say what differs, test, draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from engine.compare.differences import differences
from engine.compare.refusals import refuse_unlike_bars, refuse_unlike_forecasts
from engine.compare.result import Comparison, Pairing
from engine.compare.side import Side, read_side
from engine.evaluation.metrics.forecasts.claims import holm
from engine.evaluation.paired import ForecastPair, lead_of, pair_accounts, pair_forecasts
from forewalk.errors import DataError, UsageError
from forewalk.sessions import bars_per_year

MOST_RUNS = 8  # curves that a picture can hold


def compare_runs(folders: Sequence[Path], accounts_only: bool = False) -> Comparison:
    """Compare finished runs, each with the first; see `compare_sides`.

    Raises:
        UsageError: fewer than two runs, one of them twice, or more than eight.
        DataError: one of them is no run folder, or they cannot be compared; the message says what to do.
    """
    if not 2 <= len(folders) <= MOST_RUNS:
        raise UsageError(f"{len(folders)} runs were named; 2 to {MOST_RUNS} can be compared")
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"{folder} is named twice, or leads to a run that is named too")
    return compare_sides([read_side(folder) for folder in folders], accounts_only)


def compare_sides(sides: Sequence[Side], accounts_only: bool = False) -> Comparison:
    """Compare the first run with each other one, pair by pair, on what both have.

    The tests say whether one difference may be luck. They do not know how many runs were tried before these were
    chosen; the ledger does (`forewalk trials`).

    Raises:
        DataError: no bar is in both, or the forecasts answer different questions.
    """
    first, *others = sides = _told_apart(sides)
    for other in others:
        refuse_unlike_bars(first, other)
        if not accounts_only:
            refuse_unlike_forecasts(first, other)
    pairs = [None if accounts_only else pair_forecasts(first.forecasts, other.forecasts) for other in others]
    curves = _curves(sides)
    data = first.settings.data
    year = bars_per_year(data.exchange, data.bar_length)
    accounts = [pair_accounts(first.equity, other.equity, year, first.settings.seed) for other in others]
    rows = zip(others, pairs, accounts, _adjusted(pairs), strict=True)
    return Comparison(
        runs=tuple(side.name for side in sides),
        paths=tuple(None if side.path is None else str(side.path) for side in sides),
        same_data=len({side.data_fingerprint for side in sides}) == 1,
        differences=differences(sides),
        pairings=tuple(Pairing(first.name, other.name, pair, account, p) for other, pair, account, p in rows),
        curves=curves,
        lead=None if accounts_only else _leads(first, others),
    )


def _told_apart(sides: Sequence[Side]) -> list[Side]:
    """Return the runs, those of one name with a number behind it."""
    names: list[str] = []
    for side in sides:
        name, number = side.name, 2
        while name in names:
            name, number = f"{side.name} ({number})", number + 1
        names.append(name)
    return [Side(**{**vars(side), "name": name}) for side, name in zip(sides, names, strict=True)]


def _adjusted(pairs: Sequence[ForecastPair | None]) -> list[float | None]:
    p_values = [None if pair is None else pair.test.p_two_sided for pair in pairs]
    adjusted = holm([math.nan if p is None else p for p in p_values])
    return [p if math.isfinite(p) else None for p in adjusted]


def _curves(sides: Sequence[Side]) -> pd.DataFrame:
    columns = [side.equity.set_index("time")["equity"].rename(side.name) for side in sides]
    shared = pd.concat(columns, axis=1, join="inner").sort_index()
    if len(shared) < 2:
        raise DataError(
            "the accounts share fewer than two bars; compare runs whose spans overlap, two at a time"
        )
    return shared / shared.iloc[0]


def _leads(first: Side, others: Sequence[Side]) -> pd.DataFrame:
    return pd.concat(
        [lead_of(first.forecasts, other.forecasts).rename(other.name) for other in others], axis=1
    ).sort_index()
