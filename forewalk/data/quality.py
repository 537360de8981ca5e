"""What was wrong with the data and what was done about it, as values that can be printed and stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from forewalk.types import BoolArray, IntArray

NATURAL_STAMPS = ("session date", "midnight of its own zone", "UTC midnight", "bar start")
_MOVES = {  # what can move a result, in the words of a headline
    "split_like_jumps": "a jump close to a split ratio that nothing explains",
    "unit_switches": "a lasting change of unit",
    "duplicate_timestamps": "a stamp that was there before",
    "off_session": "a stamp on which the exchange was closed",
    "outliers": "a price off by a factor of 10 or 100",
}
_HARMLESS = ("off_session",)
ACTIONS = {"refuse": "ended", "drop": "dropped", "repair": "repaired", "flag": "kept"}

EARLIER = "earlier"  # kind of a finding that was made when bars in memory were read
FEATURE_GAPS = "feature_gaps"  # kind of a finding about a feature of the user's own
COLUMNS = "columns"  # kind of a finding about columns of the user's own
TEXTS = "texts"  # kind of a finding about news and social texts
_IN_FULL = (EARLIER, FEATURE_GAPS, COLUMNS, TEXTS)  # kinds whose sentence a summary repeats
_SHOWN = 6  # names and reasons in a summary


@dataclass(frozen=True)
class Understanding:
    """What the rows of a source were understood to be.

    Attributes:
        format: the maker or layout, e.g. "yahoo", "long table".
        interval: bar length; "" while it is not known.
        interval_inferred: it was told from the stamps, not from the settings.
        calendar: of most symbols.
        zone: in which stamps without one were read, or in which session dates are dates.
        stamp: what a stamp means, e.g. "session date", "bar start", "bar end".
        adjusted: for splits and dividends; None where nothing says.
        notes: sentences for the reader, most important first.
    """

    format: str = ""
    interval: str = ""
    interval_inferred: bool = False
    calendar: str = ""
    zone: str = ""
    stamp: str = ""
    adjusted: bool | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "notes": list(self.notes)}

    def sentence(self) -> str:
        """Return format, bar length, market, stamps and adjustment in one line."""
        adjusted = {True: "adjusted prices", False: "raw prices", None: "not told whether adjusted"}[
            self.adjusted
        ]
        told = " (told from the stamps)" if self.interval_inferred else ""
        bars = f"{self.format}: bars of {self.interval}{told} on {self.calendar}"
        return f"{bars}, stamp: {self.stamp}, {self.zone}, {adjusted}"


NOTHING_UNDERSTOOD = Understanding()


@dataclass(frozen=True)
class Finding:
    """One kind of damage in one symbol.

    Attributes:
        symbol: the symbol, or "" where the whole source is meant.
        kind: a field of `CleaningSettings`, or an information without a policy: "jump", "adjusted",
            "no_volume", "from_cache", "restated_history", "partial_last_bar", "no_bars", "earlier" (bars in
            memory: what was found when they were read), "feature_gaps" (where features of your own are missing),
            "columns" (what was taken for granted, came late or lies on no bar in columns of your own),
            "texts" (what was read, left out or guessed of news and social texts).
        policy: "refuse", "drop", "repair" or "flag"; "" for information.
        action: what happened to the bars: "ended" (the series stops before them), "dropped", "repaired",
            "kept", or "noted" for information.
        count: bars concerned.
        first, last: UTC close of the first and last of them, None where the source has no time for them.
        message: one sentence.
        examples: the first three of them, session dates or UTC closes.
    """

    symbol: str
    kind: str
    policy: str
    action: str
    count: int
    first: pd.Timestamp | None
    last: pd.Timestamp | None
    message: str
    examples: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; times as ISO 8601."""
        values = {name: getattr(self, name) for name in ("symbol", "kind", "policy", "action", "count")}
        times = {"first": _iso(self.first), "last": _iso(self.last)}
        return {**values, **times, "message": self.message, "examples": list(self.examples)}


@dataclass(frozen=True)
class QualityReport:
    """Everything found while loading and cleaning.

    Attributes:
        source: where the rows came from, as the user named it.
        rows_read: rows the source delivered for the symbols asked for.
        bars_kept: bars left after cleaning, all symbols together.
        findings: sorted by symbol and kind.
        refused: symbol -> reason, for symbols that could not be believed (they are not in `Bars`), and for those
            that never reach `data.min_history_bars`; the bars of these stay in `Bars`, they feed averages over the
            market and nothing else.
        adjusted: symbols whose prices were rescaled by adj_close / close, or by splits and dividends
        told beside them.
        bars: symbol -> bars left.
        understood: what format, bar length, market, zone and stamps the rows were taken for.
    """

    source: str
    rows_read: int
    bars_kept: int
    findings: tuple[Finding, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    adjusted: tuple[str, ...] = ()
    bars: dict[str, int] = field(default_factory=dict)
    understood: Understanding = NOTHING_UNDERSTOOD

    def noting(self, findings: Iterable[Finding]) -> QualityReport:
        """Return the report with more findings."""
        return replace(self, findings=(*self.findings, *findings))

    def of_kind(self, kind: str, symbol: str | None = None) -> tuple[Finding, ...]:
        """Return the findings of one kind, of one symbol when given."""
        return tuple(f for f in self.findings if f.kind == kind and symbol in (None, f.symbol))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "source": self.source,
            "rows_read": self.rows_read,
            "bars_kept": self.bars_kept,
            "findings": [finding.to_dict() for finding in self.findings],
            "refused": dict(self.refused),
            "adjusted": list(self.adjusted),
            "bars": dict(self.bars),
            "understood": self.understood.to_dict(),
            "headlines": self.headlines(),
        }

    def headlines(self) -> list[str]:
        """Return what can move a result and must be read before it: sentences, worst first."""
        lines = []
        refused = [f for f in self.findings if f.action == "ended" and f.kind in _MOVES]
        for kind in dict.fromkeys(f.kind for f in refused):
            names = [
                f"{f.symbol} on {f.first:%Y-%m-%d}" for f in refused if f.kind == kind and f.first is not None
            ]
            lines.append(
                f"Cut short at {_MOVES[kind]}: {_some(names)} (data.cleaning.{kind} = 'repair' goes on)."
            )
        for kind, what in _MOVES.items():
            for action, verb in (("kept", "kept as real"), ("repaired", "repaired"), ("dropped", "dropped")):
                some = [f for f in self.findings if f.kind == kind and f.action == action]
                if some and not (kind in _HARMLESS and action == "repaired"):
                    count = sum(f.count for f in some)
                    lines.append(
                        f"{count} {_bars(count)} with {what} {verb}: {_some(sorted({f.symbol for f in some}))}."
                    )
        away = [symbol for symbol, why in self.refused.items() if "data.min_history_bars" not in why]
        if away:
            lines.insert(0, f"Refused, and not in this run: {_some(away)}.")
        if self.understood.interval_inferred and self.understood.interval != "1d":
            lines.append(f"Bars of {self.understood.interval}, told from the stamps.")
        only_closes = sorted({f.symbol for f in self.findings if f.kind == "close_only"})
        if only_closes:
            lines.append(f"Closes only, so orders fill at the next close: {_some(only_closes)}.")
        return lines

    def summary_lines(self) -> list[str]:
        """Return a short text: one line on the whole, one per kind of damage, one per refused symbol."""
        lines = [f"{self.source}: {self.rows_read} rows read, {self.bars_kept} bars kept"]
        if self.understood.format:
            lines.append(f"understood as {self.understood.sentence()}")
        lines.extend(self.understood.notes[:_SHOWN])
        if self.adjusted:
            how = sorted({f.message for f in self.findings if f.kind == "adjusted"})
            lines.append(f"adjusted ({_some(how, 2)}): {_some(self.adjusted)}")
        groups: dict[tuple[str, str], list[Finding]] = {}
        lines += [finding.message for finding in self.findings if finding.kind in _IN_FULL]
        for finding in self.findings:
            if finding.kind not in ("adjusted", "passed_over", *_IN_FULL):
                groups.setdefault((finding.kind, finding.action), []).append(finding)
        for (kind, action), members in sorted(groups.items()):
            bars = sum(finding.count for finding in members)
            names = sorted({finding.symbol for finding in members if finding.symbol})
            where = f" of {_some(names)}" if names else ""
            lines.append(f"{kind}: {bars} {'bar' if bars == 1 else 'bars'}{where}, {action}")
        reasons = list(self.refused.values())
        lines.extend(f"refused {reason}" for reason in reasons[:_SHOWN])
        if len(reasons) > _SHOWN:
            lines.append(f"refused {len(reasons) - _SHOWN} more: {_some(list(self.refused)[_SHOWN:])}")
        return list(
            dict.fromkeys(lines)
        )  # what was found when bars were read is found again when they are used


def findings_by_symbol(
    symbols: tuple[str, ...],
    code: IntArray,
    time: IntArray,
    damaged: BoolArray,
    kind: str,
    policy: str,
    message: str,
    action: str | None = None,
) -> list[Finding]:
    """Return one finding for each symbol with a damaged row.

    Args:
        symbols: names; `code` counts into them.
        code, time: symbol number and UTC close in microseconds of each row, length N.
        damaged: the rows concerned, length N.
        kind, policy, message: as in `Finding`; an empty policy makes it an information.
        action: what happened, where it is not what the policy's name says.
    """
    rows = np.flatnonzero(damaged)
    if not len(rows):
        return []
    action = action or (ACTIONS[policy] if policy else "noted")
    rows = rows[np.lexsort((time[rows], code[rows]))]
    starts = np.flatnonzero(np.diff(code[rows], prepend=-1))
    stops = np.append(starts[1:], len(rows))
    return [
        Finding(
            symbol=symbols[int(code[rows[start]])],
            kind=kind,
            policy=policy,
            action=action,
            count=int(stop - start),
            first=_moment(int(time[rows[start]])),
            last=_moment(int(time[rows[stop - 1]])),
            message=message,
            examples=tuple(
                f"{_moment(int(t)):%Y-%m-%d %H:%M}" for t in time[rows[start : min(start + 3, stop)]]
            ),
        )
        for start, stop in zip(starts, stops, strict=True)
    ]


def _bars(count: int) -> str:
    return "bar" if count == 1 else "bars"


def _moment(microseconds: int) -> pd.Timestamp:
    return pd.Timestamp(microseconds, unit="us", tz="UTC")


def _iso(moment: pd.Timestamp | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _some(names: tuple[str, ...] | list[str], limit: int = _SHOWN) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
