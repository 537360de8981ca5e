"""News and social texts: is any used on a bar that closed before it was known?

The doctored futures show that no text of the future changes the past. This check counts from the other side: up to
each close, no more of a symbol's texts may have been laid on bars than were known by then.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.audit.certificate import Check, Offender
from engine.audit.doctoring import iso_utc
from engine.audit.pipeline import Prepared
from forewalk.data.cleaning.together import true_closes
from forewalk.data.columns.texts.placing import extra
from forewalk.data.columns.texts.rows import TextRows
from forewalk.data.columns.texts.texts import SOCIAL
from forewalk.data.table import Table
from forewalk.sessions import microseconds

NAME = "texts"
QUESTION = "No text is used on a bar that closed before it was known, and each says when it was first seen."
TOLERANCE = 1e-6  # of a sum of weights


def check_texts(table: Table, prepared: Prepared) -> Check:
    """Compare, for each symbol and bar, the weight of the texts used so far with that of the texts known so far.

    A note where nothing is wrong but some texts were collected afterwards: then the moment of their first sight is a
    guess, and nothing proves it.
    """
    rows = table.texts
    if rows is None:
        return Check(NAME, QUESTION, "not_applicable", 0, "no texts")
    bars, count = prepared.bars, 0
    closes = true_closes(bars)
    for kind in rows.kinds:
        used = np.nan_to_num(bars.extras[extra(kind, "all")])
        for column, symbol in enumerate(bars.symbols):
            number = rows.symbols.index(symbol)
            mine = (rows.code == number) & (rows.social == (kind == SOCIAL))
            known, weight = rows.known[mine], np.concatenate([[0.0], np.cumsum(rows.weight[mine])])
            there = np.flatnonzero(np.isfinite(closes[:, column]))
            allowed = weight[np.searchsorted(known, closes[there, column], side="right")]
            early = np.cumsum(used[there, column]) > allowed + TOLERANCE * (1.0 + allowed)
            count += len(there)
            if early.any():
                row = int(there[early.argmax()])
                return Check(
                    NAME, QUESTION, "leak", count, "", _offender(kind, symbol, int(closes[row, column]))
                )
    early = _told_too_early(rows, prepared)
    if early is not None:
        return early
    if rows.backfilled:
        share = (
            f"{rows.backfilled:,} of {len(rows):,} were collected afterwards: when they were known is a guess"
        )
        return Check(NAME, QUESTION, "note", count, share)
    return Check(NAME, QUESTION, "clean", count, f"{len(rows):,} texts, each seen at the time")


def _told_too_early(rows: TextRows, prepared: Prepared) -> Check | None:
    """A model that was published later had read what came after the text: a leak where that reaches a forecast."""
    if rows.model is None:
        return None
    early = rows.known < rows.model.published
    if not early.any():
        return None
    day = pd.Timestamp(rows.model.published, unit="us").date()
    detail = f"{int(early.sum()):,} of {len(rows):,} texts were scored by a model of {day}, which had read what came"
    if not prepared.folds:
        return Check(NAME, QUESTION, "note", len(rows), detail)
    before = int(microseconds(prepared.bars.timestamps)[prepared.folds[0].test[0] - 1])
    tested = early & (rows.known > before)
    if not tested.any():
        return Check(NAME, QUESTION, "note", len(rows), f"{detail}; all lie before the first forecast")
    offender = Offender(
        stage="features",
        what="tone",
        bar=iso_utc(int(rows.known[tested][0])),
        expected="a model published by then",
        found=f"one of {day}",
        message="a text was scored by a model that had read what followed it",
    )
    return Check(NAME, QUESTION, "leak", len(rows), detail, offender)


def _offender(kind: str, symbol: str, close: int) -> Offender:
    return Offender(
        stage="features",
        what=f"{kind} of {symbol}",
        bar=iso_utc(close),
        expected="texts known by then",
        found="more of them",
        message="a text was laid on a bar that closed before it was known",
    )
