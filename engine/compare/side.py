"""One run as it enters a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from engine.runs.folder import read_run
from engine.runs.stored import stored_hashes
from forewalk.settings.loading import load_settings
from forewalk.settings.sections import Settings


@dataclass(frozen=True, eq=False)
class Side:
    """One run.

    Attributes:
        name: of its folder, or of the run where it has none.
        settings: everything it depends on. forecasts, equity: tables as in its folder.
        data_fingerprint: sha256 of its bars. own_code: sha256 of the user's own code, by setting and name.
        features: that its model sees, by name; empty where that is not known.
        code: sha256 of the program that made it, None where that is not known. path: its folder.
    """

    name: str
    settings: Settings
    forecasts: pd.DataFrame
    equity: pd.DataFrame
    data_fingerprint: str
    own_code: Mapping[str, str] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    code: str | None = None
    path: Path | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those that have a forecast, in the order of the alphabet."""
        return tuple(sorted({str(symbol) for symbol in self.forecasts["symbol"].unique()}))

    @property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """UTC closes of the first and the last bar with a forecast; None where there is no forecast."""
        asof = pd.DatetimeIndex(self.forecasts["asof"])
        return (asof.min(), asof.max()) if len(asof) else None


def read_side(folder: Path) -> Side:
    """Read a run folder; DataError where it is none."""
    stored = read_run(folder)
    manifest = stored.manifest
    code = manifest.get("code")
    return Side(
        name=folder.resolve().name,
        settings=load_settings(folder / "config.toml", environment={}),
        forecasts=stored.forecasts,
        equity=stored.equity,
        data_fingerprint=str(manifest["data_fingerprint"]),
        own_code=stored_hashes(stored),
        features=tuple(manifest.get("feature_names", ())),
        code=None if code is None else str(code["sha256"]),
        path=folder,
    )
