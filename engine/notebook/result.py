"""A finished run, in memory or read back from its folder: what a notebook user looks at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.notebook.outcome import Outcome, outcome_of, read_outcome
from engine.notebook.pages import Page, result_fragment
from forewalk.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from engine.audit.certificate import Certificate
    from engine.backtest.job import Backtest


class Result:
    """A finished run.

    Attributes:
        settings: everything it depends on.
        verdict: the outcome in plain words, bad news first.
        metrics: every number, as attributes: `metrics.strategy.sharpe_annual`, `metrics.luck.tries`;
            `metrics.to_json()` gives the keys of metrics.json.
        forecasts: one row per bar and symbol: asof (UTC close), symbol, horizon_bars, mean and std (log return
            over the horizon), p_up, actual (NaN while unknown), model_id, trained_until.
        equity: one row per bar: time, equity, cash, gross_exposure, benchmark (buy and hold).
        orders: one row per order: decided_at, symbol, side, quantity, status, fill_price, fee ...
        trades: one row per round trip: symbol, side, opened_at, closed_at, pnl, return ...
        data_fingerprint: sha256 of the bars.
        data_lines: what the data check found, in words.
        own_code: sha256 of the user's own code, by setting and name.
        run: bars, features, folds, models and everything else; None for a run that was opened.
        path: its folder; None until it is saved.
        certificate: of the last audit, None before the first.
    """

    def __init__(
        self,
        outcome: Outcome,
        run: Backtest | None = None,
        path: Path | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        self.settings = outcome.settings
        self.verdict = outcome.verdict
        self.metrics = outcome.metrics
        self.forecasts = outcome.forecasts
        self.equity = outcome.equity
        self.orders = outcome.orders
        self.trades = outcome.trades
        self.data_fingerprint = outcome.data_fingerprint
        self.data_lines = tuple(outcome.data_lines)
        self.own_code = dict(outcome.own_code)
        self.run = run
        self.path = path
        self.certificate = certificate

    @classmethod
    def of(cls, run: Backtest) -> Result:
        """Return the result of a backtest that has just been made."""
        return cls(outcome_of(run), run)

    def save(self, path: str | Path | None = None) -> Path:
        """Write the run folder, which `forewalk audit`, `reproduce` and `sweep` take, and return it.

        Bars that came from memory are stored in it, and a certificate. The trial is recorded in
        the ledger beside it.

        Args:
            path: the folder to become; None means `runs/<UTC>-<name>`.

        Raises:
            UsageError: the folder exists and is not empty, or the result was opened from one.
        """
        from engine.audit.job import keep_certificate
        from engine.backtest.writing import write_backtest
        from engine.runs.folder import check_destination

        if self.run is None:
            raise UsageError(f"this run is saved already, in {self.path}; copy that folder")
        out = None if path is None else Path(path).expanduser()
        if out is not None:
            check_destination(out)
        self.path = write_backtest(self.run, out)
        if self.certificate is not None:
            keep_certificate(self.certificate, self.path)
        return self.path

    def report(self) -> Page:
        """Return the front page of the run; a result that is not saved yet is saved first, to `runs/`."""
        return Page((self.path or self.save()) / "index.html")

    def plot(self) -> Figure:
        """Draw account value and drawdown beside buying and holding, as a Matplotlib figure."""
        from engine.notebook.figures import account_figure

        return account_figure(self.equity, f"{self.settings.name}, {len(self.equity):,} bars out of sample")

    def __repr__(self) -> str:
        where = f", saved in {self.path}" if self.path is not None else ", not saved"
        return f"Result({self.settings.name}, {len(self.equity)} bars{where}): {self.verdict}"

    def _repr_html_(self) -> str:
        certificate = self.certificate.to_html() if self.certificate is not None else ""
        return result_fragment(self.verdict, self.metrics, self.data_lines, self.path) + certificate


def open_run(path: str | Path) -> Result:
    """Read a run folder back; DataError where it is none."""
    from engine.audit.certificate import read_certificate

    folder = Path(path).expanduser()
    return Result(read_outcome(folder), path=folder, certificate=read_certificate(folder))
