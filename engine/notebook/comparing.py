"""Two runs side by side: what differs in their settings, their forecasts, their accounts."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.evaluation.metrics.accounts.bootstrap import Interval
from engine.evaluation.paired import AccountPair, ForecastPair, pair_accounts, pair_forecasts
from engine.notebook.result import Result, open_run
from forewalk.errors import DataError
from forewalk.sessions import bars_per_year
from forewalk.settings.loading import dotted
from forewalk.settings.sections import Settings

SIGNIFICANT_P = 0.05
SHOWN_DIGITS = 12  # of a hash
# What changes no result; the fingerprint answers for the data, wherever they came from.
NO_RESULT = (
    *("name", "jobs", "executor", "address", "plugins", "live.", "risk."),
    *("data.path", "data.source", "data.cache"),
)

Pair = TypeVar("Pair")


@dataclass(frozen=True)
class PairedRuns:
    """What `compare` found.

    Attributes:
        a, b: names of the runs.
        same_data: whether both saw the very same bars.
        settings: (key, value in a, value in b) of each setting that differs and can change a result.
        forecasts: None where they cannot be compared.
        accounts: None where they cannot be compared.
        problems: why, in words.
    """

    a: str
    b: str
    same_data: bool
    settings: tuple[tuple[str, Any, Any], ...]
    forecasts: ForecastPair | None
    accounts: AccountPair | None
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the outcome in sentences, forecasts first."""
        lines = [] if self.forecasts is None else [self._forecast_line(self.forecasts)]
        lines += [] if self.accounts is None else [self._account_line(self.accounts)]
        lines += [f"Not compared: {problem}." for problem in self.problems]
        if not self.same_data:
            lines.append("The runs saw other data; only bars and symbols that both have are compared.")
        changed = "; ".join(f"{key} = {ours!r} / {theirs!r}" for key, ours, theirs in self.settings)
        return [*lines, f"Settings that differ: {changed or 'none'}."]

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(line)}</p>" for line in self.lines())

    def _forecast_line(self, pair: ForecastPair) -> str:
        p = pair.test.p_two_sided
        tested = "no test is possible" if p is None else f"Diebold-Mariano p = {p:.3f}"
        better = pair.mse_a < pair.mse_b
        luck = "" if p is not None and p < SIGNIFICANT_P else "; that is within luck"
        if pair.mse_a == pair.mse_b:
            return f"{self.a} and {self.b} forecast with the same error ({pair.cells:,} forecasts)."
        size = "" if pair.skill is None else f"{abs(pair.skill):.3%} "
        return (
            f"The forecasts of {self.a} have a squared error {size}{'lower' if better else 'higher'} than those "
            f"of {self.b} ({tested}, {pair.cells:,} forecasts on {pair.bars:,} bars){luck}."
        )

    def _account_line(self, pair: AccountPair) -> str:
        if pair.return_difference.value == 0 and pair.return_a == pair.return_b:
            return (
                f"{self.a} and {self.b} have the same account: {pair.return_a:.1%} over {pair.bars:,} bars."
            )
        return (
            f"{self.a} returned {pair.return_a:.1%} and {self.b} {pair.return_b:.1%} over {pair.bars:,} bars: "
            f"{_signed(pair.return_difference, '{:+.1%}')} a year, Sharpe ratio "
            f"{_number(pair.sharpe_a)} against {_number(pair.sharpe_b)}, "
            f"difference {_signed(pair.sharpe_difference, '{:+.2f}')}{_luck(pair.return_difference)}."
        )


def compare(a: Result | str | Path, b: Result | str | Path) -> PairedRuns:
    """Compare two runs on the forecasts and the bars that both have, pair by pair.

    The tests say whether one difference may be luck. They do not know how many runs were tried before these two
    were chosen; the ledger does (`forewalk trials`).

    Args:
        a, b: results, or folders of runs.

    Returns:
        `forecasts` (Diebold-Mariano), `accounts` (paired bootstrap), `settings` that differ, `lines()`.

    Raises:
        DataError: one of them is no run folder.
    """
    first, second = (run if isinstance(run, Result) else open_run(run) for run in (a, b))
    a_name, b_name = (run.path.name if run.path is not None else run.settings.name for run in (first, second))
    if a_name == b_name:
        a_name, b_name = f"a ({a_name})", f"b ({b_name})"
    data = first.settings.data
    year = bars_per_year(data.exchange, data.bar_length)
    problems: list[str] = []
    return PairedRuns(
        a_name,
        b_name,
        first.data_fingerprint == second.data_fingerprint,
        (*_differing(first.settings, second.settings), *_other_code(first.own_code, second.own_code)),
        _tried(problems, "forecasts", lambda: pair_forecasts(first.forecasts, second.forecasts)),
        _tried(
            problems,
            "accounts",
            lambda: pair_accounts(first.equity, second.equity, year, first.settings.seed),
        ),
        tuple(problems),
    )


def _tried(problems: list[str], what: str, pair: Callable[[], Pair]) -> Pair | None:
    try:
        return pair()
    except DataError as problem:
        problems.append(f"{what}, since {problem}")
        return None


def _differing(a: Settings, b: Settings) -> tuple[tuple[str, Any, Any], ...]:
    ours, theirs = (dotted(settings.model_dump(mode="json")) for settings in (a, b))
    return tuple(
        (key, ours.get(key), theirs.get(key))
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key) and not key.startswith(NO_RESULT)
    )


def _other_code(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield code of the user's own that both name alike and whose source is not the same."""
    for name in a.keys() & b.keys():
        if a[name] != b[name]:
            yield f"source of {name}", a[name][:SHOWN_DIGITS], b[name][:SHOWN_DIGITS]


def _luck(interval: Interval) -> str:
    if interval.low is not None and interval.high is not None and interval.low * interval.high > 0:
        return ""
    return "; that is within luck"


def _signed(interval: Interval, form: str) -> str:
    value = _number(interval.value, form)
    if interval.low is None:
        return value
    return f"{value} (95% interval {_number(interval.low, form)} to {_number(interval.high, form)})"


def _number(value: float | None, form: str = "{:.2f}") -> str:
    return "-" if value is None else form.format(value)
