"""One try: what was tried on which data, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from forewalk.returns import SharpeSample, sharpe_sample
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray

Kind = Literal["backtest", "sweep", "tune"]
NO_PLUGINS: Mapping[str, str] = MappingProxyType({})

# What can change an account on given bars. All else is in OTHER_SETTINGS, with the reason; the longer name decides.
# A test holds that every setting there is stands below one of them.
RESULT_SETTINGS = (
    *("seed", "features", "label", "folds", "model", "strategy", "execution", "news"),
    "data.min_history_bars",
)
OTHER_SETTINGS: Mapping[str, str] = {
    "name": "a word for people",
    "jobs": "where work runs never changes its bits",
    "executor": "where work runs never changes its bits",
    "address": "where work runs never changes its bits",
    "plugins": "the hashes of the code answer for it",
    "data": "the fingerprint of the bars answers for it",
    "news.path": "the fingerprint of the bars, which carry the texts, answers for it",
    "evaluation": "how a result is judged",
    "risk": "the daemon's gate, which a backtest does not pass",
    "live": "the daemon",
    "model.device": "another processor is not another idea",
    "execution.engine": "both engines give the same account, and each run proves it",
}


@dataclass(frozen=True, eq=False)
class Trial:
    """One set of settings tried on one set of data, and the account it gave. `make_trial` builds one.

    Attributes:
        kind: "backtest", "sweep" or "tune".
        name: of the run it belongs to.
        data_fingerprint: `Bars.fingerprint` of all the bars of the run.
        data: the same in words, for people: symbols and span.
        settings_hash: `settings_hash` of all settings; two trials with the same one are one try, repeated.
        settings: what was tried, as JSON.
        first_row: row of the data's bars at which `returns` begin. Trials of the same data align by it.
        returns: simple return of the account per bar, float32 [bars]; the first is 0.
        sharpe_per_bar: mean over standard deviation (ddof 1), not annualised; NaN where nothing moved.
        skew, kurtosis: third and fourth standardised moment (normal: 0 and 3); NaN where nothing moved.
        symbols, interval: of the bars; empty in trials of older ledgers.
        times: bar of each return, int64 seconds since 1970 UTC [bars]; empty in trials of older ledgers.
        created: UTC.
        number, hash: position and seal in the ledger; 0 and "" before it is recorded.
    """

    kind: Kind
    name: str
    data_fingerprint: str
    data: str
    settings_hash: str
    settings: str
    first_row: int
    returns: npt.NDArray[np.float32]
    sharpe_per_bar: float
    skew: float
    kurtosis: float
    symbols: tuple[str, ...] = ()
    interval: str = ""
    times: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    number: int = 0
    hash: str = ""

    @property
    def bars(self) -> int:
        """Number of returns."""
        return len(self.returns)

    @property
    def sample(self) -> SharpeSample:
        """Its Sharpe ratio per bar, and what the uncertainty of that depends on."""
        return SharpeSample(self.sharpe_per_bar, self.skew, self.kurtosis, self.bars)


def make_trial(
    kind: Kind,
    name: str,
    bars: Bars,
    settings: Settings,
    returns: FloatArray,
    shown: str | None = None,
    plugins: Mapping[str, str] = NO_PLUGINS,
) -> Trial:
    """Build the trial of an account with `returns`, [T], over the last T of `bars`.

    `shown` is what a reader should see of the settings; by default strategy and model as JSON. `plugins` are the
    hashes of the user's own code by setting and name: with another source the same settings are another try.
    """
    sample = sharpe_sample(returns)
    return Trial(
        kind=kind,
        name=name,
        data_fingerprint=bars.fingerprint,
        data=describe_data(bars),
        settings_hash=settings_hash(settings, plugins),
        settings=shown if shown is not None else _shown(settings),
        first_row=len(bars) - len(returns),
        returns=returns.astype(np.float32),
        sharpe_per_bar=sample.sharpe,
        skew=sample.skew,
        kurtosis=sample.kurtosis,
        symbols=bars.symbols,
        interval=bars.interval,
        times=seconds_of(bars.timestamps[len(bars) - len(returns) :]),
    )


def seconds_of(times: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """Return UTC times as whole seconds since 1970, [T]."""
    return np.asarray(times.as_unit("s").astype("int64"), dtype=np.int64)


def settings_hash(settings: Settings, plugins: Mapping[str, str] = NO_PLUGINS) -> str:
    """Return the sha256 of every setting that can change an account on given bars, and of the user's own code.

    `RESULT_SETTINGS` says which those are. A setting at its default leaves the hash as it was before that setting
    existed, so a new version counts the same try once.
    """
    tree = settings.model_dump(mode="json", exclude_defaults=True)
    kept = {path: value for path, value in _leaves(tree) if changes_result(path)}
    if plugins:
        kept["plugins"] = dict(plugins)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def changes_result(path: str) -> bool:
    """Return whether the setting at a dotted path can change an account; KeyError for one in neither table."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        prefix = ".".join(parts[:end])
        if prefix in RESULT_SETTINGS:
            return True
        if prefix in OTHER_SETTINGS:
            return False
    raise KeyError(f"{path} is in neither table of settings")


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def describe_data(bars: Bars) -> str:
    """Return symbols and span in words."""
    symbols = ",".join(bars.symbols[:4]) + (
        f" and {len(bars.symbols) - 4} more" if len(bars.symbols) > 4 else ""
    )
    return f"{symbols} {bars.timestamps[0]:%Y-%m-%d}..{bars.timestamps[-1]:%Y-%m-%d} {bars.interval}"


def _shown(settings: Settings) -> str:
    tree = {
        "strategy": settings.strategy.model_dump(mode="json", exclude_defaults=True),
        "model": settings.model.model_dump(mode="json", exclude_defaults=True),
        "execution": settings.execution.model_dump(mode="json", exclude_defaults=True),
    }
    return json.dumps({name: values for name, values in tree.items() if values}, sort_keys=True)
