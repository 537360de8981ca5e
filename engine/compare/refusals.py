"""What cannot be compared, and what to do about it."""

from __future__ import annotations

import pandas as pd

from engine.compare.side import Side
from forewalk.errors import DataError

ACCOUNTS_ALONE = "or compare the accounts alone (--accounts)"


def refuse_unlike_bars(a: Side, b: Side) -> None:
    """Raise DataError where bars are of other lengths, or no bar or symbol is in both."""
    ours, theirs = (side.settings.data.bar_length for side in (a, b))
    if ours != theirs:
        raise DataError(
            f"{a.name} has bars of {ours}, {b.name} of {theirs}: no bar is the same; run one of them again with "
            f"data.interval = {ours!r}"
        )
    for side in (a, b):
        if side.span is None:
            raise DataError(f"{side.name} has no forecasts; run it over more bars")
    if not {*a.symbols} & {*b.symbols}:
        raise DataError(
            f"{a.name} forecasts {_listed(a)}, {b.name} {_listed(b)}: no symbol is in both; run one of them again "
            "with data.symbols of the other"
        )
    if not set(a.forecasts["asof"]) & set(b.forecasts["asof"]):
        raise DataError(
            f"{a.name} forecasts {_spanned(a)}, {b.name} {_spanned(b)}: no bar is in both; run one of them again "
            "over the other's span (data.start, data.end, folds.train_bars)"
        )


def refuse_unlike_forecasts(a: Side, b: Side) -> None:
    """Raise DataError where the forecasts answer different questions: other horizons, labels or outcomes."""
    ours, theirs = a.settings.label, b.settings.label
    if ours.horizon_bars != theirs.horizon_bars:
        raise DataError(
            f"{a.name} forecasts over {ours.horizon_bars} bars, {b.name} over {theirs.horizon_bars}: these are "
            f"different questions; run one of them again with label.horizon_bars = {ours.horizon_bars}, "
            f"{ACCOUNTS_ALONE}"
        )
    changed, cells = _other_outcomes(a, b)
    if not changed:
        return
    if (ours.relative, ours.execution) != (theirs.relative, theirs.execution):
        raise DataError(
            f"{a.name} and {b.name} forecast other returns (label.kind {ours.kind!r} and {theirs.kind!r}, "
            f"label.execution {ours.execution!r} and {theirs.execution!r}); run one of them again with the other's "
            f"label, {ACCOUNTS_ALONE}"
        )
    if ours.relative and a.symbols != b.symbols:
        raise DataError(
            f"{a.name} and {b.name} forecast returns beside the mean of other symbols; run one of them again with "
            f"the other's data.symbols, {ACCOUNTS_ALONE}"
        )
    raise DataError(
        f"{changed:,} of {cells:,} outcomes are not the same in {a.name} and {b.name}: prices were revised between "
        f"the runs; run both again on the same bars, {ACCOUNTS_ALONE}"
    )


def _other_outcomes(a: Side, b: Side) -> tuple[int, int]:
    from engine.evaluation.paired import SAME_OUTCOME

    columns = ["asof", "symbol", "actual"]
    both = pd.merge(a.forecasts[columns], b.forecasts[columns], on=["asof", "symbol"]).dropna()
    return int(((both["actual_x"] - both["actual_y"]).abs() > SAME_OUTCOME).sum()), len(both)


def _listed(side: Side, most: int = 5) -> str:
    shown = ", ".join(side.symbols[:most])
    return shown + (f" and {len(side.symbols) - most} more" if len(side.symbols) > most else "")


def _spanned(side: Side) -> str:
    first, last = side.span or (pd.NaT, pd.NaT)
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
