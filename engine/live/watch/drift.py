"""Drift of a book: what its forecasts and features do now, against the walk-forward of the run they come from.

Reads the journal and the bars and writes nothing. Every watch is calibrated on the run's own out-of-sample rows to
`live.drift_alarms_per_year`; see `engine.evaluation.metrics.drift` for the charts and `benchmarks/drift.py` for
what they do on quiet and on broken series.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from broker.journal.journal import Journal
from engine.evaluation.metrics.drift import COVERAGE, LOSS, QLIKE, WIDTH
from engine.evaluation.metrics.drift.cusum import Chart, by_mean, by_share, calibrated
from engine.evaluation.metrics.drift.shift import WINDOW, binned, calibrated_shift, highest, windows
from engine.evaluation.metrics.drift.streams import (
    BLOCK_SESSIONS,
    by_session,
    forecast_values,
    naive_variance,
)
from engine.live.watch.readings import DATA, FEATURES, FILLS, OF_MODELS, Reading
from forewalk.errors import DataError
from forewalk.sessions import bars_per_year, exchange_zone
from forewalk.settings.sections import Settings
from forewalk.types import Bars, FloatArray

if TYPE_CHECKING:
    from forewalk.features.panel import FeaturePanel

MOST_SYMBOLS = 100  # whose features are looked at, evenly spread over the panel
REFERENCE_YEARS = 5.0
FEWEST_FILLS, FILLS_T = 30, 3.0
HEALTH_SESSIONS, MOST_UNUSABLE = 20, 0.05


def readings(journal: Journal, settings: Settings, bars: Bars | None) -> list[Reading]:
    """Return every watch's reading.

    Args:
        bars: of the book's symbols, up to the last session, one scale throughout; None for a strategy that
            forecasts nothing, or before the first decision of this process.
    """
    if bars is not None:
        found = [*forecast_readings(journal, settings, bars), feature_reading(journal, settings, bars)]
    elif journal.models.all():
        why = "nothing was decided since the daemon began; read after its next decision"
        found = [_unread(name, why) for name in OF_MODELS]
    else:  # a strategy that asks no model
        found = []
    return [*found, fill_reading(journal, settings), data_reading(journal)]


# forecasts


def forecast_readings(journal: Journal, settings: Settings, bars: Bars) -> list[Reading]:
    """Return the readings of loss, coverage, width and QLIKE: sessions of the book after the run's own rows."""
    names = (LOSS, COVERAGE, WIDTH, QLIKE)
    if settings.live.run is None:
        why = "there is no walk-forward to compare with: name a finished run in live.run"
        return [_unread(name, why) for name in names]
    try:
        known = run_rows(settings.live.run, bars.symbols)
    except DataError as problem:
        return [_unread(name, str(problem)) for name in names]
    own = book_rows(journal, settings, bars)
    first = own["mean"].index[:1]
    known = {name: rows if first.empty else rows[rows.index < first[0]] for name, rows in known.items()}
    rows = {name: pd.concat([known[name], own[name]]).to_numpy(dtype=np.float64) for name in own}
    naive = naive_variance(rows["actual"], settings.label.horizon_bars)
    values = forecast_values(rows["mean"], rows["std"], rows["actual"], naive)
    days = session_days(pd.DatetimeIndex(known["mean"].index.append(own["mean"].index)), settings)
    return [
        _course(name, by_session(values[name], days), len(known["mean"]), days, settings) for name in names
    ]


def run_rows(run: Path, symbols: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Return mean, std and actual of a run's forecasts by close and symbol, [T, S]; DataError where it has none."""
    from engine.runs.folder import read_run

    table = read_run(run).forecasts
    table = table[table["symbol"].isin(symbols)]
    if not len(table):
        raise DataError(f"{run} forecasts none of the book's symbols")
    wide = {
        name: table.pivot(index="asof", columns="symbol", values=name) for name in ("mean", "std", "actual")
    }
    return {name: rows.reindex(columns=list(symbols)).sort_index() for name, rows in wide.items()}


def book_rows(journal: Journal, settings: Settings, bars: Bars) -> dict[str, pd.DataFrame]:
    """Return mean and std as they were decided on, and what came, by close and symbol, [T, S].

    Bars between the first decision and the last that nothing was decided on are rows of NaN. What came is told by
    the bars as they are now, so a split in between is no loss.
    """
    from forewalk.features.own import panel_of
    from forewalk.features.panel import build_labels

    decisions = {pd.Timestamp(each.asof): each.decision_id for each in journal.decisions.all()}
    first = bars.timestamps.searchsorted(min(decisions)) if decisions else len(bars)
    times = bars.timestamps[first:]
    mean, std = (np.full((len(times), len(bars.symbols)), np.nan) for _ in range(2))
    column = {symbol: number for number, symbol in enumerate(bars.symbols)}
    for row, time in enumerate(times):
        for target in journal.decisions.targets(decisions[time]) if time in decisions else ():
            usable = target.bar_problem is None and target.mean is not None and target.std is not None
            if usable and target.symbol in column:
                mean[row, column[target.symbol]], std[row, column[target.symbol]] = target.mean, target.std
    actual = build_labels(bars, panel_of(bars, settings), settings.label).returns[first:]
    return {
        name: pd.DataFrame(rows, index=times, columns=list(bars.symbols))
        for name, rows in (("mean", mean), ("std", std), ("actual", actual))
    }


def session_days(times: pd.DatetimeIndex, settings: Settings) -> pd.DatetimeIndex:
    """Return the exchange's date of each close, zone-less."""
    return times.tz_convert(exchange_zone(settings.data.exchange)).normalize().tz_localize(None)


def _course(
    name: str, series: pd.Series, known_rows: int, days: pd.DatetimeIndex, settings: Settings
) -> Reading:
    began = days[known_rows] if known_rows < len(days) else None
    before = series[series.index < began] if began is not None else series
    after = series[series.index >= began] if began is not None else series.iloc[:0]
    chart = calibrated(
        before.to_numpy(dtype=np.float64),
        settings.live.drift_alarms_per_year,
        bars_per_year(settings.data.exchange, "1d"),
        BLOCK_SESSIONS,
        settings.seed,
        by_share if name in (COVERAGE, WIDTH) else by_mean,
    )
    if chart is None:
        return _unread(name, f"only {len(before)} sessions of the run to compare with")
    detail = (
        f"{after.mean():.3g} a session, {before.mean():.3g} in the walk-forward"
        if len(after)
        else "no outcome yet"
    )
    return _read(name, chart, after, detail)


def _read(name: str, chart: Chart, series: pd.Series, detail: str) -> Reading:
    course = chart.course(series.to_numpy(dtype=np.float64))
    level = float(course.sums[-1] / chart.limit) if len(series) else 0.0
    since = None if course.since is None else series.index[course.since].date()
    return Reading(name, len(series), level, since, detail)


def _unread(name: str, why: str) -> Reading:
    return Reading(name, 0, None, None, why)


# features


def feature_reading(journal: Journal, settings: Settings, bars: Bars) -> Reading:
    """Return the reading of the features over the last quarter, against the years before the newest model."""
    from forewalk.features.own import panel_of

    starts = [row["valid_from"] for row in journal.models.all() if row["role"] == "champion"]
    if not starts:
        return _unread(FEATURES, "no model yet")
    panel = panel_of(bars, settings)
    values, days = by_day(panel, session_days(panel.timestamps, settings))
    known = int(
        days.searchsorted(session_days(pd.DatetimeIndex([max(starts)]).tz_convert("UTC"), settings)[0])
    )
    per_year = bars_per_year(settings.data.exchange, "1d")
    reference = values[max(0, known - int(REFERENCE_YEARS * per_year)) : known]
    shift = calibrated_shift(
        panel.names, reference, settings.live.drift_alarms_per_year, per_year, settings.seed
    )
    if shift is None:
        return _unread(FEATURES, f"only {len(reference)} sessions before the newest model")
    lived = len(values) - known
    if not lived:
        return Reading(FEATURES, 0, 0.0, None, "no session since the newest model")
    counts = windows(binned(values[max(0, known - WINDOW + 1) :], shift.edges))
    scores, whose = highest(shift.scores(counts))
    series = pd.Series(scores[-lived:], index=days[-lived:])
    detail = f"farthest from its past: {panel.names[whose[-1]]}"
    return _read(FEATURES, shift.chart(), series, detail)


def by_day(panel: FeaturePanel, days: pd.DatetimeIndex) -> tuple[FloatArray, pd.DatetimeIndex]:
    """Return the features of each session, [D, bars x symbols, F], NaN where it had fewer bars, and the sessions."""
    step = -(-len(panel.symbols) // MOST_SYMBOLS)
    values = panel.values[:, ::step]
    sessions, row = np.unique(days, return_inverse=True)
    place = np.arange(len(days)) - np.searchsorted(row, row)
    spread = np.full((len(sessions), int(place.max(initial=0)) + 1, *values.shape[1:]), np.nan, np.float32)
    spread[row, place] = values
    return spread.reshape(len(sessions), -1, values.shape[2]), pd.DatetimeIndex(sessions)


# fills and data


def fill_reading(journal: Journal, settings: Settings) -> Reading:
    """Return what fills cost beyond the close that was decided on, against the slippage that the backtest assumes.

    The overnight move is in it with either sign, so it is read by its t statistic over the sessions of the last
    quarter that had fills.
    """
    paid: dict[date, list[float]] = {}
    orders = {order.broker_id: order for order in journal.orders.all() if order.broker_id}
    zone = exchange_zone(settings.data.exchange)
    for fill, _ in journal.ledger.fills():
        order = orders.get(fill.order_id)
        if order is not None and order.decided_price > 0:
            sign = 1.0 if fill.side == "buy" else -1.0
            cost = 1e4 * sign * (float(fill.price / order.decided_price) - 1.0)
            paid.setdefault(fill.at.astimezone(zone).date(), []).append(cost)
    assumed = settings.execution.slippage_bps
    costs = pd.Series(
        {pd.Timestamp(day): float(np.mean(paid[day])) for day in sorted(paid)}, dtype=np.float64
    )
    recent = costs.rolling(WINDOW, min_periods=FEWEST_FILLS)
    t = (recent.mean() - assumed) / (recent.std() / np.sqrt(recent.count()) + 1e-12)
    if not len(t) or np.isnan(t.iloc[-1]):
        return _unread(FILLS, f"{len(costs)} sessions with fills; {FEWEST_FILLS} are needed")
    mean, count, last = recent.mean().iloc[-1], int(recent.count().iloc[-1]), float(t.iloc[-1])
    detail = f"{mean:+.1f} bp a session over {count} sessions, {assumed:g} assumed (t = {last:.1f})"
    return Reading(FILLS, count, max(0.0, last / FILLS_T), _since(t > FILLS_T), detail)


def data_reading(journal: Journal) -> Reading:
    """Return how many bars and forecasts of the last sessions could not be used."""
    counts: dict[pd.Timestamp, list[int]] = {}
    for decision in journal.decisions.all():
        targets = journal.decisions.targets(decision.decision_id)
        bad = sum(each.bar_problem is not None or each.model_problem is not None for each in targets)
        day = pd.Timestamp(decision.session)
        before = counts.get(day, [0, 0])
        counts[day] = [before[0] + bad, before[1] + len(targets)]
    if not counts:
        return _unread(DATA, "nothing decided yet")
    table = pd.DataFrame(counts, index=["bad", "all"]).T
    sums = table.rolling(HEALTH_SESSIONS).sum()
    if np.isnan(sums["all"].iloc[-1]):
        return _unread(DATA, f"{len(table)} sessions; {HEALTH_SESSIONS} are needed")
    share = sums["bad"] / sums["all"].clip(lower=1.0)
    detail = (
        f"{sums['bad'].iloc[-1]:.0f} of {sums['all'].iloc[-1]:.0f} in the last {HEALTH_SESSIONS} sessions"
    )
    return Reading(
        DATA, len(table), float(share.iloc[-1] / MOST_UNUSABLE), _since(share > MOST_UNUSABLE), detail
    )


def _since(over: pd.Series) -> date | None:
    """Return the first day of the run of True that lasts to the end; None where the last one is False."""
    if not over.iloc[-1]:
        return None
    quiet = np.flatnonzero(~over.to_numpy(dtype=bool))
    return pd.Timestamp(over.index[quiet[-1] + 1 if len(quiet) else 0]).date()
