"""The pages about the paper account: what it is and does now, and QuantStats once there is enough of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from broker.journal.journal import Journal
from engine.live.watch.facts import account, book_facts
from engine.live.watch.readings import Reading
from forewalk.data.benchmark import file_bars, is_file
from forewalk.errors import DataError
from forewalk.settings.sections import Settings
from forewalk.types import FloatArray


def write_summary(
    journal: Journal, settings: Settings, page: Path, readings: Sequence[Reading] = ()
) -> pd.DataFrame:
    """Write the page and return what it shows: time (UTC), equity, benchmark, one row per bar decided on.

    From `MIN_RATIO_BARS` bars on QuantStats' page is written beside it. Each page appears whole or not at all: it is
    written beside itself and renamed. The benchmark is the first equity put into the symbols in
    equal parts at the closes that decisions saw, or into `evaluation.benchmark` where that is one of them, or a file.

    Args:
        readings: of the drift; none where it was not read.

    Raises:
        DataError: nothing has been decided yet.
    """
    from engine.live.watch.page import MIN_RATIO_BARS, write_page

    equity = account_history(journal, settings)
    page.parent.mkdir(parents=True, exist_ok=True)
    tearsheet = None
    if len(equity) >= MIN_RATIO_BARS:
        tearsheet = page.with_name(f"{page.stem}-tearsheet.html")
        _whole(tearsheet, lambda path: _tearsheet(journal, settings, equity, path))
    facts = book_facts(journal, settings, journal.path.parent / "models", readings)
    expected, why_not = expected_band(settings, len(equity))
    held = equity["benchmark"].to_numpy(dtype=np.float64)
    beside = None if tearsheet is None else tearsheet.name
    _whole(page, lambda path: write_page(facts, account(journal), held, expected, why_not, path, beside))
    return equity


def _whole(page: Path, write: Callable[[Path], None]) -> None:
    unfinished = page.with_name(f".{page.name}.{os.getpid()}.part")
    write(unfinished)
    unfinished.replace(page)


def _tearsheet(journal: Journal, settings: Settings, equity: pd.DataFrame, path: Path) -> None:
    from engine.report.tearsheet import write_tearsheet
    from forewalk.returns import bars_per_year_covered
    from forewalk.sessions import bars_per_year

    usual = bars_per_year(settings.data.exchange, settings.data.bar_length)
    write_tearsheet(
        equity,
        path,
        title=f"Paper account, book {settings.live.book}",
        parameters={"symbols": ", ".join(settings.data.symbols[:12]), "orders": len(journal.orders.all())},
        bars_per_year=bars_per_year_covered(pd.DatetimeIndex(equity["time"]), usual),
        held_title=_held_title(settings),
    )


def expected_band(settings: Settings, bars: int) -> tuple[FloatArray | None, str]:
    """Return the band of the run behind the book, or why there is none."""
    from engine.live.watch.expected import expected_growth

    if settings.live.run is None:
        return None, "What a backtest leads to expect is not known: name a finished run in live.run."
    try:
        return expected_growth(settings.live.run, bars, settings.seed), ""
    except DataError as problem:
        return None, f"What a backtest leads to expect is not known: {problem}"


def account_history(journal: Journal, settings: Settings) -> pd.DataFrame:
    """Return time, equity and benchmark at each decision."""
    decisions = journal.decisions.all()
    if not decisions:
        raise DataError("the book has decided nothing yet: there is nothing to show")
    closes = pd.DataFrame(
        [{t.symbol: t.close for t in journal.decisions.targets(d.decision_id)} for d in decisions],
        dtype=float,
    )
    closes = _chosen(closes, [decision.asof for decision in decisions], settings)
    held = (closes.ffill() / closes.bfill().iloc[0]).mean(axis=1).fillna(1.0)
    equity = np.array([float(decision.equity) for decision in decisions])
    return pd.DataFrame(
        {
            "time": pd.DatetimeIndex([decision.asof for decision in decisions]),
            "equity": equity,
            "benchmark": equity[0] * held.to_numpy(),
        }
    )


def _chosen(closes: pd.DataFrame, times: Sequence[datetime], settings: Settings) -> pd.DataFrame:
    """Return the closes of `evaluation.benchmark` at the decisions; of all symbols where none is known here."""
    name = settings.evaluation.benchmark
    if name is None or name in closes.columns:
        return closes if name is None else closes[[name]]
    if not is_file(name):
        return closes
    found = file_bars(name, settings)
    series = pd.Series(found.close[:, 0], found.timestamps).dropna()
    return pd.DataFrame({name: series.reindex(pd.DatetimeIndex(list(times)), method="ffill").to_numpy()})


def _held_title(settings: Settings) -> str:
    """Return what the benchmark is called; one that is neither traded nor a file is not known to the book."""
    name = settings.evaluation.benchmark
    if name is None:
        return "Buy and hold"
    if name in settings.data.symbols or is_file(name):
        return f"Holding {settings.evaluation.held}"
    return f"Buy and hold ({name} is not traded here)"
