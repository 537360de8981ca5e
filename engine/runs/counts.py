"""How many tries there were, really: distinct settings, and how many independent ones they amount to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.runs.ledger import Ledger
from engine.runs.trial import Trial


def distinct_trials(trials: Sequence[Trial]) -> list[Trial]:
    """Return the last trial of each settings hash: repeating a try adds no luck."""
    return list({trial.settings_hash: trial for trial in trials}.values())


def effective_trials(trials: Sequence[Trial]) -> float:
    """Return the number of independent trials that `trials` of the same data amount to.

    rho + (1 - rho) * M for M distinct trials with mean pairwise correlation rho of their returns over the
    rows they share, clipped to [0, 1] (Bailey & Lopez de Prado 2014, "The Deflated Sharpe Ratio", appendix 3).
    Accounts that never moved are all the same one. Where fewer than three rows are shared, all are independent.
    """
    distinct = distinct_trials(trials)
    first = max((trial.first_row for trial in distinct), default=0)
    last = min((trial.first_row + trial.bars for trial in distinct), default=0)
    if len(distinct) < 2 or last - first < 3:
        return float(len(distinct))
    total, moving = np.zeros(last - first), 0
    for trial in distinct:
        part = trial.returns[first - trial.first_row : last - trial.first_row].astype(np.float64)
        spread = float(part.std())
        if spread > 0:
            total += (part - part.mean()) / spread
            moving += 1
    idle = 1.0 if moving < len(distinct) else 0.0
    if moving < 2:
        return moving + idle
    # the sum over all pairs of z_i z_j / T is |sum z|^2 / T, of which the M squares are on the diagonal
    rho = (float(total @ total) / len(total) - moving) / (moving * (moving - 1))
    rho = min(max(rho, 0.0), 1.0)
    return idle + rho + (1.0 - rho) * moving


@dataclass(frozen=True)
class DataTrials:
    """The trials on one set of data.

    Attributes:
        data_fingerprint, data: the data, as a hash and in words.
        trials: recorded. kinds: of them, by kind.
        distinct: different settings. effective: independent tries that these amount to.
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
    lost = ledger.lost()
    return [_summary(fingerprint, trials, lost) for fingerprint, trials in _by_data(ledger).items()]


def _by_data(ledger: Ledger) -> dict[str, list[Trial]]:
    by_data: dict[str, list[Trial]] = {}
    for trial in ledger.trials():
        by_data.setdefault(trial.data_fingerprint, []).append(trial)
    return by_data


def _summary(fingerprint: str, trials: list[Trial], lost: int) -> DataTrials:
    distinct = distinct_trials(trials)
    sharpes = [trial.sharpe_per_bar for trial in distinct if np.isfinite(trial.sharpe_per_bar)]
    return DataTrials(
        data_fingerprint=fingerprint,
        data=trials[-1].data,
        trials=len(trials),
        kinds={kind: sum(t.kind == kind for t in trials) for kind in ("backtest", "sweep", "tune")},
        distinct=len(distinct),
        effective=effective_trials(distinct),
        best_sharpe_per_bar=max(sharpes) if sharpes else None,
        lost=lost,
    )


def ledger_lines(ledger: Ledger, listed: int = 0) -> list[str]:
    """Return the ledger as text: two lines per set of data, then its last `listed` trials."""
    lost, lines = ledger.lost(), []
    for fingerprint, trials in _by_data(ledger).items():
        entry = _summary(fingerprint, trials, lost)
        counts = ", ".join(f"{count} {kind}" for kind, count in entry.kinds.items() if count)
        lines.append(f"{entry.data}  [{fingerprint[:12]}]")
        lines.append(
            f"  {entry.trials} trials ({counts}), {entry.distinct} distinct, "
            f"worth {entry.effective:.1f} independent ones; "
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
