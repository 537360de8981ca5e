"""Forecasts of a finished run, read back for the same bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.runs.folder import StoredRun
    from forewalk.settings.sections import Settings
    from forewalk.types import Bars, Forecasts


def stored_forecasts(stored: StoredRun, bars: Bars, settings: Settings) -> Forecasts:
    """Rebuild a run's forecasts, [T, S], over the bars of its stored account; NaN where it had none."""
    import numpy as np
    import pandas as pd

    from forewalk.types import Forecasts, utc_index

    times = utc_index(pd.DatetimeIndex(stored.equity["time"]))
    table = stored.forecasts
    row = times.get_indexer(utc_index(pd.DatetimeIndex(table["asof"])))
    column = pd.Index(bars.symbols).get_indexer(pd.Index(table["symbol"]))
    fields = {}
    for name in ("mean", "std", "p_up"):
        values = np.full((len(times), len(bars.symbols)), np.nan)
        values[row, column] = table[name]
        fields[name] = values
    ids, until = [""] * len(times), [pd.NaT] * len(times)
    for number, model, seen in zip(row, table["model_id"], table["trained_until"], strict=True):
        ids[number], until[number] = str(model), seen
    return Forecasts(
        timestamps=times,
        symbols=bars.symbols,
        horizon_bars=settings.label.horizon_bars,
        model_ids=tuple(ids),
        trained_until=pd.DatetimeIndex(until, tz="UTC"),
        **fields,
    )


def require_same_bars(stored: StoredRun, settings: Settings) -> Bars:
    """Load the bars of a stored run; DataError where they are not the ones it saw."""
    from forewalk.data.loading import load_bars
    from forewalk.errors import DataError

    bars, _ = load_bars(settings.data)
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
