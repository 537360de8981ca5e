"""Columns of the user's own in live trading: read from their file anew for each decision, never from the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.live.bars import FreshBars
from forewalk.data.columns.placing import with_columns
from forewalk.data.columns.reading import read_columns
from forewalk.data.columns.rows import NO_TIME, row_closes
from forewalk.errors import DataError
from forewalk.sessions import microseconds
from forewalk.settings.sections import Settings


def with_live_columns(fresh: FreshBars, settings: Settings) -> FreshBars:
    """Return the bars with the columns of `features.columns`; a symbol without a value at its last bar is refused.

    Rows of later bars are left aside, as a simulator replays the past; whoever keeps the file up to date writes the
    values of a bar before `live.close_delay_s` is over.

    Raises:
        DataError, ConfigError: the file cannot be read as it is.
    """
    names = settings.features.columns
    if not names:
        return fresh
    rows = read_columns(settings.data, names)
    last = microseconds(fresh.bars.timestamps)[-1]
    rows = rows.keep(row_closes(rows, settings.data) <= last)
    rows = replace(rows, values=np.where((rows.known > last) & (rows.known != NO_TIME), np.nan, rows.values))
    if not len(rows):
        raise DataError(f"{rows.origin}: no row up to the bar of {fresh.bars.timestamps[-1]}")
    bars, _ = with_columns(fresh.bars, rows, settings.data)
    problems = dict(fresh.problems)
    for column, symbol in enumerate(bars.symbols):
        missing = [name for name in names if not np.isfinite(bars.extras[name][-1, column])]
        if missing and symbol not in problems:
            problems[symbol] = (
                f"no value of {', '.join(missing)} at its last bar; is {rows.origin} up to date?"
            )
    return replace(fresh, bars=bars, problems=problems)
