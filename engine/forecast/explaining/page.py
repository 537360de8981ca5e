"""The explanation as a part of the forecast page."""

from __future__ import annotations

from typing import Any

from engine.forecast.explaining.job import shares_text
from engine.report import tables
from engine.report.rendering import render
from engine.report.tables import PageTable

MOST_FEATURES, MOST_SYMBOLS, MOST_PARTS = 60, 8, 5


def explanation_fragment(told: dict[str, Any]) -> str:
    """Return the HTML of what `explain` found, escaped."""
    ranked, models = told["measure"] == "rank_ic", len(told["models"])
    newest = told["newest"] or {"symbols": [], "unit": ""}
    stable = told["stability"]
    context = {
        "what": "Fall of the rank IC" if ranked else "Rise of the likelihood loss",
        "importance": _importance_table(told, ranked, models),
        "stability": "There is one model: nothing to compare its order with."
        if stable is None
        else f"Rank correlation of the importances between two models, mean over all pairs: {stable:.2f} "
        "(1: each leans on the same; 0: the order is chance).",
        "unit": "units of the score" if newest["unit"] == "score" else "multiples of the symbol's volatility",
        "gap": f"{max((abs(each['gap']) for each in newest['symbols']), default=0.0):.1e}",
        "parts": _parts_table(newest["symbols"]),
        "of": "the networks' part of the forecast" if newest.get("of") == "network" else "the forecast",
        "shares": shares_text(told["shares"]) if told.get("shares") else "",
    }
    return render("explanation.html", context)


def _importance_table(told: dict[str, Any], ranked: bool, models: int) -> PageTable:
    shown = told["features"][:MOST_FEATURES]
    measures = (["rank_ic"] if ranked else []) + ["likelihood"]
    heads = {"rank_ic": "Rank IC lost", "likelihood": "Likelihood lost"}
    rows = tuple(
        (
            each["feature"],
            *(tables.number(each[of], 5) for of in measures),
            f"{each['positive_models']} of {models}",
        )
        for each in shown
    )
    left = len(told["features"]) - len(shown)
    more = f"{left} more are in explanation.json." if left > 0 else ""
    head = ("Feature", *(heads[of] for of in measures), "Models that lose by it")
    return PageTable(head, rows, (0,), more)


def _parts_table(symbols: list[dict[str, Any]]) -> PageTable:
    rows = []
    for each in symbols[:MOST_SYMBOLS]:
        largest = sorted(each["parts"].items(), key=lambda item: -abs(item[1]))[:MOST_PARTS]
        parts = ", ".join(f"{name} {tables.number(value, 3)}" for name, value in largest)
        rows.append(
            (each["symbol"], tables.number(each["value"], 3), tables.number(each["baseline"], 3), parts)
        )
    left = len(symbols) - len(rows)
    more = f"{left} more symbols are in explanation.json." if left > 0 else ""
    return PageTable(("Symbol", "Forecast", "Baseline", "Largest parts"), tuple(rows), (0, 3), more)
