"""Tables with one thing wrong."""

from __future__ import annotations

import numpy as np
import pytest

from forewalk.data.cleaning.rules import clean
from helpers.data_tables import daily

NAN, INF = np.nan, np.inf


def closes(table, **policies):
    """Return the cleaned closes of the first symbol and its report."""
    bars, report = clean(table, daily(**policies))
    return bars.frame(bars.symbols[0])["close"].tolist(), report


def expect(table, kind, policy, wanted, count=1, action=None):
    found, report = closes(table, **{kind: policy})
    (finding,) = report.of_kind(kind)
    action = action or {"refuse": "ended", "drop": "dropped", "repair": "repaired", "flag": "kept"}[policy]
    assert found == pytest.approx(wanted, nan_ok=True)
    assert (finding.symbol, finding.policy, finding.action, finding.count) == ("AAA", policy, action, count)
