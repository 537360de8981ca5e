"""The page of a tuning: the verdict, what each fold chose, and every trial."""

from __future__ import annotations

import json
from pathlib import Path

from engine.report.rendering import render
from engine.report.tables import PageTable
from engine.tune.result import Tuning, summary, tuning_lines


def write_tuning(found: Tuning) -> Path:
    """Write `index.html` and `tune.json` into the tuning's folder; return that folder."""
    text = json.dumps(summary(found), indent=2, allow_nan=False)
    (found.folder / "tune.json").write_text(text + "\n", encoding="utf-8")
    (found.folder / "index.html").write_text(tuning_page(found), encoding="utf-8")
    return found.folder


def tuning_page(found: Tuning) -> str:
    """Return the page, self-contained."""
    first, spent, *_ = tuning_lines(found)
    context = {
        "title": "Tuned against default",
        "subtitle": f"{found.trials} trials, nested in {len(found.choices)} folds",
        "verdict": first,
        "good": found.outer.better,
        "spent": spent,
        "loss": "minus the rank correlation" if found.ranks else "the Gaussian negative log likelihood",
        "chosen": chosen_table(found),
        "trials": trials_table(found),
    }
    return render("tune.html", context)


def chosen_table(found: Tuning) -> PageTable:
    """Return what each fold chose; the last row counts the changes from fold to fold."""
    keys = tuple(found.space)
    rows = [
        (
            choice.fold,
            f"{choice.trained_until:%Y-%m-%d}",
            *(str(choice.values[key]) for key in keys),
            f"{choice.loss:.5f}",
            f"{choice.own_loss:.5f}",
        )
        for choice in found.choices
    ]
    rows.append(("changes", "", *(str(found.changes(key)) for key in keys), "", ""))
    return PageTable(("fold", "known until", *keys, "inner loss", "of the default"), tuple(rows), (0, 1))


def trials_table(found: Tuning) -> PageTable:
    """Return every trial."""
    keys = tuple(found.space)
    rows = tuple(
        (
            choice.fold,
            str(each.number),
            *(str(each.params[key]) for key in keys),
            f"{each.loss:.5f}",
            str(len(each.losses)),
            "whole" if each.complete else "ended early",
            f"{each.processor_s:.2f}",
        )
        for choice in found.choices
        for each in choice.tried
    )
    return PageTable(
        ("fold", "trial", *keys, "inner loss", "inner folds", "state", "processor s"), rows, (0,)
    )
