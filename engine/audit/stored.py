"""Hold a stored run against the run that was audited: the certificate is about this run and no other."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from engine.audit.certificate import Check, Offender
from engine.runs.folder import read_run
from forewalk.types import Forecasts, SimulationResult

NAME, QUESTION = "stored run", "The audited run is the stored one: the same forecasts and orders."


def check_stored_run(
    run: Path, forecasts: Forecasts, simulation: SimulationResult, data_fingerprint: str, device: str = "cpu"
) -> Check:
    """Compare forecasts and orders with the stored ones, which must be equal.

    A note, and no verdict, where they cannot be: the data have changed since the run, or it was trained on
    another device than the audit, which trains on the CPU.

    Raises:
        DataError: `run` is not a complete run folder.
    """
    stored = read_run(run)
    if stored.manifest["data_fingerprint"] != data_fingerprint:
        return Check(NAME, QUESTION, "note", 0, "the data have changed since the run; it cannot be compared")
    if device != "cpu":
        reason = f"the run was trained on {device!r}, the audit on the CPU; they agree to rounding only"
        return Check(NAME, QUESTION, "note", 0, reason)
    row, column = np.nonzero(np.isfinite(forecasts.mean))
    count = 0
    for name in ("mean", "std", "p_up"):
        fresh, old = getattr(forecasts, name)[row, column], stored.forecasts[name].to_numpy(float)
        if len(fresh) != len(old) or not np.array_equal(fresh, old):
            return _differs(f"forecast {name}", f"{len(old)} values", f"{len(fresh)} values", count)
        count += len(fresh)
    orders = pd.read_csv(StringIO(simulation.orders.to_csv(index=False)))  # stored as text: compare the text
    for name in ("symbol", "side", "quantity"):
        if not orders[name].equals(stored.orders[name]):
            what = (f"{len(stored.orders)} rows", f"{len(orders)} rows")
            return _differs(f"orders: {name}", *what, count)
        count += len(orders)
    return Check(NAME, QUESTION, "clean", count, run.name)


def _differs(what: str, stored: str, fresh: str, count: int) -> Check:
    """The stored run came from other code: its certificate would not be about it."""
    message = "the stored run differs from the audited one: other code, libraries or machine; run it again"
    offender = Offender("forecasts", what, "", "", stored, fresh, None, message)
    return Check(NAME, QUESTION, "leak", count, "", offender)
