"""Two runs side by side: what differs in their settings, their forecasts, their accounts."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.compare.differences import differences
from engine.compare.side import Side
from engine.compare.text import account_line, forecast_line
from engine.evaluation.paired import AccountPair, ForecastPair, pair_accounts, pair_forecasts
from engine.notebook.result import Result, open_run
from forewalk.errors import DataError
from forewalk.sessions import bars_per_year

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
        lines = [] if self.forecasts is None else [forecast_line(self.a, self.b, self.forecasts)]
        lines += [] if self.accounts is None else [account_line(self.a, self.b, self.accounts)]
        lines += [f"Not compared: {problem}." for problem in self.problems]
        if not self.same_data:
            lines.append("The runs saw other data; only bars and symbols that both have are compared.")
        changed = "; ".join(f"{key} = {ours!r} / {theirs!r}" for key, ours, theirs in self.settings)
        return [*lines, f"Settings that differ: {changed or 'none'}."]

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(line)}</p>" for line in self.lines())


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
        tuple(
            (each.key, *each.values)
            for each in differences([_side(first, a_name), _side(second, b_name)])
            if each.kind in ("setting", "code")
        ),
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


def _side(run: Result, name: str) -> Side:
    return Side(name, run.settings, run.forecasts, run.equity, run.data_fingerprint, run.own_code)
