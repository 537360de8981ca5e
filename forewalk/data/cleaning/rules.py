"""Clean rows by the policies of `CleaningSettings`, and write down everything that was found.

The law: what happens to a bar at time t depends on bars at or before t only. Altering or cutting off
later bars therefore changes no cleaned value up to t, bit for bit. That is why `refuse` ends a series at
its first damaged bar instead of making the symbol vanish, why `repair` of a split rescales the later
bars, and why a symbol with too little history is listed in `QualityReport.refused` but stays in `Bars`.

Order of the rules: time (see `placing`), `non_finite`, `non_positive_price`, `impossible_range`,
`negative_volume`, `outliers`, `split_like_jumps`, `zero_volume_runs`, `missing_sessions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from forewalk.calendars import is_forex
from forewalk.data.cleaning import levels
from forewalk.data.cleaning.closing import calendars_of, settings_for
from forewalk.data.cleaning.holes import missing_sessions
from forewalk.data.cleaning.placing import place
from forewalk.data.columns.placing import with_columns
from forewalk.data.columns.texts.placing import unasked, with_texts
from forewalk.data.membership import with_universe
from forewalk.data.quality import Finding, QualityReport, findings_by_symbol
from forewalk.data.table import CLOSE, HIGH, LOW, OPEN, Rows, Table, since_first
from forewalk.errors import DataError
from forewalk.instruments import pair_of, with_currencies
from forewalk.settings.cleaning import CleaningSettings, Policy
from forewalk.settings.sections import DataSettings
from forewalk.types import Bars, BoolArray, FloatArray, IntArray

RANGE_TOLERANCE = 1e-4  # of the price: float32 and vendors' rounding of adjusted prices stay below it
ZERO_VOLUME_RUN = 5

Mend = Callable[[Rows, BoolArray], Rows] | None


def clean(table: Table, settings: DataSettings) -> tuple[Bars, QualityReport]:
    """Turn the rows of a source into `Bars` and report every kind of damage found on the way.

    Args:
        table: rows as delivered, in any order.
        settings: calendar, interval, span, policies and `min_history_bars`.

    Returns:
        Bars with one column per symbol of `table`, NaN where a symbol has no bar; and the report.

    Raises:
        DataError: damage of the file itself under policy `refuse`, nothing left in the span, or every
            symbol is refused.
    """
    settings = settings_for(table, settings)
    calendars = calendars_of(table, settings)
    rows = place(table, settings)
    rows = _single_bar_rules(rows, settings.cleaning)
    rows = _level_rules(rows, calendars, settings)
    refused = _too_short(rows, settings.min_history_bars)
    if len(refused) == len(rows.symbols):
        found = ", ".join(sorted({f"{f.kind} {f.action}" for f in rows.findings if f.action != "noted"}))
        reasons = "; ".join(list(refused.values())[:6])
        raise DataError(f"no symbol can be used: {reasons}" + (f"; cleaning found {found}" if found else ""))
    bars = to_bars(rows, settings, calendars)
    _refuse_pairs_of_shares(bars, calendars)
    bars = with_currencies(bars, settings.currency, settings.market, settings.currencies, settings.pips)
    more: tuple[Finding, ...] = ()
    if table.universe is not None:
        bars, more = with_universe(bars, table.universe, settings.delisting_return)
    if table.columns is not None:
        bars, found_there = with_columns(bars, table.columns, settings)
        more = (*more, *found_there)
    if table.texts is not None:
        bars = with_texts(bars, table.texts)
        more = (*more, *unasked(bars, table.texts))
    counts = np.bincount(rows.code, minlength=len(rows.symbols)).tolist()
    report = QualityReport(
        source=table.origins[0] if len(set(table.origins)) == 1 else f"{len(table.origins)} files",
        rows_read=len(table),
        bars_kept=len(rows),
        findings=tuple(
            sorted(
                (*rows.findings, *more), key=lambda finding: (finding.symbol, finding.kind, finding.action)
            )
        ),
        refused={**table.turned_away, **refused},
        bars=dict(zip(rows.symbols, counts, strict=True)),
        adjusted=tuple(sorted({finding.symbol for finding in rows.findings if finding.kind == "adjusted"})),
        understood=table.understood,
    )
    return bars, report


def _single_bar_rules(rows: Rows, policy: CleaningSettings) -> Rows:
    """Rules that look at one bar at a time."""
    damaged: BoolArray = np.asarray(~np.isfinite(rows.prices).all(axis=1))
    message = "prices that are not numbers"
    rows = apply_policy(rows, damaged, "non_finite", policy.non_finite, message, mend_prices)
    damaged = np.asarray((rows.prices <= 0).any(axis=1))
    message = "prices at or below zero"
    rows = apply_policy(rows, damaged, "non_positive_price", policy.non_positive_price, message, mend_prices)
    damaged = _outside_range(rows)
    message = "high below low, or open or close outside them"
    rows = apply_policy(rows, damaged, "impossible_range", policy.impossible_range, message, widen_range)
    damaged = np.asarray(~(np.isfinite(rows.volume) & (rows.volume >= 0)))
    message = "volume below zero or not a number"
    return apply_policy(rows, damaged, "negative_volume", policy.negative_volume, message, zero_volume)


def _level_rules(rows: Rows, calendars: tuple[str, ...], settings: DataSettings) -> Rows:
    """Rules that compare a bar with earlier ones."""
    policy = settings.cleaning
    factor, switch = levels.find_outliers(rows)
    damaged = factor != 1.0
    message = "closes off by a factor of 10 or 100 against the trailing median"
    kept = ~damaged if policy.outliers == "drop" else np.ones(len(rows), bool)
    kept = ~since_first(damaged, rows.code) if policy.outliers == "refuse" else kept
    rows = apply_policy(
        rows, damaged, "outliers", policy.outliers, message, lambda r, d: levels.divide_outliers(r, d, factor)
    )
    suspect = damaged & (policy.outliers == "flag")
    rows, suspect = _unit_rule(rows, switch[kept], suspect[kept], policy.unit_switches)
    jumps = levels.find_jumps(rows, suspect)
    message = "moves over 40 % at no split ratio"
    rows = rows.note(findings_by_symbol(rows.symbols, rows.code, rows.time, jumps.other, "jump", "", message))
    message = "jumps close to the ratio of a split that nothing explains"
    rows = apply_policy(
        rows, jumps.split, "split_like_jumps", policy.split_like_jumps, message,
        lambda r, d: levels.continue_across_splits(r, d, jumps.ratio),
    )  # fmt: skip
    damaged = levels.zero_volume_runs(rows, ZERO_VOLUME_RUN)
    message = f"bars from the {ZERO_VOLUME_RUN}th in a row without volume"
    rows = apply_policy(rows, damaged, "zero_volume_runs", policy.zero_volume_runs, message, mend=None)
    return missing_sessions(rows, calendars, settings)


def _unit_rule(rows: Rows, switch: FloatArray, suspect: BoolArray, policy: Policy) -> tuple[Rows, BoolArray]:
    """Prices that go on 10 or 100 times as high or low; `drop` drops what is not in the first unit.

    Returns the rows, and which of them are suspect [N]: flagged outliers, and flagged changes themselves.
    """
    damaged = switch != 1.0
    message = "the level has changed by a factor of 10 or 100 and stayed: another unit (a split: data.events)"
    if policy == "drop" and damaged.any():
        rows = rows.note(
            findings_by_symbol(rows.symbols, rows.code, rows.time, damaged, "unit_switches", policy, message)
        )
        kept = levels.level_scale(rows, switch) == 1.0
        return rows.keep(kept), suspect[kept]
    kept = ~since_first(damaged, rows.code) if policy == "refuse" else np.ones(len(rows), bool)
    mended = apply_policy(
        rows, damaged, "unit_switches", policy, message, lambda r, d: levels.continue_across_units(r, switch)
    )
    return mended, suspect[kept]


def apply_policy(rows: Rows, damaged: BoolArray, kind: str, policy: Policy, message: str, mend: Mend) -> Rows:
    """Refuse, drop, repair or keep the damaged rows, and report them; without `mend` a repair keeps them."""
    if not damaged.any():
        return rows
    action = "kept" if policy == "repair" and mend is None else None
    names, code, time = rows.symbols, rows.code, rows.time
    rows = rows.note(findings_by_symbol(names, code, time, damaged, kind, policy, message, action))
    if policy == "refuse":
        return rows.keep(~since_first(damaged, rows.code))
    if policy == "drop":
        return rows.keep(~damaged)
    return mend(rows, damaged) if policy == "repair" and mend else rows


def _outside_range(rows: Rows) -> BoolArray:
    opened, high, low, close = rows.prices[:, [OPEN, HIGH, LOW, CLOSE]].T
    upper, lower = np.maximum(opened, close), np.minimum(opened, close)
    with np.errstate(invalid="ignore"):
        too_low = high < upper - RANGE_TOLERANCE * np.abs(upper)
        too_high = low > lower + RANGE_TOLERANCE * np.abs(lower)
    return np.asarray(too_low | too_high)


def mend_prices(rows: Rows, damaged: BoolArray) -> Rows:
    """Rebuild unusable prices from the bar's own close, else carry the last close with zero volume.

    A bar without a usable close and without an earlier one is dropped.
    """
    prices, volume = rows.prices.copy(), rows.volume.copy()
    usable = np.isfinite(prices) & (prices > 0)
    carried = damaged & ~usable[:, CLOSE]
    last = levels.previous_true(usable[:, CLOSE], rows.first_of_symbol)
    known = carried & (last >= 0)
    prices[known] = prices[last[known], CLOSE][:, None]
    volume[known] = 0.0
    own = damaged & usable[:, CLOSE]
    prices[own, OPEN] = np.where(usable[own, OPEN], prices[own, OPEN], prices[own, CLOSE])
    upper = np.maximum(prices[own, OPEN], prices[own, CLOSE])
    lower = np.minimum(prices[own, OPEN], prices[own, CLOSE])
    prices[own, HIGH] = np.where(usable[own, HIGH], prices[own, HIGH], upper)
    prices[own, LOW] = np.where(usable[own, LOW], prices[own, LOW], lower)
    return replace(rows, prices=prices, volume=volume).keep(~(carried & (last < 0)))


def widen_range(rows: Rows, damaged: BoolArray) -> Rows:
    """Make high the largest and low the smallest of the bar's four prices."""
    prices = rows.prices.copy()
    prices[damaged, HIGH] = rows.prices[damaged].max(axis=1)
    prices[damaged, LOW] = rows.prices[damaged].min(axis=1)
    return replace(rows, prices=prices)


def zero_volume(rows: Rows, damaged: BoolArray) -> Rows:
    """Set the volume of the damaged rows to zero."""
    return replace(rows, volume=np.where(damaged, 0.0, rows.volume))


def _too_short(rows: Rows, least: int) -> dict[str, str]:
    counts = np.bincount(rows.code, minlength=len(rows.symbols))
    return {
        symbol: f"{symbol}: {count} bars, at least {least} are needed (data.min_history_bars)"
        for symbol, count in zip(rows.symbols, counts, strict=True)
        if count < least
    }


def _refuse_pairs_of_shares(bars: Bars, calendars: tuple[str, ...]) -> None:
    """Raise DataError for a currency pair on a stock exchange's calendar: its Sunday evenings would be lost."""
    pairs = [
        symbol
        for symbol, calendar in zip(bars.symbols, calendars, strict=True)
        if pair_of(symbol) is not None and not is_forex(calendar) and calendar not in ("24/5", "24/7")
    ]
    if pairs:
        raise DataError(
            f"{', '.join(pairs[:5])}: a currency pair, and data.calendar = {bars.calendar!r} is a stock exchange's; "
            f"set data.market = 'forex', or data.calendar = 'FX'"
        )


def to_bars(rows: Rows, settings: DataSettings, calendars: tuple[str, ...] = ()) -> Bars:
    """Spread sorted rows over a [time x symbol] grid, NaN where there is no row; symbols may have own calendars."""
    times, position = np.unique(rows.time, return_inverse=True)
    columns = np.vstack([rows.prices.T, rows.volume])
    grid = np.full((len(columns), len(times), len(rows.symbols)), np.nan)
    grid[:, position, rows.code] = columns
    return Bars(
        timestamps=pd.DatetimeIndex(times.astype("datetime64[us]"), tz="UTC"),
        symbols=rows.symbols,
        open=grid[OPEN],
        high=grid[HIGH],
        low=grid[LOW],
        close=grid[CLOSE],
        volume=grid[-1],
        calendar=settings.exchange,
        interval=settings.bar_length,
        calendars=calendars if len(set(calendars)) > 1 else (),
        extras=_grids(rows, position, grid[OPEN]),
    )


def _grids(rows: Rows, position: IntArray, opens: FloatArray) -> dict[str, FloatArray]:
    """Spread the extras over the grid, in units of the price again."""
    found = {}
    for name, values in rows.extras.items():
        cells = np.full(opens.shape, np.nan)
        cells[position, rows.code] = values
        if np.nan_to_num(cells).any() or name == "spread":
            found[name] = cells * opens
    return found
