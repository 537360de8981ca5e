"""Hold a stored run against the run that was audited: the certificate is about this run and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from engine.audit_certificate import Check, Offender
from engine.runs import read_run
from engine.types import Forecasts, SimulationResult

NAME, QUESTION = "stored run", "The audited run is the stored one: the same forecasts and orders."


def check_stored_run(
    run: Path, forecasts: Forecasts, simulation: SimulationResult, data_fingerprint: str
) -> Check:
    """Compare forecasts and orders with the stored ones; a note where the data have changed since.

    Raises:
        DataError: `run` is not a complete run folder.
    """
    stored = read_run(run)
    if stored.manifest["data_fingerprint"] != data_fingerprint:
        return Check(NAME, QUESTION, "note", 0, "the data have changed since the run; it cannot be compared")
    row, column = np.nonzero(np.isfinite(forecasts.mean))
    count = 0
    for name in ("mean", "std", "p_up"):
        fresh, old = getattr(forecasts, name)[row, column], stored.forecasts[name].to_numpy(float)
        if len(fresh) != len(old) or not np.array_equal(fresh, old):
            return _differs(f"forecast {name}", f"{len(old)} values", f"{len(fresh)} values", count)
        count += len(fresh)
    for name in ("symbol", "side", "quantity"):
        fresh_orders, old_orders = simulation.orders[name], stored.orders[name]
        if len(fresh_orders) != len(old_orders) or not _same(fresh_orders, old_orders):
            return _differs(f"orders: {name}", f"{len(old_orders)} rows", f"{len(fresh_orders)} rows", count)
        count += len(fresh_orders)
    return Check(NAME, QUESTION, "clean", count, run.name)


def _same(fresh: pd.Series, old: pd.Series) -> bool:
    return bool((fresh.to_numpy() == old.to_numpy()).all())


def _differs(what: str, stored: str, fresh: str, count: int) -> Check:
    """The stored run came from other code: its certificate would not be about it."""
    message = "the stored run differs from the audited one: other code, libraries or machine; run it again"
    return Check(
        NAME, QUESTION, "leak", count, "", Offender("forecasts", what, "", "", stored, fresh, None, message)
    )
