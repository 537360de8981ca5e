"""Forecasts of a finished run, read back for the same bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from engine.runs.folder import StoredRun
    from forewalk.settings.sections import Settings
    from forewalk.types import Bars, Forecasts


def stored_forecasts(
    table: pd.DataFrame,
    timestamps: pd.DatetimeIndex,
    symbols: tuple[str, ...],
    horizon_bars: int,
    daily: bool = False,
) -> Forecasts:
    """Return a run's forecasts over these bars and symbols, [T, S]; NaN where it had none.

    Args:
        table: as from `forecast_table`; rows about other bars or symbols are left out.
        timestamps: closes, UTC, length T.
        symbols: length S.
        horizon_bars: of the run's label.
        daily: whether rows are days of several markets: a forecast belongs to the day in which it was made.
    """
    import numpy as np
    import pandas as pd

    from forewalk.types import Forecasts, utc_index

    times = utc_index(timestamps)
    asof = utc_index(pd.DatetimeIndex(table["asof"]))
    if daily:
        row = np.asarray(times.searchsorted(asof))
        row[row == len(times)] = -1
    else:
        row = times.get_indexer(asof)
    column = pd.Index(symbols).get_indexer(pd.Index(table["symbol"].astype(str)))
    inside = (row >= 0) & (column >= 0)
    row, column, table = row[inside], column[inside], table[inside]
    fields = {name: np.full((len(times), len(symbols)), np.nan) for name in ("mean", "std", "p_up")}
    for name, values in fields.items():
        values[row, column] = table[name].to_numpy(dtype=np.float64)
    model_ids = np.full(len(times), "", dtype=object)
    model_ids[row] = table["model_id"].astype(str).to_numpy()
    until = np.full(len(times), np.datetime64("NaT", "us"))
    until[row] = utc_index(pd.DatetimeIndex(table["trained_until"])).tz_localize(None).to_numpy()
    return Forecasts(
        timestamps=times,
        symbols=symbols,
        horizon_bars=horizon_bars,
        model_ids=tuple(model_ids.tolist()),
        trained_until=pd.DatetimeIndex(until, tz="UTC"),
        **fields,
    )


def require_same_bars(stored: StoredRun, settings: Settings) -> Bars:
    """Load the bars of a stored run; DataError where they are not the ones it saw."""
    from forewalk.data.cleaning.together import by_day
    from forewalk.data.loading import load_bars
    from forewalk.errors import DataError

    bars = by_day(load_bars(settings.data, columns=settings.features.columns, news=settings.news)[0])
    if bars.fingerprint != stored.manifest["data_fingerprint"]:
        raise DataError(
            f"the data of {stored.path.name} have changed since the run (bars were added or revised): its "
            "forecasts belong to other bars; run the backtest again and sweep that"
        )
    return bars


def stored_hashes(stored: StoredRun) -> dict[str, str]:
    """Return the hashes of the user's own code that a run was made with, by setting and name."""
    return {
        f"{entry['setting']} = {entry['name']!r}": str(entry["sha256"])
        for entry in stored.manifest.get("plugins", ())
        if not entry["setting"].startswith("data.")
    }
