"""The ledger as people read it: per set of data, how many tries there were and how good the best looked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from engine.runs.counts import count_tries, distinct_trials, related_trials
from engine.runs.ledger import WITNESS_FILE, Ledger, read_receipt
from engine.runs.trial import Trial, seconds_of
from forewalk.errors import ConfigError, ForewalkError
from forewalk.returns import same_symbols, simple_returns
from forewalk.settings.loading import load_settings

EQUITY_FILE = "equity.parquet"


@dataclass(frozen=True)
class DataTrials:
    """The trials on one set of data.

    Attributes:
        data_fingerprint, data: the data, as a hash and in words.
        trials: recorded. kinds: of them, by kind.
        distinct: tries on all data that overlap with these.
        effective: of those, what the verdict of the last run on these data would reckon with: without those that are
            the same beyond its benchmark. As accounts, where no whole folder of such a run is there.
        best_sharpe_per_bar: not annualised, None where no account ever moved.
        lost: trials that are known to be missing from the whole ledger.
    """

    data_fingerprint: str
    data: str
    trials: int
    kinds: dict[str, int]
    distinct: int
    effective: float
    best_sharpe_per_bar: float | None
    lost: int


def ledger_summary(ledger: Ledger) -> list[DataTrials]:
    """Return one entry per set of data; `dataclasses.asdict` of it can be written as JSON."""
    everyone, lost = ledger.trials(), ledger.lost()
    runs = ledger.path.parent
    return [_summary(name, trials, everyone, lost, runs) for name, trials in _by_data(everyone).items()]


def _by_data(everyone: list[Trial]) -> dict[str, list[Trial]]:
    by_data: dict[str, list[Trial]] = {}
    for trial in everyone:
        by_data.setdefault(trial.data_fingerprint, []).append(trial)
    return by_data


def _summary(
    fingerprint: str, trials: list[Trial], everyone: list[Trial], lost: int, runs: Path
) -> DataTrials:
    count = count_tries(related_trials(everyone, trials[-1]), lost, _held_returns(trials, runs))
    sharpes = [trial.sharpe_per_bar for trial in distinct_trials(trials) if np.isfinite(trial.sharpe_per_bar)]
    return DataTrials(
        data_fingerprint=fingerprint,
        data=trials[-1].data,
        trials=len(trials),
        kinds={kind: sum(t.kind == kind for t in trials) for kind in ("backtest", "sweep", "tune")},
        distinct=count.distinct,
        effective=count.counted,
        best_sharpe_per_bar=max(sharpes) if sharpes else None,
        lost=lost,
    )


def _held_returns(trials: list[Trial], runs: Path) -> pd.Series | None:
    """Return what holding gave in the last of these runs whose folder is there and whole, by time in seconds.

    None without such a folder, and for a book that is compared with cash.
    """
    for folder in _folders(trials, runs):
        if not (folder / EQUITY_FILE).is_file():
            continue
        try:
            if load_settings(folder / "config.toml", environment={}).strategy.market_neutral:
                return None
            equity = pd.read_parquet(folder / EQUITY_FILE)
            held = simple_returns(same_symbols(equity))
            return pd.Series(held, index=seconds_of(pd.DatetimeIndex(equity["time"])))
        except (ConfigError, OSError, ValueError, KeyError):
            continue  # `forewalk runs` names a damaged folder
    return None


def _folders(trials: list[Trial], runs: Path) -> Iterator[Path]:
    """Yield the folders of these runs: by the names of the trials, the last first, then by the receipts in them.

    A run that was recorded when it was made and saved later is known by its receipt alone.
    """
    for name in dict.fromkeys(trial.name.partition("/")[0] for trial in reversed(trials)):
        if name not in ("", ".."):
            yield runs / name
    known = {(trial.number, trial.hash) for trial in trials}
    for receipt in sorted(runs.glob(f"*/{WITNESS_FILE}"), reverse=True):
        with suppress(ForewalkError):  # `Ledger.verify` names one that is damaged
            if read_receipt(receipt) in known:
                yield receipt.parent


def ledger_lines(ledger: Ledger, listed: int = 0) -> list[str]:
    """Return the ledger as text: two lines per set of data, then its last `listed` trials."""
    everyone, lost, lines = ledger.trials(), ledger.lost(), []
    for fingerprint, trials in _by_data(everyone).items():
        entry = _summary(fingerprint, trials, everyone, lost, ledger.path.parent)
        counts = ", ".join(f"{count} {kind}" for kind, count in entry.kinds.items() if count)
        lines.append(f"{entry.data}  [{fingerprint[:12]}]")
        lines.append(
            f"  {entry.trials} trials ({counts}); {entry.distinct} distinct ones on data that overlap with these, "
            f"of which {entry.effective:.0f} count{f' ({lost} of them lost)' if lost else ''}; "
            f"best Sharpe ratio per bar {_number(entry.best_sharpe_per_bar)}"
        )
        lines += [f"  {_line(trial)}" for trial in trials[len(trials) - min(listed, len(trials)) :]]
    return lines or [f"no trials in {ledger.path}"]


def _line(trial: Trial) -> str:
    sharpe = _number(None if np.isnan(trial.sharpe_per_bar) else trial.sharpe_per_bar)
    when = f"{trial.created:%Y-%m-%d %H:%M}"
    return f"{trial.number:>6}  {when}  {trial.kind:<8}  {sharpe:>8}  {trial.name}  {trial.settings}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
