"""Does the drift watch keep its word? False alarms a year on quiet series, and how soon a break is found.

`python -m benchmarks.drift` draws markets with clustered volatility and fat tails, and a model that knows their true
volatility. The first 1,000 sessions are the walk-forward on which everything is calibrated; the next 1,000 are
watched: as they are, and once with every return 1.5 times as large as the model expects. Features are slow (a
correlation of up to 0.97 from session to session, as of volatility or an RSI); one of them moves by a
standard deviation. The line "squared errors" is one chart alone on standardised errors, as general drift
detectors are given them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from engine.evaluation.metrics.drift import COVERAGE, WIDTH
from engine.evaluation.metrics.drift.cusum import by_mean, by_share, calibrated
from engine.evaluation.metrics.drift.shift import WINDOW, binned, calibrated_shift, highest, windows
from engine.evaluation.metrics.drift.streams import (
    BLOCK_SESSIONS,
    forecast_values,
    naive_variance,
)
from forewalk.types import FloatArray

KNOWN = WATCHED = 1000
YEAR = 252.0
RATE = 0.05  # false alarms a year that each watch is calibrated to
BREAK = 1.5
WARM = 300
MEMORY = (0.0, 0.5, 0.9, 0.97, 0.97)  # of the features, twice

Alarms = dict[str, tuple[Sequence[int], Sequence[int]]]  # by watch: sessions of alarms, quiet and broken


@dataclass(frozen=True)
class Found:
    """What one watch did over all series.

    Attributes:
        per_year: alarms a year on the quiet ones. quiet_with_alarm: share of those with at least one.
        found: share of the broken series with an alarm. delay: sessions until it: median, 10th, 90th percentile.
    """

    watch: str
    symbols: int
    per_year: float
    quiet_with_alarm: float
    found: float
    delay: tuple[float, float, float] | None


def market(generator: np.random.Generator, symbols: int, sessions: int) -> tuple[FloatArray, FloatArray]:
    """Return returns and their true spread, [T, S]: GARCH(1,1), t with 6 degrees of freedom, one factor."""
    variance = np.ones(symbols)
    returns, spread = np.empty((2, sessions + WARM, symbols))
    for row in range(sessions + WARM):
        common = generator.standard_t(6, 1)
        shock = (0.6 * common + 0.8 * generator.standard_t(6, symbols)) / np.sqrt(1.5)
        spread[row] = np.sqrt(variance)
        returns[row] = spread[row] * shock
        variance = 0.05 + 0.05 * returns[row] ** 2 + 0.90 * variance
    return returns[WARM:], spread[WARM:]


def slow_features(generator: np.random.Generator, symbols: int, sessions: int) -> FloatArray:
    """Return features [T, S, F] that remember, with a part that all symbols share."""
    memory = np.array(MEMORY * 2)
    kept, fresh = memory, np.sqrt(1 - memory**2)
    values = np.zeros((sessions + WARM, symbols, len(memory)))
    for row in range(1, sessions + WARM):
        shared = 0.6 * generator.standard_normal(len(memory))
        own = 0.8 * generator.standard_normal((symbols, len(memory)))
        values[row] = kept * values[row - 1] + fresh * (shared + own)
    return values[WARM:]


def chart_series(number: int, symbols: int) -> Alarms:
    """Return by watch the sessions of its alarms, in the quiet and in the broken part of one market."""
    generator = np.random.default_rng([number, symbols])
    returns, spread = market(generator, symbols, KNOWN + WATCHED)
    broken = returns.copy()
    broken[KNOWN:] *= BREAK
    quiet, changed = (watched(values, spread) for values in (returns, broken))
    alarms: Alarms = {}
    for name in quiet:
        fit = by_share if name in (COVERAGE, WIDTH) else by_mean
        chart = calibrated(quiet[name][:KNOWN], RATE, YEAR, BLOCK_SESSIONS, number, fit)
        assert chart is not None
        first, second = (chart.course(series[name][KNOWN:]).alarms for series in (quiet, changed))
        alarms[name] = (first, second)
    return alarms


def watched(returns: FloatArray, spread: FloatArray) -> dict[str, FloatArray]:
    """Return the value of each session by watch."""
    naive = naive_variance(returns, 1)
    values = forecast_values(np.zeros_like(returns), spread, returns, naive)
    with np.errstate(invalid="ignore"):
        found = {name: np.nanmean(value[30:], axis=1) for name, value in values.items()}
        found = {name: np.concatenate([np.full(30, np.nan), value]) for name, value in found.items()}
    if returns.shape[1] == 1:
        found["squared errors"] = returns[:, 0] ** 2  # in a market of variance 1, standardised
    return found


def feature_series(number: int, symbols: int) -> Alarms:
    """Return the sessions of alarms of the feature watch: quiet, and after one feature has moved."""
    generator = np.random.default_rng([number, symbols, 1])
    values = slow_features(generator, symbols, KNOWN + WATCHED)
    names = tuple(f"f{column}" for column in range(values.shape[2]))
    shift = calibrated_shift(names, values[:KNOWN], RATE, YEAR, number)
    assert shift is not None
    moved = values.copy()
    moved[KNOWN:, :, 1] += 1.0
    courses = []
    for series in (values, moved):
        counts = windows(binned(series[KNOWN - WINDOW + 1 :], shift.edges))
        courses.append(shift.chart().course(highest(shift.scores(counts))[0]).alarms)
    return {"features": (courses[0], courses[1])}


def measured(series: Callable[[int, int], Alarms], symbols: int, count: int) -> list[Found]:
    """Return what each watch did on `count` markets."""
    rows = [series(number, symbols) for number in range(count)]
    found = []
    for name in rows[0]:
        quiet, broken = ([row[name][part] for row in rows] for part in (0, 1))
        delays = [alarms[0] + 1 for alarms in broken if alarms]
        found.append(
            Found(
                name,
                symbols,
                per_year=sum(map(len, quiet)) / (count * WATCHED / YEAR),
                quiet_with_alarm=float(np.mean([bool(alarms) for alarms in quiet])),
                found=len(delays) / count,
                delay=tuple(np.quantile(delays, (0.5, 0.1, 0.9)).tolist()) if delays else None,
            )
        )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what is found, as a table and as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--series", type=int, default=100, help="markets of each kind")
    count = parser.parse_args(arguments).series
    found = [line for symbols in (1, 20) for line in measured(chart_series, symbols, count)]
    found += [line for symbols in (1, 10) for line in measured(feature_series, symbols, max(1, count // 2))]
    print(
        f"{'watch':<16}{'symbols':>8}{'alarms a year':>15}{'quiet with one':>16}{'found':>8}  delay (10-90 %)"
    )
    for line in found:
        delay = "-" if line.delay is None else "{:.0f} ({:.0f}-{:.0f})".format(*line.delay)
        print(
            f"{line.watch:<16}{line.symbols:>8}{line.per_year:>15.3f}{line.quiet_with_alarm:>16.0%}"
            f"{line.found:>8.0%}  {delay}"
        )
    print(json.dumps([asdict(line) for line in found]))


if __name__ == "__main__":
    main()
