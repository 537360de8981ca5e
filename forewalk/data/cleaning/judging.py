"""Refuse a symbol when cleaning would drop or alter too much of it: damage on that scale is a misreading.

Judged once, over the rows as they were read; what cleaning itself does to a bar never depends on later ones.
"""

from __future__ import annotations

import numpy as np

from forewalk.data.quality import QualityReport
from forewalk.data.table import Table
from forewalk.settings.sections import DataSettings

JUDGED = {
    "off_session": "set data.calendar to the exchange's own (24/7 for a market that never closes, FX for "
    "currencies), or "
    "data.zone and data.stamp if the stamps were misread",
    "duplicate_timestamps": "keep one row for each stamp; if another column tells the rows apart, choose with "
    "data.where, or name it "
    "with data.columns.symbol",
    "zoneless_timestamps": "say the zone with data.zone",
    "unordered_timestamps": "sort the file",
    "non_finite": "mend the file, or ask for another span with data.start and data.end",
    "non_positive_price": "mend the file",
    "impossible_range": "open, high, low, close may be in another order: say which column is what with data.columns",
    "negative_volume": "mend the volume column",
    "outliers": "prices may come in two units: mend the file",
}
LEAST_ROWS = 2


def too_damaged(table: Table, report: QualityReport, settings: DataSettings) -> dict[str, str]:
    """Return symbol -> reason for each symbol of which one rule drops or alters more than its share of rows."""
    rows = _rows(table, report, settings)
    found: dict[str, str] = {}
    for finding in report.findings:
        if (
            finding.kind not in JUDGED
            or finding.action not in ("dropped", "repaired")
            or finding.symbol in found
        ):
            continue
        if finding.kind in ("unordered_timestamps", "zoneless_timestamps") and finding.action == "repaired":
            continue  # sorting, and reading in the zone that the user chose, alter nothing
        total = rows.get(finding.symbol, 0)
        limit = settings.cleaning.limits.get(finding.kind, settings.cleaning.limit)
        if finding.count >= LEAST_ROWS and total and finding.count > limit * total:
            share = finding.count / total
            found[finding.symbol] = (
                f"{finding.symbol}: {finding.count} of {total} rows ({share:.1%}) would be {finding.action} by "
                f"the rule "
                f"{finding.kind}: {finding.message}, such as {', '.join(dict.fromkeys(finding.examples))} UTC; "
                f"{JUDGED[finding.kind]}; or allow it: "
                f"data.cleaning.limits.{finding.kind} = {np.ceil(share * 100) / 100:g}"
            )
    return found


def _rows(table: Table, report: QualityReport, settings: DataSettings) -> dict[str, int]:
    counts = np.bincount(table.code, minlength=len(table.symbols))
    rows = {symbol: int(count) for symbol, count in zip(table.symbols, counts, strict=True)}
    if settings.start is None and settings.end is None:
        return rows
    dropped: dict[str, int] = {}
    for finding in report.findings:
        if finding.action == "dropped":
            dropped[finding.symbol] = dropped.get(finding.symbol, 0) + finding.count
    return {symbol: min(rows[symbol], report.bars.get(symbol, 0) + dropped.get(symbol, 0)) for symbol in rows}
