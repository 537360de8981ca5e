"""A comparison as a page: what differs, who is better and whether it may be luck, the accounts on one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from markupsafe import Markup
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from engine.compare.result import Comparison
from engine.compare.text import difference_line, difference_sentence, pairing_lines
from engine.report.charts.base import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    STYLE,
    date_axis,
    date_positions,
    new_figure,
    thinned,
    to_svg,
)
from engine.report.rendering import render
from engine.report.tables import PageTable, number, p_value, percent, small

COLOURS = (BLUE, ORANGE, GREEN, RED, GREY, INK, BLUE, ORANGE)
DASHES = ("-", "-", "-", "-", "-", "-", "--", "--")  # colours come round again after six


def write_page(found: Comparison, path: Path) -> None:
    """Write the page: one file, nothing is fetched; the same comparison gives the same bytes."""
    sentences = [sentence for pairing in found.pairings for sentence in pairing_lines(pairing)]
    context: dict[str, Any] = {
        "title": "Side by side: " + ", ".join(found.runs),
        "subtitle": f"{len(found.runs)} runs, {len(found.curves):,} bars that all have"
        + ("" if found.same_data else "; they saw other data"),
        "verdict": difference_sentence(found),
        "good": False,
        "sentences": sentences,
        "differences": [difference_line(each) for each in found.differences],
        "order": " / ".join(found.runs),
        "accounts": Markup(account_chart(found)),
        "lead": None if found.lead is None else Markup(lead_chart(found)),
        "first": found.runs[0],
        "forecast_tests": forecast_table(found),
        "account_tests": account_table(found),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render("compare.html", context), encoding="utf-8")


def account_chart(found: Comparison) -> str:
    """Return the value of every account over the bars that all have, 1 at the first, on a logarithmic axis."""
    return _curves(
        found.curves, "account value, 1 at the first shared bar", "Accounts side by side", log=True
    )


def lead_chart(found: Comparison) -> str:
    """Return by how much the first run's squared error was smaller, summed up over time; rising is good for it."""
    assert found.lead is not None
    lead = found.lead.rename(columns=lambda name: f"beside {name}")
    what = f"squared errors that {found.runs[0]} saved"
    return _curves(lead, what, "Lead of the first run's forecasts", first=1)


def _curves(curves: pd.DataFrame, what: str, label: str, log: bool = False, first: int = 0) -> str:
    with mpl.rc_context(STYLE):
        figure, (axis,) = new_figure(3.2, 1)
        for place, name in enumerate(curves.columns, start=first):
            values = curves[name].dropna()
            rows = thinned(len(values), values.to_numpy())
            times = date_positions(pd.DatetimeIndex(values.index)[rows])
            axis.plot(
                times,
                values.to_numpy()[rows],
                color=COLOURS[place],
                linestyle=DASHES[place],
                label=str(name),
            )
        if log and (curves > 0).all(axis=None):
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_title(what)
        axis.legend(loc="best")
        date_axis(axis)
        return to_svg(figure, label)


def forecast_table(found: Comparison) -> PageTable | None:
    """Return the tests of the forecasts, a row per pairing; None where they were not compared."""
    rows = [
        (
            f"{each.a} beside {each.b}",
            f"{pair.cells:,}",
            small(pair.mse_a),
            small(pair.mse_b),
            percent(pair.skill, 3),
            number(pair.test.statistic),
            p_value(pair.test.p_two_sided),
            p_value(each.adjusted_p),
        )
        for each in found.pairings
        if (pair := each.forecasts) is not None
    ]
    heads = ("", "forecasts", "squared error", "other's", "lower by", "statistic", "two-sided", "Holm")
    return PageTable(heads, tuple(rows)) if rows else None


def account_table(found: Comparison) -> PageTable:
    """Return the bootstrap of the accounts' differences, a row per pairing."""
    rows = []
    for each in found.pairings:
        pair = each.accounts
        gap, ratio = pair.return_difference, pair.sharpe_difference
        rows.append(
            (
                f"{each.a} beside {each.b}",
                f"{pair.bars:,}",
                percent(pair.return_a),
                percent(pair.return_b),
                percent(gap.value),
                f"{percent(gap.low)} to {percent(gap.high)}",
                number(ratio.value),
                f"{number(ratio.low)} to {number(ratio.high)}",
            )
        )
    heads = ("", "bars", "return", "other's", "a year more", "95 % of cases", "Sharpe more", "95 % of cases")
    return PageTable(heads, tuple(rows))
