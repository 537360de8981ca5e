"""Hold a stored run against the run that was audited: the certificate is about this run and no other."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from engine.audit.certificate import Check, Offender
from engine.runs.cells import to_csv
from engine.runs.folder import StoredRun, read_run
from forewalk.plugins.holding import changed_since
from forewalk.plugins.sources import Source
from forewalk.types import Forecasts, SimulationResult

NAME, QUESTION = "stored run", "The audited run is the stored one: the same forecasts and orders."


def check_stored_run(
    run: Path,
    forecasts: Forecasts,
    simulation: SimulationResult,
    data_fingerprint: str,
    device: str = "cpu",
    plugins: Sequence[Source] = (),
) -> Check:
    """Compare forecasts and orders with the stored ones, which must be equal.

    A note, and no verdict, where they cannot be: the data have changed since the run, or it was trained on
    another device than the audit, which trains on the CPU. Also where they are equal, but `plugins`, the user's
    own code that was audited, is not what the run was made with.

    Raises:
        DataError: `run` is not a complete run folder.
    """
    stored = read_run(run)
    if stored.manifest["data_fingerprint"] != data_fingerprint:
        return Check(NAME, QUESTION, "note", 0, "the data have changed since the run; it cannot be compared")
    if device != "cpu":
        reason = f"the run was trained on {device!r}, the audit on the CPU; they agree to rounding only"
        return Check(NAME, QUESTION, "note", 0, reason)
    changed = changed_since(stored.manifest, plugins)
    found = _compared(run.name, stored, forecasts, simulation, changed)
    if found.offender is None and changed:
        reason = f"equal, though your own code has changed since the run: {', '.join(changed)}"
        return Check(NAME, QUESTION, "note", found.values, reason)
    return found


def _compared(
    name: str,
    stored: StoredRun,
    forecasts: Forecasts,
    simulation: SimulationResult,
    changed: Sequence[str],
) -> Check:
    row, column = np.nonzero(np.isfinite(forecasts.mean))
    count = 0
    for field in ("mean", "std", "p_up"):
        fresh, old = getattr(forecasts, field)[row, column], stored.forecasts[field].to_numpy(float)
        if len(fresh) != len(old) or not np.array_equal(fresh, old):
            sizes = (f"{len(old)} values", f"{len(fresh)} values")
            return _differs(f"forecast {field}", *sizes, count, changed)
        count += len(fresh)
    orders = pd.read_csv(StringIO(to_csv(simulation.orders)))  # stored as text: compare the text
    for field in ("symbol", "side", "quantity"):
        if not orders[field].equals(stored.orders[field]):
            sizes = (f"{len(stored.orders)} rows", f"{len(orders)} rows")
            return _differs(f"orders: {field}", *sizes, count, changed)
        count += len(orders)
    return Check(NAME, QUESTION, "clean", count, name)


def _differs(what: str, stored: str, fresh: str, count: int, changed: Sequence[str]) -> Check:
    """The stored run came from other code: its certificate would not be about it."""
    why = (
        f"your own code has changed: {', '.join(changed)}" if changed else "other code, libraries or machine"
    )
    message = f"the stored run differs from the audited one: {why}; run it again"
    offender = Offender("forecasts", what, "", "", stored, fresh, None, message)
    return Check(NAME, QUESTION, "leak", count, "", offender)
